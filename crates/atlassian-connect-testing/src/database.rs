//! A migrated database for each test, for an app with tables.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use atlassian_connect_actix::store::internal::{AppDatabase, admin::migrate};
use atlassian_connect_actix::store::{Migrations, StoreConfig};
use diesel::connection::SimpleConnection as _;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::fake_host::must;

/// Names a PostgreSQL server on which each test gets its own schema, instead of a SQLite file.
const SERVER: &str = "TEST_DATABASE_URL";

/// A database that is removed when the test ends.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    /// The folder of the SQLite file.
    _folder: Option<TempDir>,
}

impl TestDatabase {
    pub(crate) async fn new(migrations: Migrations) -> Self {
        match std::env::var(SERVER) {
            Ok(server) if server.starts_with("postgres") => Self { url: schema(&server).await, _folder: None },
            Ok(other) => must(Err(other), "TEST_DATABASE_URL must be the URL of a PostgreSQL server, or unset"),
            Err(_) => file(migrations).await,
        }
    }
}

/// A copy of a file that is migrated once per process, because copying is much faster than migrating.
async fn file(migrations: Migrations) -> TestDatabase {
    static MIGRATED: Mutex<Option<HashMap<String, Vec<u8>>>> = Mutex::new(None);
    let steps = format!("{migrations:?}");
    let known = || MIGRATED.lock();
    let copied = known().as_ref().and_then(|files| files.get(&steps).cloned());
    let folder = must(tempfile::tempdir(), "cannot create a folder for the database");
    let path = folder.path().join("addon.db");
    let url = format!("sqlite:{}", path.display());
    if let Some(bytes) = copied {
        must(std::fs::write(&path, bytes), "the database cannot be copied");
    } else {
        let mut config = StoreConfig::new(url.clone());
        config.migrations = migrations;
        must(migrate(&config).await, "the database cannot be migrated");
        let bytes = must(std::fs::read(&path), "the database cannot be read");
        known().get_or_insert_default().insert(steps, bytes);
    }
    TestDatabase { url, _folder: Some(folder) }
}

/// Creates a schema on `server`.
async fn schema(server: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let database =
        must(AppDatabase::open(&StoreConfig::new(server)).await, "the server in TEST_DATABASE_URL cannot be reached");
    let create = format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}");
    must(database.read(move |connection| connection.batch_execute(&create)).await, "a schema cannot be created");
    let separator = if server.contains('?') { '&' } else { '?' };
    format!("{server}{separator}options=-c%20search_path%3D{name}")
}
