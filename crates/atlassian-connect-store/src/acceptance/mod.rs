//! The acceptance suite: the cases that every store must pass, on this crate's backends and on one of your own.
//!
//! ```toml
//! [dev-dependencies]
//! atlassian-connect-store = { version = "0.1", features = ["acceptance"] }
//! ```
//!
//! ```
//! use std::sync::Arc;
//!
//! use atlassian_connect_store::{MemoryStore, Store, acceptance_suite};
//!
//! /// A new, empty store. Put your own here.
//! async fn store() -> Arc<dyn Store> {
//!     Arc::new(MemoryStore::new())
//! }
//!
//! // one `#[test]` for each case
//! acceptance_suite!(store);
//! ```

#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a case that fails panics")]
#![allow(missing_docs, reason = "the name of a case says what it checks")]

#[cfg(test)]
pub(crate) mod backends;
mod events;
mod installations;
mod lists;
mod names;
mod values;

use serde_json::{Value, json};

use crate::Store;

/// The cases, for [`acceptance_suite`](crate::acceptance_suite).
#[doc(hidden)]
pub mod cases {
    pub use super::events::*;
    pub use super::installations::*;
    pub use super::lists::*;
    pub use super::names::*;
    pub use super::values::*;
}

/// Tests a store: one `#[test]` for each case, each with a new store. Call it once in a module.
///
/// `$open` is an `async fn` without arguments, or an async closure. It returns an empty store as `Arc<dyn Store>`, or
/// anything else with `AsRef<dyn Store>`, such as a store together with its temporary folder. Attributes after it go to
/// each test: `acceptance_suite!(store, #[ignore = "needs a server"])`.
#[macro_export]
macro_rules! acceptance_suite {
    ($open:expr $(, #[$attribute:meta])* $(,)?) => {
        $crate::acceptance_suite!(@each ($(#[$attribute])*) ($open) [
            values_are_written_replaced_and_deleted,
            every_json_value_comes_back,
            unicode_and_a_megabyte,
            missing_is_no_null,
            forge_values_are_their_own,
            values_are_exchanged_for_what_they_were,
            of_many_exchanges_at_once_one_is_done,
            values_are_added_and_removed_only_if_nothing_has_changed,
            of_many_additions_at_once_one_is_done,
            concurrent_writes_of_many_tenants,
            it_answers_a_ping,
            one_installation_per_tenant,
            concurrent_installs_of_one_tenant_end_in_one_row,
            uninstalled_tenants_are_kept_and_revived,
            associations_follow_the_last_install,
            a_removed_tenant_leaves_nothing,
            an_uninstall_is_timed_until_the_next_install,
            what_was_uninstalled_long_ago_is_purged,
            text_that_holds_an_installation,
            tenants_come_in_pages,
            keys_are_listed_installed_or_not,
            forge_keys_are_listed,
            the_keys_of_one_owner,
            hostile_names_are_names,
            names_differ_by_every_byte,
            an_event_waits_until_it_is_done,
            of_many_additions_of_one_event_one_is_done,
            of_many_take_overs_at_once_one_gets_an_event,
            an_event_whose_lease_was_renewed_is_not_taken_over,
            events_are_found_by_the_beginning_of_their_ids,
            done_events_are_forgotten,
            hostile_bodies_come_back_or_fail_alone,
            hostile_ids_of_events_are_refused,
        ]);
    };
    (@each $attributes:tt $open:tt [$($case:ident,)*]) => {
        $($crate::acceptance_suite!(@one $attributes $open $case);)*
    };
    (@one ($(#[$attribute:meta])*) ($open:expr) $case:ident) => {
        #[test]
        $(#[$attribute])*
        fn $case() {
            $crate::acceptance::run($open, $crate::acceptance::cases::$case);
        }
    };
}

/// Runs one case in a runtime of its own.
#[doc(hidden)]
pub fn run<S: AsRef<dyn Store>>(open: impl AsyncFnOnce() -> S, case: impl AsyncFnOnce(&dyn Store)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open().await;
        case(store.as_ref()).await;
    });
}

fn installation(client_key: &str, secret: &str) -> Value {
    json!({ "key": "com.example", "clientKey": client_key, "sharedSecret": secret, "baseUrl": "https://a.example.com" })
}
