//! Working on events after Forge has its answer.

use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::rt::task::JoinHandle;
use actix_web::web::Data;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

use super::ledger;
use crate::deliveries::Delivery;
use crate::emission::Emission;
use crate::error::Error;
use crate::host::site_ari;
use crate::panics;
use crate::state::State;

/// Events whose listeners run at once.
const AT_ONCE: usize = 16;
/// The listeners of one event have this long.
const LIMIT: Duration = Duration::from_secs(240);
/// How often it is written down that this node still works on its events; a third of what others wait.
const PULSE: Duration = Duration::from_secs(20);
/// After these times it is tried again when a listener fails.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

/// Works for as long as the add-on lives: on what comes in, and on what a node that is gone has left behind.
pub(crate) async fn work(add_on: Weak<State>) {
    let Some(mut ids) = add_on.upgrade().and_then(|state| state.deliveries.work()) else { return };
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut pulse = interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut turn, mut keeping): (usize, Option<JoinHandle<()>>) = (0, None);
    loop {
        tokio::select! {
            id = ids.recv() => {
                let (Some(id), Some(state)) = (id, add_on.upgrade()) else { return };
                panics::spawn("a delivery of an event", deliver(state, id, Arc::clone(&places)));
            }
            _ = pulse.tick() => {
                let Some(state) = add_on.upgrade() else { return };
                if start_unless(&mut keeping, keep_up(state, turn)) {
                    turn = turn.wrapping_add(1);
                }
            }
        }
    }
}

/// Starts `work` beside the loop, since a slow store must not hold up what comes in; not while it goes on from the last
/// time: a store that hangs would be asked by more and more of it. Whether it started.
fn start_unless(last: &mut Option<JoinHandle<()>>, work: impl Future<Output = ()> + 'static) -> bool {
    let is_free = last.as_ref().is_none_or(JoinHandle::is_finished);
    if is_free {
        *last = Some(panics::spawn("renewing the rows of events", work));
    }
    is_free
}

/// Renews what this node answers for, takes over what nobody does.
async fn keep_up(state: Arc<State>, turn: usize) {
    let store = state.tenants.store();
    for (id, delivery) in state.deliveries.all() {
        if let Err(error) = ledger::hold(store.as_ref(), &id, &delivery).await {
            tracing::warn!(id, %error, "an event of Forge's could not be held on to");
        } else if state.deliveries.get(&id).is_none() {
            // it was done meanwhile, and what was just written says otherwise
            forget(&state, &id).await;
        }
    }
    match ledger::take_over(store.as_ref(), turn, |id| state.deliveries.get(id).is_some()).await {
        Ok(left) => {
            for (id, delivery) in left {
                tracing::info!(id, event = delivery.event, "an event of Forge's was left behind: it is taken up");
                if state.deliveries.enter(&id, &delivery) {
                    state.deliveries.hand_over(&id);
                }
            }
        }
        Err(error) => tracing::warn!(%error, "events of Forge's that were left behind could not be looked for"),
    }
}

async fn deliver(state: Arc<State>, id: String, places: Arc<Semaphore>) {
    let Ok(_place) = places.acquire().await else { return };
    let Some(delivery) = state.deliveries.get(&id) else { return };
    // listeners that panic have failed; so has a store of the add-on's own that does
    let told = panics::caught(tell(&Data::from(Arc::clone(&state)), &delivery, LIMIT)).await;
    let Err(error) = told.unwrap_or_else(|panic| Err(Error::internal(format!("the delivery {panic}")))) else {
        return finished(&state, &id).await;
    };
    let failures = state.deliveries.failed(&id);
    let pause = usize::try_from(failures).ok().and_then(|failures| PAUSES.get(failures.checked_sub(1)?));
    if let Some(pause) = pause {
        tracing::warn!(id, event = delivery.event, %error, "an event of Forge's failed and will be tried again");
        let pause = *pause;
        state.deliveries.rest(&id);
        panics::spawn("trying an event again", async move {
            tokio::time::sleep(pause).await;
            state.deliveries.hand_over(&id);
        });
    } else {
        tracing::error!(id, event = delivery.event, %error, "an event of Forge's failed for good");
        finished(&state, &id).await;
    }
}

async fn finished(state: &State, id: &str) {
    // its place is free, whatever becomes of its row
    if let Err(panic) = panics::caught(forget(state, id)).await {
        tracing::error!(id, %panic, "it could not be written down that an event of Forge's is done: it may come again");
    }
    state.deliveries.leave(id);
}

async fn forget(state: &State, id: &str) {
    if let Err(error) = ledger::finish(state.tenants.store().as_ref(), id).await {
        tracing::warn!(id, %error, "it could not be written down that an event of Forge's is done: it may come again");
    }
}

/// Tells the listeners, and waits for them.
pub(super) async fn tell(state: &Data<State>, delivery: &Delivery, limit: Duration) -> Result<(), Error> {
    let mut tenant = state.tenants.of_installation(&delivery.origin.installation_id).await?;
    // an app that was installed again has another installation at the same site
    if let (None, Some(site)) = (&tenant, delivery.origin.api_base_url.as_deref().and_then(site_ari)) {
        tenant = state.tenants.of_installation(&site).await?;
    }
    let (origin, body) = (Arc::clone(&delivery.origin), Arc::clone(&delivery.body));
    let emission = Emission::of_forge(delivery.event.as_str(), tenant, origin, body);
    State::emit(state, emission, limit).await
}

/// Waits for what is worked on, for `limit` at most; what is left, or waits for another try, is for the next node, or
/// the next start.
pub(crate) async fn drain(state: &State, limit: Duration) {
    state.deliveries.settled(limit).await;
    for (id, delivery) in state.deliveries.all() {
        tracing::warn!(id, event = delivery.event, "an event of Forge's is left to the next start");
        if let Err(error) = ledger::release(state.tenants.store().as_ref(), &id, &delivery).await {
            tracing::warn!(id, %error, "it could not be written down: another node takes it up in a minute");
        }
        state.deliveries.leave(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn what_goes_on_is_not_started_again() {
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let mut last = None;
        assert!(start_unless(&mut last, async move { drop(ended.await) }));
        tokio::task::yield_now().await;
        assert!(!start_unless(&mut last, std::future::pending()));
        end.send(()).unwrap();
        while !last.as_ref().unwrap().is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(start_unless(&mut last, async {}));
    }
}
