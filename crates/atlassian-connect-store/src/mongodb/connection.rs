//! The connections to MongoDB: the driver's pool, with limits.
//!
//! Reads go to the primary, whatever the URL says: a secondary may still have an old secret. Writes are confirmed by
//! the majority and on disk, unless the URL says otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::mongodb::error::{Error, ErrorKind, WriteFailure};
use ::mongodb::event::EventHandler;
use ::mongodb::event::sdam::SdamEvent;
use ::mongodb::options::{Acknowledgment, ClientOptions, ReadPreference, SelectionCriteria, WriteConcern};
use ::mongodb::{Client, Database};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::StoreError;
use crate::blocking::ended;
use crate::config::StoreConfig;
use crate::runtime::runtime;

/// The timeout for making a connection and for finding a server.
const CONNECT: Duration = Duration::from_secs(5);
/// How long work waits for a permit. The driver itself would wait for a connection without limit.
const TURN: Duration = Duration::from_secs(5);
/// The timeout for one operation.
const ANSWER: Duration = Duration::from_secs(10);
/// The drivers' default, used if neither the URL nor `store.database` names a database.
const DATABASE: &str = "test";

/// Why an operation failed.
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

/// Whether the last sign of life of a server failed because of its certificate. An operation only learns that no server
/// was found in time, with the reason in words.
type Untrusted = Arc<AtomicBool>;

/// A database with a limit on concurrent requests.
pub(super) struct MongoClient {
    database: Database,
    turns: Semaphore,
    is_untrusted: Untrusted,
    /// The URL without its password, for messages.
    shown: String,
}

impl MongoClient {
    /// Connects and checks that the server answers.
    pub(super) async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let shown = config.redacted_url();
        let connections = config.pool_size.max(1);
        let is_untrusted = Untrusted::default();
        let connecting = runtime()?.spawn(connect(
            config.url.clone(),
            config.database.clone(),
            connections,
            Arc::clone(&is_untrusted),
        ));
        let connected = timeout(CONNECT, connecting).await;
        let connected = connected.map_err(|_| StoreError::unavailable(format!("{shown}: no answer in time")))?;
        let connected = connected.map_err(|error| {
            StoreError::unavailable(format!("connecting to MongoDB {}", ended(&error))).caused_by(error)
        })?;
        let database = connected.map_err(|error| match classified(&error, &shown, false) {
            StoreError::Refused(_) => unusable(error, config.url.expose_secret(), &shown),
            other => other.caused_by(error),
        })?;
        let turns = Semaphore::new(usize::try_from(connections).unwrap_or(1));
        let client = Self { database, turns, is_untrusted, shown };
        client.ping().await?;
        Ok(client)
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.run(async { Ok(self.database.run_command(::mongodb::bson::doc! { "ping": 1 }).await.map(drop)?) }).await
    }

    /// Waits for a permit, then runs `work` with a timeout.
    pub(super) async fn run<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, StoreError> {
        let unavailable = |why: &str| StoreError::unavailable(format!("{}: {why}", self.shown));
        let turn = timeout(TURN, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| unavailable("too many requests are waiting"))?;
        match timeout(ANSWER, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Failure::Store(error))) => Err(error),
            Ok(Err(Failure::Driver(error))) => {
                Err(classified(&error, &self.shown, self.is_untrusted.load(Ordering::Relaxed)).caused_by(error))
            }
            Err(_) => Err(unavailable("no answer in time")),
        }
    }
}

/// Why the URL is unusable, in the driver's words unless they repeat a part of the password.
fn unusable(error: Error, url: &str, shown: &str) -> StoreError {
    let text = error.kind.to_string();
    let credentials = url.rsplit_once('@').map_or("", |(credentials, _)| credentials);
    let password = credentials.splitn(3, ':').nth(2).unwrap_or_default();
    let mut parts = password.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let why = if parts.any(|part| text.contains(part)) { "" } else { &text };
    StoreError::configuration(format!("the store's URL {shown} cannot be used: {why}")).caused_by(error)
}

/// On the stores' own runtime, because the driver's background tasks live there.
async fn connect(
    url: secrecy::SecretString,
    database: Option<String>,
    connections: u32,
    is_untrusted: Untrusted,
) -> Result<Database, Error> {
    let mut options = ClientOptions::parse(url.expose_secret()).await?;
    options.connect_timeout = options.connect_timeout.or(Some(CONNECT));
    // the search for a server must end before the operation's timeout
    options.server_selection_timeout =
        Some(options.server_selection_timeout.map_or(CONNECT, |limit| limit.min(CONNECT)));
    options.max_pool_size = Some(options.max_pool_size.map_or(connections, |size| size.min(connections)));
    options.app_name.get_or_insert_with(|| "atlassian-connect-actix".to_owned());
    // Always read from the primary, whatever the URL says: an outdated secret on a secondary verifies nothing.
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    if options.write_concern.is_none() {
        // A host sends each secret only once, so the secret must be on disk before the host gets an answer.
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    }
    options.sdam_event_handler = Some(EventHandler::callback(move |event| match event {
        SdamEvent::ServerHeartbeatFailed(failed) => {
            is_untrusted.store(is_of_certificate(&failed.failure), Ordering::Relaxed);
        }
        SdamEvent::ServerHeartbeatSucceeded(_) => is_untrusted.store(false, Ordering::Relaxed),
        _ => {}
    }));
    let named = database.or_else(|| options.default_database.clone());
    let client = Client::with_options(options)?;
    Ok(client.database(named.as_deref().unwrap_or(DATABASE)))
}

/// Whether a unique index rejected the write because another document exists.
pub(super) fn is_duplicate(error: &Error) -> bool {
    const DUPLICATE_KEY: i32 = 11_000;
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE_KEY,
        ErrorKind::Command(error) => error.code == DUPLICATE_KEY,
        _ => false,
    }
}

/// Whether the server's certificate was not accepted.
fn is_of_certificate(error: &Error) -> bool {
    let ErrorKind::Io(error) = error.kind.as_ref() else { return false };
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

/// Separates temporary failures from those that the operator has to fix. The driver's texts may repeat values of a
/// document, so for a rejected write only the error's name is shown.
fn classified(error: &Error, shown: &str, is_untrusted: bool) -> StoreError {
    const UNAUTHORIZED: i32 = 13;
    const AUTHENTICATION_FAILED: i32 = 18;
    let text = format!("{shown}: {}", error.kind);
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } | ErrorKind::InvalidTlsConfig { .. } => StoreError::configuration(text),
        // the server's text repeats the whole command
        ErrorKind::Command(refused) if matches!(refused.code, UNAUTHORIZED | AUTHENTICATION_FAILED) => {
            StoreError::configuration(format!("{shown}: {} ({})", refused.code_name, refused.code))
        }
        ErrorKind::ServerSelection { .. } | ErrorKind::Io(_) if is_untrusted || is_of_certificate(error) => {
            StoreError::configuration(format!(
                "{text}; name the server's certificate authority with tlsCAFile=<file> in the URL, or accept any \
                 certificate with tlsAllowInvalidCertificates=true"
            ))
        }
        ErrorKind::ServerSelection { .. }
        | ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. } => StoreError::unavailable(text),
        ErrorKind::Command(refused) if refused.code_name.is_empty() => {
            StoreError::refused(format!("MongoDB refused the operation with code {}", refused.code))
        }
        ErrorKind::Command(refused) => {
            StoreError::refused(format!("MongoDB refused the operation: {} ({})", refused.code_name, refused.code))
        }
        ErrorKind::Write(WriteFailure::WriteError(refused)) => {
            StoreError::refused(format!("MongoDB refused the write with code {}", refused.code))
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(refused)) => StoreError::unavailable(format!(
            "MongoDB did not confirm the write: {} ({})",
            refused.code_name, refused.code
        )),
        ErrorKind::IncompatibleServer { .. } | ErrorKind::SessionsNotSupported => StoreError::refused(text),
        // a document that cannot be read, for one: the text quotes it
        _ => StoreError::refused(format!("MongoDB's driver failed: {}", name(&error.kind))),
    }
}

/// The name of a kind of error: the first word of how it is printed for debugging.
fn name(kind: &ErrorKind) -> String {
    let printed = format!("{kind:?}");
    printed.split(|character: char| !character.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// The server's number for an error, or the kind of one that the driver found.
pub(in super::super) fn error_code(error: &Error) -> String {
    match error.kind.as_ref() {
        ErrorKind::Command(error) => format!("error {}", error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => format!("error {}", error.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => format!("error {}", error.code),
        kind => name(kind),
    }
}

#[cfg(test)]
mod tests {
    use ::mongodb::bson::{deserialize_from_document, doc};

    use super::*;
    use crate::acceptance::backends::{cause_of, shown};

    fn error(kind: ErrorKind) -> StoreError {
        let error = Error::from(kind);
        classified(&error, "mongodb://h/d", false).caused_by(error)
    }

    #[test]
    fn what_mongodb_repeats_is_not_in_the_error() {
        for (code, name) in [(13, "Unauthorized"), (121, "DocumentValidationFailure"), (11_000, "DuplicateKey")] {
            let refused = doc! { "code": code, "codeName": name, "errmsg": "not allowed: { val: \"hush\" }" };
            let error = error(ErrorKind::Command(deserialize_from_document(refused).unwrap()));
            assert!(error.to_string().contains(&format!("{name} ({code})")), "{error}");
            assert!(shown(&error).contains(&format!("error {code}")), "{}", shown(&error));
            assert!(cause_of::<Error>(&error).is_some() && !shown(&error).contains("hush"), "{}", shown(&error));
        }
        let error = error(ErrorKind::Custom(Arc::new("hush")));
        assert!(error.to_string().contains("driver failed: Custom"), "{error}");
        assert!(!shown(&error).contains("hush"), "{}", shown(&error));
    }
}
