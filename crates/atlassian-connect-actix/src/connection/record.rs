//! [`Record`]: the part of a connection that the pool checks.

use std::cell::RefCell;
use std::time::Instant;

use tokio::sync::Notify;

use super::progress::{Cut, Progress};

/// The progress of a connection, shared by the connection and the pool of its worker.
pub(super) struct Record {
    pub(super) progress: RefCell<Progress>,
    pub(super) hang_up: Notify,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { progress: RefCell::new(Progress::new(Instant::now())), hang_up: Notify::new() }
    }

    /// Ends the connection at once, whatever it waits for. Returns whether it was not ending before.
    pub(super) fn condemn(&self) -> bool {
        let mut progress = self.progress.borrow_mut();
        let is_first = !std::mem::replace(&mut progress.is_condemned, true);
        if let Some(task) = &progress.task {
            task.wake_by_ref();
        }
        is_first
    }

    /// Stops waiting for the body of the current request; its handler reads an error.
    pub(super) fn cut(&self, reason: Cut) {
        let mut progress = self.progress.borrow_mut();
        progress.body.cut = Some(reason);
        if let Some(waiting) = progress.body.waker.take() {
            waiting.wake();
        }
    }
}
