//! [`Record`]: what the pool looks at.

use std::cell::RefCell;
use std::time::Instant;

use tokio::sync::Notify;

use super::progress::{Cut, Progress};

/// How far a connection is. The connection itself and the pool of its worker share it.
pub(super) struct Record {
    pub(super) progress: RefCell<Progress>,
    pub(super) hang_up: Notify,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { progress: RefCell::new(Progress::new(Instant::now())), hang_up: Notify::new() }
    }

    /// The connection ends: at once, whatever it waits for. Whether it was not ending before.
    pub(super) fn condemn(&self) -> bool {
        let mut progress = self.progress.borrow_mut();
        let is_first = !std::mem::replace(&mut progress.is_condemned, true);
        if let Some(task) = &progress.task {
            task.wake_by_ref();
        }
        is_first
    }

    /// The body of the current request is not waited for any longer; its handler reads an error.
    pub(super) fn cut(&self, reason: Cut) {
        let mut progress = self.progress.borrow_mut();
        progress.body.cut = Some(reason);
        if let Some(waiting) = progress.body.waker.take() {
            waiting.wake();
        }
    }
}
