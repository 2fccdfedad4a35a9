//! Permits to ask a key server for an id that may be made up: token buckets with a short queue.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::recent::Recent;
use crate::budget::Budget;

/// How many callers can wait at once. The next one replaces the one that has waited longest.
const PLACES: usize = 4;
/// How many callers in a row get a permit by waiting while none is turned away, and the pause before each further one.
/// Otherwise a flood of one request after the other would get one permit after the other.
const SERVED_BURST: u32 = 8;
const SERVED_PAUSE: Duration = Duration::from_secs(5);
/// How often a waiting caller checks whether it is now the newest one.
const LOOK: Duration = Duration::from_millis(20);

/// The number of permits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The burst.
    pub burst: u32,
    /// Then one permit after each pause.
    pub pause: Duration,
    /// The same for repeated ids.
    pub again_burst: u32,
    pub again_pause: Duration,
    /// How long a caller may wait for a permit; zero: callers do not wait.
    pub longest_wait: Duration,
}

/// A flood uses a new id each time; a genuine id is sent again. So ids that are repeated after a refusal have a
/// separate token bucket, which a flood of new ids does not empty.
#[derive(Debug)]
pub(super) struct Permits {
    longest_wait: Duration,
    new: Budget,
    again: Budget,
    /// Permits for callers that have waited.
    served: Budget,
    refused: Recent,
    queue: Mutex<Queue>,
}

/// The callers that wait for a permit, the newest one last. Dropping the sender turns a caller away.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
    next: u64,
}

impl Permits {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            longest_wait: limits.longest_wait,
            new: Budget::new(limits.burst, limits.pause),
            again: Budget::new(limits.again_burst, limits.again_pause),
            served: Budget::new(SERVED_BURST, SERVED_PAUSE),
            refused: Recent::new(),
            queue: Mutex::default(),
        }
    }

    /// Whether the server may be asked for `id`.
    pub(super) async fn acquire(&self, id: Option<&str>) -> bool {
        if self.try_acquire(id) || self.wait().await {
            return true;
        }
        if let Some(id) = id {
            self.refused.insert(id);
        }
        false
    }

    /// Takes a permit without waiting, and without recording that there was none.
    fn try_acquire(&self, id: Option<&str>) -> bool {
        if self.new.take() {
            return true;
        }
        id.is_some_and(|id| self.refused.contains(id)) && self.again.take()
    }

    /// Returns the permit of an id that turned out to be genuine.
    pub(super) fn give_back(&self) {
        self.new.give_back();
    }

    /// Waits for a permit. The newest caller is served first: those before it are a flood, or have waited too long.
    async fn wait(&self) -> bool {
        if self.longest_wait.is_zero() || !self.served.due_in().is_zero() {
            return false;
        }
        let (place, mut sent_away) = self.take_place();
        let deadline = Instant::now() + self.longest_wait;
        loop {
            let due = Instant::now() + self.new.due_in().max(LOOK);
            tokio::select! {
                _ = &mut sent_away => return false,
                () = sleep_until(due.min(deadline)) => {}
            }
            if place.is_newest() && self.new.take() {
                if self.served.take() {
                    return true;
                }
                self.new.give_back();
                return false;
            }
            if Instant::now() >= deadline {
                return false;
            }
        }
    }

    fn take_place(&self) -> (QueuePlace<'_>, oneshot::Receiver<()>) {
        let (sender, sent_away) = oneshot::channel();
        let mut queue = lock(&self.queue);
        let number = queue.next;
        queue.next = queue.next.wrapping_add(1);
        if queue.waiting.len() >= PLACES {
            queue.waiting.pop_front();
            self.served.give_back();
        }
        queue.waiting.push_back((number, sender));
        drop(queue);
        (QueuePlace { queue: &self.queue, number }, sent_away)
    }
}

/// A place in the queue, which is freed when this is dropped.
struct QueuePlace<'a> {
    queue: &'a Mutex<Queue>,
    number: u64,
}

impl QueuePlace<'_> {
    fn is_newest(&self) -> bool {
        lock(self.queue).waiting.back().is_some_and(|(number, _)| *number == self.number)
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        lock(self.queue).waiting.retain(|(number, _)| *number != self.number);
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;

    const HOUR: Duration = Duration::from_secs(3600);

    fn limits(longest_wait: Duration) -> Limits {
        Limits { burst: 3, pause: HOUR, again_burst: 2, again_pause: HOUR, longest_wait }
    }

    async fn granted(permits: &Permits, ids: impl Iterator<Item = String>) -> usize {
        let mut granted = 0;
        for id in ids {
            granted += usize::from(permits.acquire(Some(&id)).await);
        }
        granted
    }

    #[actix_web::test]
    async fn a_repeated_id_gets_a_permit_in_a_flood_of_new_ones() {
        let permits = Permits::new(limits(Duration::ZERO));
        let made_up = |from: usize| (from..from + 500).map(|i| format!("made-up-{i}"));
        assert_eq!(granted(&permits, made_up(0)).await, 3);
        assert!(!permits.acquire(Some("genuine")).await, "it is new");
        assert_eq!(granted(&permits, made_up(500)).await, 0);
        assert!(permits.acquire(Some("genuine")).await, "it is repeated");
        assert_eq!(granted(&permits, made_up(0)).await, 1, "repeated made-up ids run out of permits as well");
        assert!(!permits.acquire(None).await);
    }

    #[actix_web::test]
    async fn a_returned_permit_can_be_taken_again() {
        let permits = Permits::new(limits(Duration::ZERO));
        for i in 0..20 {
            assert!(permits.acquire(Some(&format!("genuine-{i}"))).await);
            permits.give_back();
        }
    }

    #[actix_web::test]
    async fn the_newest_waiting_caller_is_served_first() {
        let pause = Duration::from_millis(100);
        let permits = Permits::new(Limits { pause, ..limits(Duration::from_secs(5)) });
        assert_eq!(granted(&permits, (0..3).map(|i| i.to_string())).await, 3);
        let begun = Instant::now();
        let flood: Vec<_> = (0..100).map(|i| format!("made-up-{i}")).collect();
        let first = join_all(flood.iter().map(|id| permits.acquire(Some(id))));
        let newest = async {
            let granted = permits.acquire(Some("newest")).await;
            (granted, begun.elapsed())
        };
        let (flood, (granted, took)) = futures_util::future::join(first, newest).await;
        assert!(granted && took < Duration::from_millis(800), "{took:?}");
        let served = flood.into_iter().filter(|granted| *granted).count();
        assert!(served < PLACES, "{served}: the others were turned away");
        assert!(lock(&permits.queue).waiting.is_empty());
    }

    #[actix_web::test]
    async fn waiting_does_not_give_a_flood_a_steady_stream_of_permits() {
        let pause = Duration::from_millis(20);
        let permits = Permits::new(Limits { pause, ..limits(Duration::from_secs(1)) });
        let begun = Instant::now();
        let granted = granted(&permits, (0..2000).map(|i| i.to_string())).await;
        let by_time = usize::try_from(begun.elapsed().as_millis() / pause.as_millis()).unwrap();
        assert!(granted <= 3 + by_time.min(60), "{granted}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }

    #[actix_web::test]
    async fn a_cancelled_caller_leaves_the_queue() {
        let permits = Permits::new(limits(HOUR));
        assert_eq!(granted(&permits, (0..3).map(|i| i.to_string())).await, 3);
        let waits = permits.acquire(Some("waits"));
        assert!(tokio::time::timeout(Duration::from_millis(5), waits).await.is_err());
        assert!(lock(&permits.queue).waiting.is_empty());
    }
}
