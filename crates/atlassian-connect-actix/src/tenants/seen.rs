//! When a tenant last called through Connect: known to the day, for the report on the end of Connect.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Tenant, Tenants};
use crate::panics;
use crate::store::internal::now;
use crate::store::{Place, StoreError};

/// The key of [`Seen`], below a clientKey.
pub const SEEN: &str = "atlassian-connect:seen";
/// The key of the last call through Forge of a tenant that has uninstalled the Connect app, a [`Seen`].
pub const SEEN_ON_FORGE: &str = "atlassian-connect:seen-on-forge";
/// The most tenants that are remembered. One that is forgotten is looked up in the store again.
const CAPACITY: u64 = 100_000;
/// The time between two records of a tenant, in seconds.
const DAY: u64 = 24 * 60 * 60;
/// The most calls that wait to be recorded. A tenant for which there is no place is recorded at a later call.
const WAITING: usize = 10_000;
/// The time between two records. When many tenants call after midnight or a start, requests need the store more.
const PACE: Duration = Duration::from_millis(20);
/// The time until the next record after one that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// When a tenant last called through Connect, to the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Seconds since 1970.
    pub at: u64,
}

/// The calls of this day: recorded, or waiting to be.
pub(super) struct Calls {
    /// The tenants whose call of the day is recorded, or waits.
    known: Cache<String, ()>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    client_keys: VecDeque<String>,
    /// Whether they are being recorded.
    is_recording: bool,
}

impl Calls {
    pub(super) fn new() -> Self {
        let known = Cache::builder().max_capacity(CAPACITY).time_to_live(Duration::from_secs(DAY)).build();
        Self { known, waiting: Mutex::default() }
    }

    /// Notes a call. Returns whether somebody has to begin recording.
    fn note(&self, client_key: &str) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.client_keys.len() >= WAITING || self.known.contains_key(client_key) {
            return false;
        }
        self.known.insert(client_key.to_owned(), ());
        waiting.client_keys.push_back(client_key.to_owned());
        !std::mem::replace(&mut waiting.is_recording, true)
    }

    /// The next tenant to record. With `None`, recording has ended.
    fn next(&self) -> Option<String> {
        let mut waiting = self.waiting.lock();
        let next = waiting.client_keys.pop_front();
        waiting.is_recording = next.is_some();
        next
    }
}

impl Tenants {
    /// Notes that a tenant has called. Returns whether the caller has to begin [`Tenants::record_calls`].
    pub(crate) fn note_call(&self, tenant: &Tenant) -> bool {
        // one look at the tenant itself, which is at hand, for nearly all calls
        !tenant.is_seen_now() && self.calls.note(tenant.client_key())
    }

    /// Records the calls that were noted, one after the other.
    pub(crate) async fn record_calls(&self) {
        while let Some(client_key) = self.calls.next() {
            let recorded = panics::caught(self.record_call(&client_key)).await;
            let failure = match recorded {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(panic) => Some(panic.to_string()),
            };
            if let Some(failure) = &failure {
                tracing::warn!(client_key, failure, "the call of a tenant could not be recorded");
                // a later call tries again
                self.calls.known.invalidate(&client_key);
            }
            tokio::time::sleep(if failure.is_some() { PAUSE } else { PACE }).await;
        }
    }

    /// Records that a tenant has called, unless it is recorded for this day or the tenant is gone.
    async fn record_call(&self, client_key: &str) -> Result<(), StoreError> {
        // one that has just been removed leaves nothing behind
        if self.current(client_key).await?.is_none() {
            return Ok(());
        }
        let (store, key) = (Arc::clone(&self.store), client_key.to_owned());
        let write = || async move {
            let now = now();
            let seen = store.get(Place::of_tenant(&key, SEEN)).await?.and_then(|value| Seen::deserialize(value).ok());
            let is_known = seen.is_some_and(|seen| now.abs_diff(seen.at) < DAY);
            if !is_known {
                let value: Value = json!({ "at": now });
                store.set(Place::of_tenant(&key, SEEN), &value).await?;
            }
            Ok(())
        };
        self.queue.run(client_key, None, write).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_waits_once_a_day_and_one_caller_records() {
        let calls = Calls::new();
        assert!(calls.note("a"), "the first one begins to record");
        assert!(!calls.note("b") && !calls.note("a"));
        assert_eq!([calls.next(), calls.next(), calls.next()], [Some("a".into()), Some("b".into()), None]);
        assert!(!calls.note("a"), "it is recorded");
        assert!(calls.note("c"), "nobody records any more");
    }

    #[test]
    fn a_call_that_finds_no_place_is_noted_later() {
        let calls = Calls::new();
        for number in 0..WAITING {
            calls.note(&number.to_string());
        }
        calls.note("late");
        assert_eq!(calls.next(), Some("0".into()));
        calls.note("late");
        let waiting: Vec<String> = std::iter::from_fn(|| calls.next()).collect();
        assert_eq!((waiting.len(), waiting.last().map(String::as_str)), (WAITING, Some("late")));
    }
}
