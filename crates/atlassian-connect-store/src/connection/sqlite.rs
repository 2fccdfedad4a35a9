//! A connection to SQLite.

use diesel::SqliteConnection;
use diesel::prelude::RunQueryDsl;
use diesel::result::{DatabaseErrorKind, Error, QueryResult};

use super::sql::{SqlConnection, Work};
use crate::migration_list::MigrationList;
use crate::row::{Rows, load_into};
use crate::statement::{Bind, Bound, Statement};

/// SQLite's text for the code `SQLITE_BUSY`. The code itself cannot be had: diesel reads it and keeps it, and asking the
/// library again takes `unsafe`. The text is as good: the library is a part of the binary, has one fixed text per code,
/// and speaks no other language.
const BUSY: &str = "database is locked";

impl SqlConnection for SqliteConnection {
    fn read(&mut self, statement: &Statement, binds: &[Bind<'_>], rows: Rows<'_>) -> QueryResult<()> {
        load_into!(rows, Bound { statement, binds }.load(self)?);
        Ok(())
    }

    fn change(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize> {
        Bound { statement, binds }.execute(self)
    }

    fn transaction(&mut self, work: Work<'_>) -> QueryResult<()> {
        // IMMEDIATE: a transaction that starts with a read may find the file locked at its first write, and SQLite does
        // not wait then.
        self.immediate_transaction(|connection| work(connection))
    }

    fn is_busy(&mut self, error: &Error) -> bool {
        matches!(error, Error::DatabaseError(DatabaseErrorKind::Unknown, told) if told.message() == BUSY)
    }

    fn is_dead(&mut self, _: &Error) -> bool {
        false
    }

    fn migrate(&mut self, list: MigrationList, wanted: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>> {
        list.run_pending(self, wanted)
    }

    fn revert_last(&mut self, list: MigrationList) -> QueryResult<String> {
        list.revert_last(self)
    }
}
