//! Processes events after Forge has its answer.

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
use crate::panics;
use crate::state::State;
use crate::store::StoreError;

/// Events whose listeners run at the same time.
const AT_ONCE: usize = 16;
/// How long the listeners of one event may take.
const LIMIT: Duration = Duration::from_secs(240);
/// How often this node renews the leases of its events: a third of their length.
const PULSE: Duration = Duration::from_secs(20);
/// How often in one pulse this node asks the queue for events that were left behind.
const BATCHES: usize = 64;
/// The delays before the retries of a failed listener.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];
/// How often an event is tried whose listener ends the process each time, as one that needs too much memory does.
const TRIES: u32 = 10;

/// Runs for as long as the add-on lives: processes new events, and those that a dead node left behind.
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
                if start_unless(&mut keeping, renew_and_take_over(state, turn)) {
                    turn = turn.wrapping_add(1);
                }
            }
        }
    }
}

/// Starts `work` beside the loop, since a slow store must not delay new events. Not if the last run is still going: a
/// hanging store would get more and more requests. Returns whether it started.
fn start_unless(last: &mut Option<JoinHandle<()>>, work: impl Future<Output = ()> + 'static) -> bool {
    let is_free = last.as_ref().is_none_or(JoinHandle::is_finished);
    if is_free {
        *last = Some(panics::spawn("renewing the rows of events", work));
    }
    is_free
}

/// Renews the leases of this node and takes over those that have expired.
async fn renew_and_take_over(state: Arc<State>, turn: usize) {
    let store = state.tenants.store();
    for (id, delivery) in state.deliveries.all() {
        if let Err(error) = ledger::hold(store.as_ref(), &id, &delivery).await {
            tracing::warn!(id, %error, "the lease of a Forge event could not be renewed");
        } else if state.deliveries.get(&id).is_none() {
            // it was done meanwhile, and the row just written may say otherwise
            forget(&state, &id, &delivery).await;
        }
    }
    let outcome = take_over(&state).await;
    // one of them may fail while the other works, so each has its turn
    let of_values = ledger::take_over_values(store.as_ref(), turn, |id| state.deliveries.get(id).is_some()).await;
    let of_values = of_values.map(|left| take_up(&state, left));
    for error in [outcome, of_values].into_iter().filter_map(Result::err) {
        tracing::warn!(%error, "unfinished Forge events could not be looked up");
    }
}

/// Takes over what the store's queue has, as far as this node has room, and forgets what was done long ago.
async fn take_over(state: &State) -> Result<(), StoreError> {
    let store = state.tenants.store().as_ref();
    for _ in 0..BATCHES {
        let limit = state.deliveries.room().min(ledger::BATCH);
        let taken = ledger::take_over(store, limit).await?;
        let count = taken.events.len().saturating_add(taken.unreadable);
        take_up(state, taken.events);
        if limit == 0 || count < limit {
            break;
        }
    }
    ledger::forget(store).await
}

/// Processes events that were taken over. One for which there is no room is taken over again when its lease has expired.
fn take_up(state: &State, left: Vec<(String, Delivery)>) {
    for (id, delivery) in left {
        let delivery = Delivery { is_taken_over: true, ..delivery };
        if state.deliveries.enter(&id, &delivery) {
            tracing::info!(id, event = delivery.event, "a Forge event was left unfinished: it is taken over");
            state.deliveries.hand_over(&id);
        }
    }
}

async fn deliver(state: Arc<State>, id: String, places: Arc<Semaphore>) {
    let Ok(_place) = places.acquire().await else { return };
    let Some(delivery) = state.deliveries.get(&id) else { return };
    let mut counted = None;
    if delivery.is_taken_over {
        if delivery.failures >= TRIES {
            tracing::error!(
                id,
                event = delivery.event,
                "a Forge event failed for good: each try has ended the process"
            );
            state.count_forge_event(&delivery.event, "failed");
            return finished(&state, &id, &delivery).await;
        }
        counted = Some(state.deliveries.failed(&id));
        write_down(&state, &id).await;
    }
    // a panic of a listener is a failure, and so is one of the app's own store
    let data = Data::from(Arc::clone(&state));
    // boxed: it is large
    let work = Box::pin(panics::caught(call_listeners(&data, &delivery, LIMIT)));
    let outcome = state.traces.forge_event(state.traced_name(&delivery.event), work).await;
    let Err(error) = outcome.unwrap_or_else(|panic| Err(Error::internal(format!("the delivery {panic}")))) else {
        state.count_forge_event(&delivery.event, "processed");
        return finished(&state, &id, &delivery).await;
    };
    let failures = counted.unwrap_or_else(|| state.deliveries.failed(&id));
    let pause = usize::try_from(failures).ok().and_then(|failures| PAUSES.get(failures.checked_sub(1)?));
    if let Some(pause) = pause {
        tracing::warn!(id, event = delivery.event, %error, "a Forge event failed and will be tried again");
        let pause = *pause;
        state.count_forge_event(&delivery.event, "tried_again");
        state.deliveries.rest(&id);
        panics::spawn("trying an event again", async move {
            tokio::time::sleep(pause).await;
            state.deliveries.hand_over(&id);
        });
    } else {
        tracing::error!(id, event = delivery.event, %error, "a Forge event failed for good");
        state.count_forge_event(&delivery.event, "failed");
        finished(&state, &id, &delivery).await;
    }
}

/// Writes down how often the event was tried.
async fn write_down(state: &State, id: &str) {
    let Some(delivery) = state.deliveries.get(id) else { return };
    let written = panics::caught(ledger::hold(state.tenants.store().as_ref(), id, &delivery)).await;
    let error = match written {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic.to_string(),
    };
    tracing::warn!(id, error, "the tries of a Forge event could not be written down");
}

async fn finished(state: &State, id: &str, delivery: &Delivery) {
    // its place is free, even if its row cannot be written
    if let Err(panic) = panics::caught(forget(state, id, delivery)).await {
        tracing::error!(id, %panic, "a Forge event could not be marked as done: it may be processed again");
    }
    state.deliveries.leave(id);
}

async fn forget(state: &State, id: &str, delivery: &Delivery) {
    if let Err(error) = ledger::finish(state.tenants.store().as_ref(), id, delivery).await {
        tracing::warn!(id, %error, "a Forge event could not be marked as done: it may be processed again");
    }
}

/// Calls the listeners and waits for them.
pub(super) async fn call_listeners(state: &Data<State>, delivery: &Delivery, limit: Duration) -> Result<(), Error> {
    let mut tenant = state.tenants.of_installation(&delivery.origin.installation_id).await?;
    // an app that was installed again has another installation on the same site
    let sites = delivery.origin.site_keys();
    if tenant.is_none() {
        tenant = state.tenants.of_sites(&sites).await?;
    }
    let tenant_key = match &tenant {
        Some(tenant) => tenant.client_key().to_owned(),
        None => state.tenants.key_of_data(&sites).await?,
    };
    let (origin, body) = (Arc::clone(&delivery.origin), Arc::clone(&delivery.body));
    let emission = Emission::of_forge(delivery.event.as_str(), (tenant, tenant_key), origin, body);
    State::emit(state, emission, limit).await
}

/// Waits for running events, for at most `limit`. The rest, and those that wait for a retry, are taken up by another
/// node or at the next start.
pub(crate) async fn drain(state: &State, limit: Duration) {
    state.deliveries.settled(limit).await;
    for (id, delivery) in state.deliveries.all() {
        tracing::warn!(id, event = delivery.event, "a Forge event is left for the next start");
        if let Err(error) = ledger::release(state.tenants.store().as_ref(), &id, &delivery).await {
            tracing::warn!(id, %error, "the lease of a Forge event could not be released: another node takes it over in a minute");
        }
        state.deliveries.leave(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn work_that_is_running_is_not_started_again() {
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
