//! The queue of events, for stores that have one. For any other store these cases do nothing.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::{EventQueue, FoundEvent, QueuedEvent, Store, StoreError};

fn event(id: &str, body: Value) -> QueuedEvent {
    QueuedEvent { id: id.to_owned(), installation_id: "ari:installation/ä".to_owned(), attempts: 0, body }
}

async fn add(queue: &dyn EventQueue, id: &str, until: u64) {
    assert!(queue.add(&event(id, json!(id)), until, 0).await.unwrap(), "{id}");
}

/// The ids of the events whose lease ended before `ended`. They get one until `until`.
async fn taken(queue: &dyn EventQueue, ended: u64, until: u64, limit: usize) -> Vec<String> {
    let taken = queue.take_over(ended, until, limit).await.unwrap();
    let ids = taken.into_iter().map(|event| {
        assert_eq!(event.body.unwrap(), json!(event.id));
        event.id
    });
    ids.collect()
}

fn found(id: &str, done: Option<u64>) -> FoundEvent {
    FoundEvent { id: id.to_owned(), done }
}

pub async fn an_event_waits_until_it_is_done(store: &dyn Store) {
    let Some(queue) = store.events() else { return };
    assert!(!queue.renew("a", 1, 100).await.unwrap(), "there is none");
    queue.finish("a", 100).await.unwrap();
    assert_eq!(queue.find("a").await.unwrap(), []);

    let first = event("a", json!({ "b": 1, "a": [null, "ä"] }));
    assert!(queue.add(&first, 100, 0).await.unwrap());
    assert!(!queue.add(&event("a", json!("other")), 200, 0).await.unwrap());
    assert!(!queue.add(&event("a", json!("other")), 200, 1000).await.unwrap(), "it is not done");
    assert_eq!(queue.find("a").await.unwrap(), [found("a", None)]);
    assert!(queue.renew("a", 7, 110).await.unwrap());
    let taken = queue.take_over(111, 120, 10).await.unwrap().remove(0);
    assert_eq!((taken.id.as_str(), taken.attempts, &taken.installation_id), ("a", 7, &first.installation_id));
    assert_eq!(taken.body.unwrap().to_string(), first.body.to_string(), "the order of the members is kept");

    queue.finish("a", 130).await.unwrap();
    assert_eq!(queue.find("a").await.unwrap(), [found("a", Some(130))]);
    assert!(!queue.renew("a", 8, 0).await.unwrap(), "what is done stays done");
    assert!(queue.take_over(1000, 2000, 10).await.unwrap().is_empty());
    for done_before in [0, 130] {
        assert!(!queue.add(&event("a", json!(1)), 200, done_before).await.unwrap());
    }
    assert_eq!(queue.find("a").await.unwrap(), [found("a", Some(130))]);
    assert!(queue.add(&event("a", json!("again")), 0, 131).await.unwrap(), "it was done long ago");
    assert!(queue.add(&event("b", json!(2)), 300, 131).await.unwrap());
    assert_eq!(queue.find("a").await.unwrap(), [found("a", None)]);
    let taken = queue.take_over(1, 400, 10).await.unwrap().remove(0);
    assert_eq!((taken.attempts, taken.body.unwrap()), (0, json!("again")));
}

pub async fn of_many_additions_of_one_event_one_is_done(store: &dyn Store) {
    let Some(queue) = store.events() else { return };
    for round in 0..8 {
        let events: Vec<_> = (0..16).map(|n| event(&format!("event-{round}"), json!({ "by": n }))).collect();
        let added = try_join_all(events.iter().map(|event| queue.add(event, 0, 5))).await.unwrap();
        let winners: Vec<_> = events.iter().zip(added).filter_map(|(event, added)| added.then_some(event)).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        let taken = queue.take_over(1, 10, 10).await.unwrap().remove(0);
        assert_eq!(taken.body.unwrap(), winners[0].body);
    }
}

pub async fn of_many_take_overs_at_once_one_gets_an_event(store: &dyn Store) {
    const EVENTS: usize = 60;
    let Some(queue) = store.events() else { return };
    let ids: BTreeSet<_> = (0..EVENTS).map(|n| format!("event-{n:02}")).collect();
    for id in &ids {
        add(queue, id, 5).await;
    }
    let mut all = Vec::new();
    for _ in 0..EVENTS {
        let of_each = try_join_all((0..8).map(|_| queue.take_over(10, 20, 4))).await.unwrap();
        assert!(of_each.iter().all(|taken| taken.len() <= 4));
        all.extend(of_each.into_iter().flatten().map(|event| event.id));
        if all.len() >= EVENTS {
            break;
        }
    }
    assert_eq!(all.len(), EVENTS, "no event is taken twice: {all:?}");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), ids);
    assert!(queue.take_over(20, 30, EVENTS).await.unwrap().is_empty(), "a lease that has not ended");
    assert_eq!(queue.take_over(21, 30, EVENTS).await.unwrap().len(), EVENTS);
}

pub async fn an_event_whose_lease_was_renewed_is_not_taken_over(store: &dyn Store) {
    let Some(queue) = store.events() else { return };
    for (id, until) in [("c", 30), ("a", 20), ("b", 10), ("released", 90)] {
        add(queue, id, until).await;
    }
    assert!(taken(queue, 10, 50, 10).await.is_empty());
    assert!(queue.renew("b", 0, 60).await.unwrap());
    assert!(queue.renew("released", 1, 0).await.unwrap());
    assert!(taken(queue, 40, 50, 0).await.is_empty());
    assert_eq!(taken(queue, 40, 50, 2).await, ["released", "a"], "those first whose leases ended first");
    assert_eq!(taken(queue, 40, 50, 2).await, ["c"]);
    assert!(queue.renew("c", 0, 70).await.unwrap());
    assert_eq!(taken(queue, 60, 80, 10).await.len(), 2, "a and released");
    assert_eq!(taken(queue, 61, 80, 10).await, ["b"]);
    assert_eq!(taken(queue, 71, 80, 10).await, ["c"]);
}

pub async fn events_are_found_by_the_beginning_of_their_ids(store: &dyn Store) {
    let Some(queue) = store.events() else { return };
    for id in ["content.1", "content.2", "content", "contenT.3", "conten", "content~", "b%", "bc", "*", "[a]", "\\"] {
        add(queue, id, 100).await;
    }
    queue.finish("content.2", 50).await.unwrap();
    let ids = async |start: &str| -> Vec<String> {
        queue.find(start).await.unwrap().into_iter().map(|found| found.id).collect()
    };
    assert_eq!(ids("content").await, ["content", "content.1", "content.2", "content~"]);
    assert_eq!(queue.find("content.").await.unwrap(), [found("content.1", None), found("content.2", Some(50))]);
    for (start, expected) in [("b%", 1), ("_", 0), ("*", 1), ("[", 1), ("[a", 1), ("\\", 1), ("%", 0), ("?", 0)] {
        assert_eq!(ids(start).await.len(), expected, "{start}");
    }
}

pub async fn done_events_are_forgotten(store: &dyn Store) {
    let Some(queue) = store.events() else { return };
    for (id, done) in [("a", Some(10)), ("b", Some(20)), ("c", Some(30)), ("waits", None)] {
        add(queue, id, 0).await;
        if let Some(at) = done {
            queue.finish(id, at).await.unwrap();
        }
    }
    assert_eq!(queue.forget(20).await.unwrap(), 1);
    assert_eq!(queue.forget(20).await.unwrap(), 0);
    assert_eq!(queue.find("a").await.unwrap(), []);
    assert_eq!(queue.find("b").await.unwrap(), [found("b", Some(20))]);
    assert_eq!(queue.forget(1000).await.unwrap(), 2);
    assert_eq!(queue.find("c").await.unwrap(), []);
    assert_eq!(taken(queue, 1, 10, 10).await, ["waits"], "what waits stays");
    add(queue, "a", 0).await;
}

pub async fn hostile_bodies_come_back_or_fail_alone(store: &dyn Store) {
    let Some(queue) = store.events() else { return };
    let deep = (0..200).fold(json!("hush"), |inner, _| json!([inner]));
    let bodies = [
        deep,
        json!({ "nul": "a\u{0}b", "quote": "'\"\\", "key\n": "\u{1f600}" }),
        json!({ "$oid": "507f1f77bcf86cd799439011", "$set": { "a.b": 1 } }),
        json!("ä".repeat(512 * 1024)),
        json!([u64::MAX, -1.25e-7, null, true]),
        json!("'); DROP TABLE forge_events; --"),
        json!(""),
        Value::Null,
    ];
    for (number, body) in bodies.iter().enumerate() {
        assert!(queue.add(&event(&number.to_string(), body.clone()), 0, 0).await.unwrap());
    }
    let mut taken = queue.take_over(1, 10, 100).await.unwrap();
    taken.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(taken.len(), bodies.len());
    for (taken, body) in taken.into_iter().zip(&bodies) {
        match taken.body {
            Ok(taken) => assert!(taken == *body, "too long to print"),
            // JSON can be written more deeply than it can be read
            Err(error) => {
                assert_eq!(taken.id, "0", "{error}");
                assert!(matches!(error, StoreError::Refused(_)) && !error.to_string().contains("hush"), "{error}");
            }
        }
    }
    queue.finish("0", 20).await.unwrap();
    assert_eq!(queue.take_over(11, 20, 100).await.unwrap().len(), bodies.len() - 1);
}

pub async fn hostile_ids_of_events_are_refused(store: &dyn Store) {
    let Some(queue) = store.events() else { return };
    let longest = "x".repeat(65);
    add(queue, &longest, 0).await;
    add(queue, "a", 0).await;
    assert_eq!(queue.find(&longest).await.unwrap(), [found(&longest, None)]);
    for id in ["", " ", "a ", "a\0", "a\n", "ä", "a\u{7f}", "\u{10ffff}", &format!("{longest}x")] {
        let refused = queue.add(&event(id, json!(1)), 0, 0).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{id:?}: {refused:?}");
        assert_eq!(queue.find(id).await.unwrap(), [], "{id:?}");
        assert!(!queue.renew(id, 0, 9).await.unwrap(), "{id:?}");
        queue.finish(id, 9).await.unwrap();
    }
    let mut of_nobody = event("b", json!(1));
    for installation_id in ["a\0".to_owned(), "i".repeat(256)] {
        of_nobody.installation_id = installation_id;
        assert!(matches!(queue.add(&of_nobody, 0, 0).await, Err(StoreError::Refused(_))));
    }
    let mut left = taken(queue, 1, 10, 10).await;
    left.sort();
    assert_eq!(left, ["a", longest.as_str()]);
}
