//! Runs blocking work on the blocking pool.

use tokio::task::JoinError;

use super::StoreError;

/// Runs `work` on the blocking pool. `what` names it for the error.
///
/// # Errors
/// [`StoreError::Unavailable`] if it panicked, or if the runtime stopped before it ran.
pub(super) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| StoreError::unavailable(format!("{what} {}", ended(&error))).caused_by(error))
}

/// How a task ended without a result. Not what it said in a panic, which may quote a value.
pub(super) fn ended(error: &JoinError) -> &'static str {
    if error.is_panic() { "panicked" } else { "was cancelled" }
}
