//! What other nodes write: PostgreSQL tells whoever listens, so that a cache need not wait until its entries expire.

use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt as _, poll_fn, unfold};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::AsyncMessage;

use super::postgres::Manager;

/// Where the stores of all nodes tell each other; a statement of [`super::postgres::DIALECT`] names it, too.
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

/// Listens until nobody wants to hear it any more.
pub(super) fn changes(manager: Manager) -> Changes {
    let (sender, receiver) = unbounded_channel();
    match super::driver::runtime() {
        Ok(runtime) => drop(runtime.spawn(listen(manager, sender))),
        Err(error) => tracing::warn!(%error, "changes of other nodes are not heard of: caches wait for their time"),
    }
    let next =
        |mut receiver: UnboundedReceiver<Change>| async { receiver.recv().await.map(|change| (change, receiver)) };
    unfold(receiver, next).boxed()
}

async fn listen(manager: Manager, sender: UnboundedSender<Change>) {
    let mut pause = PAUSE.0;
    while !sender.is_closed() {
        let reason = tokio::select! {
            reason = hear(&manager, &sender, &mut pause) => reason,
            () = sender.closed() => return,
        };
        tracing::warn!(%reason, "changes of other nodes are not heard of: caches wait for their time");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Hears until the connection ends; why it did.
async fn hear(manager: &Manager, sender: &UnboundedSender<Change>, pause: &mut Duration) -> String {
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
                (is_listening, *pause) = (true, PAUSE.0);
                // what was written before is not told
                let _ = sender.send(Change::Any);
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(told))) => {
                    let _ = sender.send(Change::Tenant(told.payload().to_owned()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.to_string(),
                None => return "the server closed the connection".into(),
            },
        }
    }
}
