//! Ends a connection whose server has fallen silent.
//!
//! A stopped process, or a proxy that has lost its server, leaves a statement without an answer for good: the other
//! side's system still acknowledges what is sent, so no time limit of TCP counts, and the server's own limit for
//! statements is enforced by nobody. The thread that waits, and its place in the pool, would be lost.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::oneshot;

tokio::task_local! {
    /// The lifeline of the connection that is being made. A task-local, because diesel-async makes its runtime itself.
    static CURRENT: Lifeline;
}

/// Whether the server answers on a new connection.
type Probe = dyn Fn() -> BoxFuture<'static, bool> + Send + Sync;

/// Watches the statements of one connection.
#[derive(Clone)]
pub(super) struct Lifeline {
    /// How long a statement may take before the server is asked whether it is still there.
    silence: Duration,
    answers: Arc<Probe>,
    /// Dropped to end the connection.
    held: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl std::fmt::Debug for Lifeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lifeline").field("silence", &self.silence).finish_non_exhaustive()
    }
}

impl Lifeline {
    /// A lifeline, and what resolves when the connection is to be closed: it was cut, or nobody holds it any more.
    pub(crate) fn new(silence: Duration, answers: Arc<Probe>) -> (Self, oneshot::Receiver<()>) {
        let (held, cut) = oneshot::channel();
        (Self { silence, answers, held: Arc::new(Mutex::new(Some(held))) }, cut)
    }

    /// The lifeline of the connection that is being made.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Makes a connection that has this lifeline.
    pub(crate) fn hold<T>(self, make: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, make)
    }

    /// Waits for `statement`. Ends the connection, and so the statement, if the server falls silent. As long as it
    /// answers elsewhere, the statement is only slow: the server ends it at its own limit, which an app can raise.
    pub(crate) async fn watch<F: Future>(&self, statement: F) -> F::Output {
        let mut statement = pin!(statement);
        loop {
            if let Ok(output) = tokio::time::timeout(self.silence, &mut statement).await {
                return output;
            }
            tokio::select! {
                biased;
                output = &mut statement => return output,
                answers = (self.answers)() => if answers { continue },
            }
            tracing::warn!("the store's server has fallen silent: a connection is closed");
            self.held.lock().take();
            return statement.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A lifeline, how often its server was asked, and what resolves when it is cut.
    fn lifeline(answers: bool) -> (Lifeline, Arc<AtomicUsize>, oneshot::Receiver<()>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let probe = move || -> BoxFuture<'static, bool> {
            count.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::ready(answers))
        };
        let (lifeline, cut) = Lifeline::new(Duration::from_millis(20), Arc::new(probe));
        (lifeline, asked, cut)
    }

    #[tokio::test]
    async fn a_statement_ends_with_the_connection_of_a_silent_server() {
        let (lifeline, asked, cut) = lifeline(false);
        // like a driver: the statement ends when the connection does
        let output = lifeline.watch(async { cut.await.is_err() }).await;
        assert!(output && asked.load(Ordering::SeqCst) == 1);
    }

    #[tokio::test]
    async fn a_slow_statement_goes_on_while_the_server_answers() {
        let (lifeline, asked, mut cut) = lifeline(true);
        let seen = Arc::clone(&asked);
        lifeline
            .watch(async {
                while seen.load(Ordering::SeqCst) < 3 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
        assert!(cut.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
    }

    #[tokio::test]
    async fn a_connection_ends_when_nobody_holds_it() {
        let (lifeline, _, cut) = lifeline(true);
        assert!(Lifeline::current().is_none());
        let held = lifeline.hold(Lifeline::current);
        assert!(held.is_some());
        drop(held);
        assert!(cut.await.is_err());
    }
}
