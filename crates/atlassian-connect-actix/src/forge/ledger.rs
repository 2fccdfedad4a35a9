//! The stored state of events, so that none is lost and none is processed twice: one row per event, in the store that
//! all nodes share.
//!
//! A row holds either a delivery and the end of its node's lease, or the time at which it was done. A done row stays
//! for as long as Forge may send the event again. Source of that time: Atlassian, "Sending product events" (four
//! retries, a minute apart).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::deliveries::Delivery;
use crate::store::internal::now;
use crate::store::{OwnerKind, Place, Store, StoreError};

/// The owner of the rows in the store. No installation has this id.
const OWNER: &str = "atlassian-connect:deliveries";
/// A node that has not renewed its row for this long is taken for dead, in seconds.
const LEASE: u64 = 60;
/// How long a done event is remembered, in seconds.
const MEMORY: u64 = 600;
/// The longest time between two of Forge's tries, in seconds: a minute, and the duration of a try.
const TRY: u64 = 75;
/// The largest difference between the clocks of nodes and of Forge, in seconds.
const SKEW: u64 = 60;
/// The most rows that are checked in one run.
const SWEPT: usize = 5000;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Row {
    Waiting { delivery: Delivery, lease: u64 },
    Done { done: u64 },
}

fn value(row: &Row) -> Result<Value, StoreError> {
    serde_json::to_value(row).map_err(|error| StoreError::Refused(error.to_string()))
}

/// Takes the lease of `delivery` for this node, or renews it.
pub(super) async fn hold(store: &dyn Store, id: &str, delivery: &Delivery) -> Result<(), StoreError> {
    let row = Row::Waiting { delivery: delivery.clone(), lease: now() + LEASE };
    store.set(Place::of_forge(OWNER, id), &value(&row)?).await
}

/// Gives up the lease: the next node that looks takes it.
pub(super) async fn release(store: &dyn Store, id: &str, delivery: &Delivery) -> Result<(), StoreError> {
    store.set(Place::of_forge(OWNER, id), &value(&Row::Waiting { delivery: delivery.clone(), lease: 0 })?).await
}

/// Marks the event as done.
pub(super) async fn finish(store: &dyn Store, id: &str) -> Result<(), StoreError> {
    store.set(Place::of_forge(OWNER, id), &value(&Row::Done { done: now() })?).await
}

/// Whether an event with the id `start` is stored. For a retry (`retries` > 0) ids that begin with `start` count too. A
/// row that was done before the event's first try belongs to an earlier event with the same content, such as that of a
/// schedule.
pub(super) async fn is_known(store: &dyn Store, start: &str, retries: u64) -> Result<bool, StoreError> {
    if retries == 0 {
        return Ok(store.get(Place::of_forge(OWNER, start)).await?.is_some());
    }
    let first_try = now().saturating_sub(retries.saturating_mul(TRY).saturating_add(SKEW));
    for id in ids(store).await?.iter().filter(|id| id.starts_with(start)) {
        match store.get(Place::of_forge(OWNER, id)).await?.map(|found| Row::deserialize(&found)) {
            Some(Ok(Row::Done { done })) if done < first_try => {}
            Some(_) => return Ok(true),
            None => {}
        }
    }
    Ok(false)
}

async fn ids(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    store.keys(OwnerKind::Forge, OWNER).await
}

/// Takes over the events whose lease has expired, and deletes those that were done long ago. `turn` counts the calls:
/// if there are more rows than one run checks, each run begins at another row, so that every row gets its turn.
pub(super) async fn take_over(
    store: &dyn Store,
    turn: usize,
    is_ours: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Delivery)>, StoreError> {
    let mut taken = Vec::new();
    let mut ids: Vec<String> = ids(store).await?.into_iter().filter(|id| !is_ours(id)).collect();
    let begin = turn.wrapping_mul(SWEPT).checked_rem(ids.len()).unwrap_or_default();
    ids.rotate_left(begin);
    for id in ids.into_iter().take(SWEPT) {
        let place = Place::of_forge(OWNER, &id);
        let found = match store.get(Place::of_forge(OWNER, &id)).await {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            // an unreadable row must not keep the others from being checked
            Err(error) => {
                tracing::warn!(id, %error, "a stored event cannot be read");
                continue;
            }
        };
        match Row::deserialize(&found) {
            Ok(Row::Done { done }) if done.saturating_add(MEMORY) < now() => {
                store.delete(Place::of_forge(OWNER, &id)).await?;
            }
            Ok(Row::Waiting { delivery, lease }) if lease < now() => {
                let ours = value(&Row::Waiting { delivery: delivery.clone(), lease: now() + LEASE })?;
                // of several nodes one succeeds
                if store.exchange(place, Some(&found), Some(&ours)).await? {
                    taken.push((id, delivery));
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(id, %error, "a stored event cannot be read"),
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    async fn write(store: &MemoryStore, id: &str, row: &Row) {
        store.set(Place::of_forge(OWNER, id), &value(row).unwrap()).await.unwrap();
    }

    #[actix_web::test]
    async fn a_row_from_before_the_first_try_is_another_event() {
        let store = MemoryStore::new();
        // a schedule of five minutes, whose body is always the same
        for (ago, retries, known) in
            [(5, 1, true), (100, 1, true), (360, 1, false), (300, 4, true), (540, 4, false), (1, u64::MAX, true)]
        {
            write(&store, "content.token", &Row::Done { done: now() - ago }).await;
            assert_eq!(is_known(&store, "content", retries).await.unwrap(), known, "{ago} s ago, {retries} retries");
        }
        assert!(is_known(&store, "content.token", 0).await.unwrap());
        assert!(!is_known(&store, "content", 0).await.unwrap() && !is_known(&store, "other", 1).await.unwrap());
    }

    #[actix_web::test]
    async fn every_row_has_its_turn() {
        let store = MemoryStore::new();
        for i in 0..SWEPT + 10 {
            write(&store, &format!("a{i:05}"), &Row::Done { done: now() }).await;
        }
        write(&store, "z-old", &Row::Done { done: now() - MEMORY - 1 }).await;
        let body = serde_json::json!({ "issue": 1 });
        let delivery =
            Delivery { event: "e".into(), origin: std::sync::Arc::default(), body: body.into(), failures: 0 };
        write(&store, "z-left", &Row::Waiting { delivery, lease: 0 }).await;
        let mut taken = Vec::new();
        for turn in 0..2 {
            taken.extend(take_over(&store, turn, |_| false).await.unwrap());
        }
        let taken: Vec<_> = taken.iter().map(|(id, delivery)| (id.as_str(), delivery.body.to_string())).collect();
        assert_eq!(taken, [("z-left", r#"{"issue":1}"#.to_owned())]);
        assert!(store.get(Place::of_forge(OWNER, "z-old")).await.unwrap().is_none());
    }
}
