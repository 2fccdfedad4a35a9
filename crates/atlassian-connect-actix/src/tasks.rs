//! Work in the background: where it runs, how many there are, and that a stop waits for it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, mpsc};

/// Spawned jobs that run at once: a thousand webhooks must not ask a thousand questions at the same time.
const AT_ONCE: usize = 16;

/// A piece of work, made on the thread where it runs: what it makes need not be `Send`.
pub(crate) type Job = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// Waits until `is_so`; `changed` notifies all who wait whenever it may have become so.
pub(crate) async fn until(changed: &Notify, is_so: impl Fn() -> bool) {
    loop {
        // made before the look: a change in between is not missed
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
    /// Hands `job` to the thread that works.
    pub(crate) fn send(&self, job: Job) {
        // the receiver lives as long as the add-on
        let _ = self.sender.send(job);
    }

    /// Takes the name of a periodic job; whether it is new.
    pub(crate) fn take_name(&self, name: &str) -> bool {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
    }

    /// What is to be worked on; once, for the one who works.
    pub(crate) fn work(&self) -> Option<mpsc::UnboundedReceiver<Job>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Counts a piece of work from its sending to its end.
    pub(crate) fn begin(&self) {
        self.active.fetch_add(1, Ordering::SeqCst);
    }

    /// It has ended.
    pub(crate) fn end(&self) {
        self.active.fetch_sub(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Whether nothing new is to be begun.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Waits for the stop.
    pub(crate) async fn stopping(&self) {
        until(&self.changed, || self.is_stopping()).await;
    }

    /// From now on nothing periodic is begun.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Waits for a place among the jobs that run at once.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }

    /// Waits for what is under way, for `limit` at most; how much is left.
    pub(crate) async fn drain(&self, limit: Duration) -> usize {
        let none = until(&self.changed, || self.active.load(Ordering::SeqCst) == 0);
        let _ = tokio::time::timeout(limit, none).await;
        self.active.load(Ordering::SeqCst)
    }
}
