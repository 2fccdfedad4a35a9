//! Writes of one tenant happen one after the other, in the order in which they came.
//!
//! A store alone does not see to that: of two installs that wait for a locked SQLite file, the older may come last, and
//! its secret would replace the one that the host has been told is stored. Between nodes the order is the store's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Mutex as Lock, OwnedMutexGuard};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;

use crate::StoreError;
use crate::attempt::Attempt;

/// How long a write may take, from its place in the queue to its end: longer than the stores' own time limits.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a commit that has begun is waited for after that, since its outcome decides what the host is told.
const COMMIT: Duration = Duration::from_secs(15);
/// Writes of one tenant that wait or run at most. Each comes with a proof.
const QUEUED: usize = 1000;
/// How long it is remembered which request wrote last: longer than any request takes.
const MEMORY: Duration = Duration::from_secs(600);
/// Tenants of which that is remembered at most.
const REMEMBERED: u64 = 100_000;

/// When a request arrived: its place among all requests of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival(u64);

impl Arrival {
    /// After all that came before.
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
    /// Those with a write under way.
    busy: Mutex<HashMap<String, Queue>>,
    /// Which request wrote last.
    written: Cache<String, Arrival>,
}

#[derive(Debug, Default)]
struct Queue {
    /// First come, first served.
    lock: Arc<Lock<()>>,
    length: usize,
}

impl Default for WriteQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl WriteQueue {
    /// Nothing waits.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    fn with_limit(limit: Duration) -> Self {
        let written = Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build();
        Self { tenants: Arc::new(Tenants { busy: Mutex::default(), written }), limit }
    }

    /// Does what `write` makes when it is its turn. Where the caller goes away, or the time is up, before the turn, it
    /// is not done. Once begun it runs to its end, and the next one waits for that; a store of ours then still drops it
    /// before it commits.
    ///
    /// `arrival`: when the request came that installs or uninstalls. `None` is the answer when a later one is done
    /// already: it would have replaced what this one writes, which is therefore not written at all.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the time is up, and what `write` answers.
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
        // a task of its own holds the turn: the store's work goes on when this caller is gone
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
        joined.map_err(|error| StoreError::Refused(format!("the write was broken off: {error}")))?.map(Some)
    }

    /// Joins the queue at once; the future ends with the turn.
    fn turn(&self, client_key: &str) -> Result<impl Future<Output = Turn> + use<>, StoreError> {
        let mut busy = self.tenants.busy();
        let queue = busy.entry(client_key.to_owned()).or_default();
        if queue.length >= QUEUED {
            return Err(StoreError::Unavailable("too many writes of one tenant wait".to_owned()));
        }
        queue.length += 1;
        let lock = Arc::clone(&queue.lock);
        let place = Place { tenants: Arc::clone(&self.tenants), client_key: client_key.to_owned() };
        Ok(async move { Turn { _held: lock.lock_owned().await, place } })
    }
}

impl Tenants {
    fn busy(&self) -> MutexGuard<'_, HashMap<String, Queue>> {
        // nothing panics while the lock is held
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn late() -> StoreError {
    StoreError::Unavailable("the write was not done in time".to_owned())
}

/// Whoever waits for a write; it is abandoned when they go away.
struct Caller(Attempt);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// A place in the queue of a tenant. The queue goes with the last one.
struct Place {
    tenants: Arc<Tenants>,
    client_key: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut busy = self.tenants.busy();
        let Some(queue) = busy.get_mut(&self.client_key) else { return };
        queue.length = queue.length.saturating_sub(1);
        if queue.length == 0 {
            busy.remove(&self.client_key);
        }
    }
}

/// The turn of one write: nobody else writes to the tenant until it is dropped.
struct Turn {
    // let go of first: the queue must not vanish while it is locked
    _held: OwnedMutexGuard<()>,
    place: Place,
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
