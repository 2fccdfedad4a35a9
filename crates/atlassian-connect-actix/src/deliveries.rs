//! Forge events that are processed after the answer: how many there are, and their queue. The platform waits five
//! seconds; the processing may take longer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use crate::emission::ForgeOrigin;
use crate::tasks::until;

/// The most events kept on this node; above that, Forge is told to try again later.
const CAPACITY: usize = 1000;
/// The most events of one installation: a site that imports its issues must leave room for the others.
const SHARE: usize = CAPACITY / 2;

/// An event that was accepted and is not done yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    /// The name of the event: `avi:jira:created:issue`.
    pub event: String,
    /// Where it comes from.
    pub origin: Arc<ForgeOrigin>,
    /// The body that Forge sent. It is stored as a string: as part of the row's own JSON it would be nested more
    /// deeply, perhaps too deeply to be read again.
    #[serde(with = "text")]
    pub body: Arc<Value>,
    /// How often the listeners have failed.
    #[serde(default)]
    pub failures: u32,
}

/// Stores JSON as a string.
mod text {
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serializer, de, ser};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(json: &Arc<Value>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(json.as_ref()).map_err(ser::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Value>, D::Error> {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map(Arc::new).map_err(de::Error::custom)
    }
}

/// The events that are under way on this node.
#[derive(Debug)]
pub struct Deliveries {
    active: Mutex<HashMap<String, Delivery>>,
    /// Those of them that failed and wait for a retry.
    resting: Mutex<HashSet<String>>,
    sender: mpsc::UnboundedSender<String>,
    receiver: Mutex<Option<mpsc::UnboundedReceiver<String>>>,
    left: Notify,
}

impl Default for Deliveries {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let resting = Mutex::default();
        Self { active: Mutex::default(), resting, sender, receiver: Mutex::new(Some(receiver)), left: Notify::new() }
    }
}

impl Deliveries {
    /// Adds an event. Returns `false` if there is no room, or if it is already here.
    pub(crate) fn enter(&self, id: &str, delivery: &Delivery) -> bool {
        let mut active = self.active();
        let of_installation = |other: &&Delivery| other.origin.installation_id == delivery.origin.installation_id;
        if active.len() >= CAPACITY
            || active.contains_key(id)
            || active.values().filter(of_installation).count() >= SHARE
        {
            return false;
        }
        active.insert(id.to_owned(), delivery.clone());
        true
    }

    /// The same, until the event is known to be stored: a dropped reservation removes it again.
    pub(crate) fn reserve(&self, id: &str, delivery: &Delivery) -> Option<Reservation<'_>> {
        self.enter(id, delivery).then(|| Reservation { deliveries: self, id: id.to_owned(), is_kept: false })
    }

    /// Passes the event to the worker, in the order of the calls.
    pub(crate) fn hand_over(&self, id: &str) {
        self.resting().remove(id);
        // the receiver lives as long as the add-on
        let _ = self.sender.send(id.to_owned());
    }

    /// The event with this id, if it is under way.
    pub(crate) fn get(&self, id: &str) -> Option<Delivery> {
        self.active().get(id).cloned()
    }

    /// All events that are under way.
    pub(crate) fn all(&self) -> Vec<(String, Delivery)> {
        self.active().iter().map(|(id, delivery)| (id.clone(), delivery.clone())).collect()
    }

    /// Counts a failure. Returns the number of failures.
    pub(crate) fn failed(&self, id: &str) -> u32 {
        self.active().get_mut(id).map_or(u32::MAX, |delivery| {
            delivery.failures = delivery.failures.saturating_add(1);
            delivery.failures
        })
    }

    /// Marks the event as waiting for a retry, until it is passed on again.
    pub(crate) fn rest(&self, id: &str) {
        self.resting().insert(id.to_owned());
        self.left.notify_waiters();
    }

    /// Removes an event that is done or has failed for good.
    pub(crate) fn leave(&self, id: &str) {
        self.active().remove(id);
        self.resting().remove(id);
        self.left.notify_waiters();
    }

    /// The queue of the worker; `None` after the first call.
    pub(crate) fn work(&self) -> Option<mpsc::UnboundedReceiver<String>> {
        self.receiver.lock().take()
    }

    /// How many events are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.active().len()
    }

    /// Whether none is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until no event is under way, for at most `limit`. Returns whether that was reached.
    pub async fn drained(&self, limit: Duration) -> bool {
        self.comes_to(limit, || self.is_empty()).await
    }

    /// Waits until no event is being processed, for at most `limit`: the remaining ones wait for a retry.
    pub(crate) async fn settled(&self, limit: Duration) -> bool {
        let is_settled = || {
            let (active, resting) = (self.active(), self.resting());
            active.keys().all(|id| resting.contains(id))
        };
        self.comes_to(limit, is_settled).await
    }

    async fn comes_to(&self, limit: Duration, is_so: impl Fn() -> bool) -> bool {
        tokio::time::timeout(limit, until(&self.left, is_so)).await.is_ok()
    }

    fn active(&self) -> MutexGuard<'_, HashMap<String, Delivery>> {
        self.active.lock()
    }

    fn resting(&self) -> MutexGuard<'_, HashSet<String>> {
        self.resting.lock()
    }
}

/// The reservation of an event that is not stored yet. If the request is cancelled or panics meanwhile, Forge sends the
/// event again; a row that was written nevertheless is taken over when its lease expires.
pub(crate) struct Reservation<'a> {
    deliveries: &'a Deliveries,
    id: String,
    is_kept: bool,
}

impl Reservation<'_> {
    /// Keeps the event and passes it to the worker.
    pub(crate) fn hand_over(mut self) {
        self.is_kept = true;
        self.deliveries.hand_over(&self.id);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.deliveries.leave(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(installation_id: &str) -> Delivery {
        let origin = Arc::new(ForgeOrigin { installation_id: installation_id.to_owned(), ..ForgeOrigin::default() });
        Delivery { event: "e".into(), origin, body: Arc::new(Value::Null), failures: 0 }
    }

    #[actix_web::test]
    async fn events_that_wait_for_a_retry_are_not_waited_for() {
        let deliveries = Deliveries::default();
        assert!(["a", "b"].iter().all(|id| deliveries.enter(id, &delivery("i"))));
        deliveries.rest("a");
        assert!(!deliveries.settled(Duration::from_millis(1)).await, "b is being processed");
        deliveries.rest("b");
        assert!(deliveries.settled(Duration::ZERO).await && !deliveries.drained(Duration::ZERO).await);
        deliveries.hand_over("a");
        assert!(!deliveries.settled(Duration::from_millis(1)).await, "a is being processed again");
        deliveries.leave("a");
        deliveries.leave("b");
        assert!(deliveries.settled(Duration::ZERO).await && deliveries.drained(Duration::ZERO).await);
        assert!(deliveries.resting().is_empty());
    }

    #[actix_web::test]
    async fn the_number_of_events_is_limited() {
        let deliveries = Deliveries::default();
        assert!((0..SHARE).all(|id| deliveries.enter(&id.to_string(), &delivery("busy"))));
        assert!(!deliveries.enter("one more", &delivery("busy")));
        assert!((SHARE..CAPACITY).all(|id| deliveries.enter(&id.to_string(), &delivery(&(id % 7).to_string()))));
        assert!(!deliveries.enter("one more", &delivery("other")));
        assert!(!deliveries.drained(Duration::from_millis(1)).await);
        for id in 0..CAPACITY {
            deliveries.leave(&id.to_string());
        }
        assert!(deliveries.drained(Duration::ZERO).await);
        assert!(deliveries.enter("a", &delivery("i")) && !deliveries.enter("a", &delivery("i")));
    }
}
