//! Whether the caller of a write still waits for it.
//!
//! A write that runs on the blocking pool cannot be cancelled from outside. It can look at the last moment, before it
//! commits, whether anybody still wants it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::StoreError;

tokio::task_local! {
    /// That of the write that this task does. A task local and not an argument: stores of other authors have no use for
    /// it.
    static CURRENT: Attempt;
}

const PENDING: u8 = 0;
const COMMITTING: u8 = 1;
const ABANDONED: u8 = 2;

/// One attempt to write: pending, then either committing or abandoned, and that for good.
#[derive(Debug, Clone)]
pub(super) struct Attempt(Arc<AtomicU8>);

impl Attempt {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU8::new(PENDING)))
    }

    /// The attempt that the current task belongs to; one that nobody abandons where there is none.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or_else(|_| Self::new())
    }

    /// Runs `write` as this attempt.
    pub(crate) async fn run<F: Future>(self, write: F) -> F::Output {
        CURRENT.scope(self, write).await
    }

    /// Nobody waits any more. Answers `false` when it is too late: the write commits.
    pub(crate) fn abandon(&self) -> bool {
        self.0.compare_exchange(PENDING, ABANDONED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::SeqCst) == ABANDONED
    }

    /// To be called right before the write takes effect.
    ///
    /// # Errors
    /// The write must not take effect: it was abandoned.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        match self.0.compare_exchange(PENDING, COMMITTING, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) | Err(COMMITTING) => Ok(()),
            Err(_) => Err(abandoned()),
        }
    }
}

/// What becomes of an abandoned write. Hardly anybody reads it.
pub(super) fn abandoned() -> StoreError {
    StoreError::Unavailable("the caller did not wait for the write, which is not done".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_either_committed_or_abandoned() {
        let attempt = Attempt::new();
        assert!(attempt.commit().is_ok() && attempt.commit().is_ok(), "a commit may be tried again");
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
