//! The tests on each backend: the acceptance suite, and what only some of them have.
//!
//! Plain `cargo test` ignores the cases on servers. `.ci/servers start` starts them and prints the variables
//! that these need. `cargo test --features mysql,redis,mongodb -- --include-ignored` runs them, and fails without the
//! variables.

mod absent;
mod ace;
mod app;
mod database;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "mysql")]
mod mysql;
mod order;
mod postgres;
#[cfg(any(feature = "mongodb", feature = "redis"))]
mod process;
mod proxy;
#[cfg(feature = "redis")]
mod redis;
#[allow(unreachable_pub)]
#[path = "../../../examples/own_store/shelf.rs"]
mod shelf;
mod sql;

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use r2d2::ManageConnection;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use self::database::TestDatabase;
use crate::config::StoreConfig;
use crate::sealed::SealedStore;
use crate::{Cause, MemoryStore, RecordStore, Store, StoreError};

/// A configuration with only a URL.
pub(crate) fn config(url: &str) -> StoreConfig {
    let mut config = StoreConfig::new(url);
    config.pool_size = 4;
    config
}

/// The same, with a URL that `change` has changed.
fn with_url(url: &str, change: impl FnOnce(&mut url::Url)) -> StoreConfig {
    let mut url = url::Url::parse(url).unwrap();
    change(&mut url);
    config(url.as_str())
}

/// An encryption key.
pub(crate) const KEY: &str = "a2V5IG9uZSBrZXkgb25lIGtleSBvbmUga2V5IG9uZSE=";

/// Cleanup at the end of a test.
#[expect(dead_code, reason = "held for their drop")]
enum Keep {
    Nothing,
    Folder(TempDir),
    Database(TestDatabase),
}

/// An empty database for one test.
pub(crate) struct Sandbox {
    pub config: StoreConfig,
    _keep: Keep,
}

impl Sandbox {
    pub(crate) fn sqlite_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&format!("sqlite:{}", folder.path().join("addon.db").display()));
        Self { config, _keep: Keep::Folder(folder) }
    }

    pub(crate) fn sqlite_memory() -> Self {
        Self { config: config("sqlite::memory:"), _keep: Keep::Nothing }
    }

    pub(crate) fn postgres() -> Self {
        let database = postgres::database();
        Self { config: config(&database.url), _keep: Keep::Database(database) }
    }

    #[cfg(feature = "mysql")]
    pub(crate) fn mysql() -> Self {
        let database = mysql::database();
        Self { config: config(&database.url), _keep: Keep::Database(database) }
    }

    /// With the tables that ACE creates on a server with default settings: texts that differ only in case or trailing
    /// spaces are equal there.
    #[cfg(feature = "mysql")]
    pub(crate) fn mysql_of_ace() -> Self {
        let sandbox = Self::mysql();
        sandbox.sql(mysql::TABLES_OF_ACE).unwrap();
        sandbox
    }

    #[cfg(feature = "mongodb")]
    pub(crate) fn mongodb() -> Self {
        Self { config: config(&mongodb::database()), _keep: Keep::Nothing }
    }

    #[cfg(feature = "redis")]
    pub(crate) fn redis() -> Self {
        Self { config: config(&redis::database()), _keep: Keep::Nothing }
    }

    /// The same with encryption.
    pub(crate) fn sealed(mut self) -> Self {
        self.config.encryption_keys = vec![KEY.parse().unwrap()];
        self
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Arc<dyn Store>, StoreError> {
        crate::open(&self.config).await
    }

    pub(crate) fn url(&self) -> &str {
        self.config.url.expose_secret()
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.url().starts_with("postgres")
    }

    fn is_sql(&self) -> bool {
        !self.url().starts_with("redis") && !self.url().starts_with("mongodb")
    }

    pub(crate) fn is_mysql(&self) -> bool {
        self.url().starts_with("mysql")
    }

    /// The folder of its migrations.
    pub(crate) fn backend(&self) -> &'static str {
        match (self.is_postgres(), self.is_mysql()) {
            (true, _) => "postgres",
            (_, true) => "mysql",
            _ => "sqlite",
        }
    }

    fn sqlite(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(self.url().trim_start_matches("sqlite:")).unwrap();
        // A dropped pool may still be closing its connections.
        connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        connection
    }

    /// Runs SQL on a separate connection.
    pub(crate) fn sql(&self, sql: &str) -> Result<(), diesel::result::Error> {
        on_thread(|| {
            #[cfg(feature = "mysql")]
            if self.is_mysql() {
                return mysql::connection(&self.config).batch(sql);
            }
            if self.is_postgres() {
                crate::postgres::connector_for_tests(&self.config).unwrap().connect().unwrap().batch_execute(sql)
            } else {
                self.sqlite().batch_execute(sql)
            }
        })
    }

    /// The text columns `one` and `two` of a SELECT.
    pub(crate) fn rows(&self, sql: &str) -> Vec<(String, String)> {
        use crate::connection::SqlConnection;
        use crate::row::PairRow;
        use crate::statement::Statement;
        let rows = on_thread(|| {
            let read = |connection: &mut dyn SqlConnection, dialect| {
                connection.rows::<PairRow>(&Statement::new(dialect, sql), &[])
            };
            #[cfg(feature = "mysql")]
            if self.is_mysql() {
                return read(&mut mysql::connection(&self.config), &crate::mysql::DIALECT);
            }
            if self.is_postgres() {
                let connector = crate::postgres::connector_for_tests(&self.config).unwrap();
                read(&mut connector.connect().unwrap(), &crate::postgres::DIALECT)
            } else {
                read(&mut self.sqlite(), &crate::sqlite::DIALECT)
            }
        });
        let texts = |row: PairRow| (row.one.unwrap_or_default(), row.two.unwrap_or_default());
        rows.unwrap().into_iter().map(texts).collect()
    }
}

/// Runs blocking work from an async test.
fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// A number that is unique in this process.
/// Everything that a log can show of an error: it and its causes.
pub(crate) fn shown(error: &StoreError) -> String {
    let first: &(dyn std::error::Error + 'static) = error;
    let errors = std::iter::successors(Some(first), |&error| error.source());
    errors.map(|error| format!("{error} {error:?} {error:#?}")).collect::<Vec<_>>().join(" ")
}

/// The error of type `E` that caused `error`.
pub(crate) fn cause_of<E: std::error::Error + 'static>(error: &StoreError) -> Option<&E> {
    error.source()?.downcast_ref::<Cause>()?.downcast_ref()
}

fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The tests of one backend: each case of `$module` with a new `$new`, under `$attributes`.
macro_rules! run_cases {
    ($backend:ident, $new:expr, $attributes:tt, $module:ident [$($case:ident),+ $(,)?]) => {
        mod $backend {
            use super::*;
            $(run_cases!(@one $new, $attributes, $module, $case);)+
        }
    };
    (@one $new:expr, ($(#[$attribute:meta])*), $module:ident, $case:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $case() {
            $module::$case($new).await;
        }
    };
}
use run_cases;

/// Runs the acceptance suite on a backend of this crate, and cases that check its locks and rows.
macro_rules! backend {
    ($backend:ident, $new:expr, ($(#[$attribute:meta])*)) => {
        mod $backend {
            use super::*;

            $crate::acceptance_suite!(async || $new $(, #[$attribute])*);
            run_cases!(locks_and_rows, $new, ($(#[$attribute])*), order [
                of_two_writes_the_later_one_counts, an_abandoned_write_is_not_done_later,
                concurrent_writes_leave_one_row_each,
            ]);
        }
    };
}

fn memory() -> Opened {
    Opened { store: Arc::new(MemoryStore::new()), sandbox: None }
}

fn own_store() -> Opened {
    Opened { store: Arc::new(RecordStore::new(shelf::Shelf::default())), sandbox: None }
}

fn sealed_memory() -> Opened {
    let store = SealedStore::new(Arc::new(MemoryStore::new()), &[KEY.parse().unwrap()]);
    Opened { store: Arc::new(store), sandbox: None }
}

async fn opened(sandbox: Sandbox) -> Opened {
    Opened { store: sandbox.open().await, sandbox: Some(sandbox) }
}

/// A store for one case, with its database.
pub(crate) struct Opened {
    store: Arc<dyn Store>,
    sandbox: Option<Sandbox>,
}

impl Opened {
    /// The number of rows in `table`, if the store has that table and another connection can read it (not in memory).
    fn count(&self, table: &str) -> Option<usize> {
        let is_readable = |sandbox: &&Sandbox| sandbox.is_sql() && !sandbox.url().contains(":memory:");
        let sandbox = self.sandbox.as_ref().filter(is_readable)?;
        Some(sandbox.rows(&format!(r#"SELECT '1' AS one, NULL AS two FROM "{table}""#)).len())
    }
}

impl AsRef<dyn Store> for Opened {
    fn as_ref(&self) -> &(dyn Store + 'static) {
        self.store.as_ref()
    }
}

impl std::ops::Deref for Opened {
    type Target = Arc<dyn Store>;

    fn deref(&self) -> &Arc<dyn Store> {
        &self.store
    }
}

backend!(on_memory, memory(), ());
backend!(on_the_store_of_the_example, own_store(), ());
backend!(on_sqlite_file, opened(Sandbox::sqlite_file()).await, ());
backend!(on_sqlite_memory, opened(Sandbox::sqlite_memory()).await, ());
backend!(
    on_postgres,
    opened(Sandbox::postgres()).await,
    (#[ignore = "needs TEST_POSTGRES_URL, see .ci/servers"])
);
backend!(sealed_on_memory, sealed_memory(), ());
backend!(sealed_on_sqlite_file, opened(Sandbox::sqlite_file().sealed()).await, ());
backend!(
    sealed_on_postgres,
    opened(Sandbox::postgres().sealed()).await,
    (#[ignore = "needs TEST_POSTGRES_URL, see .ci/servers"])
);

#[cfg(feature = "mysql")]
mod servers_of_mysql {
    use super::*;

    backend!(
        on_mysql,
        opened(Sandbox::mysql()).await,
        (#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"])
    );
    backend!(
        on_mysql_of_ace,
        opened(Sandbox::mysql_of_ace()).await,
        (#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"])
    );
    backend!(
        sealed_on_mysql,
        opened(Sandbox::mysql().sealed()).await,
        (#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"])
    );
}
#[cfg(feature = "redis")]
backend!(
    on_redis,
    opened(Sandbox::redis()).await,
    (#[ignore = "needs TEST_REDIS_URL, see .ci/servers"])
);
#[cfg(feature = "redis")]
backend!(
    sealed_on_redis,
    opened(Sandbox::redis().sealed()).await,
    (#[ignore = "needs TEST_REDIS_URL, see .ci/servers"])
);

#[cfg(feature = "mongodb")]
backend!(
    on_mongodb,
    opened(Sandbox::mongodb()).await,
    (#[ignore = "needs TEST_MONGODB_URL, see .ci/servers"])
);
#[cfg(feature = "mongodb")]
backend!(
    sealed_on_mongodb,
    opened(Sandbox::mongodb().sealed()).await,
    (#[ignore = "needs TEST_MONGODB_URL, see .ci/servers"])
);
