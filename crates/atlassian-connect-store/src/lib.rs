//! Stores the installations: one trait, several backends, and one acceptance suite for all of them.
//!
//! Values are JSON under (clientKey, key), as in atlassian-connect-express, whose tables can be used unchanged. The
//! value under `clientInfo` is the installation: the payload of `installed` as the host sent it.
//!
//! [`open`] opens the store that a [`StoreConfig`] names. Everything else is the trait [`Store`]:
//!
//! ```
//! use atlassian_connect_store::{StoreConfig, open};
//! use serde_json::json;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let store = open(&StoreConfig::new("memory:")).await?;
//! store.set("a-client-key", "greeting", &json!("Hello")).await?;
//! assert_eq!(store.get("a-client-key", "greeting").await?, Some(json!("Hello")));
//! # Ok::<(), atlassian_connect_store::StoreError>(())
//! # }).unwrap();
//! ```
//!
//! For another backend, implement [`Records`] (plain values under names) and wrap it in [`RecordStore`], or implement
//! [`Store`] itself. [`Migrations`] hold the tables of SQL databases: the framework's and the app's.

#[cfg(test)]
extern crate self as atlassian_connect_store;

#[cfg(test)]
mod acceptance;
mod app_database;
mod attempt;
mod blocking;
mod clock;
mod config;
mod connection;
mod database;
mod driver;
mod encryption;
mod existing;
mod files;
mod listen;
mod memory;
mod migrations;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "mysql")]
mod mysql;
mod names;
mod nearest;
mod open;
mod place;
mod postgres;
mod queue;
mod records;
mod redact;
#[cfg(feature = "redis")]
mod redis;
mod revert;
mod row;
mod runtime;
mod schema;
mod sealed;
mod source;
mod sql;
mod sqlite;
mod statement;
mod tables;
mod tls;

use futures_util::future::BoxFuture;
use serde_json::Value;

pub use config::StoreConfig;
pub use connection::DbConnection;
pub use encryption::EncryptionKey;
pub use listen::{Change, Changes};
pub use memory::MemoryStore;
pub use open::open;
pub use place::Place;
pub use records::{RecordChange, RecordStore, Records};
pub use source::Migrations;

pub(crate) use clock::now;
pub(crate) use names::{CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT};

/// Shared between the framework's crates, hidden from users. Not covered by semantic versioning.
#[doc(hidden)]
pub mod internal {
    pub use crate::app_database::{AppDatabase, AppDatabaseError, open_with_database};
    pub use crate::clock::now;
    pub use crate::config::DEFAULT_SOURCE;
    #[cfg(feature = "mysql")]
    pub use crate::connection::{MysqlConnection, MysqlTransactions};
    pub use crate::connection::{PostgresConnection, PostgresTransactions};
    pub use crate::driver::Driver;
    pub use crate::encryption::BadEncryptionKey;
    pub use crate::existing::{Survey, TablesFound, open_existing, survey};
    pub use crate::files::{WrittenMigrations, write_migrations};
    pub use crate::migrations::{MigrationReport, migrate};
    #[cfg(feature = "mongodb")]
    pub use crate::mongodb::MongoStore;
    pub use crate::names::*;
    pub use crate::nearest::nearest;
    pub use crate::place::KeyPages;
    pub use crate::queue::{Arrival, WriteQueue};
    pub use crate::redact::redact;
    #[cfg(feature = "redis")]
    pub use crate::redis::RedisStore;
    pub use crate::revert::{Reversion, revert};
    pub use crate::sealed::{Census, Conversion, SealedStore, ValueForm, key_id};
    pub use crate::sql::SqlStore;
}

/// Errors of a store. Texts never contain a password or a value.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The server or file is not reachable, or does not answer in time. A later try may succeed.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The store answers, but with an error: a missing table, a value that is not valid JSON, a rejected statement.
    #[error("the store failed: {0}")]
    Refused(String),
    /// A value is encrypted, and none of the add-on's keys decrypts it. The text names the missing key. The value must
    /// not be treated as missing or overwritten.
    #[error("{0}")]
    Sealed(String),
    /// The configuration of the store cannot work. The text says what to do.
    #[error("{0}")]
    Configuration(String),
}

/// The result of a store's operation, boxed so that the trait is usable as `dyn Store`.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

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
    pub tenants: Vec<(String, Vec<String>)>,
    /// Where the next page begins. `None`: this was the last page.
    pub next: Option<String>,
}

/// Stores tenants and their values. Implement it for another backend; every method must be atomic.
///
/// A name (clientKey, installationId, key) has at most 255 characters and no NUL, as in ACE's tables. Writing under any
/// other name is [`StoreError::Refused`], reading finds nothing. The stores of this crate must be called inside a tokio
/// runtime, because they use its blocking pool.
pub trait Store: Send + Sync + 'static {
    /// The value under (`client_key`, `key`). If ACE left several rows, the newest.
    fn get<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>>;

    /// Writes one value, replacing an existing one.
    fn set<'a>(&'a self, client_key: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()>;

    /// Removes one value. Returns whether there was one.
    fn delete<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, bool>;

    /// The installations of a tenant, newest first. Usually one; ACE's index is not unique, so there may be more.
    fn installations<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, Vec<Value>>;

    /// Every value under `place`, newest first. Usually one; ACE's indexes are not unique, so there may be more.
    fn values<'a>(&'a self, place: Place<'a>) -> StoreFuture<'a, Vec<Value>>;

    /// Compare and swap: replaces `expected` with `value` in every row under `place` that holds it. Returns whether one
    /// did. Concurrent writes are never overwritten.
    fn exchange<'a>(&'a self, place: Place<'a>, expected: &'a Value, value: &'a Value) -> StoreFuture<'a, bool>;

    /// Stores an installation. With `installation_id`, also associates the Forge installation with it. Reactivates an
    /// uninstalled tenant. Concurrent calls for one tenant end in one row; if ACE left two, the older one moves to
    /// [`CLIENT_INFO_SUPERSEDED`]. Removes [`CLIENT_INFO_UNINSTALLED_AT`].
    fn save_installation<'a>(
        &'a self,
        client_key: &'a str,
        installation: &'a Value,
        installation_id: Option<&'a str>,
    ) -> StoreFuture<'a, ()>;

    /// Moves the installation to [`CLIENT_INFO_UNINSTALLED`] (any further row to [`CLIENT_INFO_SUPERSEDED`]), writes
    /// the time to [`CLIENT_INFO_UNINSTALLED_AT`] and removes the tenant's Forge associations. Returns whether there
    /// was an installation. Values are moved unchanged, so that encrypted ones need not be decrypted.
    fn uninstall<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool>;

    /// The installed tenants whose clientKey is greater than `after` in byte order, at most `limit` (and at least one).
    fn tenants<'a>(&'a self, after: Option<&'a str>, limit: usize) -> StoreFuture<'a, TenantPage>;

    /// The keys of all stored values, for installed and uninstalled tenants: those whose clientKey is at least `from`
    /// in byte order, at most `limit` tenants (and at least one).
    fn stored_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage>;

    /// Permanently removes all data of a tenant: every value under its clientKey, its Forge associations, and the
    /// values of the associated Forge installations. Returns whether there was anything.
    fn remove<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool>;

    /// Like [`Store::remove`], but only if the tenant has been uninstalled since `before` (seconds since 1970) or
    /// longer. Any other tenant, or one without a known time, stays unchanged. Returns whether it was removed. A tenant
    /// that installs at the same time is either removed before that or not at all.
    fn purge<'a>(&'a self, client_key: &'a str, before: u64) -> StoreFuture<'a, bool>;

    /// The clientKey of the tenant that a Forge installation belongs to.
    fn client_key_of_installation<'a>(&'a self, installation_id: &'a str) -> StoreFuture<'a, Option<String>>;

    /// Associates a Forge installation with a tenant.
    fn associate<'a>(&'a self, installation_id: &'a str, client_key: &'a str) -> StoreFuture<'a, ()>;

    /// The value under a Forge installation's `key`.
    fn forge_get<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>>;

    /// Writes a value of a Forge installation.
    fn forge_set<'a>(&'a self, installation_id: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()>;

    /// Removes a value of a Forge installation. Returns whether there was one.
    fn forge_delete<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, bool>;

    /// Like [`Store::stored_keys`], for the values of Forge installations.
    fn forge_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage>;

    /// Writes of other nodes, if the store can notify. Each call starts a new listener. For a store that cannot (the
    /// default), cache entries expire by time.
    fn changes(&self) -> Option<Changes> {
        None
    }

    /// Succeeds if the store answers.
    fn ping(&self) -> StoreFuture<'_, ()>;
}

/// The width of ACE's columns, in characters.
const KEY_LENGTH: usize = 255;

/// Whether `key` can be a name in a store: PostgreSQL does not allow NUL in a text. Reading under an invalid name finds
/// nothing, so that a hostile name is not an error.
fn fits(key: &str) -> bool {
    !key.contains('\0') && key.chars().count() <= KEY_LENGTH
}

fn check_keys(keys: &[&str]) -> Result<(), StoreError> {
    match keys.iter().find(|key| !fits(key)) {
        Some(_) => Err(StoreError::Refused(format!("a key is longer than {KEY_LENGTH} characters or contains a NUL"))),
        None => Ok(()),
    }
}

/// ACE treats a JSON text as that JSON: on some databases it stored installations like this.
fn as_installation(value: Value) -> Value {
    match value.as_str().map(serde_json::from_str) {
        Some(Ok(inner @ Value::Object(_))) => inner,
        _ => value,
    }
}
