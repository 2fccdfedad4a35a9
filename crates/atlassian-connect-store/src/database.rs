//! A connection pool that retries when a connection turns out to be dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use diesel::result::{Error, QueryResult};
use parking_lot::Mutex;
use r2d2::{HandleError, ManageConnection, Pool, PooledConnection};
use scheduled_thread_pool::ScheduledThreadPool;

use super::StoreError;
use super::connection::{DbConnection, SqlConnection, Work, is_temporary};
use super::error::Reason;
use super::listen::Changes;
use super::statement::Dialect;
use super::store::PoolState;

/// How long a request waits for a free or new connection.
const CHECKOUT: Duration = Duration::from_secs(5);

/// What work does. Work that changes anything runs in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// Changes tables, see [`SqlConnection::migration`].
    Migrate,
}

/// Why work on a connection failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The database is not reachable or busy, or no connection became free in time.
    Unavailable(Reason),
    /// The database's error, on a connection that still works.
    Query(Error),
}

/// How far work on a connection has come.
#[derive(Debug, Default)]
struct Progress {
    /// It has begun to commit: nobody knows whether a later error undid it.
    is_committing: bool,
    /// Whether the work's own error is temporary, noted while the connection still knows. `None`: it did not fail, but
    /// the begin or the end of its transaction may.
    is_temporary: Option<bool>,
}

/// Whether the work's error is temporary, if it has failed.
fn noted(connection: &mut dyn SqlConnection, outcome: &QueryResult<()>) -> Option<bool> {
    outcome.as_ref().err().map(|error| is_temporary(connection, error))
}

/// A database behind a pool. Its methods block: call them on the blocking pool.
pub(super) trait Database: Send + Sync {
    fn dialect(&self) -> &'static Dialect;

    /// The most connections in the pool.
    fn pool_size(&self) -> u32;

    /// The connections in the pool now.
    fn pool(&self) -> PoolState;

    /// Writes of other nodes, if the database can notify. Each call starts a new listener.
    fn changes(&self) -> Option<Changes>;

    /// Runs `work` on a connection. Retries on another one if the first was dead and nothing can have been committed.
    fn run(&self, access: Access, work: Work<'_>) -> Result<(), StoreError>;

    /// The same for work of the app, with diesel's own types.
    fn run_of_app(
        &self,
        access: Access,
        work: &mut dyn FnMut(&mut DbConnection) -> QueryResult<()>,
    ) -> Result<(), Failure>;
}

impl dyn Database + '_ {
    /// [`Database::run`] for work that has a result.
    pub(crate) fn query<T>(
        &self,
        access: Access,
        mut work: impl FnMut(&mut dyn SqlConnection) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        let mut answer = None;
        self.run(access, &mut |connection| {
            answer = Some(work(connection)?);
            Ok(())
        })?;
        answer.ok_or_else(|| StoreError::refused("the work on a connection did not run"))
    }
}

/// The connections of one database.
pub(super) struct Pooled<M: ManageConnection> {
    pool: Pool<M>,
    /// Requests that wait for a connection.
    waiting: AtomicU32,
    dialect: &'static Dialect,
    changes: Option<Box<dyn Fn() -> Changes + Send + Sync>>,
    last_failure: LastFailure,
}

impl<M: ManageConnection<Error = StoreError>> Pooled<M> {
    /// A pool of at most `size` connections, opened on demand. An unused one is closed after `idle`; `None`: never.
    pub(crate) fn new(connector: M, dialect: &'static Dialect, size: u32, idle: Option<Duration>) -> Self {
        // r2d2 panics on a size of zero, and starts three threads by default.
        let threads = Arc::new(ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("store-{}").build());
        let last_failure = LastFailure::default();
        let pool = Pool::builder()
            .max_size(size.max(1))
            .min_idle(Some(0))
            .idle_timeout(idle)
            .max_lifetime(idle.map(|idle| idle * 3))
            .connection_timeout(CHECKOUT)
            // The connectors check a flag, without a round trip.
            .test_on_check_out(true)
            .error_handler(Box::new(last_failure.clone()))
            .thread_pool(threads)
            .build_unchecked(connector);
        Self { pool, waiting: AtomicU32::new(0), dialect, changes: None, last_failure }
    }

    /// Adds a source of other nodes' writes.
    pub(crate) fn with_changes(self, changes: impl Fn() -> Changes + Send + Sync + 'static) -> Self {
        Self { changes: Some(Box::new(changes)), ..self }
    }

    /// Why the pool has no connection: none became free, or none can be made.
    fn no_connection(&self, error: r2d2::Error) -> Failure {
        let text = error.to_string();
        let made = self.last_failure.0.lock().clone().filter(|failure| text.contains(&failure.to_string()));
        Failure::Unavailable(match made.map(StoreError::into_reason) {
            Some(Reason { cause: Some(cause), .. }) => Reason { text, cause: Some(cause) },
            _ => Reason::from(text).caused_by(error),
        })
    }
}

impl<M> Pooled<M>
where
    M: ManageConnection<Error = StoreError>,
    M::Connection: SqlConnection,
{
    fn connection(&self) -> Result<PooledConnection<M>, Failure> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let connection = self.pool.get();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        connection.map_err(|error| self.no_connection(error))
    }

    /// Runs `work` on a connection. Retries on another one if the first was dead and `work` has not begun to commit.
    fn attempt(
        &self,
        mut work: impl FnMut(&mut M::Connection, &mut Progress) -> QueryResult<()>,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        // When a server restarts, every pooled connection is dead, and each is only noticed when used.
        let mut suspects = self.pool.max_size();
        loop {
            let mut connection = self.connection()?;
            let mut progress = Progress::default();
            let Err(error) = work(&mut connection, &mut progress) else { return Ok(()) };
            let is_temporary = progress.is_temporary.unwrap_or_else(|| is_temporary(&mut *connection, &error));
            if !connection.is_dead(&error) {
                return Err(if is_temporary { unavailable(error) } else { Failure::Query(error) });
            }
            if progress.is_committing || suspects == 0 || started.elapsed() > CHECKOUT {
                return Err(unavailable(error));
            }
            suspects -= 1;
            tracing::debug!(error = message(&error), "a connection to the store was dead, trying another");
        }
    }

    fn run_on_any(&self, access: Access, work: Work<'_>) -> Result<(), StoreError> {
        let outcome = self.attempt(|connection, progress| {
            let mut to_commit = |connection: &mut dyn SqlConnection| {
                let outcome = work(connection);
                progress.is_temporary = noted(connection, &outcome);
                outcome?;
                progress.is_committing = true;
                Ok(())
            };
            match access {
                Access::Read => to_commit(connection),
                Access::Write => connection.transaction(&mut to_commit),
                Access::Migrate => connection.migration(&mut to_commit),
            }
        });
        outcome.map_err(|failure| match failure {
            Failure::Unavailable(reason) => StoreError::unavailable(reason),
            Failure::Query(error) => StoreError::refused(message(&error)).caused_by(error),
        })
    }
}

impl<M: ManageConnection<Connection = DbConnection, Error = StoreError>> Database for Pooled<M> {
    fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    fn pool(&self) -> PoolState {
        let state = self.pool.state();
        PoolState {
            connections: state.connections,
            idle: state.idle_connections,
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    fn pool_size(&self) -> u32 {
        self.pool.max_size()
    }

    fn changes(&self) -> Option<Changes> {
        self.changes.as_ref().map(|changes| changes())
    }

    fn run(&self, access: Access, work: Work<'_>) -> Result<(), StoreError> {
        self.run_on_any(access, work)
    }

    fn run_of_app(
        &self,
        access: Access,
        work: &mut dyn FnMut(&mut DbConnection) -> QueryResult<()>,
    ) -> Result<(), Failure> {
        self.attempt(|connection, progress| {
            let Progress { is_committing, is_temporary } = progress;
            let mut work = |connection: &mut DbConnection| {
                let outcome = work(connection);
                *is_temporary = noted(connection, &outcome);
                outcome
            };
            match access {
                Access::Read => work(connection),
                Access::Write | Access::Migrate => connection.write(is_committing, work),
            }
        })
    }
}

fn unavailable(error: Error) -> Failure {
    Failure::Unavailable(Reason::from(message(&error)).caused_by(error))
}

/// Keeps the pool's last failure to connect: the pool itself only keeps its text. The request that waits for the
/// connection logs it.
#[derive(Debug, Clone, Default)]
struct LastFailure(Arc<Mutex<Option<StoreError>>>);

impl HandleError<StoreError> for LastFailure {
    fn handle_error(&self, error: StoreError) {
        *self.0.lock() = Some(error);
    }
}

/// The error's message. Its details are left out, because PostgreSQL puts the row's values there.
pub(super) fn message(error: &Error) -> String {
    match error {
        Error::DatabaseError(_, information) => information.message().to_owned(),
        Error::DeserializationError(_) => "a column cannot be read".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use diesel::result::DatabaseErrorKind;

    use super::*;
    use crate::migration_list::MigrationList;
    use crate::row::{NumberRow, Rows};
    use crate::sqlite::DIALECT;
    use crate::statement::{Bind, Statement};

    /// A connection that is dead if its number is below `dead`.
    struct FakeConnection {
        number: u32,
        dead: u32,
        dies_at_commit: bool,
    }

    impl SqlConnection for FakeConnection {
        fn read(&mut self, _: &Statement, _: &[Bind<'_>], _: Rows<'_>) -> QueryResult<()> {
            if self.number < self.dead { Err(closed()) } else { Ok(()) }
        }

        fn change(&mut self, _: &Statement, _: &[Bind<'_>]) -> QueryResult<usize> {
            if self.number < self.dead && !self.dies_at_commit { Err(closed()) } else { Ok(1) }
        }

        fn transaction(&mut self, work: Work<'_>) -> QueryResult<()> {
            work(self)?;
            if self.number < self.dead { Err(closed()) } else { Ok(()) }
        }

        fn is_busy(&mut self, _: &Error) -> bool {
            false
        }

        fn is_dead(&mut self, _: &Error) -> bool {
            self.number < self.dead
        }

        fn migrate(&mut self, _: MigrationList, _: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>> {
            Ok(vec![])
        }

        fn revert_last(&mut self, _: MigrationList) -> QueryResult<String> {
            Err(Error::NotFound)
        }
    }

    fn closed() -> Error {
        Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand, Box::new("connection closed".to_owned()))
    }

    struct FakeConnector {
        made: AtomicU32,
        dead: u32,
        dies_at_commit: bool,
    }

    impl ManageConnection for FakeConnector {
        type Connection = FakeConnection;
        type Error = StoreError;

        fn connect(&self) -> Result<FakeConnection, StoreError> {
            let number = self.made.fetch_add(1, Ordering::SeqCst);
            Ok(FakeConnection { number, dead: self.dead, dies_at_commit: self.dies_at_commit })
        }

        fn is_valid(&self, _: &mut FakeConnection) -> Result<(), StoreError> {
            Ok(())
        }

        fn has_broken(&self, connection: &mut FakeConnection) -> bool {
            connection.number < connection.dead
        }
    }

    fn pooled(dead: u32, dies_at_commit: bool) -> Pooled<FakeConnector> {
        let connector = FakeConnector { made: AtomicU32::new(0), dead, dies_at_commit };
        Pooled::new(connector, &DIALECT, 4, None)
    }

    fn statement() -> Statement {
        Statement::new(&DIALECT, "SELECT 1")
    }

    #[test]
    fn dead_connections_are_replaced_and_the_work_done_again() {
        for (dead, expected_runs) in [(0, 1), (1, 2), (4, 5)] {
            let mut runs = 0;
            let outcome = pooled(dead, false).run_on_any(Access::Read, &mut |connection| {
                runs += 1;
                connection.rows::<NumberRow>(&statement(), &[]).map(drop)
            });
            assert!(outcome.is_ok(), "{outcome:?}");
            assert_eq!(runs, expected_runs);
        }
    }

    #[test]
    fn more_dead_connections_than_the_pool_holds_are_reported() {
        let outcome =
            pooled(5, false).run_on_any(Access::Read, &mut |c| c.rows::<NumberRow>(&statement(), &[]).map(drop));
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }

    #[test]
    fn a_write_is_retried_unless_it_may_have_been_committed() {
        let outcome = pooled(1, false).run_on_any(Access::Write, &mut |c| c.execute(&statement(), &[]).map(drop));
        assert!(outcome.is_ok(), "{outcome:?}");

        let mut runs = 0;
        let outcome = pooled(1, true).run_on_any(Access::Write, &mut |connection| {
            runs += 1;
            connection.execute(&statement(), &[]).map(drop)
        });
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        assert_eq!(runs, 1);
    }
}
