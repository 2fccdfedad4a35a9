//! A connection to MySQL or MariaDB: diesel-async's wrapper plus the traits that the connection enum needs.

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
use crate::migration_list::MigrationList;
use crate::row::{NumberRow, Rows, load_into};
use crate::statement::{Bind, Bound, Statement};

type Inner = AsyncConnectionWrapper<AsyncMysqlConnection, Driver>;
type InnerTransactions = <Inner as Connection>::TransactionManager;

/// How long to wait for a server's answer: slightly longer than the server's own statement timeout.
const SILENCE: Duration = Duration::from_secs(12);
/// The same for migrations.
const SILENCE_OF_MIGRATIONS: Duration = Duration::from_secs(150);

/// The errors that pass, by number: a lock or a row was not free in time, a deadlock, the time limit of MariaDB and that
/// of MySQL. Source: MySQL's and MariaDB's references of error messages.
const BUSY: [i64; 4] = [1205, 1213, 1969, 3024];

/// Reads the number that [`NOTE_ERROR_NUMBER`] has noted.
const ERROR_NUMBER: &str = "SELECT CAST(@addon_error AS SIGNED) AS number";
const NOTE_ERROR_NUMBER: &str = "GET DIAGNOSTICS CONDITION 1 @addon_error = MYSQL_ERRNO";

/// A connection. The timeout here applies to the store's own statements, because the driver has none. Queries of the
/// app, through diesel's traits, wait until the server's statement timeout or TCP ends them.
pub struct MysqlConnection {
    inner: Inner,
    runtime: &'static Runtime,
    silence: Duration,
    /// Whether it must not return to the pool: its state is unknown, or differs from what a request expects.
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
            let late = "the server does not answer".to_owned();
            Err(Error::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(late)))
        })
    }

    /// The number of the last statement's error, from the server: diesel-async keeps only the text, in the server's
    /// language. `None`: the server does not answer. In two steps, because diesel prepares each query, and this
    /// statement can only run as it is.
    fn error_number(&mut self) -> Option<i64> {
        self.batch(NOTE_ERROR_NUMBER).ok()?;
        let read = self.wait(async |connection| {
            RunQueryDsl::get_result::<NumberRow>(diesel::sql_query(ERROR_NUMBER), connection).await
        });
        read.ok()?.number
    }

    /// Runs `statements`, separated by semicolons.
    pub(crate) fn batch(&mut self, statements: &str) -> QueryResult<()> {
        self.wait(async |connection| connection.batch_execute(statements).await)
    }
}

impl SqlConnection for MysqlConnection {
    fn read(&mut self, statement: &Statement, binds: &[Bind<'_>], rows: Rows<'_>) -> QueryResult<()> {
        load_into!(
            rows,
            self.wait(async |connection| RunQueryDsl::load(Bound { statement, binds }, connection).await)?
        );
        Ok(())
    }

    fn change(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize> {
        self.wait(async |connection| RunQueryDsl::execute(Bound { statement, binds }, connection).await)
    }

    fn transaction(&mut self, work: Work<'_>) -> QueryResult<()> {
        self.batch("START TRANSACTION")?;
        // Until the end is known and the locks are released: they belong to the session.
        self.is_spent = true;
        let outcome = work(self);
        let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.batch(&format!("{end}; DO RELEASE_ALL_LOCKS()"));
        self.is_spent = ended.is_err();
        outcome.and(ended)
    }

    /// In MySQL, changing a table commits implicitly.
    fn migration(&mut self, work: Work<'_>) -> QueryResult<()> {
        self.silence = SILENCE_OF_MIGRATIONS;
        // It has locks and changed settings, so it must not return to the pool.
        self.is_spent = true;
        let outcome = work(self);
        outcome.and(self.batch("DO RELEASE_ALL_LOCKS()"))
    }

    fn is_busy(&mut self, error: &Error) -> bool {
        matches!(error, Error::DatabaseError(DatabaseErrorKind::Unknown, _))
            && self.error_number().is_some_and(|number| BUSY.contains(&number))
    }

    fn is_dead(&mut self, error: &Error) -> bool {
        match error {
            Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection, _) => {
                true
            }
            // The driver's errors and the server's look the same, so check whether the server still answers.
            Error::DatabaseError(DatabaseErrorKind::Unknown, _) => {
                let gone = self.batch("DO 0").is_err();
                self.is_spent |= gone;
                gone
            }
            _ => false,
        }
    }

    fn migrate(&mut self, list: MigrationList, wanted: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>> {
        list.run_pending(&mut self.inner, wanted)
    }

    fn revert_last(&mut self, list: MigrationList) -> QueryResult<String> {
        list.revert_last(&mut self.inner)
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
