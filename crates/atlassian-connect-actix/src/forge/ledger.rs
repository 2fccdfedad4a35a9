//! The stored state of events, so that none is lost and none is processed twice, in the store that all nodes share: in
//! its queue ([`EventQueue`]), or as values if it has none ([`values`]).
//!
//! An event waits, with the end of its node's lease, or is done. A done event is remembered for as long as Forge may
//! send it again. Source of that time: Atlassian, "Sending product events" (four retries, a minute apart).
//!
//! Nodes of a release before the queue write values. While they run beside this node, it knows their events, takes them
//! over, and finishes them where they are: an event is never in both places, so no node can process it a second time.

mod values;

pub(super) use values::take_over as take_over_values;

use serde::Deserialize as _;

use crate::deliveries::Delivery;
use crate::store::internal::now;
use crate::store::{EventQueue, QueuedEvent, Store, StoreError, TakenEvent};

/// A node that has not renewed its lease for this long is taken for dead, in seconds.
const LEASE: u64 = 60;
/// How long a done event is remembered, in seconds.
const MEMORY: u64 = 600;
/// The longest time between two of Forge's tries, in seconds: a minute, and the duration of a try.
const TRY: u64 = 75;
/// The largest difference between the clocks of nodes and of Forge, in seconds.
const SKEW: u64 = 60;
/// How often a lease is doubled for an event that cannot be read: up to eight and a half hours.
const PUT_OFF: u32 = 9;
/// The most events that are taken from the queue at once: their bodies are in memory together.
pub(super) const BATCH: usize = 16;

/// When Forge tried an event for the first time, at the earliest.
fn first_try(retries: u64) -> u64 {
    now().saturating_sub(retries.saturating_mul(TRY).saturating_add(SKEW))
}

/// The queue that has `delivery`. `None`: it is a value of the store.
fn queue_of<'a>(store: &'a dyn Store, delivery: &Delivery) -> Option<&'a dyn EventQueue> {
    if delivery.is_value { None } else { store.events() }
}

/// Writes down a new event, with a lease for this node. Returns `false` if another request has done so already.
pub(super) async fn accept(store: &dyn Store, id: &str, delivery: &Delivery, retries: u64) -> Result<bool, StoreError> {
    let until = now().saturating_add(LEASE);
    let Some(queue) = queue_of(store, delivery) else {
        return values::hold(store, id, delivery, until).await.map(|()| true);
    };
    let event = QueuedEvent {
        id: id.to_owned(),
        installation_id: delivery.origin.installation_id.clone(),
        attempts: delivery.failures,
        body: serde_json::to_value(delivery)
            .map_err(|error| StoreError::refused("the event is not valid JSON").caused_by(error))?,
    };
    queue.add(&event, until, if retries > 0 { first_try(retries) } else { 0 }).await
}

/// Renews the lease of this node.
pub(super) async fn hold(store: &dyn Store, id: &str, delivery: &Delivery) -> Result<(), StoreError> {
    lease(store, id, delivery, now().saturating_add(LEASE)).await
}

/// Gives up the lease: the next node that looks takes it.
pub(super) async fn release(store: &dyn Store, id: &str, delivery: &Delivery) -> Result<(), StoreError> {
    lease(store, id, delivery, 0).await
}

async fn lease(store: &dyn Store, id: &str, delivery: &Delivery, until: u64) -> Result<(), StoreError> {
    match queue_of(store, delivery) {
        // an event that is done meanwhile stays done
        Some(queue) => queue.renew(id, delivery.failures, until).await.map(drop),
        None => values::hold(store, id, delivery, until).await,
    }
}

/// Marks the event as done.
pub(super) async fn finish(store: &dyn Store, id: &str, delivery: &Delivery) -> Result<(), StoreError> {
    match queue_of(store, delivery) {
        Some(queue) => queue.finish(id, now()).await,
        None => values::finish(store, id).await,
    }
}

/// Whether an event with the id `start` is stored. For a retry (`retries` > 0) ids that begin with `start` count too. An
/// event that was done before the first try is an earlier one with the same content, such as that of a schedule.
pub(super) async fn is_known(store: &dyn Store, start: &str, retries: u64) -> Result<bool, StoreError> {
    let since = first_try(retries);
    if let Some(queue) = store.events() {
        let found = queue.find(start).await?;
        let mut found = found.iter();
        let is_known = if retries == 0 {
            found.any(|event| event.id == start)
        } else {
            found.any(|event| event.done.is_none_or(|done| done >= since))
        };
        if is_known {
            return Ok(true);
        }
    }
    if retries == 0 { values::has(store, start).await } else { values::has_since(store, start, since).await }
}

/// Events that were taken over, and how many more of them could not be read.
pub(super) struct Taken {
    pub events: Vec<(String, Delivery)>,
    pub unreadable: usize,
}

/// Takes over at most `limit` events of the queue whose lease has expired.
pub(super) async fn take_over(store: &dyn Store, limit: usize) -> Result<Taken, StoreError> {
    let mut taken = Taken { events: Vec::new(), unreadable: 0 };
    let (Some(queue), true) = (store.events(), limit > 0) else { return Ok(taken) };
    let time = now();
    for TakenEvent { id, attempts, body, .. } in queue.take_over(time, time.saturating_add(LEASE), limit).await? {
        let read = body.and_then(|body| {
            // the text of serde's error may have parts of the body
            Delivery::deserialize(body).map_err(|error| StoreError::refused("it has another form").caused_by(error))
        });
        match read {
            Ok(delivery) => taken.events.push((id, Delivery { failures: attempts, ..delivery })),
            // it must not keep the others from being taken
            Err(error) => {
                tracing::warn!(id, %error, "a stored event cannot be read");
                taken.unreadable = taken.unreadable.saturating_add(1);
                put_off(queue, &id, attempts).await?;
            }
        }
    }
    Ok(taken)
}

/// Leaves an event that cannot be read alone for twice as long as the last time. It stays: perhaps its key comes back.
async fn put_off(queue: &dyn EventQueue, id: &str, attempts: u32) -> Result<(), StoreError> {
    let times = attempts.saturating_add(1).min(PUT_OFF);
    queue.renew(id, times, now().saturating_add(LEASE << times)).await.map(drop)
}

/// Removes the events of the queue that were done long ago.
pub(super) async fn forget(store: &dyn Store) -> Result<(), StoreError> {
    match store.events() {
        Some(queue) => queue.forget(now().saturating_sub(MEMORY)).await.map(drop),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::emission::ForgeOrigin;
    use crate::store::MemoryStore;

    fn delivery(number: u32) -> Delivery {
        let origin = Arc::new(ForgeOrigin { installation_id: "i".to_owned(), ..ForgeOrigin::default() });
        let body = Arc::new(json!({ "issue": number }));
        Delivery { event: "e".into(), origin, body, failures: 0, is_taken_over: false, is_value: false }
    }

    /// An event that was done `ago` seconds ago.
    async fn done(store: &MemoryStore, id: &str, ago: u64) {
        assert!(accept(store, id, &delivery(1), 9).await.unwrap(), "{id}");
        store.events().unwrap().finish(id, now() - ago).await.unwrap();
    }

    #[actix_web::test]
    async fn an_event_from_before_the_first_try_is_another_event() {
        // a schedule of five minutes, whose body is always the same
        for (ago, retries, known) in
            [(5, 1, true), (100, 1, true), (360, 1, false), (300, 4, true), (540, 4, false), (1, u64::MAX, true)]
        {
            let (queued, old) = (MemoryStore::new(), MemoryStore::new());
            done(&queued, "content.token", ago).await;
            values::tests::done(&old, "content.token", ago).await;
            for store in [queued, old] {
                let found = is_known(&store, "content", retries).await.unwrap();
                assert_eq!(found, known, "{ago} s ago, {retries} retries");
                assert!(is_known(&store, "content.token", 0).await.unwrap());
                assert!(!is_known(&store, "content", 0).await.unwrap());
                assert!(!is_known(&store, "other", 1).await.unwrap());
            }
        }
    }

    #[actix_web::test]
    async fn an_event_is_accepted_once_and_again_if_it_happens_again() {
        let store = MemoryStore::new();
        assert!(accept(&store, "a.", &delivery(1), 0).await.unwrap());
        for retries in [0, 1] {
            assert!(!accept(&store, "a.", &delivery(1), retries).await.unwrap(), "it waits");
        }
        finish(&store, "a.", &delivery(1)).await.unwrap();
        for retries in [0, 4] {
            assert!(!accept(&store, "a.", &delivery(1), retries).await.unwrap(), "it was done just now");
        }
        // its token has no id, so a later one has the same
        store.events().unwrap().finish("a.", now() - 500).await.unwrap();
        assert!(!accept(&store, "a.", &delivery(1), 0).await.unwrap());
        assert!(accept(&store, "a.", &delivery(1), 1).await.unwrap());
    }

    #[actix_web::test]
    async fn what_another_node_left_behind_is_taken_with_its_failures() {
        let store = MemoryStore::new();
        assert!(accept(&store, "a", &delivery(1), 0).await.unwrap());
        assert!(accept(&store, "b", &delivery(2), 0).await.unwrap());
        assert!(take_over(&store, 9).await.unwrap().events.is_empty(), "its node lives");
        hold(&store, "b", &Delivery { failures: 1, ..delivery(2) }).await.unwrap();
        for id in ["a", "b"] {
            release(&store, id, &Delivery { failures: 2, ..delivery(1) }).await.unwrap();
        }
        let unreadable = |body| QueuedEvent { id: "c".into(), installation_id: "i".into(), attempts: 0, body };
        assert!(store.events().unwrap().add(&unreadable(json!({ "hush": 1 })), 0, 0).await.unwrap());
        assert!(take_over(&store, 0).await.unwrap().events.is_empty());
        let taken = take_over(&store, 9).await.unwrap();
        assert_eq!((taken.events.len(), taken.unreadable), (2, 1));
        for (id, delivery) in &taken.events {
            let number = if id == "a" { 1 } else { 2 };
            assert_eq!((delivery.failures, delivery.is_value), (2, false));
            assert_eq!(*delivery.body, json!({ "issue": number }), "{id}");
            finish(&store, id, delivery).await.unwrap();
            release(&store, id, delivery).await.unwrap();
        }
        assert!(take_over(&store, 9).await.unwrap().events.is_empty(), "they are done");
        assert!(is_known(&store, "a", 0).await.unwrap());
        assert!(take_over_values(&store, 0, |_| false).await.unwrap().is_empty(), "there are none");
        assert_eq!(values::tests::is_done(&store, "a").await, None);
    }

    #[actix_web::test]
    async fn an_event_that_cannot_be_read_is_left_alone_for_longer_each_time() {
        let store = MemoryStore::new();
        let queue = store.events().unwrap();
        for attempts in [0, 3, PUT_OFF, u32::MAX] {
            let body = json!({ "hush": 1 });
            let event = QueuedEvent { id: attempts.to_string(), installation_id: "i".into(), attempts, body };
            assert!(queue.add(&event, 0, 0).await.unwrap());
        }
        assert_eq!(take_over(&store, 9).await.unwrap().unreadable, 4);
        for (later, expected) in [(115, vec![]), (125, vec![("0", 1)]), (965, vec![("3", 4)])] {
            let taken = queue.take_over(now() + later, u64::MAX >> 1, 9).await.unwrap();
            let taken: Vec<_> = taken.iter().map(|event| (event.id.as_str(), event.attempts)).collect();
            assert_eq!(taken, expected, "{later} s later");
        }
        let longest = LEASE << PUT_OFF;
        assert!(queue.take_over(now() + longest - 5, u64::MAX >> 1, 9).await.unwrap().is_empty());
        let taken = queue.take_over(now() + longest + 5, u64::MAX >> 1, 9).await.unwrap();
        assert_eq!(taken.iter().map(|event| event.attempts).collect::<Vec<_>>(), [PUT_OFF, PUT_OFF]);
    }

    #[actix_web::test]
    async fn what_an_older_release_left_behind_is_finished_where_it_is() {
        let store = MemoryStore::new();
        for (id, until) in [("left", 0), ("held", now() + LEASE)] {
            values::hold(&store, id, &delivery(1), until).await.unwrap();
        }
        assert!(is_known(&store, "left", 0).await.unwrap() && is_known(&store, "hel", 1).await.unwrap());
        assert!(take_over(&store, 9).await.unwrap().events.is_empty());
        let taken = take_over_values(&store, 0, |_| false).await.unwrap();
        let [(id, delivery)] = taken.as_slice() else { panic!("{taken:?}") };
        assert!(id == "left" && delivery.is_value);
        assert!(take_over_values(&store, 0, |_| false).await.unwrap().is_empty(), "this node has the lease");
        hold(&store, id, delivery).await.unwrap();
        release(&store, id, delivery).await.unwrap();
        assert_eq!(take_over_values(&store, 0, |_| false).await.unwrap().len(), 1);
        finish(&store, id, delivery).await.unwrap();
        assert_eq!(values::tests::is_done(&store, "left").await, Some(true), "a node of the older release knows it");
        assert!(store.events().unwrap().find("left").await.unwrap().is_empty());
        assert!(is_known(&store, "left", 0).await.unwrap());
    }

    #[actix_web::test]
    async fn done_events_are_forgotten_when_forge_sends_them_no_more() {
        let store = MemoryStore::new();
        done(&store, "old", MEMORY + 5).await;
        done(&store, "new", MEMORY - 5).await;
        forget(&store).await.unwrap();
        assert!(!is_known(&store, "old", 0).await.unwrap() && is_known(&store, "new", 0).await.unwrap());
    }
}
