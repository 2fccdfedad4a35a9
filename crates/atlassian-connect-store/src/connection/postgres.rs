//! A connection to PostgreSQL: diesel-async's wrapper plus the traits that the connection enum needs.

use std::any::Any;
use std::time::{Duration, Instant};

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
use crate::migration_list::MigrationList;
use crate::row::{Rows, load_into};
use crate::statement::{Bind, Bound, Statement};

type Inner = AsyncConnectionWrapper<AsyncPgConnection, Driver>;
type InnerTransactions = <Inner as Connection>::TransactionManager;

/// How long a statement must have run before its error counts as one of waiting. The server itself looks for deadlocks
/// after one second (`deadlock_timeout`), and its time limit for statements is longer.
const WAITED: Duration = Duration::from_millis(900);

/// A connection to PostgreSQL.
pub struct PostgresConnection {
    inner: Inner,
    /// When the last statement began.
    began: Instant,
}

impl From<AsyncPgConnection> for PostgresConnection {
    fn from(connection: AsyncPgConnection) -> Self {
        Self { inner: connection.into(), began: Instant::now() }
    }
}

impl PostgresConnection {
    fn begins(&mut self) {
        self.began = Instant::now();
    }
}

delegated!(PostgresConnection, inner, PostgresTransactions, Pg, begins);

impl R2D2Connection for PostgresConnection {
    fn ping(&mut self) -> QueryResult<()> {
        self.inner.ping()
    }

    fn is_broken(&mut self) -> bool {
        self.inner.is_broken()
    }
}

/// Looks up no types: the built-in ones are known, and this connection supports no others.
struct NoLookup;

impl PgMetadataLookup for NoLookup {
    fn lookup_type(&mut self, _: &str, _: Option<&str>) -> PgTypeMetadata {
        PgTypeMetadata::new(0, 0)
    }
}

impl MultiConnectionHelper for PostgresConnection {
    fn to_any<'a>(_: &mut <Pg as TypeMetadata>::MetadataLookup) -> &mut (dyn Any + 'a) {
        // zero-sized: nothing is allocated, nothing leaks
        Box::leak(Box::new(NoLookup))
    }

    fn from_any(lookup: &mut dyn Any) -> Option<&mut <Pg as TypeMetadata>::MetadataLookup> {
        lookup.downcast_mut::<NoLookup>().map(|lookup| lookup as &mut dyn PgMetadataLookup)
    }
}

impl SqlConnection for PostgresConnection {
    fn read(&mut self, statement: &Statement, binds: &[Bind<'_>], rows: Rows<'_>) -> QueryResult<()> {
        self.begins();
        load_into!(rows, Bound { statement, binds }.load(&mut self.inner)?);
        Ok(())
    }

    fn change(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize> {
        self.begins();
        Bound { statement, binds }.execute(&mut self.inner)
    }

    fn transaction(&mut self, work: Work<'_>) -> QueryResult<()> {
        diesel::Connection::transaction(self, |connection| work(connection))
    }

    /// The codes would be 57014 (`query_canceled`: the time limit) and 40P01 (`deadlock_detected`), but they cannot be
    /// had: diesel-async knows them, gives both the kind `Unknown`, and hides the driver's error and its client. The
    /// server's text is no help, because `lc_messages` chooses its language. So the time decides: a statement fails at
    /// once if it is wrong, and after a while if it had to wait. An error of both is taken for one of waiting, which
    /// costs a second try.
    fn is_busy(&mut self, error: &Error) -> bool {
        matches!(error, Error::DatabaseError(DatabaseErrorKind::Unknown, _)) && self.began.elapsed() >= WAITED
    }

    fn is_dead(&mut self, error: &Error) -> bool {
        match error {
            Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection, _) => {
                true
            }
            // A server that shuts down sends an ordinary error and then closes the connection, so check whether it
            // still answers.
            Error::DatabaseError(DatabaseErrorKind::Unknown, _) => self.ping().is_err(),
            _ => self.is_broken(),
        }
    }

    fn migrate(&mut self, list: MigrationList, wanted: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>> {
        list.run_pending(&mut self.inner, wanted)
    }

    fn revert_last(&mut self, list: MigrationList) -> QueryResult<String> {
        list.revert_last(&mut self.inner)
    }
}
