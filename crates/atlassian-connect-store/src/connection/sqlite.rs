//! A connection to SQLite.

use diesel::SqliteConnection;
use diesel::prelude::RunQueryDsl;
use diesel::result::{Error, QueryResult};

use super::sql::{SqlConnection, Work};
use crate::source::Source;
use crate::statement::{Bind, Bound, Row, Statement};

impl SqlConnection for SqliteConnection {
    fn rows(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<Vec<Row>> {
        Bound { statement, binds }.load(self)
    }

    fn execute(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize> {
        Bound { statement, binds }.execute(self)
    }

    fn transaction(&mut self, work: Work<'_>) -> QueryResult<()> {
        // IMMEDIATE: one that begins by reading could find the file taken when it comes to write, too late to wait.
        self.immediate_transaction(|connection| work(connection))
    }

    fn is_dead(&mut self, _: &Error) -> bool {
        false
    }

    fn migrate(&mut self, source: Source, wanted: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>> {
        source.run_pending(self, wanted)
    }

    fn revert_last(&mut self, source: Source) -> QueryResult<String> {
        source.revert_last(self)
    }
}
