//! How often something is done that others can make us do: asking a server, above all.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A few at once, then one after each pause.
#[derive(Debug)]
pub struct Budget {
    burst: u32,
    pause: Duration,
    /// How many are left, and since when the next one is being waited for.
    left: Mutex<(u32, Instant)>,
}

impl Budget {
    /// `burst` at once, then one more after each `pause`.
    #[must_use]
    pub fn new(burst: u32, pause: Duration) -> Self {
        Self { burst, pause, left: Mutex::new((burst, Instant::now())) }
    }

    /// Whether there is one left, which is then gone.
    pub fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, since) = &mut *left;
        while *count < self.burst && now.saturating_duration_since(*since) >= self.pause {
            *count += 1;
            *since += self.pause;
        }
        if *count == self.burst {
            *since = now;
        }
        let any = *count > 0;
        *count = count.saturating_sub(1);
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_has_a_burst_and_then_one_a_pause() {
        let pause = Duration::from_secs(30);
        let budget = Budget::new(2, pause);
        let start = Instant::now() + pause;
        let taken = |after: u64| budget.take_at(start + Duration::from_secs(after));
        assert_eq!([0, 1, 2, 29].map(taken), [true, true, false, false]);
        assert_eq!([30, 31, 60, 61].map(taken), [true, false, true, false]);
        assert_eq!([1000, 1001, 1002].map(taken), [true, true, false]);
    }
}
