//! Single flight: work that many requests want at the same time is done once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::OnceCell;

/// Joins concurrent calls for one key into one run. If the caller that runs is cancelled or panics, the next one in
/// line runs instead.
#[derive(Debug)]
pub struct Flights<K, V> {
    cells: Mutex<HashMap<K, Arc<OnceCell<V>>>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Flights<K, V> {
    /// A map without any run.
    #[must_use]
    pub fn new() -> Self {
        Self { cells: Mutex::new(HashMap::new()) }
    }

    /// Joins the run for `key` that is under way, or starts it.
    pub async fn join<R>(&self, key: K, run: impl FnOnce() -> R) -> V
    where
        R: Future<Output = V>,
    {
        let cell = Arc::clone(self.lock().entry(key.clone()).or_default());
        let departure = Departure { flights: self, key, cell: &cell };
        let value = cell.get_or_init(run).await.clone();
        departure.leave();
        value
    }

    /// Joins the run for `key` that is about to begin, or starts it. `wait` passes before the run begins. Callers until
    /// then join it, later callers start another: so a result never dates from before the call.
    pub async fn join_next<W, R>(&self, key: K, wait: impl FnOnce() -> W, run: impl FnOnce() -> R) -> V
    where
        W: Future<Output = ()>,
        R: Future<Output = V>,
    {
        let cell = Arc::clone(self.lock().entry(key.clone()).or_default());
        let departure = Departure { flights: self, key, cell: &cell };
        cell.get_or_init(|| async {
            wait().await;
            departure.leave();
            run().await
        })
        .await
        .clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<OnceCell<V>>>> {
        self.cells.lock()
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Default for Flights<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// Removes a cell from the map when its run begins, or when its last caller is cancelled before.
struct Departure<'a, K: Eq + Hash + Clone, V: Clone> {
    flights: &'a Flights<K, V>,
    key: K,
    cell: &'a Arc<OnceCell<V>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Departure<'_, K, V> {
    fn leave(&self) {
        let mut cells = self.flights.lock();
        if cells.get(&self.key).is_some_and(|cell| Arc::ptr_eq(cell, self.cell)) {
            cells.remove(&self.key);
        }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Drop for Departure<'_, K, V> {
    fn drop(&mut self) {
        // only the map and this caller hold it: nobody else waits
        let mut cells = self.flights.lock();
        if Arc::strong_count(self.cell) <= 2 && cells.get(&self.key).is_some_and(|cell| Arc::ptr_eq(cell, self.cell)) {
            cells.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[actix_web::test]
    async fn concurrent_calls_share_a_run_and_later_calls_start_another() {
        let flights = Flights::<&str, usize>::new();
        let runs = AtomicUsize::new(0);
        let call = || {
            flights.join_next("key", tokio::task::yield_now, || async {
                tokio::task::yield_now().await;
                runs.fetch_add(1, Ordering::SeqCst)
            })
        };
        assert_eq!(join_all((0..50).map(|_| call())).await, vec![0; 50]);
        assert_eq!(call().await, 1);
        assert!(flights.lock().is_empty());
    }

    #[actix_web::test]
    async fn a_run_that_is_under_way_is_joined() {
        let flights = Flights::<&str, usize>::new();
        let runs = AtomicUsize::new(0);
        let (begun, mut wait) = tokio::sync::mpsc::unbounded_channel();
        let run = || async {
            let _ = begun.send(());
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            runs.fetch_add(1, Ordering::SeqCst)
        };
        let first = flights.join("key", run);
        let second = async {
            wait.recv().await;
            flights.join("key", run).await
        };
        assert_eq!(futures_util::future::join(first, second).await, (0, 0));
        assert_eq!(flights.join("key", run).await, 1);
        assert!(flights.lock().is_empty());
    }

    #[actix_web::test]
    async fn a_call_after_the_beginning_waits_for_the_next_run() {
        let flights = Flights::<&str, usize>::new();
        let runs = AtomicUsize::new(0);
        let (begun, mut wait) = tokio::sync::mpsc::unbounded_channel();
        let run = || async {
            let _ = begun.send(());
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            runs.fetch_add(1, Ordering::SeqCst)
        };
        let first = flights.join_next("key", || async {}, run);
        let second = async {
            wait.recv().await;
            flights.join_next("key", || async {}, run).await
        };
        let (first, second) = futures_util::future::join(first, second).await;
        assert_eq!((first, second, runs.load(Ordering::SeqCst)), (0, 1, 2));
    }

    #[actix_web::test]
    async fn a_caller_that_joined_a_panicking_run_runs_instead() {
        let flights = Flights::<&str, usize>::new();
        let runs = AtomicUsize::new(0);
        let run = || async {
            tokio::task::yield_now().await;
            let run = runs.fetch_add(1, Ordering::SeqCst);
            assert!(run >= 2, "boom");
            run
        };
        for next in [false, true] {
            runs.store(0, Ordering::SeqCst);
            let call = || async {
                if next {
                    flights.join_next("key", tokio::task::yield_now, run).await
                } else {
                    flights.join("key", run).await
                }
            };
            let called = join_all((0..4).map(|_| crate::panics::caught(call()))).await;
            let called: Vec<_> = called.into_iter().map(Result::ok).collect();
            assert_eq!(called, [None, None, Some(2), Some(2)], "join_next: {next}");
            assert!(flights.lock().is_empty(), "join_next: {next}");
        }
    }

    #[actix_web::test]
    async fn a_cancelled_caller_is_replaced_and_leaves_nothing_behind() {
        let flights = Flights::<&str, usize>::new();
        let never = flights.join_next("key", std::future::pending, || async { 1 });
        assert!(tokio::time::timeout(Duration::from_millis(1), never).await.is_err());
        assert!(flights.lock().is_empty());
        assert_eq!(flights.join_next("key", || async {}, || async { 2 }).await, 2);
    }
}
