//! Remembers the ids of the last minutes, in little memory.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

/// The most ids of one generation: two of them use 2 MB.
const CAPACITY: usize = 50_000;
/// A generation ends after this time, full or not.
const AGE: Duration = Duration::from_secs(300);

/// The ids of two generations. A full generation replaces the one before it, so that the newest 50,000 ids are always
/// remembered. A frequency-based cache would drop a new id in a flood.
#[derive(Debug)]
pub(super) struct Recent {
    hasher: RandomState,
    generations: Mutex<Generations>,
}

#[derive(Debug)]
struct Generations {
    current: HashSet<u64>,
    previous: HashSet<u64>,
    begun: Instant,
}

impl Recent {
    pub(super) fn new() -> Self {
        let generations = Generations { current: HashSet::new(), previous: HashSet::new(), begun: Instant::now() };
        Self { hasher: RandomState::new(), generations: Mutex::new(generations) }
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        let hash = self.hasher.hash_one(id);
        let generations = self.at(Instant::now());
        generations.current.contains(&hash) || generations.previous.contains(&hash)
    }

    pub(super) fn insert(&self, id: &str) {
        let hash = self.hasher.hash_one(id);
        let mut generations = self.at(Instant::now());
        if generations.current.len() >= CAPACITY {
            generations.rotate(Instant::now());
        }
        generations.current.insert(hash);
    }

    fn at(&self, now: Instant) -> MutexGuard<'_, Generations> {
        let mut generations = self.generations.lock();
        let age = now.saturating_duration_since(generations.begun);
        if age >= AGE {
            generations.rotate(now);
        }
        // the previous one is too old as well
        if age >= 2 * AGE {
            generations.rotate(now);
        }
        generations
    }
}

impl Generations {
    fn rotate(&mut self, now: Instant) {
        self.previous = std::mem::take(&mut self.current);
        self.begun = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_a_flood_but_expires() {
        let recent = Recent::new();
        recent.insert("genuine");
        for i in 0..CAPACITY {
            recent.insert(&i.to_string());
        }
        assert!(recent.contains("genuine") && !recent.contains("another"));
        for i in 0..CAPACITY {
            recent.insert(&format!("more-{i}"));
        }
        assert!(!recent.contains("genuine"), "it is bounded");

        let recent = Recent::new();
        recent.insert("genuine");
        let begun = Instant::now();
        drop(recent.at(begun + AGE));
        assert!(recent.contains("genuine"));
        drop(recent.at(begun + 2 * AGE + AGE / 2));
        assert!(!recent.contains("genuine"));
        recent.insert("genuine");
        drop(recent.at(begun + 10 * AGE));
        assert!(!recent.contains("genuine"), "both generations are too old");
    }
}
