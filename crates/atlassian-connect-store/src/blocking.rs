//! Work that blocks, on the threads for it.

use super::StoreError;

/// Runs `work` on the blocking pool. `what` names it for the error.
///
/// # Errors
/// [`StoreError::Unavailable`] when it panicked, or the runtime stopped before its turn.
pub(super) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| StoreError::Unavailable(format!("{what} was given up: {error}")))
}
