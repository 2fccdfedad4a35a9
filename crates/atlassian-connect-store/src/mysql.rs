//! MySQL and MariaDB, by `mysql_async` and rustls under diesel-async: no system library.

mod url;

use std::error::Error as StdError;
use std::time::Duration;

use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};
use mysql_async::{Conn, DriverError};
use r2d2::ManageConnection;
use tokio::runtime::Runtime;

use self::url::Server;
use super::StoreError;
use super::database::{Pooled, SqlConnection, Work};
use super::driver::{Driver, chain, rejected};
use super::migrations::{revert_last, run_pending};
use super::runtime::runtime;
use super::source::Source;
use super::statement::{Bind, Bound, Dialect, Row, Statement};
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
/// How long a server may leave us without an answer: a little longer than it takes to stop a statement by itself.
const SILENCE: Duration = Duration::from_secs(12);
/// The same while migrating.
const SILENCE_OF_MIGRATIONS: Duration = Duration::from_secs(150);
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
    type Connection = MysqlConnection;
    type Error = StoreError;

    fn connect(&self) -> Result<MysqlConnection, StoreError> {
        let runtime = runtime()?;
        let inner = runtime.block_on(async {
            let limited = tokio::time::timeout(CONNECT, self.establish()).await;
            let late = || StoreError::Unavailable(format!("{}: no answer in time", self.server.shown));
            limited.unwrap_or_else(|_| Err(late()))
        })?;
        Ok(MysqlConnection { inner, runtime, silence: SILENCE, is_spent: false })
    }

    fn is_valid(&self, connection: &mut MysqlConnection) -> Result<(), StoreError> {
        if self.has_broken(connection) {
            return Err(StoreError::Unavailable(format!("{}: the connection was closed", self.server.shown)));
        }
        Ok(())
    }

    fn has_broken(&self, connection: &mut MysqlConnection) -> bool {
        connection.is_spent
    }
}

/// A connection. Its waiting is limited here, as the driver's is not.
pub(super) struct MysqlConnection {
    inner: AsyncConnectionWrapper<AsyncMysqlConnection, Driver>,
    runtime: &'static Runtime,
    silence: Duration,
    /// Whether it is of no use to others: nobody knows its state, or it is none that a request expects.
    is_spent: bool,
}

impl MysqlConnection {
    fn wait<T>(&mut self, work: impl AsyncFnOnce(&mut AsyncMysqlConnection) -> QueryResult<T>) -> QueryResult<T> {
        let Self { inner, runtime, silence, .. } = self;
        let outcome = runtime.block_on(async { tokio::time::timeout(*silence, work(inner)).await });
        outcome.unwrap_or_else(|_| {
            self.is_spent = true;
            let late = "the server gives no answer".to_owned();
            Err(Error::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(late)))
        })
    }

    /// Runs `statements`, separated by semicolons.
    pub(crate) fn batch(&mut self, statements: &str) -> QueryResult<()> {
        self.wait(async |connection| connection.batch_execute(statements).await)
    }
}

impl SqlConnection for MysqlConnection {
    fn rows(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<Vec<Row>> {
        self.wait(async |connection| RunQueryDsl::load(Bound { statement, binds }, connection).await)
    }

    fn execute(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> QueryResult<usize> {
        self.wait(async |connection| RunQueryDsl::execute(Bound { statement, binds }, connection).await)
    }

    fn transaction(&mut self, work: Work<'_>) -> QueryResult<()> {
        self.batch("START TRANSACTION")?;
        // Until it is known how this ended, and that its locks are gone: they are the session's.
        self.is_spent = true;
        let outcome = work(self);
        let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.batch(&format!("{end}; DO RELEASE_ALL_LOCKS()"));
        self.is_spent = ended.is_err();
        outcome.and(ended)
    }

    /// A change of a table is a commit.
    fn migration(&mut self, work: Work<'_>) -> QueryResult<()> {
        self.silence = SILENCE_OF_MIGRATIONS;
        // With its locks and its settings it goes to nobody else.
        self.is_spent = true;
        let outcome = work(self);
        outcome.and(self.batch("DO RELEASE_ALL_LOCKS()"))
    }

    fn is_dead(&mut self, error: &Error) -> bool {
        match error {
            Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection, _) => {
                true
            }
            // The driver's errors and the server's come alike: ask whether it is still there.
            Error::DatabaseError(DatabaseErrorKind::Unknown, _) => {
                let gone = self.batch("DO 0").is_err();
                self.is_spent |= gone;
                gone
            }
            _ => false,
        }
    }

    fn migrate(&mut self, source: Source, wanted: &dyn Fn(&str) -> bool) -> QueryResult<Vec<String>> {
        run_pending(&mut self.inner, source, wanted)
    }

    fn revert_last(&mut self, source: Source) -> QueryResult<String> {
        revert_last(&mut self.inner, source)
    }
}
