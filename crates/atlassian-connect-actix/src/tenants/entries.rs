//! The cached entries of tenants. A read that began before a write must not restore the old state, so writes are
//! counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use parking_lot::Mutex;

use super::Candidates;
use crate::config::CacheConfig;

/// When a read began, and the number of writes until then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    writes: u64,
    at: Instant,
}

/// The tenant of a Forge installation.
#[derive(Debug, Clone)]
pub(super) enum InstallationOwner {
    /// The tenant of that clientKey.
    Tenant(String),
    Nobody,
}

impl From<Option<String>> for InstallationOwner {
    fn from(client_key: Option<String>) -> Self {
        client_key.map_or(Self::Nobody, Self::Tenant)
    }
}

/// Results of reads. Each counts for the ttl; it stays longer, for an outage of the store.
struct Shelf<T> {
    /// With the time at which the read began: the store confirmed the result not before.
    entries: Cache<String, (T, Instant)>,
    ttl: Duration,
    stay: Duration,
}

impl<T: Clone + Send + Sync + 'static> Shelf<T> {
    fn new(config: &CacheConfig) -> Self {
        let stay = config.ttl.max(config.stale);
        let entries = Cache::builder().max_capacity(config.capacity).time_to_live(stay).build();
        Self { entries, ttl: config.ttl, stay }
    }

    fn get(&self, key: &str, longest: Duration) -> Option<T> {
        let (found, read) = self.entries.get(key)?;
        (read.elapsed() < longest).then_some(found)
    }

    fn fresh(&self, key: &str) -> Option<T> {
        self.get(key, self.ttl)
    }

    fn kept(&self, key: &str) -> Option<T> {
        self.get(key, self.stay)
    }

    fn insert(&self, key: &str, found: T, seen: Seen) {
        self.entries.insert(key.to_owned(), (found, seen.at));
    }
}

/// The cache of tenants, and of the tenants of Forge installations.
///
/// What a function `kept_…` returns may be older than the ttl: only for the time in which the store is unavailable.
pub(super) struct Entries {
    tenants: Shelf<Candidates>,
    installations: Shelf<InstallationOwner>,
    /// The clientKeys to which the data of sites has moved.
    moved: Shelf<InstallationOwner>,
    writes: AtomicU64,
    filling: Mutex<()>,
}

impl Entries {
    pub(super) fn new(config: &CacheConfig) -> Self {
        Self {
            tenants: Shelf::new(config),
            installations: Shelf::new(config),
            moved: Shelf::new(config),
            writes: AtomicU64::new(0),
            filling: Mutex::new(()),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.tenants.entries.entry_count()
    }

    pub(super) fn tenant(&self, client_key: &str) -> Option<Candidates> {
        self.tenants.fresh(client_key)
    }

    pub(super) fn kept_tenant(&self, client_key: &str) -> Option<Candidates> {
        self.tenants.kept(client_key)
    }

    pub(super) fn owner(&self, installation_id: &str) -> Option<InstallationOwner> {
        self.installations.fresh(installation_id)
    }

    pub(super) fn kept_owner(&self, installation_id: &str) -> Option<InstallationOwner> {
        self.installations.kept(installation_id)
    }

    pub(super) fn moved(&self, site: &str) -> Option<InstallationOwner> {
        self.moved.fresh(site)
    }

    pub(super) fn kept_moved(&self, site: &str) -> Option<InstallationOwner> {
        self.moved.kept(site)
    }

    /// Call this before a read of the store begins.
    pub(super) fn seen(&self) -> Seen {
        Seen { writes: self.writes.load(Ordering::SeqCst), at: Instant::now() }
    }

    /// Caches the result of a read, unless there was a write since `seen`.
    pub(super) fn fill_tenant(&self, seen: Seen, client_key: &str, found: &Candidates) {
        self.fill(seen, || {
            if found.is_empty() {
                // unknown keys are not cached: otherwise made-up keys would displace tenants
                self.tenants.entries.invalidate(client_key);
            } else {
                self.tenants.insert(client_key, Candidates::clone(found), seen);
            }
        });
    }

    /// The same for an installation.
    pub(super) fn fill_owner(&self, seen: Seen, installation_id: &str, owner: &InstallationOwner) {
        self.fill(seen, || self.installations.insert(installation_id, owner.clone(), seen));
    }

    /// The same for the data of a site.
    pub(super) fn fill_moved(&self, seen: Seen, site: &str, owner: &InstallationOwner) {
        self.fill(seen, || self.moved.insert(site, owner.clone(), seen));
    }

    fn fill(&self, seen: Seen, fill: impl FnOnce()) {
        let _filling = self.filling.lock();
        if seen.writes == self.writes.load(Ordering::SeqCst) {
            fill();
        }
    }

    /// Drops the cached entries of a tenant, and the result of any read that is under way.
    pub(super) fn forget(&self, client_key: &str) {
        self.written(|| self.tenants.entries.invalidate(client_key));
    }

    /// Drops everything.
    pub(super) fn forget_all(&self) {
        self.written(|| self.tenants.entries.invalidate_all());
    }

    fn written(&self, forget: impl FnOnce()) {
        let _filling = self.filling.lock();
        self.writes.fetch_add(1, Ordering::SeqCst);
        forget();
        // installs are rare, so all of them are dropped instead of tracking the tenant's own
        self.installations.entries.invalidate_all();
        self.moved.entries.invalidate_all();
    }
}
