//! Tenants, through a bounded cache over the store. It stays correct with several nodes, whether or not the store
//! notifies them.

mod entries;
mod outage;
mod seen;
mod sites;
mod tenant;
mod urls;
mod writes;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;
use serde_json::Value;

use self::entries::{Entries, InstallationOwner};
use self::outage::Outage;
use self::seen::Calls;
pub use self::seen::{SEEN, SEEN_ON_FORGE, Seen};
pub use self::sites::SITE;
pub use self::tenant::{Installation, Tenant, is_key, origin_of, product_of};
pub(crate) use self::tenant::{frame_ancestors, is_reserved};
pub use self::writes::{Saved, Uninstalled};
use crate::config::CacheConfig;
use crate::flight::Flights;
use crate::measure::{self, CacheRead};
use crate::store::internal::WriteQueue;
use crate::store::{Change, Store, StoreError};

/// How many tenants are read at once.
const PAGE: usize = 100;

/// The shortest time between two reads of a tenant whose tokens do not verify.
const READ_INTERVAL: Duration = Duration::from_millis(200);

/// The most tenants whose reads are tracked; an entry lasts only for the interval.
const READS: u64 = 100_000;

/// The installations of one clientKey, newest first: more than one only if ACE left duplicate rows.
pub type Candidates = Arc<[Arc<Tenant>]>;

type Read = Result<Candidates, StoreError>;

/// The tenants of a [`Store`], cached.
///
/// The cache may accept a token, but never refuse one: a token that does not verify waits for a read of the store that
/// began after the token arrived ([`Tenants::refreshed`]). So a secret that another node rotated counts at once. These
/// reads are shared, and at least 200 ms apart for one tenant.
///
/// When an entry expires, one request reads it. Requests that come during that read do not need one of their own: they
/// look into the cache again when it ends.
///
/// While the store is unavailable, an entry may accept tokens until it is `cache.stale` old. It still refuses none.
pub struct Tenants {
    store: Arc<dyn Store>,
    entries: Arc<Entries>,
    outage: Arc<Outage>,
    /// When the last read of a tenant began; an entry lasts only for the interval.
    begun: Cache<String, Instant>,
    flights: Flights<String, Read>,
    /// The reads of what is not cached, which any request may join.
    fills: Flights<String, ()>,
    calls: Calls,
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
            outage: Arc::new(Outage::new(Arc::clone(&store))),
            store,
            entries: Arc::new(Entries::new(config)),
            // a separate limit: without a cache the reads are limited all the same
            begun: Cache::builder().max_capacity(READS).time_to_live(READ_INTERVAL).build(),
            flights: Flights::new(),
            fills: Flights::new(),
            calls: Calls::new(),
            queue: WriteQueue::new(),
            further_ancestors: further_ancestors.into(),
        }
    }

    /// The underlying store, for values other than installations.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Succeeds if the store answers. If it was unavailable, its tenants are read again from now on.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.outage.ping().await
    }

    /// The candidates for `client_key`, if they are cached. They may be some seconds old.
    #[must_use]
    pub fn cached(&self, client_key: &str) -> Option<Candidates> {
        let found = self.entries.tenant(client_key);
        measure::cache_read(if found.is_some() { CacheRead::Hit } else { CacheRead::Miss });
        found
    }

    /// How many tenants are cached.
    pub(crate) fn cached_count(&self) -> u64 {
        self.entries.count()
    }

    /// The candidates from a read of the store that begins after this call; empty if no tenant has installed under that
    /// key.
    ///
    /// # Errors
    /// The store's error.
    pub async fn refreshed(&self, client_key: &str) -> Read {
        self.outage.admit().await?;
        let wait = || async {
            if let Some(begun) = self.begun.get(client_key) {
                tokio::time::sleep(READ_INTERVAL.saturating_sub(begun.elapsed())).await;
            }
            self.begun.insert(client_key.to_owned(), Instant::now());
        };
        self.flights.join_next(client_key.to_owned(), wait, || self.read(client_key)).await
    }

    /// The same for a token. While the store is unavailable, it is what this node has read within `cache.stale`,
    /// provided that one of its tenants `signs` the token: otherwise the token may be signed with a newer secret.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn refreshed_for(&self, client_key: &str, signs: impl Fn(&&Arc<Tenant>) -> bool) -> Read {
        let kept = || self.entries.kept_tenant(client_key).filter(|kept| kept.iter().any(|tenant| signs(&tenant)));
        self.outage.or_kept(self.filled_or_refreshed(client_key, &signs), kept).await
    }

    /// What the cache has after a read that another request has begun, if one of its tenants `signs` the token; else
    /// what [`Tenants::refreshed`] says.
    async fn filled_or_refreshed(&self, client_key: &str, signs: &impl Fn(&&Arc<Tenant>) -> bool) -> Read {
        if self.entries.tenant(client_key).is_none() {
            let own = Cell::new(None);
            let fill = || async { own.set(Some(self.refreshed(client_key).await)) };
            self.fills.join(client_key.to_owned(), fill).await;
            if let Some(read) = own.take() {
                return read;
            }
            // not the result of that read: the tenant may have been uninstalled after it began
            let filled = self.entries.tenant(client_key);
            if let Some(filled) = filled.filter(|filled| filled.iter().any(|tenant| signs(&tenant))) {
                return Ok(filled);
            }
        }
        self.refreshed(client_key).await
    }

    async fn read(&self, client_key: &str) -> Read {
        let seen = self.entries.seen();
        let installations = self.outage.watch(self.store.installations(client_key)).await?;
        let candidates = candidates(client_key, &installations, &self.further_ancestors);
        self.entries.fill_tenant(seen, client_key, &candidates);
        Ok(candidates)
    }

    /// The tenant that is associated with a Forge installation, if it is installed.
    ///
    /// # Errors
    /// The store's error.
    pub async fn of_installation(&self, installation_id: &str) -> Result<Option<Arc<Tenant>>, StoreError> {
        let InstallationOwner::Tenant(client_key) = self.owner(installation_id).await? else { return Ok(None) };
        self.current(&client_key).await
    }

    /// Whether a Forge installation, or a site, is associated with this tenant.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn is_associated(&self, installation_id: &str, client_key: &str) -> Result<bool, StoreError> {
        Ok(matches!(self.owner(installation_id).await?, InstallationOwner::Tenant(known) if *known == *client_key))
    }

    async fn owner(&self, installation_id: &str) -> Result<InstallationOwner, StoreError> {
        if let Some(known) = self.entries.owner(installation_id) {
            return Ok(known);
        }
        let read = async {
            self.outage.admit().await?;
            let seen = self.entries.seen();
            let read = self.outage.watch(self.store.client_key_of_installation(installation_id)).await?;
            let found = InstallationOwner::from(read);
            self.entries.fill_owner(seen, installation_id, &found);
            Ok(found)
        };
        self.outage.or_kept(read, || self.entries.kept_owner(installation_id)).await
    }

    /// The newest installation of `client_key`, if it is installed. It may be some seconds old; while the store is
    /// unavailable, as old as `cache.stale` says.
    ///
    /// # Errors
    /// The store's error.
    pub async fn current(&self, client_key: &str) -> Result<Option<Arc<Tenant>>, StoreError> {
        let candidates = match self.cached(client_key) {
            Some(candidates) => candidates,
            None => self.refreshed_for(client_key, |_| true).await?,
        };
        Ok(candidates.first().cloned())
    }

    /// Drops the cached entries of a tenant, and the result of any read that is under way.
    pub fn forget(&self, client_key: &str) {
        self.entries.forget(client_key);
    }

    /// Applies a write of another node to the cache.
    pub fn apply(&self, change: &Change) {
        match change {
            Change::Tenant(client_key) => self.forget(client_key),
            _ => self.entries.forget_all(),
        }
    }

    /// The only tenant, for `no-auth` in development; `None` if there is not exactly one.
    ///
    /// # Errors
    /// The store's error.
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

    /// The next installed tenants after `after`, in the order of their clientKeys, and the last key if there may be
    /// more.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn page(&self, after: Option<&str>) -> Result<(Vec<Arc<Tenant>>, Option<String>), StoreError> {
        let page = self.store.tenants(after, PAGE).await?;
        let usable = page.tenants.iter().filter_map(|(client_key, value)| {
            candidates(client_key, std::slice::from_ref(value), &self.further_ancestors).first().cloned()
        });
        Ok((usable.collect(), page.next.clone()))
    }
}

/// The usable installations of `client_key` among the stored `values`.
fn candidates(client_key: &str, values: &[Value], further_ancestors: &[String]) -> Candidates {
    let read = |value| {
        let tenant = Installation::read(value)
            .filter(|installation| installation.client_key == client_key)
            .and_then(|installation| Tenant::new(installation, further_ancestors));
        if tenant.is_none() {
            tracing::warn!(client_key, "a stored installation cannot be used: it has no clientKey or no sharedSecret");
        }
        tenant.map(Arc::new)
    };
    values.iter().filter_map(read).collect()
}
