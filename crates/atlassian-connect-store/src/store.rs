//! The trait that all backends implement.

use async_trait::async_trait;
use serde_json::Value;

use crate::{CLIENT_INFO, Changes, EventQueue, OwnerKind, Place, StoreError, as_installation};

/// A page of tenants.
#[derive(Debug, Clone, Default)]
pub struct TenantPage {
    /// (clientKey, installation), ordered by clientKey.
    pub tenants: Vec<(String, Value)>,
    /// Pass this to the next call. `None`: this was the last page.
    pub next: Option<String>,
}

/// A page of stored keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// (clientKey or installationId, its keys in order), ordered by the first. A key appears once per row. ACE's index
    /// is not unique, so there may be more than one row.
    pub owners: Vec<(String, Vec<String>)>,
    /// Where the next page begins. `None`: this was the last page.
    pub next: Option<String>,
}

/// The state of a connection pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolState {
    /// Open connections.
    pub connections: u32,
    /// Those of them that are free.
    pub idle: u32,
    /// Requests that wait for a connection.
    pub waiting: u32,
}

/// Stores tenants and their values. Implement it for another backend with [`async_trait`](crate::async_trait); every
/// method must be atomic.
///
/// A name (clientKey, installationId, key) has at most 255 characters and no NUL, as in ACE's tables. Writing under any
/// other name is [`StoreError::Refused`], reading finds nothing. The stores of this crate must be called inside a tokio
/// runtime, because they use its blocking pool.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Every value under `place`, newest first. Usually one; ACE's indexes are not unique, so there may be more.
    async fn values(&self, place: Place<'_>) -> Result<Vec<Value>, StoreError>;

    /// The value under `place`. If ACE left several rows, the newest.
    async fn get(&self, place: Place<'_>) -> Result<Option<Value>, StoreError> {
        Ok(self.values(place).await?.into_iter().next())
    }

    /// Writes one value, replacing an existing one.
    async fn set(&self, place: Place<'_>, value: &Value) -> Result<(), StoreError>;

    /// Removes one value. Returns whether there was one.
    async fn delete(&self, place: Place<'_>) -> Result<bool, StoreError>;

    /// Compare and swap. Never overwrites what others write at the same time.
    ///
    /// | `expected` | `value` | |
    /// |---|---|---|
    /// | `Some` | `Some` | replaces `expected` in every row under `place` that holds it |
    /// | `Some` | `None` | removes every row that holds `expected`, and no other |
    /// | `None` | `Some` | adds the value if there is none |
    /// | `None` | `None` | changes nothing |
    ///
    /// Returns whether `expected` was found; for `None`, whether there was no value. A store whose servers do not agree
    /// before they write (several writable MySQL servers, a MongoDB without its unique index) may add two.
    async fn exchange(
        &self,
        place: Place<'_>,
        expected: Option<&Value>,
        value: Option<&Value>,
    ) -> Result<bool, StoreError>;

    /// The keys of all values of one owner, each once, in byte order.
    async fn keys(&self, kind: OwnerKind, owner: &str) -> Result<Vec<String>, StoreError>;

    /// The keys of all stored values, for installed and uninstalled tenants, or for Forge installations: those whose
    /// owner is at least `from` in byte order, at most `limit` owners (and at least one).
    async fn key_page(&self, kind: OwnerKind, from: Option<&str>, limit: usize) -> Result<KeyPage, StoreError>;

    /// The installations of a tenant, newest first. Usually one; ACE's index is not unique, so there may be more.
    async fn installations(&self, client_key: &str) -> Result<Vec<Value>, StoreError> {
        let values = self.values(Place::of_tenant(client_key, CLIENT_INFO)).await?;
        Ok(values.into_iter().map(as_installation).collect())
    }

    /// Stores an installation. With `installation_id`, also associates the Forge installation with it. Reactivates an
    /// uninstalled tenant. Concurrent calls for one tenant end in one row; if ACE left two, the older one moves to
    /// [`CLIENT_INFO_SUPERSEDED`](crate::CLIENT_INFO_SUPERSEDED). Removes [`CLIENT_INFO_UNINSTALLED_AT`](crate::CLIENT_INFO_UNINSTALLED_AT).
    async fn save_installation(
        &self,
        client_key: &str,
        installation: &Value,
        installation_id: Option<&str>,
    ) -> Result<(), StoreError>;

    /// Moves the installation to [`CLIENT_INFO_UNINSTALLED`](crate::CLIENT_INFO_UNINSTALLED) (any further row to [`CLIENT_INFO_SUPERSEDED`](crate::CLIENT_INFO_SUPERSEDED)), writes
    /// the time to [`CLIENT_INFO_UNINSTALLED_AT`](crate::CLIENT_INFO_UNINSTALLED_AT) and removes the tenant's Forge associations. Returns whether there
    /// was an installation. Values are moved unchanged, so that encrypted ones need not be decrypted.
    async fn uninstall(&self, client_key: &str) -> Result<bool, StoreError>;

    /// The installed tenants whose clientKey is greater than `after` in byte order, at most `limit` (and at least one).
    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<TenantPage, StoreError>;

    /// Permanently removes all data of a tenant: every value under its clientKey, its Forge associations, and the
    /// values of the associated Forge installations. Returns whether there was anything.
    async fn remove(&self, client_key: &str) -> Result<bool, StoreError>;

    /// Like [`Store::remove`], but only if the tenant has been uninstalled since `before` (seconds since 1970) or
    /// longer. Any other tenant, or one without a known time, stays unchanged. Returns whether it was removed. A tenant
    /// that installs at the same time is either removed before that or not at all.
    async fn purge(&self, client_key: &str, before: u64) -> Result<bool, StoreError>;

    /// The clientKey of the tenant that a Forge installation belongs to.
    async fn client_key_of_installation(&self, installation_id: &str) -> Result<Option<String>, StoreError>;

    /// Associates a Forge installation with a tenant.
    async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError>;

    /// Writes of other nodes, if the store can notify. Each call starts a new listener. For a store that cannot (the
    /// default), cache entries expire by time.
    fn changes(&self) -> Option<Changes> {
        None
    }

    /// The queue of Forge's events, if the backend has one of its own. Without it (the default), the framework keeps the
    /// events as values, and reads all of them again and again.
    fn events(&self) -> Option<&dyn EventQueue> {
        None
    }

    /// The state of the connection pool; `None` if the store has none.
    fn pool(&self) -> Option<PoolState> {
        None
    }

    /// Succeeds if the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}
