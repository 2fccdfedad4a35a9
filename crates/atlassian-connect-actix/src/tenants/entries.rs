//! What is cached of tenants. A read that began before a write does not put the old state back: writes are counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use moka::sync::Cache;

use super::Candidates;
use crate::config::CacheConfig;

/// How many writes there had been when a read began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen(u64);

/// Whose a Forge installation is.
#[derive(Debug, Clone)]
pub(super) enum Owner {
    /// The tenant of that clientKey.
    Tenant(String),
    Nobody,
}

impl From<Option<String>> for Owner {
    fn from(client_key: Option<String>) -> Self {
        client_key.map_or(Self::Nobody, Self::Tenant)
    }
}

/// The cache of tenants, and of whose the Forge installations are.
pub(super) struct Entries {
    tenants: Cache<String, Candidates>,
    installations: Cache<String, Owner>,
    writes: AtomicU64,
    filling: Mutex<()>,
}

impl Entries {
    pub(super) fn new(config: &CacheConfig) -> Self {
        Self {
            tenants: Cache::builder().max_capacity(config.capacity).time_to_live(config.ttl).build(),
            installations: Cache::builder().max_capacity(config.capacity).time_to_live(config.ttl).build(),
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

    pub(super) fn owner(&self, installation_id: &str) -> Option<Owner> {
        self.installations.get(installation_id)
    }

    /// To be asked before a read of the store begins.
    pub(super) fn seen(&self) -> Seen {
        Seen(self.writes.load(Ordering::SeqCst))
    }

    /// What a read has found, unless there was a write since `seen`.
    pub(super) fn fill_tenant(&self, seen: Seen, client_key: &str, found: &Candidates) {
        self.fill(seen, || {
            if found.is_empty() {
                // unknown keys are not remembered: whoever makes them up shall not push tenants out
                self.tenants.invalidate(client_key);
            } else {
                self.tenants.insert(client_key.to_owned(), Candidates::clone(found));
            }
        });
    }

    /// The same for an installation.
    pub(super) fn fill_owner(&self, seen: Seen, installation_id: &str, owner: &Owner) {
        self.fill(seen, || self.installations.insert(installation_id.to_owned(), owner.clone()));
    }

    fn fill(&self, seen: Seen, fill: impl FnOnce()) {
        let _filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        if seen == self.seen() {
            fill();
        }
    }

    /// Drops what is cached of a tenant, and what a read that is under way would put there.
    pub(super) fn forget(&self, client_key: &str) {
        self.written(|| self.tenants.invalidate(client_key));
    }

    /// Drops everything.
    pub(super) fn forget_all(&self) {
        self.written(|| self.tenants.invalidate_all());
    }

    fn written(&self, forget: impl FnOnce()) {
        let _filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        self.writes.fetch_add(1, Ordering::SeqCst);
        forget();
        // installs are rare, and this way nobody has to know which of them were this tenant's
        self.installations.invalidate_all();
    }
}
