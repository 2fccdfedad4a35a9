//! A queue per tenant: writes of one tenant run one at a time, in the order of their arrival.
//!
//! A store alone does not guarantee this. If two installs wait for a locked SQLite file, the older one may run last,
//! and its secret would replace the one that the host believes is stored. Between nodes, the store decides the order.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Mutex as Lock, OwnedMutexGuard};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;

use crate::StoreError;
use crate::attempt::Attempt;
use crate::blocking::ended;

/// The timeout of a write, including the wait in the queue. Longer than the stores' own timeouts.
const LIMIT: Duration = Duration::from_secs(20);
/// How much longer to wait for a commit that has begun, because its outcome decides the answer to the host.
const COMMIT: Duration = Duration::from_secs(15);
/// The most writes of one tenant that wait or run. Each comes with a verified token.
const QUEUED: usize = 1000;
/// How long the last writing request is remembered: longer than any request takes.
const MEMORY: Duration = Duration::from_secs(600);
/// The most tenants for which that is remembered.
const REMEMBERED: u64 = 100_000;

/// When a request arrived: its position among all requests of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival(u64);

impl Arrival {
    /// A position after all earlier requests.
    #[must_use]
    pub fn now() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::SeqCst))
    }
}

/// The queues of all tenants.
#[derive(Debug)]
pub struct WriteQueue {
    tenants: Arc<Tenants>,
    limit: Duration,
}

#[derive(Debug)]
struct Tenants {
    /// Tenants with a write in progress.
    busy: Mutex<HashMap<String, Queue>>,
    /// The request that wrote last.
    written: Cache<String, Arrival>,
}

#[derive(Debug, Default)]
struct Queue {
    /// A fair lock: first come, first served.
    lock: Arc<Lock<()>>,
    length: usize,
}

impl Default for WriteQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl WriteQueue {
    /// Creates empty queues.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    fn with_limit(limit: Duration) -> Self {
        let written = Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build();
        Self { tenants: Arc::new(Tenants { busy: Mutex::default(), written }), limit }
    }

    /// Runs `write` when its turn comes. If the caller is dropped or the timeout passes before that, `write` does not
    /// run. Once started, it runs to its end, and the next one waits for it. If the caller is dropped meanwhile, the
    /// built-in stores still abandon the write before it commits.
    ///
    /// `arrival`: when the install or uninstall request arrived. Returns `None` if a later request has already been
    /// written: it would have replaced this one, so this one is not written at all.
    /// # Errors
    /// [`StoreError::Unavailable`] if the timeout passes, and the errors of `write`.
    pub async fn run<T, F>(
        &self,
        client_key: &str,
        arrival: Option<Arrival>,
        write: impl FnOnce() -> F,
    ) -> Result<Option<T>, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let deadline = Instant::now() + self.limit;
        let turn = timeout_at(deadline, self.turn(client_key)?).await.map_err(|_| late())?;
        if arrival.is_some_and(|arrival| turn.is_overtaken(arrival)) {
            return Ok(None);
        }
        let attempt = Attempt::new();
        let _caller = Caller(attempt.clone());
        let work = attempt.clone().run(write());
        // a separate task holds the turn: the store's work continues if this caller is dropped
        let task = async move {
            let outcome = work.await;
            if let (Ok(_), Some(arrival)) = (&outcome, arrival) {
                turn.written(arrival);
            }
            outcome
        };
        let mut task = tokio::spawn(task.in_current_span());
        let joined = match timeout_at(deadline, &mut task).await {
            Ok(joined) => joined,
            Err(_) if attempt.abandon() => return Err(late()),
            Err(_) => timeout(COMMIT, task).await.map_err(|_| late())?,
        };
        joined.map_err(|error| StoreError::refused(format!("the write {}", ended(&error))).caused_by(error))?.map(Some)
    }

    /// Joins the queue immediately. The future resolves when the turn comes.
    fn turn(&self, client_key: &str) -> Result<impl Future<Output = Turn> + use<>, StoreError> {
        let mut busy = self.tenants.busy();
        let queue = busy.entry(client_key.to_owned()).or_default();
        if queue.length >= QUEUED {
            return Err(StoreError::unavailable("too many writes of one tenant are waiting"));
        }
        queue.length += 1;
        let lock = Arc::clone(&queue.lock);
        let place = Slot { tenants: Arc::clone(&self.tenants), client_key: client_key.to_owned() };
        Ok(async move { Turn { _held: lock.lock_owned().await, place } })
    }
}

impl Tenants {
    fn busy(&self) -> MutexGuard<'_, HashMap<String, Queue>> {
        // nothing panics while the lock is held
        self.busy.lock()
    }
}

fn late() -> StoreError {
    StoreError::unavailable("the write did not finish in time")
}

/// The caller that waits for a write. When it is dropped, the write is abandoned.
struct Caller(Attempt);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// A slot in a tenant's queue. The queue is removed with its last slot.
struct Slot {
    tenants: Arc<Tenants>,
    client_key: String,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut busy = self.tenants.busy();
        let Some(queue) = busy.get_mut(&self.client_key) else { return };
        queue.length = queue.length.saturating_sub(1);
        if queue.length == 0 {
            busy.remove(&self.client_key);
        }
    }
}

/// The turn of one write. Nobody else writes to the tenant until it is dropped.
struct Turn {
    // released first: the queue must not be removed while it is locked
    _held: OwnedMutexGuard<()>,
    place: Slot,
}

impl Turn {
    fn is_overtaken(&self, arrival: Arrival) -> bool {
        self.place.tenants.written.get(&self.place.client_key).is_some_and(|last| last > arrival)
    }

    fn written(&self, arrival: Arrival) {
        self.place.tenants.written.insert(self.place.client_key.clone(), arrival);
    }
}

#[cfg(test)]
mod tests;
