//! Tracks whether the caller still waits for a write.
//!
//! A write on the blocking pool cannot be cancelled from outside. But right before it commits, it can check whether the
//! caller still wants it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::StoreError;

tokio::task_local! {
    /// The attempt of the current task. A task-local rather than an argument, because stores by other authors do not
    /// need it.
    static CURRENT: Attempt;
}

const PENDING: u8 = 0;
const COMMITTING: u8 = 1;
const ABANDONED: u8 = 2;

/// One attempt to write. It starts pending and ends either committing or abandoned.
#[derive(Debug, Clone)]
pub(super) struct Attempt(Arc<AtomicU8>);

impl Attempt {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU8::new(PENDING)))
    }

    /// The attempt of the current task, or one that nobody can abandon.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or_else(|_| Self::new())
    }

    /// Runs `write` as this attempt.
    pub(crate) async fn run<F: Future>(self, write: F) -> F::Output {
        CURRENT.scope(self, write).await
    }

    /// Called when the caller stops waiting. Returns `false` if it is too late because the write commits.
    pub(crate) fn abandon(&self) -> bool {
        self.0.compare_exchange(PENDING, ABANDONED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::SeqCst) == ABANDONED
    }

    /// Call this right before the write takes effect.
    ///
    /// # Errors
    /// The write was abandoned and must not take effect.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        match self.0.compare_exchange(PENDING, COMMITTING, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) | Err(COMMITTING) => Ok(()),
            Err(_) => Err(abandoned()),
        }
    }
}

/// The error of an abandoned write. Usually nobody reads it.
pub(super) fn abandoned() -> StoreError {
    StoreError::unavailable("the caller stopped waiting, so the write was not done")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_either_committed_or_abandoned() {
        let attempt = Attempt::new();
        assert!(attempt.commit().is_ok() && attempt.commit().is_ok(), "a commit may be retried");
        assert!(!attempt.abandon() && !attempt.is_abandoned());

        let attempt = Attempt::new();
        assert!(attempt.abandon() && attempt.is_abandoned());
        assert!(attempt.commit().is_err());
    }

    #[tokio::test]
    async fn a_task_has_its_own() {
        let attempt = Attempt::new();
        assert!(attempt.abandon());
        attempt.run(async { assert!(Attempt::current().is_abandoned()) }).await;
        assert!(!Attempt::current().is_abandoned());
    }
}
