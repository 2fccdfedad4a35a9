//! Runs blocking work on the blocking pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinError;

use super::StoreError;

/// How long work waits for a thread. A worker has few: if the database hangs, what waits would become more and more.
const WAIT: Duration = Duration::from_secs(5);
const LATE: &str = "found no free thread in time";

/// Runs `work` on the blocking pool. `what` names it for the error.
///
/// # Errors
/// [`StoreError::Unavailable`] if no thread was free for five seconds, if it panicked, or if the runtime stopped before
/// it ran.
pub(super) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    blocking_within(WAIT, what, work).await
}

async fn blocking_within<T: Send + 'static>(
    wait: Duration,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let begun = Arc::new(AtomicBool::new(false));
    let begins = Arc::clone(&begun);
    let mut task = tokio::task::spawn_blocking(move || (!begins.swap(true, Ordering::AcqRel)).then(work));
    let outcome = match tokio::time::timeout(wait, &mut task).await {
        Ok(outcome) => outcome,
        // what waits in the pool cannot be taken out: from here on it does nothing when its turn comes
        Err(_) if !begun.swap(true, Ordering::AcqRel) => Ok(None),
        Err(_) => task.await,
    };
    let unavailable = |ended: &str| StoreError::unavailable(format!("{what} {ended}"));
    let done = outcome.map_err(|error| unavailable(ended(&error)).caused_by(error))?;
    done.ok_or_else(|| unavailable(LATE))
}

/// How a task ended without a result. Not what it said in a panic, which may quote a value.
pub(super) fn ended(error: &JoinError) -> &'static str {
    if error.is_panic() { "panicked" } else { "was cancelled" }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn work_that_finds_no_thread_in_time_is_not_done_later() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (free, occupied) = mpsc::channel::<()>();
            let (entered, wait) = oneshot::channel();
            let first = tokio::spawn(blocking("the first", move || {
                entered.send(()).unwrap();
                occupied.recv().unwrap();
            }));
            wait.await.unwrap();
            let (done, was_done) = mpsc::channel();
            let late = blocking_within(Duration::from_millis(20), "the read", move || done.send(())).await;
            assert_eq!(
                late.unwrap_err().to_string(),
                "the store is not available: the read found no free thread in time"
            );
            free.send(()).unwrap();
            first.await.unwrap().unwrap();
            assert_eq!(blocking("the last", || 1).await.unwrap(), 1);
            assert!(was_done.try_recv().is_err(), "it was dropped");
        });
    }
}
