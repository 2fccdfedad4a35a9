//! Forge events that are processed after the answer: how many there are, and their queue. The platform waits five
//! seconds; the processing may take longer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use crate::emission::ForgeOrigin;
use crate::tasks::until;

/// The most events kept on this node; above that, Forge is told to try again later.
pub(crate) const CAPACITY: usize = 1000;
/// The most events of one installation: a site that imports its issues must leave room for the others.
const SHARE: usize = CAPACITY / 2;
/// The most memory for their bodies, in bytes.
const MEMORY: usize = 64 << 20;
/// The most memory for the bodies of one installation. A single event may be larger: `limits.forgeBody` bounds it.
const MEMORY_SHARE: usize = MEMORY / 2;

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
    /// How often it has been tried without success.
    #[serde(default)]
    pub failures: u32,
    /// Whether another node has left it unfinished. Its listeners may have ended that node, so a try counts when it
    /// begins.
    #[serde(skip)]
    pub is_taken_over: bool,
    /// Whether the store keeps it as a value, although it may have a queue: an older release has written it.
    #[serde(skip)]
    pub is_value: bool,
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

/// About how much memory `json` takes, in bytes: a short text may become large, such as a list of many numbers. JSON is
/// never nested so deeply that this runs out of stack: it has been read.
fn weight(json: &Value) -> usize {
    let inner = match json {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).fold(0, usize::saturating_add),
        Value::Object(members) => {
            let each =
                |(name, value): (&String, &Value)| weight(value).saturating_add(name.len()).saturating_add(ENTRY);
            members.iter().map(each).fold(0, usize::saturating_add)
        }
    };
    inner.saturating_add(size_of::<Value>())
}

/// What a member of an object takes beside its name and its value, in bytes: the name's length and place, and the index.
const ENTRY: usize = 48;

/// An event that is under way.
#[derive(Debug)]
struct Active {
    delivery: Delivery,
    /// The memory that its body takes, in bytes.
    weight: usize,
    since: Instant,
}

/// How many events there are, and the memory of their bodies.
#[derive(Debug, Default, Clone, Copy)]
struct Load {
    count: usize,
    weight: usize,
}

impl Load {
    fn of<'a>(active: impl Iterator<Item = &'a Active>) -> Self {
        active.fold(Self::default(), |load, active| Self {
            count: load.count.saturating_add(1),
            weight: load.weight.saturating_add(active.weight),
        })
    }

    /// Whether one more of `weight` fits. The first one does, however large: otherwise it would never be accepted.
    fn has_room(self, weight: usize, count: usize, memory: usize) -> bool {
        self.count < count && (self.count == 0 || self.weight.saturating_add(weight) <= memory)
    }
}

/// The events that are under way on this node.
#[derive(Debug)]
pub struct Deliveries {
    active: Mutex<HashMap<String, Active>>,
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
        let weight = weight(&delivery.body);
        let mut active = self.active();
        let of_installation =
            |other: &&Active| other.delivery.origin.installation_id == delivery.origin.installation_id;
        if active.contains_key(id)
            || !Load::of(active.values()).has_room(weight, CAPACITY, MEMORY)
            || !Load::of(active.values().filter(of_installation)).has_room(weight, SHARE, MEMORY_SHARE)
        {
            return false;
        }
        active.insert(id.to_owned(), Active { delivery: delivery.clone(), weight, since: Instant::now() });
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
        self.active().get(id).map(|active| active.delivery.clone())
    }

    /// All events that are under way.
    pub(crate) fn all(&self) -> Vec<(String, Delivery)> {
        self.active().iter().map(|(id, active)| (id.clone(), active.delivery.clone())).collect()
    }

    /// Counts a try without success. Returns the number of them.
    pub(crate) fn failed(&self, id: &str) -> u32 {
        self.active().get_mut(id).map_or(u32::MAX, |Active { delivery, .. }| {
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

    /// How many events are under way, the memory of their bodies in bytes, and the age of the oldest one.
    pub(crate) fn levels(&self) -> (usize, usize, Option<Duration>) {
        let active = self.active();
        let Load { count, weight } = Load::of(active.values());
        (count, weight, active.values().map(|active| active.since.elapsed()).max())
    }

    /// How many more events there may be, if they are small.
    pub(crate) fn room(&self) -> usize {
        let load = Load::of(self.active().values());
        if load.weight < MEMORY { CAPACITY.saturating_sub(load.count) } else { 0 }
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

    fn active(&self) -> MutexGuard<'_, HashMap<String, Active>> {
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
        Delivery {
            event: "e".into(),
            origin,
            body: Arc::new(Value::Null),
            failures: 0,
            is_taken_over: false,
            is_value: false,
        }
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

    #[actix_web::test]
    async fn the_memory_of_their_bodies_is_limited() {
        let deliveries = Deliveries::default();
        let of = |installation: &str, mebibytes: usize| {
            let body = Arc::new(Value::String("x".repeat(mebibytes << 20)));
            Delivery { body, ..delivery(installation) }
        };
        // with what a value takes beside its text, three of 10 MiB fit into 32 MiB, and four of 8 MiB do not
        assert!((0..3).all(|id| deliveries.enter(&id.to_string(), &of("busy", 10))));
        assert!(!deliveries.enter("3", &of("busy", 3)) && deliveries.enter("3", &of("busy", 1)));
        assert!(deliveries.enter("4", &of("other", 20)) && deliveries.room() > 0);
        assert!(!deliveries.enter("5", &of("third", 40)), "there is no room for it");
        deliveries.leave("4");
        assert!(!deliveries.enter("5", &of("third", 40)));
        assert!(deliveries.enter("5", &of("third", 30)));
        assert!(!deliveries.enter("6", &of("fourth", 4)) && deliveries.enter("6", &of("fourth", 2)));
        for id in 0..7 {
            deliveries.leave(&id.to_string());
        }
        assert!(deliveries.enter("large", &of("i", 100)), "alone, it always fits");
        assert!(!deliveries.enter("other", &of("other", 0)) && deliveries.room() == 0);
        deliveries.leave("large");
        assert!(deliveries.enter("other", &of("other", 0)));
    }

    #[test]
    fn a_list_weighs_more_than_its_text() {
        let numbers = serde_json::json!([1, 2, 3, null]);
        assert!(weight(&numbers) >= 5 * size_of::<Value>());
        let members = serde_json::json!({ "a": {}, "b": "text" });
        assert!((3 * size_of::<Value>() + 2 * ENTRY..1000).contains(&weight(&members)));
    }
}
