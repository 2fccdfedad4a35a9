//! Background work: where it runs, how much runs at once, and that a stop waits for it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, mpsc};

/// The most spawned jobs that run at once: a thousand webhooks must not cause a thousand concurrent requests.
const AT_ONCE: usize = 16;

/// A job. Its future is made on the thread that runs it, so it need not be `Send`.
pub(crate) type Job = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// Waits until `is_so`. `changed` notifies all waiters whenever it may have become true.
pub(crate) async fn until(changed: &Notify, is_so: impl Fn() -> bool) {
    loop {
        // created before the check: a change in between is not missed
        let change = changed.notified();
        if is_so() {
            return;
        }
        change.await;
    }
}

/// The background work of an add-on.
#[derive(Debug)]
pub struct Tasks {
    sender: mpsc::UnboundedSender<Job>,
    receiver: Mutex<Option<mpsc::UnboundedReceiver<Job>>>,
    active: AtomicUsize,
    is_stopping: AtomicBool,
    changed: Notify,
    names: Mutex<HashSet<String>>,
    places: Semaphore,
}

impl Default for Tasks {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
            active: AtomicUsize::new(0),
            is_stopping: AtomicBool::new(false),
            changed: Notify::new(),
            names: Mutex::default(),
            places: Semaphore::new(AT_ONCE),
        }
    }
}

impl Tasks {
    /// Sends `job` to the thread that runs it.
    pub(crate) fn send(&self, job: Job) {
        // the receiver lives as long as the add-on
        let _ = self.sender.send(job);
    }

    /// Registers the name of a periodic job. Returns whether it is new.
    pub(crate) fn take_name(&self, name: &str) -> bool {
        self.names.lock().insert(name.to_owned())
    }

    /// The queue of jobs; `None` after the first call.
    pub(crate) fn work(&self) -> Option<mpsc::UnboundedReceiver<Job>> {
        self.receiver.lock().take()
    }

    /// Counts a job from its sending to its end.
    pub(crate) fn begin(&self) {
        self.active.fetch_add(1, Ordering::SeqCst);
    }

    /// A job has ended.
    pub(crate) fn end(&self) {
        self.active.fetch_sub(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Whether no new job may begin.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Waits for the stop.
    pub(crate) async fn stopping(&self) {
        until(&self.changed, || self.is_stopping()).await;
    }

    /// From now on no periodic job begins.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Waits for a permit to run a job.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }

    /// Waits for running jobs, for at most `limit`. Returns how many are left.
    pub(crate) async fn drain(&self, limit: Duration) -> usize {
        let none = until(&self.changed, || self.active.load(Ordering::SeqCst) == 0);
        let _ = tokio::time::timeout(limit, none).await;
        self.active.load(Ordering::SeqCst)
    }
}
