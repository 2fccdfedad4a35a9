//! Notifications of other nodes' writes: PostgreSQL and Redis send them, so that a cache does not wait until its
//! entries expire.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _, poll_fn, unfold};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::AsyncMessage;

use super::postgres::PostgresConnector;
use super::runtime::runtime;

/// The channel that all nodes use. A statement of [`super::postgres::DIALECT`] names it, too.
#[cfg(feature = "redis")]
pub(super) const CHANNEL: &str = "atlassian_connect_tenants";
const LISTEN: &str = "LISTEN atlassian_connect_tenants";
/// How long to wait before reconnecting a lost listener: first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A notification from another node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The installation of this clientKey has changed or is gone.
    Tenant(String),
    /// Notifications may have been missed: any tenant may have changed.
    Any,
}

/// A stream of notifications.
pub type Changes = BoxStream<'static, Change>;

/// A server that sends notifications.
pub(super) trait Notifier: Send + Sync + 'static {
    /// Listens on a separate connection until it ends. Returns why it ended.
    fn hear<'a>(&'a self, subscriber: &'a mut Subscriber) -> BoxFuture<'a, String>;
}

/// Where a listener reports its notifications.
pub(super) struct Subscriber {
    sender: UnboundedSender<Change>,
    pause: Duration,
}

impl Subscriber {
    /// From now on every write is reported. Earlier ones are not.
    pub(crate) fn begins(&mut self) {
        self.pause = PAUSE.0;
        let _ = self.sender.send(Change::Any);
    }

    pub(crate) fn tenant(&self, client_key: String) {
        let _ = self.sender.send(Change::Tenant(client_key));
    }
}

/// Listens until the stream is dropped.
pub(super) fn changes(server: impl Notifier) -> Changes {
    let (sender, receiver) = unbounded_channel();
    match runtime() {
        Ok(runtime) => drop(runtime.spawn(listen(server, sender))),
        Err(error) => tracing::warn!(%error, "no notifications of other nodes' changes: cache entries expire by time"),
    }
    let next =
        |mut receiver: UnboundedReceiver<Change>| async { receiver.recv().await.map(|change| (change, receiver)) };
    unfold(receiver, next).boxed()
}

async fn listen(server: impl Notifier, sender: UnboundedSender<Change>) {
    let mut subscriber = Subscriber { sender: sender.clone(), pause: PAUSE.0 };
    while !sender.is_closed() {
        let reason = tokio::select! {
            reason = server.hear(&mut subscriber) => reason,
            () = sender.closed() => return,
        };
        tracing::warn!(%reason, "no notifications of other nodes' changes: cache entries expire by time");
        tokio::time::sleep(subscriber.pause).await;
        subscriber.pause = (subscriber.pause * 2).min(PAUSE.1);
    }
}

impl Notifier for PostgresConnector {
    fn hear<'a>(&'a self, subscriber: &'a mut Subscriber) -> BoxFuture<'a, String> {
        Box::pin(hear(self, subscriber))
    }
}

async fn hear(connector: &PostgresConnector, subscriber: &mut Subscriber) -> String {
    let (client, mut connection) = match connector.open().await {
        Ok(opened) => opened,
        Err(error) => return error.to_string(),
    };
    let mut messages = poll_fn(move |context| connection.poll_message(context));
    // the connection must be polled while the statement runs
    let mut listening = Box::pin(client.batch_execute(LISTEN));
    let mut is_listening = false;
    loop {
        tokio::select! {
            done = &mut listening, if !is_listening => {
                if let Err(error) = done {
                    return error.to_string();
                }
                is_listening = true;
                subscriber.begins();
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(told))) => subscriber.tenant(told.payload().to_owned()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.to_string(),
                None => return "the server closed the connection".into(),
            },
        }
    }
}
