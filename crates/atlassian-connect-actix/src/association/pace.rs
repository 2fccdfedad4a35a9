//! How fast sites are asked, by all nodes together: the next time is a row in the store.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::state::State;
use crate::store::{Place, Store, StoreError};

/// The owner of the row. No installation has this id.
const OWNER: &str = "atlassian-connect:association";
const ROW: &str = "pace";
/// A little more than a fifth of a second: five requests a second, however they are counted.
const PAUSE: u64 = 220;
/// The longest time until the next turn, in milliseconds. A later one was written by a clock that is ahead: a node takes
/// up to 32 turns in advance, so that this is the line of some 80 nodes.
const LONGEST: u64 = 600_000;
/// A turn that comes later than this is forgone: a process that was held up would make up for all of them at once.
const LATE: Duration = Duration::from_millis(100);
/// How often a turn is tried to get, if other nodes get theirs.
const TRIES: usize = 50;

/// Waits for the next turn.
///
/// # Errors
/// What the store answers; [`StoreError::Unavailable`] if other nodes get all turns.
pub(super) async fn turn(state: &State) -> Result<(), StoreError> {
    punctual(async || {
        let _line = state.outbound.associations.line().await;
        taken(state.tenants.store().as_ref()).await
    })
    .await
}

/// Waits for the next turn of another row, for a command of which several may run at the same time.
///
/// # Errors
/// What the store answers; [`StoreError::Unavailable`] if others get all turns.
pub async fn turn_of(store: &dyn Store, row: &str, pause: Duration) -> Result<(), StoreError> {
    let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    punctual(async || taken_of(store, row, pause).await).await
}

/// Waits for a turn that `take` takes.
async fn punctual(take: impl AsyncFn() -> Result<Duration, StoreError>) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let wait = take().await?;
        let due = Instant::now() + wait;
        tokio::time::sleep(wait).await;
        if due.elapsed() < LATE {
            return Ok(());
        }
    }
    Err(StoreError::unavailable("this process is too busy to keep the pace of questions to sites"))
}

/// Takes a turn. Returns the time until then.
async fn taken(store: &dyn Store) -> Result<Duration, StoreError> {
    taken_of(store, ROW, PAUSE).await
}

async fn taken_of(store: &dyn Store, row: &str, pause: u64) -> Result<Duration, StoreError> {
    let place = Place::of_forge(OWNER, row);
    for _ in 0..TRIES {
        let now = milliseconds();
        let found = store.get(place).await?;
        let next = next(found.as_ref(), now);
        let after = Value::from(next.saturating_add(pause));
        if store.exchange(place, found.as_ref(), Some(&after)).await? {
            return Ok(Duration::from_millis(next.saturating_sub(now)));
        }
    }
    Err(StoreError::unavailable("other nodes take every turn to ask a site"))
}

fn next(found: Option<&Value>, now: u64) -> u64 {
    let next = found.and_then(Value::as_u64).filter(|next| *next <= now.saturating_add(LONGEST));
    next.unwrap_or_default().max(now)
}

fn milliseconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn the_next_turn_is_now_or_what_is_stored() {
        for (found, expected) in [
            (None, 100_000),
            (Some(Value::from(5)), 100_000),
            (Some(Value::from(100_500)), 100_500),
            (Some(Value::from(100_000 + LONGEST + 1)), 100_000),
            (Some(Value::from(u64::MAX)), 100_000),
            (Some(Value::from("soon")), 100_000),
        ] {
            assert_eq!(next(found.as_ref(), 100_000), expected, "{found:?}");
        }
    }

    /// Several nodes, which have never asked a site before, and each of which takes one turn after the other.
    #[actix_web::test]
    async fn nodes_share_the_turns() {
        let store = Arc::new(MemoryStore::new());
        let begun = milliseconds();
        let node = async || {
            let mut turns = Vec::new();
            for _ in 0..3 {
                let wait = taken(store.as_ref()).await.unwrap();
                turns.push(milliseconds() + u64::try_from(wait.as_millis()).unwrap());
            }
            turns
        };
        let nodes = futures_util::future::join_all((0..4).map(|_| node())).await;
        let mut turns = nodes.concat();
        turns.sort_unstable();
        // a millisecond may pass between the look at the clock there and here
        let is_apart = |pair: &[u64]| pair[1] - pair[0] + 50 >= PAUSE;
        assert!(turns.windows(2).all(is_apart), "{:?}", turns.iter().map(|turn| turn - begun).collect::<Vec<_>>());
    }
}
