//! Access to the store for commands.

use std::sync::Arc;

use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::config::Vars;
use atlassian_connect_actix::store::StoreConfig;
use atlassian_connect_actix::store::internal::SealedStore;
use atlassian_connect_actix::store::{self, StoreError};

/// `vars` for a command that only needs the store. Other variables may be missing there: Heroku sets PORT only for web
/// processes, and a release phase may run before the base URL is known.
pub(super) fn for_the_store(vars: Vars) -> Vars {
    vars.with_default("PORT", "0").with_default("AC_LOCAL_BASE_URL", "https://no-base-url.invalid")
}

/// The add-on's store, and its name for messages. Nothing is created or migrated.
pub(super) async fn existing_store(
    builder: &AddonBuilder,
    config: &StoreConfig,
) -> Result<(Arc<SealedStore>, String), StoreError> {
    match builder.own_store() {
        Some(store) => {
            Ok((Arc::new(SealedStore::new(store, &config.encryption_keys)), "the add-on's own store".to_owned()))
        }
        None => Ok((store::internal::admin::open_existing(config).await?, config.redacted_url())),
    }
}
