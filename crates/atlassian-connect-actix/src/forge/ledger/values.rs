//! The old place of events: rows among the values of a Forge installation that does not exist. A store without a queue
//! of its own still has them there, and so has every node of a release before the queue. When no such node can run
//! beside this one any more, a store with a queue need not be looked through here.
//!
//! A row holds either a delivery and the end of its node's lease, or the time at which it was done.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LEASE, MEMORY};
use crate::deliveries::Delivery;
use crate::store::internal::now;
use crate::store::{OwnerKind, Place, Store, StoreError};

/// The owner of the rows in the store. No installation has this id.
const OWNER: &str = "atlassian-connect:deliveries";
/// The most rows that are checked in one run.
const SWEPT: usize = 5000;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Row {
    Waiting { delivery: Delivery, lease: u64 },
    Done { done: u64 },
}

fn value(row: &Row) -> Result<Value, StoreError> {
    serde_json::to_value(row).map_err(|error| StoreError::refused("the event is not valid JSON").caused_by(error))
}

/// Writes `delivery`, with a lease until `until`.
pub(super) async fn hold(store: &dyn Store, id: &str, delivery: &Delivery, until: u64) -> Result<(), StoreError> {
    let row = Row::Waiting { delivery: delivery.clone(), lease: until };
    store.set(Place::of_forge(OWNER, id), &value(&row)?).await
}

/// Marks the event as done.
pub(super) async fn finish(store: &dyn Store, id: &str) -> Result<(), StoreError> {
    store.set(Place::of_forge(OWNER, id), &value(&Row::Done { done: now() })?).await
}

/// Whether an event with the id `id` is stored.
pub(super) async fn has(store: &dyn Store, id: &str) -> Result<bool, StoreError> {
    Ok(store.get(Place::of_forge(OWNER, id)).await?.is_some())
}

/// Whether an event whose id begins with `start` is stored, and waits or was done at `first_try` or later.
pub(super) async fn has_since(store: &dyn Store, start: &str, first_try: u64) -> Result<bool, StoreError> {
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
pub(in crate::forge) async fn take_over(
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
        let found = match store.get(place).await {
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
                // a node of an older release may write the same event again meanwhile
                store.exchange(place, Some(&found), None).await?;
            }
            Ok(Row::Waiting { delivery, lease }) if lease < now() => {
                let ours = value(&Row::Waiting { delivery: delivery.clone(), lease: now() + LEASE })?;
                // of several nodes one succeeds
                if store.exchange(place, Some(&found), Some(&ours)).await? {
                    taken.push((id, Delivery { is_value: true, ..delivery }));
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(id, %error, "a stored event cannot be read"),
        }
    }
    Ok(taken)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::MemoryStore;

    async fn write(store: &dyn Store, id: &str, row: &Row) {
        store.set(Place::of_forge(OWNER, id), &value(row).unwrap()).await.unwrap();
    }

    /// A row of an event that was done `ago` seconds ago.
    pub(crate) async fn done(store: &dyn Store, id: &str, ago: u64) {
        write(store, id, &Row::Done { done: now() - ago }).await;
    }

    /// Whether the row says that the event is done. `None`: there is no row.
    pub(crate) async fn is_done(store: &dyn Store, id: &str) -> Option<bool> {
        let found = store.get(Place::of_forge(OWNER, id)).await.unwrap()?;
        Some(matches!(Row::deserialize(&found).unwrap(), Row::Done { .. }))
    }

    #[actix_web::test]
    async fn every_row_has_its_turn() {
        let store = MemoryStore::new();
        for i in 0..SWEPT + 10 {
            write(&store, &format!("a{i:05}"), &Row::Done { done: now() }).await;
        }
        write(&store, "z-old", &Row::Done { done: now() - MEMORY - 1 }).await;
        let body = serde_json::json!({ "issue": 1 });
        let delivery = Delivery {
            event: "e".into(),
            origin: std::sync::Arc::default(),
            body: body.into(),
            failures: 0,
            is_taken_over: false,
            is_value: false,
        };
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
