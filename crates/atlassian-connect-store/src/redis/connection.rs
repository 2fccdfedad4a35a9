//! The connection to Redis: one for all requests, which share it, and one that listens.
//!
//! It lives on the stores' own runtime. A request whose connection has ended makes a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::redis::aio::{MultiplexedConnection, PubSub};
use ::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisConnectionInfo, RedisError, ScriptInvocation,
    Value,
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

use crate::StoreError;
use crate::config::StoreConfig;
use crate::listen::{CHANNEL, Heard, Told};
use crate::runtime::runtime;
use crate::tls::{SslMode, Tls, UrlParameters};

/// For making a connection, from the name's look-up to the greeting.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a request waits for its turn, and then for the connection if there is none.
const TURN: Duration = Duration::from_secs(5);
/// How long Redis may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Requests at once for each connection that the configuration allows: they share one, and need no other.
const REQUESTS: usize = 8;
/// How often a connection that listens asks whether the server is still there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

const PORT: u16 = 6379;

/// The clear or the encrypted stream.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Opens connections to one server.
pub(super) struct Connector {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    login: RedisConnectionInfo,
    /// For messages: without the password.
    shown: String,
}

impl Connector {
    pub(super) fn new(store: &StoreConfig) -> Result<Self, StoreError> {
        let shown = store.redacted_url();
        let wrong = |why: &str| StoreError::Configuration(format!("the store's URL {shown} is not usable: {why}"));
        let (url, parameters) = UrlParameters::take(store.url.expose_secret());
        let url = Url::parse(&url).map_err(|error| wrong(&error.to_string()))?;
        let Some(host) = url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()) else {
            return Err(wrong("it names no host, as in redis://user:password@host:6379/0"));
        };
        let decoded = |text: &str| {
            let text = percent_encoding::percent_decode_str(text).decode_utf8();
            text.map(String::from).map_err(|_| wrong("a name or password in it is no UTF-8"))
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
                let number = number.parse().map_err(|_| wrong("its path is the number of a database, as in /0"))?;
                login = login.set_db(number);
            }
        }
        let encrypted = url.scheme() == "rediss";
        let default = if encrypted { SslMode::VerifyFull } else { SslMode::Disable };
        let tls = Tls::resolve(&parameters, store.ssl.as_ref(), default)?;
        let tls = match tls.mode {
            SslMode::Disable if encrypted => return Err(wrong("rediss: is encrypted, and sslmode=disable is not")),
            SslMode::Prefer => {
                return Err(wrong("Redis is encrypted or is not: use redis: or rediss:, without prefer"));
            }
            SslMode::Disable => None,
            mode => {
                if mode == SslMode::Require {
                    tracing::warn!(
                        store = shown,
                        "the connection to Redis is encrypted, but nothing verifies that the server is the right one: \
                         sslmode=verify-full does, with sslrootcert=<file> if the web does not know its authority"
                    );
                }
                let name = ServerName::try_from(host.clone()).map_err(|_| wrong("its host is no name"))?;
                Some((TlsConnector::from(Arc::new(tls.client_config()?)), name))
            }
        };
        Ok(Self { host, port: url.port().unwrap_or(PORT), tls, login, shown })
    }

    async fn stream(&self) -> Result<Box<dyn Stream>, StoreError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        let stream = stream.map_err(|error| self.unreachable(&error))?;
        let Some((tls, name)) = &self.tls else { return Ok(Box::new(stream)) };
        let encrypted = tls.connect(name.clone(), stream).await.map_err(|error| self.unreachable(&error))?;
        Ok(Box::new(encrypted))
    }

    /// What comes of `opening` a connection within [`CONNECT`].
    async fn in_time<T>(&self, opening: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let late = |_| StoreError::Unavailable(format!("{}: no answer in time", self.shown));
        timeout(CONNECT, opening).await.map_err(late)?
    }

    fn unreachable(&self, error: &std::io::Error) -> StoreError {
        let text = format!("{}: {error}", self.shown);
        let rejected = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match rejected {
            Some(rustls::Error::InvalidCertificate(_)) => StoreError::Configuration(format!(
                "{text}; give the server's authority by sslrootcert=<file> in the URL, or take the server unverified by \
                 sslmode=require there, or by store.dialectOptions.ssl {{ \"rejectUnauthorized\": false }}"
            )),
            // what answers speaks no TLS, or none that we do
            Some(_) => StoreError::Configuration(text),
            None => StoreError::Unavailable(text),
        }
    }

    /// Sorts out what only the operator can mend, of what a server says to a new connection.
    fn refused(&self, error: &RedisError) -> StoreError {
        let text = format!("{}: {error}", self.shown);
        match describe(error) {
            StoreError::Unavailable(_) => StoreError::Unavailable(text),
            _ => StoreError::Configuration(text),
        }
    }

    async fn connect(self: Arc<Self>, number: u64) -> Result<Link, StoreError> {
        self.in_time(async {
            let stream = self.stream().await?;
            self.greet(stream, number).await.map_err(|error| self.refused(&error))
        })
        .await
    }

    async fn greet(&self, stream: Box<dyn Stream>, number: u64) -> Result<Link, RedisError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(Some(ANSWER));
        let (mut connection, driver) = MultiplexedConnection::new_with_config(&self.login, stream, config).await?;
        let driver = tokio::spawn(driver);
        // a server that wants a password lets everybody in, and says so at the first command
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
            subscribing.await.map_err(|error| self.refused(&error))
        })
        .await
    }
}

/// Sorts an error of a living connection: what is a matter of time, what is the operator's, and the rest. Redis does
/// not repeat values in its errors.
fn describe(error: &RedisError) -> StoreError {
    let text = error.to_string();
    match error.code() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => StoreError::Configuration(text),
        Some("LOADING" | "BUSY" | "MASTERDOWN" | "READONLY" | "MISCONF" | "OOM" | "TRYAGAIN" | "CLUSTERDOWN") => {
            StoreError::Unavailable(text)
        }
        _ if error.is_io_error() => StoreError::Unavailable(text),
        _ if error.kind() == ErrorKind::AuthenticationFailed => StoreError::Configuration(text),
        _ => StoreError::Refused(text),
    }
}

/// A connection and what drives it, which ends with it.
struct Link {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
    /// Which one it is, so that it is not replaced for an older one's failure.
    number: u64,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The server, as requests see it.
pub(super) struct Server {
    connector: Arc<Connector>,
    link: Mutex<Option<Link>>,
    made: AtomicU64,
    turns: Semaphore,
}

impl Server {
    /// Makes a connection to see that it works.
    pub(super) async fn open(store: &StoreConfig) -> Result<Self, StoreError> {
        let connections = usize::try_from(store.pool_size.max(1)).unwrap_or(1);
        let server = Self {
            connector: Arc::new(Connector::new(store)?),
            link: Mutex::default(),
            made: AtomicU64::new(0),
            turns: Semaphore::new(connections * REQUESTS),
        };
        server.connection().await?;
        Ok(server)
    }

    pub(super) fn connector(&self) -> Arc<Connector> {
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
        let gone = |_| StoreError::Unavailable("connecting to Redis was given up".to_owned());
        let made = connecting.await.map_err(gone)??;
        let connection = made.connection.clone();
        *link = Some(made);
        Ok((connection, number))
    }

    /// The connection of that number is of no use any more.
    async fn give_up(&self, number: u64) {
        self.link.lock().await.take_if(|link| link.number == number);
    }

    /// Does `work` when it is its turn. Work that only reads is done once more where the connection ends meanwhile; of
    /// other work nobody knows then whether it was done.
    async fn run<T: FromRedisValue>(&self, work: Work<'_>) -> Result<T, StoreError> {
        let late = |why| StoreError::Unavailable(format!("{}: {why}", self.connector.shown));
        let turn = timeout(TURN, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| late("too many requests wait"))?;
        let mut again = !matches!(work, Work::Write(_));
        loop {
            let connection = timeout(TURN, self.connection()).await;
            let (mut connection, number) = connection.map_err(|_| late("no connection in time"))??;
            let answer = match work {
                Work::Command(command) => command.query_async(&mut connection).await,
                Work::Commands(commands) => commands.query_async(&mut connection).await,
                Work::Read(script) | Work::Write(script) => script.invoke_async(&mut connection).await,
            };
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.is_timeout() {
                // the server, or what lies between, has gone without a word: the next request shall not wait for it
                self.give_up(number).await;
            } else if error.is_connection_dropped() && again {
                again = false;
                self.give_up(number).await;
                continue;
            }
            return Err(describe(&error));
        }
    }

    /// Runs a command that reads.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.run(Work::Command(command)).await
    }

    /// Runs commands that read, in one go.
    pub(super) async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, StoreError> {
        self.run(Work::Commands(commands)).await
    }

    /// Until when a write that is sent now may be done, by the server's clock, in milliseconds: until [`ANSWER`] is over,
    /// since nobody waits for it then.
    pub(super) async fn limit(&self) -> Result<u64, StoreError> {
        let (seconds, micros): (u64, u64) = self.ask(&::redis::cmd("TIME")).await?;
        let now = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
        Ok(u64::try_from(now.saturating_add(ANSWER).as_millis()).unwrap_or(u64::MAX))
    }

    /// Runs a script that reads.
    pub(super) async fn ask_script<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.run(Work::Read(script)).await
    }

    /// Runs a script that writes.
    pub(super) async fn write<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.run(Work::Write(script)).await
    }
}

#[derive(Clone, Copy)]
enum Work<'a> {
    Command(&'a Cmd),
    Commands(&'a Pipeline),
    Read(&'a ScriptInvocation<'a>),
    Write(&'a ScriptInvocation<'a>),
}

/// Hears what the scripts publish.
pub(super) struct Listener(pub Arc<Connector>);

impl Told for Listener {
    fn hear<'a>(&'a self, heard: &'a mut Heard) -> BoxFuture<'a, String> {
        Box::pin(async move {
            match self.listen(heard).await {
                Ok(ended) => ended.to_owned(),
                Err(error) => error.to_string(),
            }
        })
    }
}

impl Listener {
    async fn listen(&self, heard: &mut Heard) -> Result<&'static str, StoreError> {
        let (mut sink, mut messages) = self.0.subscribe().await?.split();
        heard.begins();
        loop {
            match timeout(SIGN_OF_LIFE, messages.next()).await {
                Ok(Some(message)) => {
                    if let Ok(client_key) = message.get_payload() {
                        heard.tenant(client_key);
                    }
                }
                Ok(None) => return Ok("the server closed the connection"),
                Err(_) => match timeout(ANSWER, sink.ping::<Value>()).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return Err(describe(&error)),
                    Err(_) => return Ok("the server does not answer any more"),
                },
            }
        }
    }
}
