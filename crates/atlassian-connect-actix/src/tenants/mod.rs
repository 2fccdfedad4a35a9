//! The tenants as requests see them: a bounded cache over the store that several nodes keep honest, whether they talk or not.

mod entries;
mod tenant;
mod writes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;
use serde_json::Value;

use self::entries::{Entries, Owner};
pub use self::tenant::{Installation, Tenant, is_key, origin_of};
pub use self::writes::Uninstalled;
use crate::config::CacheConfig;
use crate::flight::Flights;
use crate::store::internal::WriteQueue;
use crate::store::{Change, Store, StoreError};

/// Tenants that are read in one go.
const PAGE: usize = 100;

/// How often the store is read at most for one tenant whose tokens do not verify.
const READ_INTERVAL: Duration = Duration::from_millis(200);

/// Tenants whose reads are counted at most; an entry lives for the interval only.
const READS: u64 = 100_000;

/// The installations of one clientKey, newest first: more than one only where ACE left duplicate rows.
pub type Candidates = Arc<[Arc<Tenant>]>;

type Read = Result<Candidates, StoreError>;

/// The tenants of a [`Store`], cached.
///
/// A hit costs a look-up. What the cache says is not believed when it *refuses*: a token that does not verify waits for
/// a read of the store that began after the token arrived ([`Tenants::refreshed`]), so that a secret which another node
/// rotated counts at once; these reads are shared and at least 200 ms apart for one tenant.
pub struct Tenants {
    store: Arc<dyn Store>,
    entries: Arc<Entries>,
    /// When the last read of a tenant began; entries live for the interval only.
    begun: Cache<String, Instant>,
    flights: Flights<String, Read>,
    queue: WriteQueue,
    further_ancestors: Arc<[String]>,
}

impl std::fmt::Debug for Tenants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenants").field("cached", &self.entries.count()).finish_non_exhaustive()
    }
}

impl Tenants {
    /// `further_ancestors`: origins that may frame every tenant's pages.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, config: &CacheConfig, further_ancestors: Vec<String>) -> Self {
        Self {
            store,
            entries: Arc::new(Entries::new(config)),
            // a bound of its own: without a cache the reads are limited all the same
            begun: Cache::builder().max_capacity(READS).time_to_live(READ_INTERVAL).build(),
            flights: Flights::new(),
            queue: WriteQueue::new(),
            further_ancestors: further_ancestors.into(),
        }
    }

    /// The store below, for values other than installations.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The candidates for `client_key`, if the cache has them. They may be some seconds old.
    #[must_use]
    pub fn cached(&self, client_key: &str) -> Option<Candidates> {
        self.entries.tenant(client_key)
    }

    /// The candidates as a read of the store finds them that begins after this call; empty when nobody has installed
    /// under that key.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn refreshed(&self, client_key: &str) -> Read {
        let wait = || async {
            if let Some(begun) = self.begun.get(client_key) {
                tokio::time::sleep(READ_INTERVAL.saturating_sub(begun.elapsed())).await;
            }
            self.begun.insert(client_key.to_owned(), Instant::now());
        };
        self.flights.join_next(client_key.to_owned(), wait, || self.read(client_key)).await
    }

    async fn read(&self, client_key: &str) -> Read {
        let seen = self.entries.seen();
        let installations = self.store.installations(client_key).await?;
        let candidates = candidates(client_key, &installations, &self.further_ancestors);
        self.entries.fill_tenant(seen, client_key, &candidates);
        Ok(candidates)
    }

    /// The tenant that a Forge installation is associated with, if that has the add-on installed.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn of_installation(&self, installation_id: &str) -> Result<Option<Arc<Tenant>>, StoreError> {
        let owner = if let Some(known) = self.entries.owner(installation_id) {
            known
        } else {
            let seen = self.entries.seen();
            let found = Owner::from(self.store.client_key_of_installation(installation_id).await?);
            self.entries.fill_owner(seen, installation_id, &found);
            found
        };
        let Owner::Tenant(client_key) = owner else { return Ok(None) };
        self.current(&client_key).await
    }

    /// The newest installation of `client_key`, if it is installed; it may be some seconds old.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn current(&self, client_key: &str) -> Result<Option<Arc<Tenant>>, StoreError> {
        let candidates = match self.cached(client_key) {
            Some(candidates) => candidates,
            None => self.refreshed(client_key).await?,
        };
        Ok(candidates.first().cloned())
    }

    /// Drops what is cached of a tenant, and what a read that is under way would put there.
    pub fn forget(&self, client_key: &str) {
        self.entries.forget(client_key);
    }

    /// What another node has written counts from now on.
    pub fn hear(&self, change: &Change) {
        match change {
            Change::Tenant(client_key) => self.forget(client_key),
            _ => self.entries.forget_all(),
        }
    }

    /// The only tenant there is, for `no-auth` in development.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn only(&self) -> Result<Option<Arc<Tenant>>, StoreError> {
        let page = self.store.tenants(None, 2).await?;
        let by_key: HashMap<&str, &Value> = page.tenants.iter().map(|(key, value)| (key.as_str(), value)).collect();
        match by_key.into_iter().collect::<Vec<_>>().as_slice() {
            [(key, value)] => {
                Ok(candidates(key, std::slice::from_ref(*value), &self.further_ancestors).first().cloned())
            }
            _ => Ok(None),
        }
    }

    /// The next installed tenants after `after`, in the order of their clientKeys, and after whom the next page begins.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn page(&self, after: Option<&str>) -> Result<(Vec<Arc<Tenant>>, Option<String>), StoreError> {
        let page = self.store.tenants(after, PAGE).await?;
        let usable = page.tenants.iter().filter_map(|(client_key, value)| {
            candidates(client_key, std::slice::from_ref(value), &self.further_ancestors).first().cloned()
        });
        Ok((usable.collect(), page.next.clone()))
    }
}

/// What can be used of the `values` that the store has as installations of `client_key`.
fn candidates(client_key: &str, values: &[Value], further_ancestors: &[String]) -> Candidates {
    let read = |value| {
        let tenant = Installation::read(value)
            .filter(|installation| installation.client_key == client_key)
            .and_then(|installation| Tenant::new(installation, further_ancestors));
        if tenant.is_none() {
            tracing::warn!(client_key, "a stored installation cannot be used: no clientKey or no sharedSecret in it");
        }
        tenant.map(Arc::new)
    };
    values.iter().filter_map(read).collect()
}
