//! The cached entries of tenants. A read that began before a write must not restore the old state, so writes are
//! counted.

use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;
use parking_lot::Mutex;

use super::Candidates;
use crate::config::CacheConfig;

/// The number of writes when a read began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen(u64);

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

/// The cache of tenants, and of the tenants of Forge installations.
pub(super) struct Entries {
    tenants: Cache<String, Candidates>,
    installations: Cache<String, InstallationOwner>,
    /// The clientKeys to which the data of sites has moved.
    moved: Cache<String, InstallationOwner>,
    writes: AtomicU64,
    filling: Mutex<()>,
}

impl Entries {
    pub(super) fn new(config: &CacheConfig) -> Self {
        Self {
            tenants: Cache::builder().max_capacity(config.capacity).time_to_live(config.ttl).build(),
            installations: Cache::builder().max_capacity(config.capacity).time_to_live(config.ttl).build(),
            moved: Cache::builder().max_capacity(config.capacity).time_to_live(config.ttl).build(),
            writes: AtomicU64::new(0),
            filling: Mutex::new(()),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.tenants.entry_count()
    }

    pub(super) fn tenant(&self, client_key: &str) -> Option<Candidates> {
        self.tenants.get(client_key)
    }

    pub(super) fn owner(&self, installation_id: &str) -> Option<InstallationOwner> {
        self.installations.get(installation_id)
    }

    pub(super) fn moved(&self, site: &str) -> Option<InstallationOwner> {
        self.moved.get(site)
    }

    /// Call this before a read of the store begins.
    pub(super) fn seen(&self) -> Seen {
        Seen(self.writes.load(Ordering::SeqCst))
    }

    /// Caches the result of a read, unless there was a write since `seen`.
    pub(super) fn fill_tenant(&self, seen: Seen, client_key: &str, found: &Candidates) {
        self.fill(seen, || {
            if found.is_empty() {
                // unknown keys are not cached: otherwise made-up keys would displace tenants
                self.tenants.invalidate(client_key);
            } else {
                self.tenants.insert(client_key.to_owned(), Candidates::clone(found));
            }
        });
    }

    /// The same for an installation.
    pub(super) fn fill_owner(&self, seen: Seen, installation_id: &str, owner: &InstallationOwner) {
        self.fill(seen, || self.installations.insert(installation_id.to_owned(), owner.clone()));
    }

    /// The same for the data of a site.
    pub(super) fn fill_moved(&self, seen: Seen, site: &str, owner: &InstallationOwner) {
        self.fill(seen, || self.moved.insert(site.to_owned(), owner.clone()));
    }

    fn fill(&self, seen: Seen, fill: impl FnOnce()) {
        let _filling = self.filling.lock();
        if seen == self.seen() {
            fill();
        }
    }

    /// Drops the cached entries of a tenant, and the result of any read that is under way.
    pub(super) fn forget(&self, client_key: &str) {
        self.written(|| self.tenants.invalidate(client_key));
    }

    /// Drops everything.
    pub(super) fn forget_all(&self) {
        self.written(|| self.tenants.invalidate_all());
    }

    fn written(&self, forget: impl FnOnce()) {
        let _filling = self.filling.lock();
        self.writes.fetch_add(1, Ordering::SeqCst);
        forget();
        // installs are rare, so all of them are dropped instead of tracking the tenant's own
        self.installations.invalidate_all();
        self.moved.invalidate_all();
    }
}
