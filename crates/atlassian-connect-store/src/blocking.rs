//! Runs blocking work on the blocking pool.

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
    joined.map_err(|error| StoreError::Unavailable(format!("{what} panicked or was cancelled: {error}")))
}
