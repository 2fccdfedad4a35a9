//! A connection to PostgreSQL as diesel knows them: diesel-async's wrapper, with what a connection over several databases
//! asks of each.

use std::any::Any;

use diesel::QueryResult;
use diesel::RunQueryDsl;
use diesel::connection::{Connection, MultiConnectionHelper};
use diesel::pg::{Pg, PgMetadataLookup, PgTypeMetadata};
use diesel::r2d2::R2D2Connection;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::TypeMetadata;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;

use super::sql::{SqlConnection, Work};
use crate::driver::Driver;
use crate::source::Source;
use crate::statement::{Bind, Bound, Row, Statement};

type Inner = AsyncConnectionWrapper<AsyncPgConnection, Driver>;
type InnerTransactions = <Inner as Connection>::TransactionManager;

/// A connection to PostgreSQL.
pub struct PostgresConnection(Inner);

impl From<AsyncPgConnection> for PostgresConnection {
    fn from(connection: AsyncPgConnection) -> Self {
        Self(connection.into())
    }
}

delegated!(PostgresConnection, 0, PostgresTransactions, Pg);

impl R2D2Connection for PostgresConnection {
    fn ping(&mut self) -> QueryResult<()> {
        self.0.ping()
    }

    fn is_broken(&mut self) -> bool {
        self.0.is_broken()
    }
}

/// Looks nothing up: built-in types are known, and others are not for this connection.
struct NoLookup;

impl PgMetadataLookup for NoLookup {
    fn lookup_type(&mut self, _: &str, _: Option<&str>) -> PgTypeMetadata {
        PgTypeMetadata::new(0, 0)
    }
}

impl MultiConnectionHelper for PostgresConnection {
    fn to_any<'a>(_: &mut <Pg as TypeMetadata>::MetadataLookup) -> &mut (dyn Any + 'a) {
        // of no size: nothing is allocated, nothing leaks
        Box::leak(Box::new(NoLookup))
    }

    fn from_any(lookup: &mut dyn Any) -> Option<&mut <Pg as TypeMetadata>::MetadataLookup> {
        lookup.downcast_mut::<NoLookup>().map(|lookup| lookup as &mut dyn PgMetadataLookup)
    }
}

impl SqlConnection for PostgresConnection {
    fn rows(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<Vec<Row>> {
        Bound { statement, binds }.load(&mut self.0)
    }

    fn execute(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize> {
        Bound { statement, binds }.execute(&mut self.0)
    }

    fn transaction(&mut self, work: Work<'_>) -> QueryResult<()> {
        diesel::Connection::transaction(self, |connection| work(connection))
    }

    fn is_dead(&mut self, error: &Error) -> bool {
        match error {
            Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection, _) => {
                true
            }
            // A server that stops says so by an error like any other, and then closes: ask whether it is still there.
            Error::DatabaseError(DatabaseErrorKind::Unknown, _) => self.ping().is_err(),
            _ => self.is_broken(),
        }
    }

    fn migrate(&mut self, source: Source, wanted: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>> {
        source.run_pending(&mut self.0, wanted)
    }

    fn revert_last(&mut self, source: Source) -> QueryResult<String> {
        source.revert_last(&mut self.0)
    }
}
