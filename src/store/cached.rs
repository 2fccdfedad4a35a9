//! The tenants as requests see them: a bounded cache over the store that several nodes keep honest, whether they talk or not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use serde_json::Value;

use super::{Change, Installation, Store, StoreError, Tenant};
use crate::config::CacheConfig;
use crate::flight::Flights;

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
    cache: Cache<String, Candidates>,
    /// When the last read of a tenant began; entries live for the interval only.
    begun: Cache<String, Instant>,
    /// Whose tenant a Forge installation is, nobody's too.
    installations: Cache<String, Option<String>>,
    flights: Flights<String, Read>,
    /// Counts the writes, so that a read which began before one does not put the old state back afterwards.
    writes: AtomicU64,
    filling: Mutex<()>,
    further_ancestors: Vec<String>,
}

impl std::fmt::Debug for Tenants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenants").field("cached", &self.cache.entry_count()).finish_non_exhaustive()
    }
}

impl Tenants {
    /// `further_ancestors`: origins that may frame every tenant's pages.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, config: &CacheConfig, further_ancestors: Vec<String>) -> Self {
        Self {
            store,
            cache: Cache::builder().max_capacity(config.capacity).time_to_live(config.ttl).build(),
            // a bound of its own: without a cache the reads are limited all the same
            begun: Cache::builder().max_capacity(READS).time_to_live(READ_INTERVAL).build(),
            installations: Cache::builder().max_capacity(config.capacity).time_to_live(config.ttl).build(),
            flights: Flights::new(),
            writes: AtomicU64::new(0),
            filling: Mutex::new(()),
            further_ancestors,
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
        self.cache.get(client_key)
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
        let writes = self.writes.load(Ordering::SeqCst);
        let candidates = self.candidates(client_key, &self.store.installations(client_key).await?);
        let _filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        if writes == self.writes.load(Ordering::SeqCst) {
            if candidates.is_empty() {
                // unknown keys are not remembered: whoever makes them up shall not push tenants out
                self.cache.invalidate(client_key);
            } else {
                self.cache.insert(client_key.to_owned(), Arc::clone(&candidates));
            }
        }
        Ok(candidates)
    }

    fn candidates(&self, client_key: &str, values: &[Value]) -> Candidates {
        let read = |value| {
            let tenant = Installation::read(value)
                .filter(|installation| installation.client_key == client_key)
                .and_then(|installation| Tenant::new(installation, &self.further_ancestors));
            if tenant.is_none() {
                tracing::warn!(
                    client_key,
                    "a stored installation cannot be used: no clientKey or no sharedSecret in it"
                );
            }
            tenant.map(Arc::new)
        };
        values.iter().filter_map(read).collect()
    }

    /// The tenant that a Forge installation is associated with, if that has the add-on installed.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn of_installation(&self, installation_id: &str) -> Result<Option<Arc<Tenant>>, StoreError> {
        let client_key = if let Some(known) = self.installations.get(installation_id) {
            known
        } else {
            let writes = self.writes.load(Ordering::SeqCst);
            let found = self.store.client_key_of_installation(installation_id).await?;
            let _filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
            if writes == self.writes.load(Ordering::SeqCst) {
                self.installations.insert(installation_id.to_owned(), found.clone());
            }
            found
        };
        let Some(client_key) = client_key else { return Ok(None) };
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

    /// Associates a Forge installation with a tenant.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        let associated = self.store.associate(installation_id, client_key).await;
        self.forget(client_key);
        associated
    }

    /// Stores an installation; its tenant is answered as later requests will see it.
    ///
    /// # Errors
    /// What the store answers; [`StoreError::Refused`] when the installation cannot open anything.
    pub async fn save(&self, installation: &Installation, payload: &Value) -> Result<Arc<Tenant>, StoreError> {
        let tenant = Tenant::new(installation.clone(), &self.further_ancestors)
            .ok_or_else(|| StoreError::Refused("an installation without a sharedSecret is not stored".into()))?;
        let id = installation.installation_id.as_deref().filter(|id| !id.is_empty());
        let saved = self.store.save_installation(&installation.client_key, payload, id).await;
        self.forget(&installation.client_key);
        saved.map(|()| Arc::new(tenant))
    }

    /// Marks the tenant as uninstalled: its secret opens nothing any more.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn uninstall(&self, client_key: &str) -> Result<bool, StoreError> {
        let removed = self.store.uninstall(client_key).await;
        self.forget(client_key);
        removed
    }

    /// Drops what is cached of a tenant, and what a read that is under way would put there.
    pub fn forget(&self, client_key: &str) {
        let _filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate(client_key);
        // installs are rare, and this way nobody has to know which of them were this tenant's
        self.installations.invalidate_all();
    }

    /// What another node has written counts from now on.
    pub fn hear(&self, change: &Change) {
        match change {
            Change::Tenant(client_key) => self.forget(client_key),
            Change::Any => {
                let _filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
                self.writes.fetch_add(1, Ordering::SeqCst);
                self.cache.invalidate_all();
                self.installations.invalidate_all();
            }
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
            [(key, value)] => Ok(self.candidates(key, std::slice::from_ref(*value)).first().cloned()),
            _ => Ok(None),
        }
    }
}
