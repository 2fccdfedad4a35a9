//! A connection to MySQL or MariaDB: diesel-async's wrapper, with what a connection over several databases asks of each.

use std::any::Any;
use std::time::Duration;

use diesel::QueryResult;
use diesel::connection::{Connection, MultiConnectionHelper};
use diesel::mysql::Mysql;
use diesel::r2d2::R2D2Connection;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::TypeMetadata;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection as _};
use tokio::runtime::Runtime;

use super::sql::{SqlConnection, Work};
use crate::driver::Driver;
use crate::source::Source;
use crate::statement::{Bind, Bound, Row, Statement};

type Inner = AsyncConnectionWrapper<AsyncMysqlConnection, Driver>;
type InnerTransactions = <Inner as Connection>::TransactionManager;

/// How long a server may leave us without an answer: a little longer than it takes to stop a statement by itself.
const SILENCE: Duration = Duration::from_secs(12);
/// The same while migrating.
const SILENCE_OF_MIGRATIONS: Duration = Duration::from_secs(150);

/// A connection. The waiting of the store's own statements is limited here, as the driver's is not; queries of the app, by
/// diesel's traits, wait as long as the server's limit for a statement and TCP let them.
pub struct MysqlConnection {
    inner: Inner,
    runtime: &'static Runtime,
    silence: Duration,
    /// Whether it is of no use to others: nobody knows its state, or it is none that a request expects.
    is_spent: bool,
}

impl MysqlConnection {
    pub(crate) fn new(inner: Inner, runtime: &'static Runtime) -> Self {
        Self { inner, runtime, silence: SILENCE, is_spent: false }
    }

    fn wait<T>(&mut self, work: impl AsyncFnOnce(&mut AsyncMysqlConnection) -> QueryResult<T>) -> QueryResult<T> {
        let Self { inner, runtime, silence, .. } = self;
        let outcome = runtime.block_on(async { tokio::time::timeout(*silence, work(inner)).await });
        outcome.unwrap_or_else(|_| {
            self.is_spent = true;
            let late = "the server gives no answer".to_owned();
            Err(Error::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(late)))
        })
    }

    /// Runs `statements`, separated by semicolons.
    pub(crate) fn batch(&mut self, statements: &str) -> QueryResult<()> {
        self.wait(async |connection| connection.batch_execute(statements).await)
    }
}

impl SqlConnection for MysqlConnection {
    fn rows(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<Vec<Row>> {
        self.wait(async |connection| RunQueryDsl::load(Bound { statement, binds }, connection).await)
    }

    fn execute(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize> {
        self.wait(async |connection| RunQueryDsl::execute(Bound { statement, binds }, connection).await)
    }

    fn transaction(&mut self, work: Work<'_>) -> QueryResult<()> {
        self.batch("START TRANSACTION")?;
        // Until it is known how this ended, and that its locks are gone: they are the session's.
        self.is_spent = true;
        let outcome = work(self);
        let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.batch(&format!("{end}; DO RELEASE_ALL_LOCKS()"));
        self.is_spent = ended.is_err();
        outcome.and(ended)
    }

    /// A change of a table is a commit.
    fn migration(&mut self, work: Work<'_>) -> QueryResult<()> {
        self.silence = SILENCE_OF_MIGRATIONS;
        // With its locks and its settings it goes to nobody else.
        self.is_spent = true;
        let outcome = work(self);
        outcome.and(self.batch("DO RELEASE_ALL_LOCKS()"))
    }

    fn is_dead(&mut self, error: &Error) -> bool {
        match error {
            Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection, _) => {
                true
            }
            // The driver's errors and the server's come alike: ask whether it is still there.
            Error::DatabaseError(DatabaseErrorKind::Unknown, _) => {
                let gone = self.batch("DO 0").is_err();
                self.is_spent |= gone;
                gone
            }
            _ => false,
        }
    }

    fn migrate(&mut self, source: Source, wanted: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>> {
        source.run_pending(&mut self.inner, wanted)
    }

    fn revert_last(&mut self, source: Source) -> QueryResult<String> {
        source.revert_last(&mut self.inner)
    }
}

delegated!(MysqlConnection, inner, MysqlTransactions, Mysql);

impl R2D2Connection for MysqlConnection {
    fn ping(&mut self) -> QueryResult<()> {
        self.inner.ping()
    }

    fn is_broken(&mut self) -> bool {
        self.is_spent || self.inner.is_broken()
    }
}

impl MultiConnectionHelper for MysqlConnection {
    fn to_any<'a>(lookup: &mut <Mysql as TypeMetadata>::MetadataLookup) -> &mut (dyn Any + 'a) {
        lookup
    }

    fn from_any(lookup: &mut dyn Any) -> Option<&mut <Mysql as TypeMetadata>::MetadataLookup> {
        lookup.downcast_mut()
    }
}
