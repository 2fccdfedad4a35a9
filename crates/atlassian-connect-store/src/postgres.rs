//! PostgreSQL, with tokio-postgres and rustls behind diesel's interface: no system library.
//!
//! Connecting, statements and a silent network have time limits, see the constants below. A write tells other nodes by
//! `pg_notify` in its own transaction. `sslmode` has libpq's meaning.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2::R2D2Connection as _;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use r2d2::ManageConnection;
use secrecy::ExposeSecret;
use tokio::sync::oneshot;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;
use super::connection::{DbConnection, PostgresConnection};
use super::database::Pooled;
use super::driver::{chain, rejected, setting_up};
use super::lifeline::Lifeline;
use super::runtime::runtime;
use super::statement::{Dialect, equals};
use super::tls::{SslMode, Tls, UrlParameters};
use crate::config::StoreConfig;

pub(super) static DIALECT: Dialect = Dialect {
    quote: '"',
    text: "TEXT",
    integer: "BIGINT",
    json: "CAST(? AS json)",
    bytes: |text| format!(r#"{text} COLLATE "C""#),
    same: equals,
    insert_new: ("INSERT INTO", "ON CONFLICT DO NOTHING"),
    lock: Some(r#"SELECT @one AS "number" FROM pg_advisory_xact_lock({kind}, hashtext(?))"#),
    notify: Some("SELECT pg_notify('atlassian_connect_tenants', ?)"),
    // The table that this unqualified name finds, whatever the search path is.
    table_exists: r#"SELECT @one AS "number" WHERE to_regclass(quote_ident(?)) IS NOT NULL"#,
    // A second node waits for the first; the session's usual timeout is for requests.
    before_migrations: &["SET LOCAL statement_timeout = '120s'"],
    lock_migrations: Some(r#"SELECT @one AS "number" FROM pg_advisory_xact_lock(1097094737, 0)"#),
    list: |migrations| migrations.postgres,
};

/// The application name that the server shows for these connections, unless the URL sets one.
const APPLICATION: &str = "atlassian-connect-actix";

/// Settings of each session. The locks require that a statement after the lock sees what others committed before it.
const SESSION: &str = "SET statement_timeout = '10s'; \
                       SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// The timeout for making a connection, from name resolution to the session's settings.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the network may stay silent.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a statement may take before the server is asked whether it is still there. Longer than [`SESSION`] allows.
const SLOW: Duration = Duration::from_secs(11);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(600);

/// The connection pool for the database of `config`. Opens one connection to check that it works. Blocks.
pub(super) fn database(config: &StoreConfig) -> Result<Pooled<PostgresConnector>, StoreError> {
    let connector = PostgresConnector::new(config)?;
    // The pool would retry until its timeout, even if the password is wrong.
    connector.connect()?;
    let listener = connector.clone();
    let pooled = Pooled::new(connector, &DIALECT, config.pool_size, Some(IDLE));
    Ok(pooled.with_changes(move || super::listen::changes(listener.clone())))
}

/// For tests that inspect the database directly.
#[cfg(test)]
pub(super) fn connector_for_tests(config: &StoreConfig) -> Result<PostgresConnector, StoreError> {
    PostgresConnector::new(config)
}

/// The driver of a client's connection, with or without TLS.
type TlsConnection = tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Opens connections to one database.
#[derive(Clone)]
pub(super) struct PostgresConnector {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    /// The URL without its password, for messages.
    shown: String,
}

impl PostgresConnector {
    fn new(store: &StoreConfig) -> Result<Self, StoreError> {
        let url = store.url.expose_secret();
        let shown = store.redacted_url();
        let (url, parameters) = UrlParameters::take(url);
        let mut config: tokio_postgres::Config = url.parse().map_err(|error| {
            StoreError::configuration(format!("the store's URL {shown} cannot be used: {}", chain(&error)))
                .caused_by(error)
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host("localhost");
        }
        let default = if store.production && !is_local(&config) { SslMode::Require } else { SslMode::Prefer };
        let tls = Tls::resolve(&parameters, store.ssl.as_ref(), default)?;
        if tls.by_default && tls.mode == SslMode::Require {
            tracing::warn!(
                store = shown,
                "the connection to PostgreSQL is encrypted, but the server's certificate is not verified: add \
                 sslmode=verify-full to the URL, and sslrootcert=<file> if its certificate authority is not public; \
                 add sslmode=require to keep it as it is"
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

    /// A connection without diesel, and its driver. Limited by [`CONNECT`].
    pub(super) async fn open(&self) -> Result<(Client, TlsConnection), StoreError> {
        let opened = tokio::time::timeout(CONNECT, self.config.connect(self.tls.clone())).await;
        let late = || StoreError::unavailable(format!("{}: no answer in time", self.shown));
        opened.map_err(|_| late())?.map_err(|error| self.refused(error))
    }

    async fn establish(&self) -> Result<PostgresConnection, StoreError> {
        let (client, connection) = self.open().await?;
        let probe = self.clone();
        let (lifeline, cut) = Lifeline::new(
            SLOW,
            Arc::new(move || {
                let probe = probe.clone();
                Box::pin(async move { probe.answers().await })
            }),
        );
        tokio::spawn(drive(connection, cut));
        let mut connection =
            AsyncPgConnection::try_from(client).await.map_err(|error| setting_up(&self.shown, error))?;
        connection.batch_execute(SESSION).await.map_err(|error| setting_up(&self.shown, error))?;
        Ok(lifeline.hold(|| connection.into()))
    }

    /// Whether the server answers on a new connection, be it with an error.
    async fn answers(&self) -> bool {
        let asked = async {
            let (client, connection) = self.config.connect(self.tls.clone()).await?;
            let (_held, cut) = oneshot::channel();
            tokio::spawn(drive(connection, cut));
            client.batch_execute("SELECT 1").await
        };
        match tokio::time::timeout(CONNECT, asked).await {
            Ok(Err(error)) => error.code().is_some(),
            Ok(Ok(())) => true,
            Err(_) => false,
        }
    }

    /// Recognizes failures that the operator has to fix.
    fn refused(&self, error: tokio_postgres::Error) -> StoreError {
        self.classified(&error).caused_by(error)
    }

    fn classified(&self, error: &tokio_postgres::Error) -> StoreError {
        let text = format!("{}: {}", self.shown, chain(error));
        if let Some(code) = error.code() {
            let wrong = [
                SqlState::INVALID_PASSWORD,
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                SqlState::INVALID_CATALOG_NAME,
                SqlState::INSUFFICIENT_PRIVILEGE,
            ];
            return if wrong.contains(code) { StoreError::configuration(text) } else { StoreError::unavailable(text) };
        }
        match rejected(error) {
            Some(rustls::Error::InvalidCertificate(_)) => StoreError::configuration(format!(
                "{text}; name the server's certificate authority with sslrootcert=<file>, or accept any certificate with \
                 sslmode=require"
            )),
            None if is_of_network(error) => StoreError::unavailable(text),
            // The server answered, and the driver cannot go on. It does not say which of them it is, except in words.
            None if self.config.get_ssl_mode() == tokio_postgres::config::SslMode::Require => {
                StoreError::configuration(format!(
                    "{text}; if the server does not support TLS, sslmode=disable in the URL connects without encryption"
                ))
            }
            // With an error of rustls: the server's message when it aborts a TLS handshake.
            _ => StoreError::configuration(text),
        }
    }
}

/// Drives a connection until it ends or is cut.
async fn drive(mut connection: TlsConnection, cut: oneshot::Receiver<()>) {
    let driven = async {
        // without this loop the driver would log the server's notices
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let Err(error) = message {
                tracing::debug!(error = chain(&error), "a connection to the store has ended");
                return;
            }
        }
    };
    tokio::select! {
        () = driven => {}
        _ = cut => {}
    }
}

/// Whether the network or a server that went away is the reason: an I/O error, or nothing that the driver could name.
/// Other reasons are a server without TLS, a way to authenticate that the driver does not know, a missing password.
fn is_of_network(error: &tokio_postgres::Error) -> bool {
    error.source().is_none_or(<dyn StdError>::is::<std::io::Error>)
}

/// Whether all hosts are local.
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

impl ManageConnection for PostgresConnector {
    type Connection = DbConnection;
    type Error = StoreError;

    fn connect(&self) -> Result<DbConnection, StoreError> {
        runtime()?
            .block_on(async {
                // The driver's own timeout only covers the TCP connection.
                let limited = tokio::time::timeout(CONNECT, self.establish()).await;
                limited.unwrap_or_else(|_| Err(StoreError::unavailable(format!("{}: no answer in time", self.shown))))
            })
            .map(DbConnection::Postgres)
    }

    fn is_valid(&self, connection: &mut DbConnection) -> Result<(), StoreError> {
        if self.has_broken(connection) {
            return Err(StoreError::unavailable(format!("{}: the connection was closed", self.shown)));
        }
        Ok(())
    }

    /// After a panic inside a transaction, the connection's state is unknown.
    fn has_broken(&self, connection: &mut DbConnection) -> bool {
        std::thread::panicking() || connection.is_broken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptance::backends;

    fn connector(url: &str, production: bool) -> Result<PostgresConnector, StoreError> {
        PostgresConnector::new(&StoreConfig { production, ..backends::config(url) })
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
            assert_eq!(connector(url, production).unwrap().config.get_ssl_mode(), expected, "{url}");
        }
    }

    #[test]
    fn an_unusable_url_is_reported_without_its_password() {
        for url in
            ["postgres://u:hush@h/d?sslcert=x", "postgres://u:hush@h:port/d", "postgres://u:hush@h/d?connect_timeout=x"]
        {
            let text = connector(url, false).err().unwrap().to_string();
            assert!(text.contains("u:***@h") && !text.contains("hush"), "{text}");
        }
    }
}
