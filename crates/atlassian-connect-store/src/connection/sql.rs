//! What the store asks of a connection.

use diesel::result::{DatabaseErrorKind, Error, QueryResult};

use super::DbConnection;
use crate::source::Source;
use crate::statement::{Bind, Row, Statement};

/// What the store asks of a connection, without diesel's type of it.
pub(crate) trait SqlConnection {
    /// Runs a SELECT.
    fn rows(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<Vec<Row>>;

    /// Runs another statement and answers how many rows it touched.
    fn execute(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize>;

    /// Runs `work` in a transaction, rolled back when it fails.
    fn transaction(&mut self, work: Work<'_>) -> QueryResult<()>;

    /// Runs `work`, which migrates: in a transaction where the database can take back a step. Where it cannot, each
    /// step counts by itself, and locks last until `work` has ended.
    fn migration(&mut self, work: Work<'_>) -> QueryResult<()> {
        self.transaction(work)
    }

    /// Whether `error` means that this connection is of no use any more.
    fn is_dead(&mut self, error: &Error) -> bool;

    /// Runs the pending ones of those migrations of `source` whose name `wanted` approves; answers their names.
    fn migrate(&mut self, source: Source, wanted: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>>;

    /// Takes back the last migration of `source` that has run; answers its version. An error where a migration
    /// that `source` does not have has run after it.
    fn revert_last(&mut self, source: Source) -> QueryResult<String>;
}

/// Takes a lock by a statement that answers `1` when it is held.
pub(crate) fn take_lock(
    connection: &mut dyn SqlConnection,
    statement: &Statement,
    binds: &[Bind<'_>],
) -> QueryResult<()> {
    match connection.rows(statement, binds)?.first() {
        Some((Some(held), _)) if held == "1" => Ok(()),
        _ => Err(Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(LOCK_TIMEOUT.to_owned()))),
    }
}

pub(crate) const LOCK_TIMEOUT: &str = "another node holds the lock for too long";

/// A piece of work on a connection. It may be run twice, so it must not keep anything of a first run.
pub(crate) type Work<'a> = &'a mut dyn FnMut(&mut dyn SqlConnection) -> QueryResult<()>;

/// What [`SqlConnection`] does on a connection, on that of its database.
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
    fn rows(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<Vec<Row>> {
        on_its_own!(self, own => own.rows(statement, binds))
    }

    fn execute(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize> {
        on_its_own!(self, own => SqlConnection::execute(own, statement, binds))
    }

    fn transaction(&mut self, work: Work<'_>) -> QueryResult<()> {
        on_its_own!(self, own => SqlConnection::transaction(own, work))
    }

    fn migration(&mut self, work: Work<'_>) -> QueryResult<()> {
        on_its_own!(self, own => own.migration(work))
    }

    fn is_dead(&mut self, error: &Error) -> bool {
        on_its_own!(self, own => own.is_dead(error))
    }

    fn migrate(&mut self, source: Source, wanted: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>> {
        on_its_own!(self, own => own.migrate(source, wanted))
    }

    fn revert_last(&mut self, source: Source) -> QueryResult<String> {
        on_its_own!(self, own => SqlConnection::revert_last(own, source))
    }
}
