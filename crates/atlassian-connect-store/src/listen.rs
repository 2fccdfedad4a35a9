//! What other nodes write: PostgreSQL and Redis tell whoever listens, so that a cache need not wait until its entries
//! expire.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _, poll_fn, unfold};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::AsyncMessage;

use super::postgres::Manager;
use super::runtime::runtime;

/// Where the stores of all nodes tell each other; a statement of [`super::postgres::DIALECT`] names it, too.
#[cfg(feature = "redis")]
pub(super) const CHANNEL: &str = "atlassian_connect_tenants";
const LISTEN: &str = "LISTEN atlassian_connect_tenants";
/// Before a listener that lost its connection tries again: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What a node has heard of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The installation of this clientKey is another one now, or gone.
    Tenant(String),
    /// Something may have been missed: any tenant may have changed.
    Any,
}

/// Changes, as they are heard of.
pub type Changes = BoxStream<'static, Change>;

/// A server that tells what other nodes write.
pub(super) trait Told: Send + Sync + 'static {
    /// Listens on a connection of its own until that ends; why it did.
    fn hear<'a>(&'a self, heard: &'a mut Heard) -> BoxFuture<'a, String>;
}

/// Where a listener says what it has heard.
pub(super) struct Heard {
    sender: UnboundedSender<Change>,
    pause: Duration,
}

impl Heard {
    /// From now on everything is told; what was written before is not.
    pub(crate) fn begins(&mut self) {
        self.pause = PAUSE.0;
        let _ = self.sender.send(Change::Any);
    }

    pub(crate) fn tenant(&self, client_key: String) {
        let _ = self.sender.send(Change::Tenant(client_key));
    }
}

/// Listens until nobody wants to hear it any more.
pub(super) fn changes(server: impl Told) -> Changes {
    let (sender, receiver) = unbounded_channel();
    match runtime() {
        Ok(runtime) => drop(runtime.spawn(listen(server, sender))),
        Err(error) => tracing::warn!(%error, "changes of other nodes are not heard of: caches wait for their time"),
    }
    let next =
        |mut receiver: UnboundedReceiver<Change>| async { receiver.recv().await.map(|change| (change, receiver)) };
    unfold(receiver, next).boxed()
}

async fn listen(server: impl Told, sender: UnboundedSender<Change>) {
    let mut heard = Heard { sender: sender.clone(), pause: PAUSE.0 };
    while !sender.is_closed() {
        let reason = tokio::select! {
            reason = server.hear(&mut heard) => reason,
            () = sender.closed() => return,
        };
        tracing::warn!(%reason, "changes of other nodes are not heard of: caches wait for their time");
        tokio::time::sleep(heard.pause).await;
        heard.pause = (heard.pause * 2).min(PAUSE.1);
    }
}

impl Told for Manager {
    fn hear<'a>(&'a self, heard: &'a mut Heard) -> BoxFuture<'a, String> {
        Box::pin(hear(self, heard))
    }
}

async fn hear(manager: &Manager, heard: &mut Heard) -> String {
    let (client, mut connection) = match manager.open().await {
        Ok(opened) => opened,
        Err(error) => return error.to_string(),
    };
    let mut messages = poll_fn(move |context| connection.poll_message(context));
    // the connection has to be driven while the statement runs
    let mut listening = Box::pin(client.batch_execute(LISTEN));
    let mut is_listening = false;
    loop {
        tokio::select! {
            done = &mut listening, if !is_listening => {
                if let Err(error) = done {
                    return error.to_string();
                }
                is_listening = true;
                heard.begins();
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(told))) => heard.tenant(told.payload().to_owned()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.to_string(),
                None => return "the server closed the connection".into(),
            },
        }
    }
}
