//! PostgreSQL, by tokio-postgres and rustls under diesel's own interface: no system library.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::time::Duration;

use diesel::r2d2::R2D2Connection as _;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use r2d2::ManageConnection;
use secrecy::ExposeSecret;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;
use super::connection::{DbConnection, PostgresConnection};
use super::database::Pooled;
use super::driver::{chain, rejected};
use super::runtime::runtime;
use super::statement::Dialect;
use super::tls::{SslMode, Tls, UrlParameters};
use crate::config::StoreConfig;

pub(super) static DIALECT: Dialect = Dialect {
    quote: '"',
    text: "TEXT",
    json: "CAST(? AS json)",
    bytes: ["", r#" COLLATE "C""#],
    is_loose: false,
    lock: Some("SELECT '1', NULL FROM pg_advisory_xact_lock({kind}, hashtext(?))"),
    notify: Some("SELECT pg_notify('atlassian_connect_tenants', ?)"),
    // The table that the name means by itself, whatever the search path is.
    table_exists: "SELECT '1', '1' WHERE to_regclass(quote_ident(?)) IS NOT NULL",
    // A node that comes second waits for the first; the session's own time limit is for requests.
    before_migrations: &["SET LOCAL statement_timeout = '120s'"],
    lock_migrations: Some("SELECT '1', NULL FROM pg_advisory_xact_lock(1097094737, 0)"),
    source: |migrations| migrations.postgres,
};

/// What a server lists as the name of these connections, where the URL says nothing.
const APPLICATION: &str = "atlassian-connect-actix";

/// For each session: our locks need that a statement after the lock sees what others committed before it.
const SESSION: &str = "SET statement_timeout = '10s'; \
                       SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// For making a connection, from the name's look-up to the session's settings.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the network may leave us without an answer.
const SILENCE: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(600);

/// The connections to the database of `config`. Makes one to see that it works. Blocks.
pub(super) fn database(config: &StoreConfig) -> Result<Pooled<Manager>, StoreError> {
    let manager = Manager::new(config)?;
    // The pool would go on trying until its time is up, even where the password is wrong.
    manager.connect()?;
    let listener = manager.clone();
    let pooled = Pooled::new(manager, &DIALECT, config.pool_size, Some(IDLE));
    Ok(pooled.with_changes(move || super::listen::changes(listener.clone())))
}

/// For tests that look at the database beside the store.
#[cfg(test)]
pub(super) fn database_manager(config: &StoreConfig) -> Result<Manager, StoreError> {
    Manager::new(config)
}

/// What drives a client over the connection, in the clear or not.
type TlsConnection = tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Opens connections to one database.
#[derive(Clone)]
pub(super) struct Manager {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    /// For messages: without the password.
    shown: String,
}

impl Manager {
    fn new(store: &StoreConfig) -> Result<Self, StoreError> {
        let url = store.url.expose_secret();
        let shown = store.redacted_url();
        let (url, parameters) = UrlParameters::take(url);
        let mut config: tokio_postgres::Config = url.parse().map_err(|error| {
            StoreError::Configuration(format!("the store's URL {shown} is not usable: {}", chain(&error)))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host("localhost");
        }
        let default = if store.production && !is_local(&config) { SslMode::Require } else { SslMode::Prefer };
        let tls = Tls::resolve(&parameters, store.ssl.as_ref(), default)?;
        if tls.by_default && tls.mode == SslMode::Require {
            tracing::warn!(
                store = shown,
                "the connection to PostgreSQL is encrypted, but nothing verifies that the server is the right one: add \
                 sslmode=verify-full to the URL, and sslrootcert=<file> if the web does not know its authority; \
                 sslmode=require to leave it so"
            );
        }
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION);
        }
        config
            .ssl_mode(tls.negotiation())
            .connect_timeout(CONNECT)
            .keepalives(true)
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(SILENCE)
            .tcp_user_timeout(SILENCE);
        Ok(Self { config, tls: tls.connector()?, shown })
    }

    /// A connection without diesel, and what drives it; within [`CONNECT`].
    pub(super) async fn open(&self) -> Result<(Client, TlsConnection), StoreError> {
        let opened = tokio::time::timeout(CONNECT, self.config.connect(self.tls.clone())).await;
        let late = || StoreError::Unavailable(format!("{}: no answer in time", self.shown));
        opened.map_err(|_| late())?.map_err(|error| self.refused(&error))
    }

    async fn establish(&self) -> Result<PostgresConnection, StoreError> {
        let setting_up = |error: &dyn StdError| StoreError::Unavailable(format!("{}: {}", self.shown, chain(error)));
        let (client, connection) = self.open().await?;
        let connection = AsyncPgConnection::try_from_client_and_connection(client, connection).await;
        let mut connection = connection.map_err(|error| setting_up(&error))?;
        connection.batch_execute(SESSION).await.map_err(|error| setting_up(&error))?;
        Ok(connection.into())
    }

    /// Sorts out what only the operator can mend.
    fn refused(&self, error: &tokio_postgres::Error) -> StoreError {
        let text = format!("{}: {}", self.shown, chain(error));
        if let Some(code) = error.code() {
            let wrong = [
                SqlState::INVALID_PASSWORD,
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                SqlState::INVALID_CATALOG_NAME,
                SqlState::INSUFFICIENT_PRIVILEGE,
            ];
            return if wrong.contains(code) { StoreError::Configuration(text) } else { StoreError::Unavailable(text) };
        }
        match rejected(error) {
            Some(rustls::Error::InvalidCertificate(_)) => StoreError::Configuration(format!(
                "{text}; give the server's authority by sslrootcert=<file>, or take the server unverified by \
                 sslmode=require"
            )),
            // The server's words on a handshake that it breaks off; a lost connection has no such inside.
            Some(_) => StoreError::Configuration(text),
            None if text.contains("server does not support TLS") => {
                StoreError::Configuration(format!("{text}; sslmode=disable in the URL connects in the clear"))
            }
            None if text.contains("authentication error") => StoreError::Configuration(text),
            None => StoreError::Unavailable(text),
        }
    }
}

/// Whether every host is this machine.
fn is_local(config: &tokio_postgres::Config) -> bool {
    let addresses_are = config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    addresses_are
        && config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => {
                name.eq_ignore_ascii_case("localhost")
                    || name.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback())
            }
            #[cfg(unix)]
            Host::Unix(_) => true,
        })
}

impl ManageConnection for Manager {
    type Connection = DbConnection;
    type Error = StoreError;

    fn connect(&self) -> Result<DbConnection, StoreError> {
        runtime()?
            .block_on(async {
                // The driver's own limit is for the TCP connection alone.
                let limited = tokio::time::timeout(CONNECT, self.establish()).await;
                limited.unwrap_or_else(|_| Err(StoreError::Unavailable(format!("{}: no answer in time", self.shown))))
            })
            .map(DbConnection::Postgres)
    }

    fn is_valid(&self, connection: &mut DbConnection) -> Result<(), StoreError> {
        if self.has_broken(connection) {
            return Err(StoreError::Unavailable(format!("{}: the connection was closed", self.shown)));
        }
        Ok(())
    }

    /// After a panic in a transaction nobody knows what the connection is in the middle of.
    fn has_broken(&self, connection: &mut DbConnection) -> bool {
        std::thread::panicking() || connection.is_broken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptance;

    fn manager(url: &str, production: bool) -> Result<Manager, StoreError> {
        Manager::new(&StoreConfig { production, ..acceptance::config(url) })
    }

    #[test]
    fn tls_is_the_default_for_a_remote_host_in_production_only() {
        use tokio_postgres::config::SslMode::{Prefer, Require};
        for (url, production, expected) in [
            ("postgres://u:p@db.example.com/d", true, Require),
            ("postgres://u:p@db.example.com/d", false, Prefer),
            ("postgres://u:p@localhost/d", true, Prefer),
            ("postgres://u:p@127.0.0.2/d", true, Prefer),
            ("postgres://u:p@[::1]/d", true, Prefer),
            ("postgres://u:p@%2Frun%2Fpostgresql/d", true, Prefer),
            ("postgres:///d", true, Prefer),
            ("postgres://u:p@localhost,db.example.com/d", true, Require),
            ("postgres://u:p@db.example.com/d?sslmode=prefer", true, Prefer),
        ] {
            assert_eq!(manager(url, production).unwrap().config.get_ssl_mode(), expected, "{url}");
        }
    }

    #[test]
    fn an_unusable_url_is_told_without_its_password() {
        for url in
            ["postgres://u:hush@h/d?sslcert=x", "postgres://u:hush@h:port/d", "postgres://u:hush@h/d?connect_timeout=x"]
        {
            let text = manager(url, false).err().unwrap().to_string();
            assert!(text.contains("u:***@h") && !text.contains("hush"), "{text}");
        }
    }
}
