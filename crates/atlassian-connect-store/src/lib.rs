//! Where installations live: one trait, one acceptance suite, several backends.
//!
//! Values are JSON under (clientKey, key), as in atlassian-connect-express, whose tables open as they are. The value
//! under `clientInfo` is the installation: the payload of `installed` as the host sent it.
//!
//! [`open`] opens the store that a [`StoreConfig`] names; everything else is the trait [`Store`]:
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
//! A backend of one's own implements [`Records`], which are plain values by name, and becomes a store by
//! [`RecordStore`]; or it implements [`Store`] itself. [`Migrations`] are the tables of SQL databases, the framework's and
//! an app's.

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

/// What the crates of the framework share beyond what users see. No promise holds for it.
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
    pub use crate::sealed::{Census, Conversion, Form, SealedStore, key_id};
    pub use crate::sql::SqlStore;
}

/// What can go wrong in a store. Texts never hold a password or a value.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The server or file is not there, or does not answer in time; a later try may succeed.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The store answers, but not as it should: a missing table, a value that is no JSON, a refused statement.
    #[error("the store refused: {0}")]
    Refused(String),
    /// A value is sealed, and no key that the add-on has opens it; says which key is missing. What is there must not
    /// be taken for nothing, nor be overwritten.
    #[error("{0}")]
    Sealed(String),
    /// The configuration of the store cannot work; holds the remedy.
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
    /// Hand this to the next call; `None`: this was the last page.
    pub next: Option<String>,
}

/// A page of what is kept under which key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// (clientKey or installationId, its keys in order), ordered by the first. A key stands there as often as there are
    /// rows of it: once, but where ACE's index, which is not unique, let more be.
    pub tenants: Vec<(String, Vec<String>)>,
    /// Where the next page begins; `None`: this was the last one.
    pub next: Option<String>,
}

/// Persistence of tenants. Implement it for a backend of your own; every method must be atomic.
///
/// A name (clientKey, installationId, key) has at most 255 characters and no NUL, as in ACE's tables: writing under
/// another is [`StoreError::Refused`], reading finds nothing. The stores of this crate need a tokio runtime around the
/// caller, whose blocking pool they use.
pub trait Store: Send + Sync + 'static {
    /// The value under (`client_key`, `key`); the newest one where ACE left several rows.
    fn get<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>>;

    /// Writes one value, in place of what is there.
    fn set<'a>(&'a self, client_key: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()>;

    /// Removes one value; the answer says whether there was one.
    fn delete<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, bool>;

    /// The installations of a tenant, newest first: one, but where ACE's index, which is not unique, let two rows be.
    fn installations<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, Vec<Value>>;

    /// Every value under `place`, newest first: one, but where ACE's indexes, which are not unique, let more be.
    fn values<'a>(&'a self, place: Place<'a>) -> StoreFuture<'a, Vec<Value>>;

    /// Puts `value` in the place of `expected`, in every row under `place` that holds that; the answer says whether one
    /// did. Nothing else is touched, whatever is written meanwhile.
    fn exchange<'a>(&'a self, place: Place<'a>, expected: &'a Value, value: &'a Value) -> StoreFuture<'a, bool>;

    /// Stores an installation and, where `installation_id` is given, associates the Forge installation with it; revives
    /// an uninstalled tenant. Concurrent calls for one tenant end in one row; where ACE left two, the older goes to
    /// [`CLIENT_INFO_SUPERSEDED`]. What stands under [`CLIENT_INFO_UNINSTALLED_AT`] goes.
    fn save_installation<'a>(
        &'a self,
        client_key: &'a str,
        installation: &'a Value,
        installation_id: Option<&'a str>,
    ) -> StoreFuture<'a, ()>;

    /// Moves the installation to [`CLIENT_INFO_UNINSTALLED`] (any further row to [`CLIENT_INFO_SUPERSEDED`]), writes
    /// the time under [`CLIENT_INFO_UNINSTALLED_AT`] and drops the tenant's Forge associations; the answer says whether
    /// there was an installation. Values are moved as they are, so that a sealed one need not be opened.
    fn uninstall<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool>;

    /// The installed tenants whose clientKey sorts after `after` byte by byte, at most `limit` (and at least one) of
    /// them.
    fn tenants<'a>(&'a self, after: Option<&'a str>, limit: usize) -> StoreFuture<'a, TenantPage>;

    /// The keys under which tenants have values, installed or not: of those whose clientKey is `from` or sorts after it
    /// byte by byte, at most `limit` tenants (and at least one).
    fn stored_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage>;

    /// Removes all that is kept of a tenant, for good: every value under its clientKey, its Forge associations, and the
    /// values of the Forge installations that are associated with it. The answer says whether there was anything.
    fn remove<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool>;

    /// [`Store::remove`] for a tenant that is uninstalled, and has been since `before` (seconds since 1970) or longer;
    /// any other, and one of which no time is known, stays as it is. The answer says whether it was removed. A tenant
    /// that installs at the same time is either removed before that, or not at all.
    fn purge<'a>(&'a self, client_key: &'a str, before: u64) -> StoreFuture<'a, bool>;

    /// The tenant that a Forge installation belongs to.
    fn client_key_of_installation<'a>(&'a self, installation_id: &'a str) -> StoreFuture<'a, Option<String>>;

    /// Associates a Forge installation with a tenant.
    fn associate<'a>(&'a self, installation_id: &'a str, client_key: &'a str) -> StoreFuture<'a, ()>;

    /// The value under a Forge installation's `key`.
    fn forge_get<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>>;

    /// Writes a value of a Forge installation.
    fn forge_set<'a>(&'a self, installation_id: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()>;

    /// Removes a value of a Forge installation; the answer says whether there was one.
    fn forge_delete<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, bool>;

    /// The keys under which Forge installations have values, as [`Store::stored_keys`] has those of tenants.
    fn forge_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage>;

    /// What other nodes write, where the store can tell; each call listens anew. A store that cannot (the default) leaves
    /// its caches to their time.
    fn changes(&self) -> Option<Changes> {
        None
    }

    /// Answers when the store does.
    fn ping(&self) -> StoreFuture<'_, ()>;
}

/// The width of ACE's columns, in characters.
const KEY_LENGTH: usize = 255;

/// Whether `key` can be the name of anything in a store: PostgreSQL has no NUL in a text. Nothing is found under one
/// that cannot, so that a hostile name is a missing one and no failure.
fn fits(key: &str) -> bool {
    !key.contains('\0') && key.chars().count() <= KEY_LENGTH
}

fn check_keys(keys: &[&str]) -> Result<(), StoreError> {
    match keys.iter().find(|key| !fits(key)) {
        Some(_) => Err(StoreError::Refused(format!("a key is longer than {KEY_LENGTH} characters, or holds a NUL"))),
        None => Ok(()),
    }
}

/// ACE takes a text that holds JSON for that JSON, which is how it stored installations on some databases.
fn as_installation(value: Value) -> Value {
    match value.as_str().map(serde_json::from_str) {
        Some(Ok(inner @ Value::Object(_))) => inner,
        _ => value,
    }
}
