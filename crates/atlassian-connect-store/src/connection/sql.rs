//! The operations that the store needs from a connection.

use std::borrow::Cow;

use diesel::result::{DatabaseErrorInformation, Error, QueryResult};

use super::DbConnection;
use crate::migration_list::MigrationList;
use crate::redact::without_values;
use crate::row::{NumberRow, Row, Rows};
use crate::statement::{Bind, Statement};

/// The operations that the store needs from a connection, independent of diesel's types.
pub(crate) trait SqlConnection {
    /// Runs a SELECT and puts its rows into `rows`. Call [`SqlConnection::rows`] instead: its errors quote no values.
    fn read(&mut self, statement: &Statement, binds: &[Bind<'_>], rows: Rows<'_>) -> QueryResult<()>;

    /// Runs any other statement. Call [`SqlConnection::execute`] instead.
    fn change(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize>;

    /// Runs `work` in a transaction and rolls back if it fails.
    fn transaction(&mut self, work: Work<'_>) -> QueryResult<()>;

    /// Runs `work`, which migrates. If the database has transactional DDL, it runs in one transaction. Otherwise each
    /// migration commits separately, and locks last until `work` has ended.
    fn migration(&mut self, work: Work<'_>) -> QueryResult<()> {
        self.transaction(work)
    }

    /// Whether the database gave up for a reason that passes: a lock, a deadlock, a time limit. Call it right after the
    /// failure, before the rollback: MySQL knows the number of its last statement's error only.
    fn is_busy(&mut self, error: &Error) -> bool;

    /// Whether `error` means that this connection is dead.
    fn is_dead(&mut self, error: &Error) -> bool;

    /// Runs the pending migrations of `list` whose name `wanted` accepts. Returns their names. No error of a migration
    /// counts as temporary: diesel only puts it in words.
    fn migrate(&mut self, list: MigrationList, wanted: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>>;

    /// Reverts the last migration of `list` that has run and returns its version. Fails if a migration that `list`
    /// does not have has run after it.
    fn revert_last(&mut self, list: MigrationList) -> QueryResult<String>;
}

impl dyn SqlConnection + '_ {
    /// Runs a SELECT.
    pub(crate) fn rows<R: Row>(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<Vec<R>> {
        let mut rows = Vec::new();
        let read = self.read(statement, binds, R::into_rows(&mut rows));
        read.map_err(|error| without_values_of(statement, error))?;
        Ok(rows)
    }

    /// Runs any other statement and returns the number of affected rows.
    pub(crate) fn execute(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize> {
        self.change(statement, binds).map_err(|error| without_values_of(statement, error))
    }
}

/// Takes a lock with a statement that returns 1 when it holds the lock.
pub(crate) fn take_lock(
    connection: &mut dyn SqlConnection,
    statement: &Statement,
    binds: &[Bind<'_>],
) -> QueryResult<()> {
    match connection.rows(statement, binds)?.first() {
        Some(NumberRow { number: Some(1) }) => Ok(()),
        _ => Err(Error::QueryBuilderError(Box::new(LockTimeout))),
    }
}

/// The error of [`take_lock`] when the lock does not come in time. diesel has none of its own for that.
#[derive(Debug, thiserror::Error)]
#[error("another node has held the lock for too long")]
struct LockTimeout;

/// Whether a later try may succeed: another node holds a lock, or the database says that it is busy. Call it right after
/// the failure, see [`SqlConnection::is_busy`].
pub(crate) fn is_temporary(connection: &mut dyn SqlConnection, error: &Error) -> bool {
    match error {
        Error::QueryBuilderError(inner) if inner.is::<LockTimeout>() => true,
        _ => connection.is_busy(error),
    }
}

/// Work on a connection. It may run twice, so it must not keep results of the first run.
pub(crate) type Work<'a> = &'a mut dyn FnMut(&mut dyn SqlConnection) -> QueryResult<()>;

/// The error of `statement`, whose message does not quote values.
fn without_values_of(statement: &Statement, error: Error) -> Error {
    let Error::DatabaseError(kind, whole) = error else { return error };
    let message = without_values(whole.message(), |word| {
        statement.has_word(word)
            || [whole.table_name(), whole.column_name(), whole.constraint_name()].contains(&Some(word))
    });
    match message {
        Cow::Borrowed(_) => Error::DatabaseError(kind, whole),
        Cow::Owned(message) => Error::DatabaseError(kind, Box::new(Shortened { message, whole })),
    }
}

/// What a database says of an error, with a shorter message.
struct Shortened {
    message: String,
    whole: Box<dyn DatabaseErrorInformation + Send + Sync>,
}

impl DatabaseErrorInformation for Shortened {
    fn message(&self) -> &str {
        &self.message
    }

    fn details(&self) -> Option<&str> {
        self.whole.details()
    }

    fn hint(&self) -> Option<&str> {
        self.whole.hint()
    }

    fn table_name(&self) -> Option<&str> {
        self.whole.table_name()
    }

    fn column_name(&self) -> Option<&str> {
        self.whole.column_name()
    }

    fn constraint_name(&self) -> Option<&str> {
        self.whole.constraint_name()
    }

    fn statement_position(&self) -> Option<i32> {
        self.whole.statement_position()
    }
}

/// Implements [`SqlConnection`] for a connection type.
macro_rules! on_its_own {
    ($connection:ident, $own:ident => $work:expr) => {
        match $connection {
            DbConnection::Sqlite($own) => $work,
            DbConnection::Postgres($own) => $work,
            #[cfg(feature = "mysql")]
            DbConnection::Mysql($own) => $work,
        }
    };
}

impl SqlConnection for DbConnection {
    fn read(&mut self, statement: &Statement, binds: &[Bind<'_>], rows: Rows<'_>) -> QueryResult<()> {
        on_its_own!(self, own => own.read(statement, binds, rows))
    }

    fn change(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize> {
        on_its_own!(self, own => own.change(statement, binds))
    }

    fn transaction(&mut self, work: Work<'_>) -> QueryResult<()> {
        on_its_own!(self, own => SqlConnection::transaction(own, work))
    }

    fn migration(&mut self, work: Work<'_>) -> QueryResult<()> {
        on_its_own!(self, own => own.migration(work))
    }

    fn is_busy(&mut self, error: &Error) -> bool {
        on_its_own!(self, own => own.is_busy(error))
    }

    fn is_dead(&mut self, error: &Error) -> bool {
        on_its_own!(self, own => own.is_dead(error))
    }

    fn migrate(&mut self, list: MigrationList, wanted: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>> {
        on_its_own!(self, own => own.migrate(list, wanted))
    }

    fn revert_last(&mut self, list: MigrationList) -> QueryResult<String> {
        on_its_own!(self, own => SqlConnection::revert_last(own, list))
    }
}
