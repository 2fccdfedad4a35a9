//! The connections to Redis: one that all requests share, and one that listens.
//!
//! They live on the stores' own runtime. If the shared connection has ended, the next request makes a new one.
//!
//! TLS is checked by the same code as for PostgreSQL. After an answer that did not come in time, the connection is
//! closed. A read runs once more if its connection ends. A write does not: nobody knows whether it was done, so it is
//! 503 and the host tries again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::redis::aio::{MultiplexedConnection, PubSub};
use ::redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, RedisConnectionInfo, RedisError, ScriptInvocation, Value,
};
use futures_util::future::BoxFuture;
use futures_util::stream::StreamExt as _;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use super::errors::describe;
use crate::StoreError;
use crate::blocking::ended;
use crate::config::StoreConfig;
use crate::listen::{CHANNEL, Notifier, Subscriber};
use crate::runtime::runtime;
use crate::tls::{SslMode, Tls, UrlParameters};

/// The timeout for making a connection, from name resolution to the greeting.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a request waits for a permit, and then for a connection.
const TURN: Duration = Duration::from_secs(5);
/// How long Redis may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Concurrent requests per configured connection. They share one connection and need no more.
const REQUESTS: usize = 8;
/// How often a listening connection checks whether the server still answers.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

const PORT: u16 = 6379;

/// A stream with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Opens connections to one server.
pub(super) struct RedisConnector {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    login: RedisConnectionInfo,
    /// The URL without its password, for messages.
    shown: String,
}

impl RedisConnector {
    pub(super) fn new(store: &StoreConfig) -> Result<Self, StoreError> {
        let shown = store.redacted_url();
        let wrong = |why: &str| StoreError::configuration(format!("the store's URL {shown} cannot be used: {why}"));
        let (url, parameters) = UrlParameters::take(store.url.expose_secret());
        let url = Url::parse(&url).map_err(|error| wrong(&error.to_string()).caused_by(error))?;
        let Some(host) = url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()) else {
            return Err(wrong("it does not name a host, as in redis://user:password@host:6379/0"));
        };
        let decoded = |text: &str| {
            let text = percent_encoding::percent_decode_str(text).decode_utf8();
            text.map(String::from).map_err(|_| wrong("its user name or password is not valid UTF-8"))
        };
        let mut login = RedisConnectionInfo::default();
        if !url.username().is_empty() {
            login = login.set_username(decoded(url.username())?);
        }
        if let Some(password) = url.password() {
            login = login.set_password(decoded(password)?);
        }
        match url.path().trim_matches('/') {
            "" => {}
            number => {
                let number =
                    number.parse().map_err(|_| wrong("its path must be the number of a database, as in /0"))?;
                login = login.set_db(number);
            }
        }
        let encrypted = url.scheme() == "rediss";
        let default = if encrypted { SslMode::VerifyFull } else { SslMode::Disable };
        let tls = Tls::resolve(&parameters, store.ssl.as_ref(), default)?;
        let tls = match tls.mode {
            SslMode::Disable if encrypted => {
                return Err(wrong("rediss: means encryption, but sslmode=disable means none"));
            }
            SslMode::Prefer => {
                return Err(wrong("Redis does not support sslmode=prefer: use redis: or rediss:"));
            }
            SslMode::Disable => None,
            mode => {
                if mode == SslMode::Require {
                    tracing::warn!(
                        store = shown,
                        "the connection to Redis is encrypted, but the server's certificate is not verified: add \
                         sslmode=verify-full to the URL, and sslrootcert=<file> if its certificate authority is not public"
                    );
                }
                let name = ServerName::try_from(host.clone()).map_err(|_| wrong("its host is not a valid name"))?;
                Some((TlsConnector::from(Arc::new(tls.client_config()?)), name))
            }
        };
        Ok(Self { host, port: url.port().unwrap_or(PORT), tls, login, shown })
    }

    async fn stream(&self) -> Result<Box<dyn Stream>, StoreError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        let stream = stream.map_err(|error| self.unreachable(error))?;
        let Some((tls, name)) = &self.tls else { return Ok(Box::new(stream)) };
        let encrypted = tls.connect(name.clone(), stream).await.map_err(|error| self.unreachable(error))?;
        Ok(Box::new(encrypted))
    }

    /// Runs `opening` with the timeout [`CONNECT`].
    async fn in_time<T>(&self, opening: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let late = |_| StoreError::unavailable(format!("{}: no answer in time", self.shown));
        timeout(CONNECT, opening).await.map_err(late)?
    }

    fn unreachable(&self, error: std::io::Error) -> StoreError {
        let text = format!("{}: {error}", self.shown);
        let rejected = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let unreachable = match rejected {
            Some(rustls::Error::InvalidCertificate(_)) => StoreError::configuration(format!(
                "{text}; name the server's certificate authority with sslrootcert=<file> in the URL, or accept any \
                 certificate with sslmode=require there, or with store.dialectOptions.ssl {{ \"rejectUnauthorized\": false }}"
            )),
            // the peer does not speak TLS, or no version that this side supports
            Some(_) => StoreError::configuration(text),
            None => StoreError::unavailable(text),
        };
        unreachable.caused_by(error)
    }

    /// Recognizes failures that the operator has to fix, when a connection is made.
    fn refused(&self, error: RedisError) -> StoreError {
        let refused = match describe(error) {
            StoreError::Unavailable(reason) => StoreError::Unavailable(reason),
            other => StoreError::Configuration(other.into_reason()),
        };
        refused.explained(|text| format!("{}: {text}", self.shown))
    }

    async fn connect(self: Arc<Self>, number: u64) -> Result<Link, StoreError> {
        self.in_time(async {
            let stream = self.stream().await?;
            self.greet(stream, number).await.map_err(|error| self.refused(error))
        })
        .await
    }

    async fn greet(&self, stream: Box<dyn Stream>, number: u64) -> Result<Link, RedisError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(Some(ANSWER));
        let (mut connection, driver) = MultiplexedConnection::new_with_config(&self.login, stream, config).await?;
        let driver = tokio::spawn(driver);
        // a server that wants a password accepts the connection and refuses the first command
        ::redis::cmd("PING").query_async::<Value>(&mut connection).await?;
        Ok(Link { connection, driver, number })
    }

    async fn subscribe(&self) -> Result<PubSub, StoreError> {
        self.in_time(async {
            let stream = self.stream().await?;
            let subscribing = async {
                let mut connection = PubSub::new(&self.login, stream).await?;
                connection.subscribe(CHANNEL).await?;
                Ok(connection)
            };
            subscribing.await.map_err(|error| self.refused(error))
        })
        .await
    }
}

/// A connection and its driver task, which ends with it.
struct Link {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
    /// Identifies the connection, so that an older connection's failure does not replace it.
    number: u64,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The connection that all requests share, with a limit on concurrent requests.
pub(super) struct RedisClient {
    connector: Arc<RedisConnector>,
    link: Mutex<Option<Link>>,
    made: AtomicU64,
    turns: Semaphore,
}

impl RedisClient {
    /// Opens a connection to check that it works.
    pub(super) async fn open(store: &StoreConfig) -> Result<Self, StoreError> {
        let connections = usize::try_from(store.pool_size.max(1)).unwrap_or(1);
        let client = Self {
            connector: Arc::new(RedisConnector::new(store)?),
            link: Mutex::default(),
            made: AtomicU64::new(0),
            turns: Semaphore::new(connections * REQUESTS),
        };
        client.connection().await?;
        Ok(client)
    }

    pub(super) fn connector(&self) -> Arc<RedisConnector> {
        Arc::clone(&self.connector)
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), StoreError> {
        let mut link = self.link.lock().await;
        if let Some(link) = link.as_ref().filter(|link| !link.driver.is_finished()) {
            return Ok((link.connection.clone(), link.number));
        }
        *link = None;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let connecting = runtime()?.spawn(Arc::clone(&self.connector).connect(number));
        let gone = |error| StoreError::unavailable(format!("connecting to Redis {}", ended(&error))).caused_by(error);
        let made = connecting.await.map_err(gone)??;
        let connection = made.connection.clone();
        *link = Some(made);
        Ok((connection, number))
    }

    /// The connection of that number is dead.
    async fn give_up(&self, number: u64) {
        self.link.lock().await.take_if(|link| link.number == number);
    }

    /// Waits for a permit, then runs `work`. Reads are retried once if the connection ends meanwhile. Writes are not,
    /// because nobody knows whether they were done.
    async fn run<T: FromRedisValue>(&self, work: Request<'_>) -> Result<T, StoreError> {
        let late = |why| StoreError::unavailable(format!("{}: {why}", self.connector.shown));
        let turn = timeout(TURN, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| late("too many requests are waiting"))?;
        let mut again = !matches!(work, Request::Write(_));
        loop {
            let connection = timeout(TURN, self.connection()).await;
            let (mut connection, number) = connection.map_err(|_| late("no connection became free in time"))??;
            let answer = match work {
                Request::Command(command) => command.query_async(&mut connection).await,
                Request::Commands(commands) => commands.query_async(&mut connection).await,
                Request::Read(script) | Request::Write(script) => script.invoke_async(&mut connection).await,
            };
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.is_timeout() {
                // the server or the network went silent: the next request must not wait for it
                self.give_up(number).await;
            } else if error.is_connection_dropped() && again {
                again = false;
                self.give_up(number).await;
                continue;
            }
            return Err(describe(error));
        }
    }

    /// Runs a reading command.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.run(Request::Command(command)).await
    }

    /// Runs reading commands as one pipeline.
    pub(super) async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, StoreError> {
        self.run(Request::Commands(commands)).await
    }

    /// The deadline of a write that is sent now, by the server's clock, in milliseconds. It is [`ANSWER`] from now,
    /// because nobody waits longer.
    pub(super) async fn limit(&self) -> Result<u64, StoreError> {
        let (seconds, micros): (u64, u64) = self.ask(&::redis::cmd("TIME")).await?;
        let now = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
        Ok(u64::try_from(now.saturating_add(ANSWER).as_millis()).unwrap_or(u64::MAX))
    }

    /// Runs a reading script.
    pub(super) async fn ask_script<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.run(Request::Read(script)).await
    }

    /// Runs a writing script.
    pub(super) async fn write<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.run(Request::Write(script)).await
    }
}

#[derive(Clone, Copy)]
enum Request<'a> {
    Command(&'a Cmd),
    Commands(&'a Pipeline),
    Read(&'a ScriptInvocation<'a>),
    Write(&'a ScriptInvocation<'a>),
}

/// Listens for what the scripts publish.
pub(super) struct Listener(pub Arc<RedisConnector>);

impl Notifier for Listener {
    fn hear<'a>(&'a self, subscriber: &'a mut Subscriber) -> BoxFuture<'a, String> {
        Box::pin(async move {
            match self.listen(subscriber).await {
                Ok(ended) => ended.to_owned(),
                Err(error) => error.to_string(),
            }
        })
    }
}

impl Listener {
    async fn listen(&self, subscriber: &mut Subscriber) -> Result<&'static str, StoreError> {
        let (mut sink, mut messages) = self.0.subscribe().await?.split();
        subscriber.begins();
        loop {
            match timeout(SIGN_OF_LIFE, messages.next()).await {
                Ok(Some(message)) => {
                    if let Ok(client_key) = message.get_payload() {
                        subscriber.tenant(client_key);
                    }
                }
                Ok(None) => return Ok("the server closed the connection"),
                Err(_) => match timeout(ANSWER, sink.ping::<Value>()).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return Err(describe(error)),
                    Err(_) => return Ok("the server no longer answers"),
                },
            }
        }
    }
}
