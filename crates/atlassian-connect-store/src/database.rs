//! A pool of connections, and further tries when one turns out to be dead.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::result::{DatabaseErrorKind, Error, QueryResult};
use r2d2::{ManageConnection, NopErrorHandler, Pool};
use scheduled_thread_pool::ScheduledThreadPool;

use super::StoreError;
use super::connection::{DbConnection, LOCK_TIMEOUT, SqlConnection, Work};
use super::listen::Changes;
use super::statement::Dialect;

/// How long a request waits for a free or new connection.
const CHECKOUT: Duration = Duration::from_secs(5);

/// What work does; it runs in a transaction if it changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// Changes tables: see [`SqlConnection::migration`].
    Migrate,
}

/// Why work on a connection has no outcome.
#[derive(Debug)]
pub(super) enum Failure {
    /// The database is away, or the pool has no connection in time.
    Unavailable(String),
    /// The database's answer, on a connection that lives.
    Query(Error),
}

/// A database behind a pool. Its methods block: call them on the blocking pool.
pub(super) trait Database: Send + Sync {
    fn dialect(&self) -> &'static Dialect;

    /// Connections at most.
    fn pool_size(&self) -> u32;

    /// What other nodes write, where the database tells; each call listens anew.
    fn changes(&self) -> Option<Changes>;

    /// Runs `work` on a connection, and again on another when that one was dead and nothing can have been committed.
    fn run(&self, access: Access, work: Work<'_>) -> Result<(), StoreError>;

    /// The same for work of the app, in diesel's own words.
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
        answer.ok_or_else(|| StoreError::Refused("the work on a connection did not run".to_owned()))
    }
}

/// The connections of one database.
pub(super) struct Pooled<M: ManageConnection> {
    pool: Pool<M>,
    dialect: &'static Dialect,
    changes: Option<Box<dyn Fn() -> Changes + Send + Sync>>,
}

impl<M> Pooled<M>
where
    M: ManageConnection,
    M::Error: fmt::Display,
{
    /// Connects when asked to, keeps `size` connections at most. `idle` is how long an unused one is kept; `None`: for
    /// ever.
    pub(crate) fn new(manager: M, dialect: &'static Dialect, size: u32, idle: Option<Duration>) -> Self {
        // r2d2 asserts that there may be a connection at all, and starts three threads unless told otherwise.
        let threads = Arc::new(ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("store-{}").build());
        let pool = Pool::builder()
            .max_size(size.max(1))
            .min_idle(Some(0))
            .idle_timeout(idle)
            .max_lifetime(idle.map(|idle| idle * 3))
            .connection_timeout(CHECKOUT)
            // The managers' check is a look at a flag, no round trip.
            .test_on_check_out(true)
            // A failure reaches the request that waits for the connection, which logs it.
            .error_handler(Box::new(NopErrorHandler))
            .thread_pool(threads)
            .build_unchecked(manager);
        Self { pool, dialect, changes: None }
    }

    /// With a way to hear of what other nodes write.
    pub(crate) fn with_changes(self, changes: impl Fn() -> Changes + Send + Sync + 'static) -> Self {
        Self { changes: Some(Box::new(changes)), ..self }
    }
}

impl<M> Pooled<M>
where
    M: ManageConnection,
    M::Connection: SqlConnection,
{
    /// Runs `work` on a connection, and again on another when that one was dead and `work` has not said that it commits.
    fn attempt(&self, mut work: impl FnMut(&mut M::Connection, &mut bool) -> QueryResult<()>) -> Result<(), Failure> {
        let started = Instant::now();
        // When a server restarts, all the connections that wait in the pool die, and each is only found out when used.
        let mut suspects = self.pool.max_size();
        loop {
            let mut connection = self.pool.get().map_err(|error| Failure::Unavailable(error.to_string()))?;
            let mut committing = false;
            let Err(error) = work(&mut connection, &mut committing) else { return Ok(()) };
            if !connection.is_dead(&error) {
                return Err(Failure::Query(error));
            }
            if committing || suspects == 0 || started.elapsed() > CHECKOUT {
                return Err(Failure::Unavailable(message(&error)));
            }
            suspects -= 1;
            tracing::debug!(error = message(&error), "a connection to the store was dead, trying another");
        }
    }

    fn run_on_any(&self, access: Access, work: Work<'_>) -> Result<(), StoreError> {
        let outcome = self.attempt(|connection, committing| {
            let mut to_commit = |connection: &mut dyn SqlConnection| {
                work(connection)?;
                *committing = true;
                Ok(())
            };
            match access {
                Access::Read => to_commit(connection),
                Access::Write => connection.transaction(&mut to_commit),
                Access::Migrate => connection.migration(&mut to_commit),
            }
        });
        outcome.map_err(|failure| match failure {
            Failure::Unavailable(reason) => StoreError::Unavailable(reason),
            Failure::Query(error) => describe(&error),
        })
    }
}

impl<M: ManageConnection<Connection = DbConnection>> Database for Pooled<M> {
    fn dialect(&self) -> &'static Dialect {
        self.dialect
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
        self.attempt(|connection, committing| match access {
            Access::Read => work(connection),
            Access::Write | Access::Migrate => connection.write(committing, &mut *work),
        })
    }
}

/// Sorts an error of a living connection: busy is a matter of time, the rest is not.
pub(super) fn describe(error: &Error) -> StoreError {
    let text = message(error);
    let temporary = matches!(error, Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand, _))
        || TEMPORARY.iter().any(|words| text.contains(words));
    if temporary { StoreError::Unavailable(text) } else { StoreError::Refused(text) }
}

/// What passes, in the databases' words, as diesel hands on no code: SQLite's busy time-out, PostgreSQL's time-out of a
/// statement, those of MySQL and MariaDB, and their locks.
const TEMPORARY: [&str; 8] = [
    "database is locked",
    "canceling statement due to statement timeout",
    "maximum statement execution time exceeded",
    "max_statement_time exceeded",
    "Lock wait timeout exceeded",
    "Deadlock found when trying to get lock",
    "deadlock detected",
    LOCK_TIMEOUT,
];

/// The error's own sentence. Its details are left out: PostgreSQL puts the values of the row there.
fn message(error: &Error) -> String {
    match error {
        Error::DatabaseError(_, information) => information.message().to_owned(),
        Error::DeserializationError(_) => "a column could not be read".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::source::Source;
    use crate::sqlite::DIALECT;
    use crate::statement::{Bind, Row, Statement};

    /// A connection that is dead as long as its number is below `dead`.
    struct Fake {
        number: u32,
        dead: u32,
        dies_at_commit: bool,
    }

    impl SqlConnection for Fake {
        fn rows(&mut self, _: &Statement, _: &[Bind<'_>]) -> QueryResult<Vec<Row>> {
            if self.number < self.dead { Err(closed()) } else { Ok(vec![]) }
        }

        fn execute(&mut self, _: &Statement, _: &[Bind<'_>]) -> QueryResult<usize> {
            if self.number < self.dead && !self.dies_at_commit { Err(closed()) } else { Ok(1) }
        }

        fn transaction(&mut self, work: Work<'_>) -> QueryResult<()> {
            work(self)?;
            if self.number < self.dead { Err(closed()) } else { Ok(()) }
        }

        fn is_dead(&mut self, _: &Error) -> bool {
            self.number < self.dead
        }

        fn migrate(&mut self, _: Source, _: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>> {
            Ok(vec![])
        }

        fn revert_last(&mut self, _: Source) -> QueryResult<String> {
            Err(Error::NotFound)
        }
    }

    fn closed() -> Error {
        Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand, Box::new("connection closed".to_owned()))
    }

    struct Manager {
        made: AtomicU32,
        dead: u32,
        dies_at_commit: bool,
    }

    impl ManageConnection for Manager {
        type Connection = Fake;
        type Error = StoreError;

        fn connect(&self) -> Result<Fake, StoreError> {
            let number = self.made.fetch_add(1, Ordering::SeqCst);
            Ok(Fake { number, dead: self.dead, dies_at_commit: self.dies_at_commit })
        }

        fn is_valid(&self, _: &mut Fake) -> Result<(), StoreError> {
            Ok(())
        }

        fn has_broken(&self, connection: &mut Fake) -> bool {
            connection.number < connection.dead
        }
    }

    fn pooled(dead: u32, dies_at_commit: bool) -> Pooled<Manager> {
        let manager = Manager { made: AtomicU32::new(0), dead, dies_at_commit };
        Pooled::new(manager, &DIALECT, 4, None)
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
                connection.rows(&statement(), &[]).map(drop)
            });
            assert!(outcome.is_ok(), "{outcome:?}");
            assert_eq!(runs, expected_runs);
        }
    }

    #[test]
    fn more_dead_connections_than_the_pool_holds_are_reported() {
        let outcome = pooled(5, false).run_on_any(Access::Read, &mut |c| c.rows(&statement(), &[]).map(drop));
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }

    #[test]
    fn a_write_is_tried_again_unless_it_may_have_been_committed() {
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
