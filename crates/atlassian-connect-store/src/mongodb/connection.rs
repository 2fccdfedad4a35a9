//! The connections to MongoDB: the driver's own pool, and what bounds it.

use std::time::Duration;

use ::mongodb::error::{Error, ErrorKind, WriteFailure};
use ::mongodb::options::{Acknowledgment, ClientOptions, ReadPreference, SelectionCriteria, WriteConcern};
use ::mongodb::{Client, Database};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::StoreError;
use crate::config::StoreConfig;
use crate::runtime::runtime;

/// For making a connection, and for finding a server to make it to.
const CONNECT: Duration = Duration::from_secs(5);
/// How long work waits for its turn. The driver would let it wait for a connection for ever.
const TURN: Duration = Duration::from_secs(5);
/// How long a piece of work may take.
const ANSWER: Duration = Duration::from_secs(10);
/// As the drivers have it, where neither the URL nor `store.database` names one.
const DATABASE: &str = "test";

/// Why a piece of work was not done.
pub(super) enum Failure {
    Driver(Error),
    Store(StoreError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A database, as requests see it.
pub(super) struct Server {
    database: Database,
    turns: Semaphore,
    /// For messages: without the password.
    shown: String,
}

impl Server {
    /// Asks the server whether it is there.
    pub(super) async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let shown = config.redacted_url();
        let connections = config.pool_size.max(1);
        let connecting = runtime()?.spawn(connect(config.url.clone(), config.database.clone(), connections));
        let connected = timeout(CONNECT, connecting).await;
        let connected = connected.map_err(|_| StoreError::Unavailable(format!("{shown}: no answer in time")))?;
        let connected =
            connected.map_err(|_| StoreError::Unavailable("connecting to MongoDB was given up".to_owned()))?;
        let database = connected.map_err(|error| match describe(&error, &shown) {
            StoreError::Refused(_) => unusable(&error, config.url.expose_secret(), &shown),
            other => other,
        })?;
        let turns = Semaphore::new(usize::try_from(connections).unwrap_or(1));
        let server = Self { database, turns, shown };
        server.ping().await?;
        Ok(server)
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.run(async { Ok(self.database.run_command(::mongodb::bson::doc! { "ping": 1 }).await.map(drop)?) }).await
    }

    /// Does `work` when it is its turn, and gives it up when it takes too long.
    pub(super) async fn run<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, StoreError> {
        let unavailable = |why: &str| StoreError::Unavailable(format!("{}: {why}", self.shown));
        let turn = timeout(TURN, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| unavailable("too many requests wait"))?;
        match timeout(ANSWER, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Failure::Store(error))) => Err(error),
            Ok(Err(Failure::Driver(error))) => Err(describe(&error, &self.shown)),
            Err(_) => Err(unavailable("no answer in time")),
        }
    }
}

/// What is wrong with the URL itself, in the driver's words unless they repeat a part of the password.
fn unusable(error: &Error, url: &str, shown: &str) -> StoreError {
    let text = error.kind.to_string();
    let credentials = url.rsplit_once('@').map_or("", |(credentials, _)| credentials);
    let password = credentials.splitn(3, ':').nth(2).unwrap_or_default();
    let mut parts = password.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let why = if parts.any(|part| text.contains(part)) { "" } else { &text };
    StoreError::Configuration(format!("the store's URL {shown} is not usable: {why}"))
}

/// On the stores' own runtime: what the driver does in the background lives there.
async fn connect(url: secrecy::SecretString, database: Option<String>, connections: u32) -> Result<Database, Error> {
    let mut options = ClientOptions::parse(url.expose_secret()).await?;
    options.connect_timeout = options.connect_timeout.or(Some(CONNECT));
    // looking for a server ends before the time of the work that looks
    options.server_selection_timeout =
        Some(options.server_selection_timeout.map_or(CONNECT, |limit| limit.min(CONNECT)));
    options.max_pool_size = Some(options.max_pool_size.map_or(connections, |size| size.min(connections)));
    options.app_name.get_or_insert_with(|| "atlassian-connect-actix".to_owned());
    // Of the server that takes the writes, whatever the URL says: an old secret that a secondary still has opens nothing.
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    if options.write_concern.is_none() {
        // A secret is sent to us once, so it is on the disks before the host is answered.
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    }
    let named = database.or_else(|| options.default_database.clone());
    let client = Client::with_options(options)?;
    Ok(client.database(named.as_deref().unwrap_or(DATABASE)))
}

/// Whether another document has the place already, by a unique index.
pub(super) fn is_duplicate(error: &Error) -> bool {
    const DUPLICATE_KEY: i32 = 11_000;
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE_KEY,
        ErrorKind::Command(error) => error.code == DUPLICATE_KEY,
        _ => false,
    }
}

/// Sorts out what is a matter of time and what only the operator can mend. The driver's own texts may repeat values of a
/// document, so of a refused write only its name is told.
pub(super) fn describe(error: &Error, shown: &str) -> StoreError {
    const UNAUTHORIZED: i32 = 13;
    const AUTHENTICATION_FAILED: i32 = 18;
    let text = format!("{shown}: {}", error.kind);
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => StoreError::Configuration(text),
        ErrorKind::Command(refused) if matches!(refused.code, UNAUTHORIZED | AUTHENTICATION_FAILED) => {
            StoreError::Configuration(text)
        }
        _ if text.contains("invalid peer certificate") => StoreError::Configuration(format!(
            "{text}; give the server's authority by tlsCAFile=<file> in the URL, or take the server unverified by \
             tlsAllowInvalidCertificates=true"
        )),
        ErrorKind::InvalidTlsConfig { .. } => StoreError::Configuration(text),
        ErrorKind::ServerSelection { .. }
        | ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. } => StoreError::Unavailable(text),
        ErrorKind::Command(refused) if refused.code_name.is_empty() => {
            StoreError::Refused(format!("MongoDB refused it with code {}", refused.code))
        }
        ErrorKind::Command(refused) => {
            StoreError::Refused(format!("MongoDB refused it: {} ({})", refused.code_name, refused.code))
        }
        ErrorKind::Write(WriteFailure::WriteError(refused)) => {
            StoreError::Refused(format!("MongoDB refused the write with code {}", refused.code))
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(refused)) => StoreError::Unavailable(format!(
            "MongoDB has not confirmed the write: {} ({})",
            refused.code_name, refused.code
        )),
        _ => StoreError::Refused(text),
    }
}
