//! MySQL and MariaDB, by `mysql_async` and rustls under diesel-async: no system library.

mod url;

use std::error::Error as StdError;
use std::time::Duration;

use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncMysqlConnection, SimpleAsyncConnection as _};
use mysql_async::{Conn, DriverError};
use r2d2::ManageConnection;

use self::url::Server;
use super::StoreError;
use super::connection::{DbConnection, MysqlConnection};
use super::database::Pooled;
use super::driver::{Driver, chain, rejected};
use super::runtime::runtime;
use super::statement::Dialect;
use super::tls::SslMode;
use crate::config::StoreConfig;

pub(super) static DIALECT: Dialect = Dialect {
    quote: '`',
    text: "CHAR",
    json: "?",
    // A column of ACE's may have any character set; texts are the same when they are so in UTF-8.
    bytes: ["CAST(CONVERT(", " USING utf8mb4) AS BINARY)"],
    is_loose: true,
    // The names of these locks are of the whole server, have 64 characters at most, and do not differ by case.
    lock: Some("SELECT CAST(GET_LOCK(CONCAT('addon-{kind}-', SHA1(CONCAT(DATABASE(), '/', ?))), 8) AS CHAR), NULL"),
    notify: None,
    // A server on a file system that knows no case writes names in lower case.
    table_exists: "SELECT '1', NULL FROM information_schema.tables WHERE table_schema = DATABASE() \
                   AND table_name = ? AND (@@lower_case_table_names <> 0 OR CAST(CONVERT(table_name USING utf8mb4) \
                   AS BINARY) = CAST(CONVERT(?again USING utf8mb4) AS BINARY))",
    // A node that comes second waits for the first; the session's own time limits are for requests.
    before_migrations: &["SET SESSION innodb_lock_wait_timeout = 120, lock_wait_timeout = 120 \
                          /*M!100101 , max_statement_time = 0 */ /*!50708 , max_execution_time = 0 */"],
    lock_migrations: Some("SELECT CAST(GET_LOCK(CONCAT('addon-migrations-', SHA1(DATABASE())), 120) AS CHAR), NULL"),
    source: |migrations| migrations.mysql,
};

/// For each session. Nothing is cut off to fit, locks wait as long as a request may, and a statement after a lock sees
/// what others committed before it. The first comment is MariaDB's alone, the second MySQL's.
const SESSION: &str = "SET NAMES utf8mb4; \
                       SET SESSION autocommit = 1, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
                       innodb_lock_wait_timeout = 10, lock_wait_timeout = 10 \
                       /*M!100101 , max_statement_time = 10 */ /*!50708 , max_execution_time = 10000 */; \
                       SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// For making a connection, from the name's look-up to the session's settings.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept. Servers end those that wait for long, most after eight hours, some managed
/// ones after a few minutes: a dead one is found out when it is used.
const IDLE: Duration = Duration::from_secs(600);

/// The connections to the database of `config`. Makes one to see that it works. Blocks.
pub(super) fn database(config: &StoreConfig) -> Result<Pooled<Manager>, StoreError> {
    let manager = Manager::new(config)?;
    // The pool would go on trying until its time is up, even where the password is wrong.
    manager.connect()?;
    Ok(Pooled::new(manager, &DIALECT, config.pool_size, Some(IDLE)))
}

/// Opens connections to one database.
pub(super) struct Manager {
    server: Server,
}

impl Manager {
    pub(crate) fn new(config: &StoreConfig) -> Result<Self, StoreError> {
        Ok(Self { server: Server::new(config)? })
    }

    async fn establish(&self) -> Result<AsyncConnectionWrapper<AsyncMysqlConnection, Driver>, StoreError> {
        let mode = self.server.tls.mode;
        let connection = match Conn::new(self.server.options(mode != SslMode::Disable)).await {
            Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer)) if mode == SslMode::Prefer => {
                Conn::new(self.server.options(false)).await
            }
            opened => opened,
        };
        let connection = connection.map_err(|error| self.refused(&error))?;
        let setting_up =
            |error: &dyn StdError| StoreError::Unavailable(format!("{}: {}", self.server.shown, chain(error)));
        let mut connection = AsyncMysqlConnection::try_from(connection).await.map_err(|error| setting_up(&error))?;
        connection.batch_execute(SESSION).await.map_err(|error| setting_up(&error))?;
        Ok(connection.into())
    }

    /// Sorts out what only the operator can mend.
    fn refused(&self, error: &mysql_async::Error) -> StoreError {
        use DriverError::{
            CleartextPluginDisabled, MysqlOldPasswordDisabled, NoClientSslFlagFromServer, UnknownAuthPlugin,
        };
        let text = format!("{}: {}", self.server.shown, chain(error));
        match error {
            // Source: MySQL's reference of server error messages. Wrong credentials, database or host, account locked,
            // TLS wanted.
            mysql_async::Error::Server(server)
                if matches!(server.code, 1044 | 1045 | 1049 | 1130 | 1251 | 1698 | 3118 | 3159 | 4151) =>
            {
                StoreError::Configuration(text)
            }
            mysql_async::Error::Driver(NoClientSslFlagFromServer) => {
                StoreError::Configuration(format!("{text}; ssl-mode=DISABLED in the URL connects in the clear"))
            }
            mysql_async::Error::Driver(
                UnknownAuthPlugin { .. } | MysqlOldPasswordDisabled | CleartextPluginDisabled,
            ) => StoreError::Configuration(text),
            _ => match rejected(error) {
                Some(rustls::Error::InvalidCertificate(_)) => StoreError::Configuration(format!(
                    "{text}; give the server's authority by ssl-ca=<file>, or take the server unverified by \
                     ssl-mode=REQUIRED"
                )),
                Some(_) => StoreError::Configuration(text),
                None => StoreError::Unavailable(text),
            },
        }
    }
}

impl ManageConnection for Manager {
    type Connection = DbConnection;
    type Error = StoreError;

    fn connect(&self) -> Result<DbConnection, StoreError> {
        let runtime = runtime()?;
        let inner = runtime.block_on(async {
            let limited = tokio::time::timeout(CONNECT, self.establish()).await;
            let late = || StoreError::Unavailable(format!("{}: no answer in time", self.server.shown));
            limited.unwrap_or_else(|_| Err(late()))
        })?;
        Ok(DbConnection::Mysql(MysqlConnection::new(inner, runtime)))
    }

    fn is_valid(&self, connection: &mut DbConnection) -> Result<(), StoreError> {
        if self.has_broken(connection) {
            return Err(StoreError::Unavailable(format!("{}: the connection was closed", self.server.shown)));
        }
        Ok(())
    }

    /// After a panic in a transaction nobody knows what the connection is in the middle of.
    fn has_broken(&self, connection: &mut DbConnection) -> bool {
        std::thread::panicking() || diesel::r2d2::R2D2Connection::is_broken(connection)
    }
}
