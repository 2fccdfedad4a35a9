//! A token bucket. Limits outgoing requests that untrusted input can trigger.

use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

/// A token bucket: a few permits at once, then one after each pause.
#[derive(Debug)]
pub(crate) struct Budget {
    burst: u32,
    pause: Duration,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    permits: u32,
    /// Since when the next permit has been accumulating.
    since: Instant,
}

impl Budget {
    /// `burst` at once, then one more after each `pause`.
    #[must_use]
    pub(crate) fn new(burst: u32, pause: Duration) -> Self {
        Self { burst, pause, left: Mutex::new(Left { permits: burst, since: Instant::now() }) }
    }

    /// Takes a permit; `false` if there is none.
    pub(crate) fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    /// Returns a permit: its use turned out to be harmless.
    pub(crate) fn give_back(&self) {
        let mut left = self.refilled(Instant::now());
        left.permits = self.burst.min(left.permits.saturating_add(1));
    }

    /// How long until the next permit; zero if there is one.
    #[must_use]
    pub(crate) fn due_in(&self) -> Duration {
        let now = Instant::now();
        let left = self.refilled(now);
        if left.permits > 0 {
            return Duration::ZERO;
        }
        self.pause.saturating_sub(now.saturating_duration_since(left.since))
    }

    fn take_at(&self, now: Instant) -> bool {
        let mut left = self.refilled(now);
        let any = left.permits > 0;
        left.permits = left.permits.saturating_sub(1);
        any
    }

    fn refilled(&self, now: Instant) -> MutexGuard<'_, Left> {
        let mut left = self.left.lock();
        while left.permits < self.burst && now.saturating_duration_since(left.since) >= self.pause {
            left.permits += 1;
            left.since += self.pause;
        }
        if left.permits == self.burst {
            left.since = now;
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_has_a_burst_and_then_one_permit_per_pause() {
        let pause = Duration::from_secs(30);
        let budget = Budget::new(2, pause);
        let start = Instant::now() + pause;
        let taken = |after: u64| budget.take_at(start + Duration::from_secs(after));
        assert_eq!([0, 1, 2, 29].map(taken), [true, true, false, false]);
        assert_eq!([30, 31, 60, 61].map(taken), [true, false, true, false]);
        assert_eq!([1000, 1001, 1002].map(taken), [true, true, false]);
    }

    #[test]
    fn a_returned_permit_can_be_taken_again() {
        let budget = Budget::new(2, Duration::from_secs(30));
        assert_eq!(budget.due_in(), Duration::ZERO);
        assert!(budget.take() && budget.take() && !budget.take());
        assert!(budget.due_in() > Duration::from_secs(20), "{:?}", budget.due_in());
        budget.give_back();
        assert!(budget.due_in().is_zero() && budget.take() && !budget.take());
        for _ in 0..5 {
            budget.give_back();
        }
        assert!(budget.take() && budget.take() && !budget.take(), "never more than the burst");
    }
}
