//! When a tenant last called through Connect: known to the day, for the report on the end of Connect.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Tenant, Tenants};
use crate::store::internal::now;
use crate::store::{Place, StoreError};

/// The key of [`Seen`], below a clientKey.
pub const SEEN: &str = "atlassian-connect:seen";
/// The key of the last call through Forge of a tenant that has uninstalled the Connect app, a [`Seen`].
pub const SEEN_ON_FORGE: &str = "atlassian-connect:seen-on-forge";
/// The most tenants that are remembered. One that is forgotten is looked up in the store again.
const CAPACITY: u64 = 100_000;
/// The time between two records of a tenant, in seconds.
const DAY: u64 = 24 * 60 * 60;

/// When a tenant last called through Connect, to the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Seconds since 1970.
    pub at: u64,
}

/// The tenants whose call of the day is recorded.
pub(super) fn cache() -> Cache<String, ()> {
    Cache::builder().max_capacity(CAPACITY).time_to_live(Duration::from_secs(DAY)).build()
}

impl Tenants {
    /// Whether the call of a tenant is to be recorded: `true` once a day, then [`Tenants::record_call`].
    pub(crate) fn is_first_call_of_the_day(&self, tenant: &Tenant) -> bool {
        // one look at the tenant itself, which is at hand, for nearly all calls
        if tenant.is_seen_now() || self.seen.contains_key(tenant.client_key()) {
            return false;
        }
        self.seen.insert(tenant.client_key().to_owned(), ());
        true
    }

    /// Records that a tenant has called, unless it is recorded for this day or the tenant is gone.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn record_call(&self, client_key: &str) -> Result<(), StoreError> {
        // one that has just been removed leaves nothing behind
        if self.current(client_key).await?.is_none() {
            return Ok(());
        }
        let (store, key) = (Arc::clone(&self.store), client_key.to_owned());
        let write = || async move {
            let now = now();
            let seen = store.get(Place::of_tenant(&key, SEEN)).await?.and_then(|value| Seen::deserialize(value).ok());
            let is_known = seen.is_some_and(|seen| now.abs_diff(seen.at) < DAY);
            if !is_known {
                let value: Value = json!({ "at": now });
                store.set(Place::of_tenant(&key, SEEN), &value).await?;
            }
            Ok(())
        };
        let written = self.queue.run(client_key, None, write).await;
        if written.is_err() {
            // a later call tries again
            self.seen.invalidate(client_key);
        }
        written.map(drop)
    }
}
