//! MySQL and MariaDB, with `mysql_async` and rustls under diesel-async: no system library.
//!
//! - **Comparison.** Each condition on a name is there twice, see [`names`]. Tables that we create are `utf8mb4_bin`.
//! - **Locks** are `GET_LOCK`s on a hash of database and name. They belong to the session, so each transaction ends
//!   with `RELEASE_ALL_LOCKS`, and a connection is closed if that is not certain. They also belong to one server: on a
//!   cluster with several writable nodes, two installs of one tenant at once may leave two rows, which are treated as
//!   ACE's.
//! - **Sessions** are READ COMMITTED, strict, `utf8mb4`. An UPDATE returns the rows that it found, not those it
//!   changed.
//! - **Migrations.** Each change of a table is a commit. A named lock keeps other nodes out, and each step may run
//!   again after it was interrupted.
//! - **JSON** is text in MariaDB. MySQL sorts the members of an object; the text that was read is what is compared.
//! - **TLS.** The driver checks the certificate itself, with one authority or the web's. It cannot skip the name, and
//!   does not accept a self-signed certificate as its own authority.
//! - **Silence.** The driver has no time limit for a silent network, so each statement is awaited with one.
//! - **Nodes** are not notified, because there is nothing like `NOTIFY`. An old secret ends with its cache entry.
//!
//! The acceptance suite runs on MariaDB 10.11, on our tables and on ACE's. MySQL itself has not been tried.

mod names;
mod url;

use std::time::Duration;

use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncMysqlConnection, SimpleAsyncConnection as _};
use mysql_async::{Conn, DriverError};
use r2d2::ManageConnection;

pub(super) use self::url::MysqlConnector;
use super::StoreError;
use super::connection::{DbConnection, MysqlConnection};
use super::database::Pooled;
use super::driver::{Driver, chain, rejected, setting_up};
use super::runtime::runtime;
use super::statement::Dialect;
use super::tls::SslMode;
use crate::config::StoreConfig;

pub(super) static DIALECT: Dialect = Dialect {
    quote: '`',
    text: "CHAR",
    integer: "SIGNED",
    json: "?",
    bytes: names::bytes,
    same: names::same,
    // IGNORE also turns other errors into warnings, such as a text that is too long: such values are refused before.
    insert_new: ("INSERT IGNORE INTO", ""),
    // Lock names are global on the server, have at most 64 characters, and ignore case.
    lock: Some(
        "SELECT CAST(GET_LOCK(CONCAT('addon-{kind}-', SHA1(CONCAT(DATABASE(), '/', ?))), 8) AS SIGNED) AS number",
    ),
    notify: None,
    // A server on a case-insensitive file system writes table names in lower case.
    table_exists: "SELECT @one AS number FROM information_schema.tables WHERE table_schema = DATABASE() \
                   AND table_name = ? AND (@@lower_case_table_names <> 0 OR CAST(CONVERT(table_name USING utf8mb4) \
                   AS BINARY) = CAST(CONVERT(?again USING utf8mb4) AS BINARY))",
    // A second node waits for the first; the session's usual timeouts are for requests.
    before_migrations: &["SET SESSION innodb_lock_wait_timeout = 120, lock_wait_timeout = 120 \
                          /*M!100101 , max_statement_time = 0 */ /*!50708 , max_execution_time = 0 */"],
    lock_migrations: Some(
        "SELECT CAST(GET_LOCK(CONCAT('addon-migrations-', SHA1(DATABASE())), 120) AS SIGNED) AS number",
    ),
    list: |migrations| migrations.mysql,
};

/// Settings of each session. Values are never truncated, locks wait as long as a request may, and a statement after a
/// lock sees what others committed before it. The first comment is for MariaDB only, the second for MySQL.
const SESSION: &str = "SET NAMES utf8mb4; \
                       SET SESSION autocommit = 1, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
                       innodb_lock_wait_timeout = 10, lock_wait_timeout = 10 \
                       /*M!100101 , max_statement_time = 10 */ /*!50708 , max_execution_time = 10000 */; \
                       SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// The timeout for making a connection, from name resolution to the session's settings.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept. Servers close idle connections: most after eight hours, some managed ones
/// after a few minutes. A dead one is noticed when it is used.
const IDLE: Duration = Duration::from_secs(600);

/// The connection pool for the database of `config`. Opens one connection to check that it works. Blocks.
pub(super) fn database(config: &StoreConfig) -> Result<Pooled<MysqlConnector>, StoreError> {
    let connector = MysqlConnector::new(config)?;
    // The pool would retry until its timeout, even if the password is wrong.
    connector.connect()?;
    Ok(Pooled::new(connector, &DIALECT, config.pool_size, Some(IDLE)))
}

impl MysqlConnector {
    async fn establish(&self) -> Result<AsyncConnectionWrapper<AsyncMysqlConnection, Driver>, StoreError> {
        let mode = self.tls.mode;
        let connection = match Conn::new(self.options(mode != SslMode::Disable)).await {
            Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer)) if mode == SslMode::Prefer => {
                Conn::new(self.options(false)).await
            }
            opened => opened,
        };
        let connection = connection.map_err(|error| self.refused(error))?;
        let mut connection =
            AsyncMysqlConnection::try_from(connection).await.map_err(|error| setting_up(&self.shown, error))?;
        connection.batch_execute(SESSION).await.map_err(|error| setting_up(&self.shown, error))?;
        Ok(connection.into())
    }

    /// Recognizes failures that the operator has to fix.
    fn refused(&self, error: mysql_async::Error) -> StoreError {
        self.classified(&error).caused_by(error)
    }

    fn classified(&self, error: &mysql_async::Error) -> StoreError {
        use DriverError::{
            CleartextPluginDisabled, MysqlOldPasswordDisabled, NoClientSslFlagFromServer, UnknownAuthPlugin,
        };
        let text = format!("{}: {}", self.shown, chain(error));
        match error {
            // Source: MySQL's server error message reference. Wrong credentials, database or host, account locked, TLS
            // required.
            mysql_async::Error::Server(server)
                if matches!(server.code, 1044 | 1045 | 1049 | 1130 | 1251 | 1698 | 3118 | 3159 | 4151) =>
            {
                StoreError::configuration(text)
            }
            mysql_async::Error::Driver(NoClientSslFlagFromServer) => {
                StoreError::configuration(format!("{text}; ssl-mode=DISABLED in the URL connects without encryption"))
            }
            mysql_async::Error::Driver(
                UnknownAuthPlugin { .. } | MysqlOldPasswordDisabled | CleartextPluginDisabled,
            ) => StoreError::configuration(text),
            _ => match rejected(error) {
                Some(rustls::Error::InvalidCertificate(_)) => StoreError::configuration(format!(
                    "{text}; name the server's certificate authority with ssl-ca=<file>, or accept any certificate with \
                     ssl-mode=REQUIRED"
                )),
                Some(_) => StoreError::configuration(text),
                None => StoreError::unavailable(text),
            },
        }
    }
}

impl ManageConnection for MysqlConnector {
    type Connection = DbConnection;
    type Error = StoreError;

    fn connect(&self) -> Result<DbConnection, StoreError> {
        let runtime = runtime()?;
        let inner = runtime.block_on(async {
            let limited = tokio::time::timeout(CONNECT, self.establish()).await;
            let late = || StoreError::unavailable(format!("{}: no answer in time", self.shown));
            limited.unwrap_or_else(|_| Err(late()))
        })?;
        Ok(DbConnection::Mysql(MysqlConnection::new(inner, runtime)))
    }

    fn is_valid(&self, connection: &mut DbConnection) -> Result<(), StoreError> {
        if self.has_broken(connection) {
            return Err(StoreError::unavailable(format!("{}: the connection was closed", self.shown)));
        }
        Ok(())
    }

    /// After a panic inside a transaction, the connection's state is unknown.
    fn has_broken(&self, connection: &mut DbConnection) -> bool {
        std::thread::panicking() || diesel::r2d2::R2D2Connection::is_broken(connection)
    }
}
