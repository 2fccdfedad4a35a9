//! A connection to PostgreSQL as diesel knows them: diesel-async's wrapper, with what a connection over several databases
//! asks of each.

use std::any::Any;

use diesel::QueryResult;
use diesel::RunQueryDsl;
use diesel::connection::{
    CacheSize, Connection, ConnectionSealed, Instrumentation, LoadConnection, MultiConnectionHelper, SimpleConnection,
    TransactionManager, TransactionManagerStatus,
};
use diesel::expression::QueryMetadata;
use diesel::migration::MigrationConnection;
use diesel::pg::{Pg, PgMetadataLookup, PgTypeMetadata};
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::r2d2::R2D2Connection;
use diesel::result::{ConnectionResult, DatabaseErrorKind, Error};
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

impl std::fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresConnection")
    }
}

impl SimpleConnection for PostgresConnection {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.0.batch_execute(query)
    }
}

impl ConnectionSealed for PostgresConnection {}

/// Begins and ends its transactions.
#[derive(Debug)]
pub struct PostgresTransactions;

impl TransactionManager<PostgresConnection> for PostgresTransactions {
    type TransactionStateData = <InnerTransactions as TransactionManager<Inner>>::TransactionStateData;

    fn begin_transaction(connection: &mut PostgresConnection) -> QueryResult<()> {
        InnerTransactions::begin_transaction(&mut connection.0)
    }

    fn rollback_transaction(connection: &mut PostgresConnection) -> QueryResult<()> {
        InnerTransactions::rollback_transaction(&mut connection.0)
    }

    fn commit_transaction(connection: &mut PostgresConnection) -> QueryResult<()> {
        InnerTransactions::commit_transaction(&mut connection.0)
    }

    fn transaction_manager_status_mut(connection: &mut PostgresConnection) -> &mut TransactionManagerStatus {
        InnerTransactions::transaction_manager_status_mut(&mut connection.0)
    }
}

impl Connection for PostgresConnection {
    type Backend = Pg;
    type TransactionManager = PostgresTransactions;

    /// Connections come from the pool, which knows about TLS and deadlines.
    fn establish(_: &str) -> ConnectionResult<Self> {
        Err(diesel::ConnectionError::BadConnection("connections come from the pool".to_owned()))
    }

    fn execute_returning_count<T>(&mut self, source: &T) -> QueryResult<usize>
    where
        T: QueryFragment<Pg> + QueryId,
    {
        self.0.execute_returning_count(source)
    }

    fn transaction_state(&mut self) -> &mut <PostgresTransactions as TransactionManager<Self>>::TransactionStateData {
        self.0.transaction_state()
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.0.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.0.set_instrumentation(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.0.set_prepared_statement_cache_size(size);
    }
}

impl LoadConnection for PostgresConnection {
    type Cursor<'conn, 'query> = <Inner as LoadConnection>::Cursor<'conn, 'query>;
    type Row<'conn, 'query> = <Inner as LoadConnection>::Row<'conn, 'query>;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> QueryResult<Self::Cursor<'conn, 'query>>
    where
        T: Query + QueryFragment<Pg> + QueryId + 'query,
        Pg: QueryMetadata<T::SqlType>,
    {
        LoadConnection::load(&mut self.0, source)
    }
}

impl R2D2Connection for PostgresConnection {
    fn ping(&mut self) -> QueryResult<()> {
        self.0.ping()
    }

    fn is_broken(&mut self) -> bool {
        self.0.is_broken()
    }
}

impl MigrationConnection for PostgresConnection {
    fn setup(&mut self) -> QueryResult<usize> {
        self.0.setup()
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
