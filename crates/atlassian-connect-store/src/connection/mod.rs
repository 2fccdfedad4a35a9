//! One Diesel connection type over all SQL databases of a build, for the tables of an app.

#[macro_use]
mod delegated;
#[cfg(feature = "mysql")]
mod mysql;
mod postgres;
mod sql;
mod sqlite;

use diesel::RunQueryDsl as _;
use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;

#[cfg(feature = "mysql")]
pub use mysql::{MysqlConnection, MysqlTransactions};
pub use postgres::{PostgresConnection, PostgresTransactions};
pub(crate) use sql::{SqlConnection, Work, is_temporary, take_lock};

/// A connection to the app's database: SQLite, PostgreSQL, or MySQL with the Cargo feature `mysql`. Queries are plain,
/// typed Diesel, written once for all of them.
///
/// Columns and values may have these SQL types: `SmallInt`, `Integer`, `BigInt`, `Float`, `Double`, `Text`, `Binary`,
/// `Bool`, `Date`, `Time` and `Timestamp`, each also `Nullable`. Features that only one of the databases has are
/// missing: JSON, UUID, time zones, `on_conflict`, `returning`. The app creates ids itself. Instead of an upsert,
/// update, then insert if no row was updated, in one transaction.
#[derive(diesel::MultiConnection)]
// a pool has few of them, and they are not moved
#[allow(clippy::large_enum_variant)]
pub enum DbConnection {
    /// SQLite.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(PostgresConnection),
    /// MySQL and MariaDB.
    #[cfg(feature = "mysql")]
    Mysql(MysqlConnection),
}

impl std::fmt::Debug for DbConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sqlite(_) => "DbConnection::Sqlite",
            Self::Postgres(_) => "DbConnection::Postgres",
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => "DbConnection::Mysql",
        })
    }
}

type Transactions = <DbConnection as diesel::Connection>::TransactionManager;

impl DbConnection {
    /// Runs `work` in a transaction and rolls back if it fails. On SQLite the transaction begins IMMEDIATE: one that
    /// starts with a read may find the file locked at its first write, and SQLite does not wait then. `committing` is
    /// set right before the commit: from then on, nobody knows whether an error undid the work.
    pub(crate) fn write<T>(
        &mut self,
        committing: &mut bool,
        work: impl FnOnce(&mut Self) -> QueryResult<T>,
    ) -> QueryResult<T> {
        match self {
            Self::Sqlite(sqlite) => AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")?,
            Self::Postgres(_) => Transactions::begin_transaction(self)?,
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => Transactions::begin_transaction(self)?,
        }
        let worked = work(self).and_then(|answer| {
            // After a failed statement PostgreSQL turns COMMIT into ROLLBACK and reports no error. Without this check,
            // a caller that ignores the failure would believe that its work is saved.
            if let Self::Postgres(_) = self {
                diesel::sql_query("SELECT 1").execute(self)?;
            }
            Ok(answer)
        });
        match worked {
            Ok(answer) => {
                *committing = true;
                Transactions::commit_transaction(self)?;
                Ok(answer)
            }
            Err(error) => {
                // if this fails, the connection was lost or the database has already rolled back: the first error says
                // why, and the connection leaves the pool
                let _ = Transactions::rollback_transaction(self);
                Err(error)
            }
        }
    }
}
