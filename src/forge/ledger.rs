//! What is written down of events, so that none is lost and none is done twice: one row an event, in the store that all
//! nodes share.
//!
//! A row is a delivery and until when its node answers for it; or the time at which it was done, which stays for as long
//! as Forge may send the event again. Source of that time: Atlassian, "Sending product events" (four retries, a minute
//! apart).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::deliveries::Delivery;
use crate::store::{Place, Store, StoreError, now};

/// The owner of the rows: no installation has such a name.
const OWNER: &str = "atlassian-connect:deliveries";
/// A node that has not renewed its row for so long is gone, in seconds.
const LEASE: u64 = 60;
/// How long a done event is remembered, in seconds.
const MEMORY: u64 = 600;
/// Rows that are looked through at most in one go.
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

/// Writes down that this node answers for `delivery` for a while.
pub(super) async fn hold(store: &dyn Store, id: &str, delivery: &Delivery) -> Result<(), StoreError> {
    let row = Row::Waiting { delivery: delivery.clone(), lease: now() + LEASE };
    store.forge_set(OWNER, id, &value(&row)?).await
}

/// Writes down that nobody answers for it any more: whoever looks next takes it.
pub(super) async fn release(store: &dyn Store, id: &str, delivery: &Delivery) -> Result<(), StoreError> {
    store.forge_set(OWNER, id, &value(&Row::Waiting { delivery: delivery.clone(), lease: 0 })?).await
}

/// Writes down that it is done.
pub(super) async fn finish(store: &dyn Store, id: &str) -> Result<(), StoreError> {
    store.forge_set(OWNER, id, &value(&Row::Done { done: now() })?).await
}

/// Whether an event is written down whose id begins so; `whole`: is this.
pub(super) async fn is_known(store: &dyn Store, start: &str, whole: bool) -> Result<bool, StoreError> {
    if whole {
        return Ok(store.forge_get(OWNER, start).await?.is_some());
    }
    Ok(ids(store).await?.iter().any(|id| id.starts_with(start)))
}

async fn ids(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    let page = store.forge_keys(Some(OWNER), 1).await?;
    Ok(page.tenants.into_iter().find(|(owner, _)| owner == OWNER).map(|(_, ids)| ids).unwrap_or_default())
}

/// Takes the events for which nobody answers any more, and forgets those that were done long ago.
pub(super) async fn take_over(
    store: &dyn Store,
    is_ours: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Delivery)>, StoreError> {
    let mut taken = Vec::new();
    for id in ids(store).await?.into_iter().filter(|id| !is_ours(id)).take(SWEPT) {
        let place = Place::of_forge(OWNER, &id);
        let Some(found) = store.forge_get(OWNER, &id).await? else { continue };
        match Row::deserialize(&found) {
            Ok(Row::Done { done }) if done + MEMORY < now() => drop(store.forge_delete(OWNER, &id).await?),
            Ok(Row::Waiting { delivery, lease }) if lease < now() => {
                let ours = value(&Row::Waiting { delivery: delivery.clone(), lease: now() + LEASE })?;
                // of several nodes one succeeds
                if store.exchange(place, &found, &ours).await? {
                    taken.push((id, delivery));
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(id, %error, "a stored event cannot be read"),
        }
    }
    Ok(taken)
}
