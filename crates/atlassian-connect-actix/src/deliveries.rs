//! Events that Forge has delivered and that are worked on after the answer: how many there are, and on their way to whom.
//! The platform waits five seconds; the work may take longer.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use crate::emission::ForgeOrigin;
use crate::tasks::until;

/// Events that are kept at once at most, on this node; beyond, Forge is told to try again later.
const CAPACITY: usize = 1000;
/// Of one installation: a site that imports its issues must leave the others room.
const SHARE: usize = CAPACITY / 2;

/// An event that was taken and is not done yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    /// The name of the event: `avi:jira:created:issue`.
    pub event: String,
    /// Where it comes from.
    pub origin: Arc<ForgeOrigin>,
    /// What Forge sent. It is written down as a text: in a row's own JSON it would be nested deeper than it came,
    /// perhaps deeper than is read again.
    #[serde(with = "text")]
    pub body: Arc<Value>,
    /// How often the listeners have failed.
    #[serde(default)]
    pub failures: u32,
}

/// JSON as the text that it is.
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
    /// Those of them that failed and wait for another try.
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
    /// Takes an event in, if there is room and it is not here already.
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

    /// The same, for as long as nobody can tell whether it is written down: what is dropped leaves again.
    pub(crate) fn reserve(&self, id: &str, delivery: &Delivery) -> Option<Reservation<'_>> {
        self.enter(id, delivery).then(|| Reservation { deliveries: self, id: id.to_owned(), is_kept: false })
    }

    /// Hands it to whoever works: the order is that of the calls.
    pub(crate) fn hand_over(&self, id: &str) {
        self.resting().remove(id);
        // the receiver lives as long as the add-on
        let _ = self.sender.send(id.to_owned());
    }

    /// What is under way, by its id.
    pub(crate) fn get(&self, id: &str) -> Option<Delivery> {
        self.active().get(id).cloned()
    }

    /// All that is under way.
    pub(crate) fn all(&self) -> Vec<(String, Delivery)> {
        self.active().iter().map(|(id, delivery)| (id.clone(), delivery.clone())).collect()
    }

    /// Counts a failure; how many there are.
    pub(crate) fn failed(&self, id: &str) -> u32 {
        self.active().get_mut(id).map_or(u32::MAX, |delivery| {
            delivery.failures = delivery.failures.saturating_add(1);
            delivery.failures
        })
    }

    /// It waits for another try, until it is handed over again.
    pub(crate) fn rest(&self, id: &str) {
        self.resting().insert(id.to_owned());
        self.left.notify_waiters();
    }

    /// It is done, or given up.
    pub(crate) fn leave(&self, id: &str) {
        self.active().remove(id);
        self.resting().remove(id);
        self.left.notify_waiters();
    }

    /// What is to be worked on; once, for the one who works.
    pub(crate) fn work(&self) -> Option<mpsc::UnboundedReceiver<String>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
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

    /// Waits until none is under way, for `limit` at most; whether that is so.
    pub async fn drained(&self, limit: Duration) -> bool {
        self.comes_to(limit, || self.is_empty()).await
    }

    /// Waits until none is worked on, for `limit` at most: those that are left then wait for another try.
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

    fn active(&self) -> std::sync::MutexGuard<'_, HashMap<String, Delivery>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an event that is not written down yet. The request may be given up meanwhile, or panic: then Forge sends
/// the event again, or a row that was written all the same is taken up when its lease is over.
pub(crate) struct Reservation<'a> {
    deliveries: &'a Deliveries,
    id: String,
    is_kept: bool,
}

impl Reservation<'_> {
    /// Keeps the place, and hands the event to whoever works.
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
    async fn what_waits_for_another_try_is_not_waited_for() {
        let deliveries = Deliveries::default();
        assert!(["a", "b"].iter().all(|id| deliveries.enter(id, &delivery("i"))));
        deliveries.rest("a");
        assert!(!deliveries.settled(Duration::from_millis(1)).await, "b is worked on");
        deliveries.rest("b");
        assert!(deliveries.settled(Duration::ZERO).await && !deliveries.drained(Duration::ZERO).await);
        deliveries.hand_over("a");
        assert!(!deliveries.settled(Duration::from_millis(1)).await, "a is worked on again");
        deliveries.leave("a");
        deliveries.leave("b");
        assert!(deliveries.settled(Duration::ZERO).await && deliveries.drained(Duration::ZERO).await);
        assert!(deliveries.resting().is_empty());
    }

    #[actix_web::test]
    async fn there_is_room_for_so_many() {
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
