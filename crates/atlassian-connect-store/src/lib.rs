//! Stores the installations: one trait, several backends, and one acceptance suite for all of them.
//!
//! Values are JSON under (clientKey, key), as in atlassian-connect-express, whose tables can be used unchanged. The
//! value under `clientInfo` is the installation: the payload of `installed` as the host sent it.
//!
//! [`open`] opens the store that a [`StoreConfig`] names. Everything else is the trait [`Store`]:
//!
//! ```
//! use atlassian_connect_store::{Place, StoreConfig, open};
//! use serde_json::json;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let store = open(&StoreConfig::new("memory:")).await?;
//! let greeting = Place::of_tenant("a-client-key", "greeting");
//! store.set(greeting, &json!("Hello")).await?;
//! assert_eq!(store.get(greeting).await?, Some(json!("Hello")));
//! # Ok::<(), atlassian_connect_store::StoreError>(())
//! # }).unwrap();
//! ```
//!
//! For another backend, implement [`Records`] (plain values under names) and wrap it in [`RecordStore`], or implement
//! [`Store`] itself. [`Migrations`] hold the tables of SQL databases: the framework's and the app's.

#[cfg(test)]
extern crate self as atlassian_connect_store;

#[cfg(any(test, feature = "acceptance"))]
pub mod acceptance;
mod admin;
mod app_database;
mod attempt;
mod blocking;
mod cause;
mod clock;
mod config;
mod connection;
mod database;
mod driver;
mod encryption;
mod error;
mod events;
mod lifeline;
mod listen;
mod memory;
mod migration_list;
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
mod row;
mod runtime;
mod sealed;
mod sql;
mod sqlite;
mod statement;
mod store;
mod tables;
mod tls;

use serde_json::Value;

pub use async_trait::async_trait;
pub use cause::Cause;
pub use config::StoreConfig;
pub use connection::DbConnection;
pub use encryption::EncryptionKey;
pub use error::{Reason, StoreError};
pub use events::{EventQueue, FoundEvent, QueuedEvent, TakenEvent};
pub use listen::{Change, Changes};
pub use memory::MemoryStore;
pub use migration_list::Migrations;
pub use open::open;
pub use place::{OwnerKind, Place};
pub use records::{RecordChange, RecordStore, Records};
pub use store::{KeyPage, PoolState, Store, TenantPage};

pub(crate) use clock::now;
pub(crate) use names::{CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT};

/// Shared between the framework's crates, hidden from users. Not covered by semantic versioning.
#[doc(hidden)]
pub mod internal {
    /// For the command line.
    pub mod admin {
        pub use crate::admin::{
            Census, Conversion, MigrationReport, Reversion, Survey, TablesFound, ValueForm, WrittenMigrations, migrate,
            open_existing, revert, survey, write_migrations,
        };
    }

    pub use crate::app_database::{AppDatabase, AppDatabaseError, open_with_database};
    pub use crate::clock::now;
    pub use crate::config::DEFAULT_SOURCE;
    #[cfg(feature = "mysql")]
    pub use crate::connection::{MysqlConnection, MysqlTransactions};
    pub use crate::connection::{PostgresConnection, PostgresTransactions};
    pub use crate::driver::Driver;
    pub use crate::encryption::BadEncryptionKey;
    #[cfg(feature = "mongodb")]
    pub use crate::mongodb::MongoStore;
    pub use crate::names::*;
    pub use crate::nearest::nearest;
    pub use crate::open::system_of;
    pub use crate::place::KeyPages;
    pub use crate::queue::{Arrival, WriteQueue};
    pub use crate::redact::redact;
    #[cfg(feature = "redis")]
    pub use crate::redis::RedisStore;
    pub use crate::sealed::{SealedStore, key_id};
    pub use crate::sql::SqlStore;
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
        Some(_) => Err(StoreError::refused(format!("a key is longer than {KEY_LENGTH} characters or contains a NUL"))),
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
