//! The app's own tables: runs its queries on pooled connections.

use std::sync::Arc;
use std::time::Duration;

use diesel::result::{Error, QueryResult};
use tokio::sync::Semaphore;

use super::StoreError;
use super::admin::steps_seen;
use super::blocking::blocking;
use super::cause::Cause;
use super::connection::DbConnection;
use super::database::{Access, Database, Failure};
use super::error::Reason;
use super::migration_list::Migrations;
use super::open::{connect, is_sql, open_parts};
use super::statement::Step;
use super::store::PoolState;
use super::{Store, migrations};
use crate::config::StoreConfig;

/// How long a query waits for a permit.
const TURN: Duration = Duration::from_secs(5);
/// Connections that the app never uses, so that installs do not wait for its queries.
const RESERVED: u32 = 2;
/// The most queries of the app that run at once. A worker has eight blocking threads; two stay free.
const AT_ONCE: u32 = 6;

/// Why a query of the app failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppDatabaseError {
    /// The database is not reachable, or no connection became free in time. A later try may succeed.
    #[error("the database is not available: {reason}")]
    Unavailable {
        /// Why. Contains no value.
        reason: String,
        /// The error that caused it, if there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// The database's error.
    #[error(transparent)]
    Query(Error),
}

impl From<Reason> for AppDatabaseError {
    fn from(Reason { text, cause }: Reason) -> Self {
        Self::Unavailable { reason: text, cause }
    }
}

/// Like [`crate::open`], and also returns the database if the store is an SQL store.
///
/// # Errors
/// As [`crate::open`].
pub async fn open_with_database(config: &StoreConfig) -> Result<(Arc<dyn Store>, Option<AppDatabase>), StoreError> {
    let (store, database) = open_parts(config).await?;
    Ok((store, database.map(|database| AppDatabase::new(database, config)).transpose()?))
}

/// A database for the app's own tables. Clones share the connections.
#[derive(Clone)]
pub struct AppDatabase {
    database: Arc<dyn Database>,
    /// The app's own migrations.
    own_steps: Arc<[Step]>,
    permits: Arc<Semaphore>,
}

impl std::fmt::Debug for AppDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppDatabase").field("permits", &self.permits.available_permits()).finish_non_exhaustive()
    }
}

impl AppDatabase {
    /// The connections in the pool now.
    #[must_use]
    pub fn pool(&self) -> PoolState {
        self.database.pool()
    }

    /// Uses the connections of `database` and the migrations of `config`.
    fn new(database: Arc<dyn Database>, config: &StoreConfig) -> Result<Self, StoreError> {
        let permits = database.pool_size().saturating_sub(RESERVED).clamp(1, AT_ONCE);
        let permits = usize::try_from(permits).unwrap_or(1);
        let unreadable = |error: Error| {
            StoreError::configuration(format!("the app's migrations cannot be used: {error}")).caused_by(error)
        };
        let list = database.dialect().list;
        let own_steps = list(&config.migrations).steps_beside(list(&Migrations::new())).map_err(unreadable)?;
        Ok(Self { database, own_steps: own_steps.into(), permits: Arc::new(Semaphore::new(permits)) })
    }

    /// Connects to the database that `config` names, which is not the store's. Creates the framework's tables if there
    /// are none.
    ///
    /// # Errors
    /// As [`crate::open`].
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        Self::connected(config, |database, config| migrations::prepare(database, config, config.auto_migrate).map(drop))
            .await
    }

    /// Connects to the database that `config` names and changes nothing. `None`: it does not name an SQL database.
    ///
    /// # Errors
    /// As [`crate::open`].
    pub async fn connect(config: &StoreConfig) -> Result<Option<Self>, StoreError> {
        if !is_sql(config) {
            return Ok(None);
        }
        Self::connected(config, |_, _| Ok(())).await.map(Some)
    }

    async fn connected(
        config: &StoreConfig,
        prepare: fn(&dyn Database, &StoreConfig) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let config = config.clone();
        let connected = blocking("opening the database", move || {
            let database: Arc<dyn Database> = Arc::from(connect(&config)?);
            prepare(database.as_ref(), &config)?;
            Self::new(database, &config)
        });
        connected.await?
    }

    /// Runs `work` on the blocking pool. Retries on another connection if the first one was dead.
    ///
    /// # Errors
    /// [`AppDatabaseError`].
    ///
    /// # Panics
    /// If `work` panics.
    pub async fn read<T, F>(&self, work: F) -> Result<T, AppDatabaseError>
    where
        T: Send + 'static,
        F: FnMut(&mut DbConnection) -> QueryResult<T> + Send + 'static,
    {
        self.run(Access::Read, work).await
    }

    /// Like [`AppDatabase::read`], in a transaction.
    ///
    /// # Errors
    /// [`AppDatabaseError`].
    ///
    /// # Panics
    /// If `work` panics.
    pub async fn write<T, F>(&self, work: F) -> Result<T, AppDatabaseError>
    where
        T: Send + 'static,
        F: FnMut(&mut DbConnection) -> QueryResult<T> + Send + 'static,
    {
        self.run(Access::Write, work).await
    }

    async fn run<T, F>(&self, access: Access, mut work: F) -> Result<T, AppDatabaseError>
    where
        T: Send + 'static,
        F: FnMut(&mut DbConnection) -> QueryResult<T> + Send + 'static,
    {
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.permits).acquire_owned()).await;
        let busy = || AppDatabaseError::from(Reason::from("too many queries of the app are running"));
        let permit = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let database = Arc::clone(&self.database);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut answer = None;
            database.run_of_app(access, &mut |connection| {
                answer = Some(work(connection)?);
                Ok(())
            })?;
            answer.ok_or_else(|| Failure::Unavailable("the query did not run".into()))
        });
        match task.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Failure::Unavailable(reason))) => Err(reason.into()),
            Ok(Err(Failure::Query(error))) => Err(AppDatabaseError::Query(error)),
            Err(error) => match error.try_into_panic() {
                // the app's closure panicked: the panic continues in the caller
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Reason::from("the query was cancelled").caused_by(error).into()),
            },
        }
    }

    /// The names of the app's own pending migrations, oldest first. The store handles the framework's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending(&self) -> Result<Vec<String>, StoreError> {
        if self.own_steps.is_empty() {
            return Ok(Vec::new());
        }
        let database = Arc::clone(&self.database);
        let seen = blocking("looking for migrations", move || {
            database.query(Access::Read, |connection| steps_seen(connection, database.dialect()))
        });
        let seen = seen.await??;
        let pending = self.own_steps.iter().filter(|step| !seen.contains(&step.version));
        Ok(pending.map(|step| step.name.clone()).collect())
    }
}
