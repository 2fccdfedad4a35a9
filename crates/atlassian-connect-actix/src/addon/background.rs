//! Background work: spawned once, or run periodically.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Addon;
use super::events::{Events, ListenerError, outcome};
use crate::error::Error;
use crate::host::jitter;
use crate::state::State;
use crate::store::internal::now;
use crate::store::{Place, Store};
use crate::tasks::{Job, Tasks};
use crate::trace::Carried;
use crate::{measure, panics, scrape};

/// The owner of the rows in the store. No installation has this id.
const OWNER: &str = "atlassian-connect:jobs";
/// A node that has not renewed its row for this long is taken for dead, in seconds.
const LEASE: u64 = 60;
/// The largest difference between the clocks of two nodes, in seconds.
const SKEW: u64 = 60;
/// How often a node renews its row while it works.
const PULSE: Duration = Duration::from_secs(20);
/// How long a node waits after the store failed, or after another node took the job.
const PAUSE: Duration = Duration::from_secs(15);
/// How long it waits before it tries again to record that a job has run.
const RETRY: Duration = Duration::from_secs(2);
/// The longest time between two looks at the row: the node that held the lease may be gone.
const LOOK: Duration = Duration::from_secs(60);
/// The random delay that spreads nodes which start at once, at most.
const SPREAD: Duration = Duration::from_secs(10);

/// How often recorded durations are moved into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);
/// How often the tenants are counted.
const COUNT_PERIOD: Duration = Duration::from_secs(300);

/// The stored state of a job: when it is due, and until when a node holds its lease; both in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    due: u64,
    lease: u64,
    /// Changes with each write, so that no two rows are equal.
    turn: u64,
}

/// A weak handle on the add-on, for tasks that must not keep it alive.
struct WeakAddon {
    state: Weak<State>,
    events: Weak<Events>,
}

impl WeakAddon {
    fn of(addon: &Addon) -> Self {
        Self { state: Arc::downgrade(&addon.state.clone().into_inner()), events: Arc::downgrade(&addon.events) }
    }

    fn upgrade(&self) -> Option<Addon> {
        Some(Addon::of(Data::from(self.state.upgrade()?), self.events.upgrade()?))
    }
}

/// Runs `work` to its end, and logs a failure or a panic. Returns whether it succeeded.
async fn run(what: &str, work: impl Future<Output = Result<(), ListenerError>>) -> bool {
    let outcome = outcome(work).await;
    if let Err(error) = &outcome {
        tracing::error!(what, error, "background work failed");
    }
    outcome.is_ok()
}

/// Counts the work as running until it is dropped.
struct UnderWay(Arc<Tasks>);

impl UnderWay {
    fn of(addon: &Addon) -> Self {
        addon.state.tasks.begin();
        Self(Arc::clone(&addon.state.tasks))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Runs what is spawned, on this thread, for as long as the add-on lives.
pub(super) fn start(state: &Data<State>) {
    let Some(mut jobs) = state.tasks.work() else { return };
    panics::spawn("the background work of the add-on", async move {
        while let Some(job) = jobs.recv().await {
            panics::spawn("background work", job());
        }
    });
}

/// Starts what the metrics need, if they are recorded: their upkeep on each node, and the count of tenants on one.
pub(super) fn start_metrics(addon: &Addon) {
    if !addon.state.config.metrics.is_on() {
        return;
    }
    let weak = WeakAddon::of(addon);
    panics::spawn("the upkeep of the metrics", async move {
        let mut pulse = interval(UPKEEP);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while weak.state.strong_count() > 0 {
            pulse.tick().await;
            measure::tidy();
        }
    });
    every(addon, COUNT_PERIOD, "atlassian-connect: count the tenants", |addon| async move {
        Ok(scrape::count_tenants(addon.state.tenants.store().as_ref(), addon.tenants()).await?)
    });
}

/// See [`Addon::spawn`].
pub(super) fn spawn<F, R>(addon: &Addon, work: F)
where
    F: FnOnce(Addon) -> R + Send + 'static,
    R: Future<Output = Result<(), ListenerError>> + 'static,
{
    let (under_way, given, carried) = (UnderWay::of(addon), addon.clone(), Carried::from_here());
    let job: Job = Box::new(move || {
        Box::pin(async move {
            let _place = under_way.0.place().await;
            // also catches a panic of the call itself
            let work = run("spawned by the add-on", async move { work(given).await });
            carried.around(work).await;
        })
    });
    addon.state.tasks.send(job);
}

/// See [`Addon::every`].
pub(super) fn every<F, R>(addon: &Addon, period: Duration, name: &str, job: F)
where
    F: Fn(Addon) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), ListenerError>> + 'static,
{
    if !addon.state.tasks.take_name(name) {
        tracing::error!(name, "two periodic jobs have this name: the second one does not run");
        return;
    }
    let (weak, tasks, name) = (WeakAddon::of(addon), Arc::clone(&addon.state.tasks), name.to_owned());
    let period = period.max(Duration::from_secs(1));
    let work: Job = Box::new(move || Box::pin(run_periodically(weak, tasks, period, name, job)));
    addon.state.tasks.send(work);
}

/// Runs a job whenever it is due, for as long as the add-on lives.
async fn run_periodically<F, R>(weak: WeakAddon, tasks: Arc<Tasks>, period: Duration, name: String, job: F)
where
    F: Fn(Addon) -> R + 'static,
    R: Future<Output = Result<(), ListenerError>> + 'static,
{
    let spread = SPREAD.min(period / 2);
    let mut wait = spread.mul_f64(jitter());
    loop {
        tokio::select! {
            () = sleep(wait) => {}
            () = tasks.stopping() => return,
        }
        let Some(addon) = weak.upgrade() else { return };
        wait = match run_if_due(&addon, period, &name, &job).await {
            Ok(wait) => wait.min(LOOK).saturating_add(spread.mul_f64(jitter() / 10.0)),
            Err(error) => {
                tracing::warn!(name, %error, "a periodic job could not be looked up in the store");
                PAUSE
            }
        };
    }
}

/// Runs the job if it is due and no other node runs it. Returns how long to wait before the next look.
async fn run_if_due<F, R>(addon: &Addon, period: Duration, name: &str, job: &F) -> Result<Duration, Error>
where
    F: Fn(Addon) -> R + 'static,
    R: Future<Output = Result<(), ListenerError>> + 'static,
{
    let store = addon.state.tenants.store();
    let place = Place::of_forge(OWNER, name);
    let Some(found) = store.get(place).await? else {
        // first start: of several nodes one writes the row
        store.exchange(place, None, Some(&value(Row { due: now(), lease: 0, turn: 0 })?)).await?;
        return Ok(Duration::from_secs(1));
    };
    let row = Row::deserialize(&found).unwrap_or(Row { due: 0, lease: 0, turn: 0 });
    let at = now();
    let latest = Row {
        due: at.saturating_add(period.as_secs()),
        lease: at.saturating_add(LEASE),
        turn: row.turn.wrapping_add(1),
    };
    if row.due > latest.due.saturating_add(SKEW) || row.lease > latest.lease.saturating_add(SKEW) {
        // written by a clock that was ahead: the job must not pause for longer than its period
        let right = Row { due: row.due.min(latest.due), lease: row.lease.min(latest.lease), ..latest };
        store.exchange(place, Some(&found), Some(&value(right)?)).await?;
        return Ok(Duration::from_secs(1));
    }
    if row.due > at || row.lease > at {
        return Ok(Duration::from_secs(row.due.max(row.lease).saturating_sub(at)));
    }
    let mut ours = Row { due: row.due, ..latest };
    // counted before the check, so that a stop that begins now waits for the job
    let under_way = UnderWay::of(addon);
    if addon.state.tasks.is_stopping() || !store.exchange(place, Some(&found), Some(&value(ours)?)).await? {
        return Ok(PAUSE);
    }
    let begun = Instant::now();
    let work = run(name, async { job(addon.clone()).await });
    let mut work = std::pin::pin!(addon.state.traces.job(name, work));
    let mut pulse = interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pulse.tick().await;
    loop {
        tokio::select! {
            has_succeeded = &mut work => {
                measure::job(name, has_succeeded, begun.elapsed());
                break;
            }
            _ = pulse.tick() => {
                let renewed = Row { lease: now().saturating_add(LEASE), turn: ours.turn.wrapping_add(1), ..ours };
                match store.exchange(place, Some(&value(ours)?), Some(&value(renewed)?)).await {
                    Ok(true) => ours = renewed,
                    Ok(false) => tracing::warn!(name, "another node has taken over a periodic job that still runs here"),
                    // the write may or may not have succeeded: read the row to find out
                    Err(error) => {
                        tracing::warn!(name, %error, "the lease of a periodic job could not be renewed");
                        if store.get(place).await.ok().flatten() == Some(value(renewed)?) {
                            ours = renewed;
                        }
                    }
                }
            }
        }
    }
    let next = at.saturating_add(period.as_secs()).max(now());
    let done = Row { due: next, lease: 0, turn: ours.turn.wrapping_add(1) };
    finish(store.as_ref(), name, ours, done).await?;
    drop(under_way);
    Ok(Duration::from_secs(next.saturating_sub(now())).max(Duration::from_secs(1)))
}

/// Records that the job has run. A store that is unavailable for a moment must not make it run again, so this is retried
/// for as long as the lease lasts.
async fn finish(store: &dyn Store, name: &str, ours: Row, done: Row) -> Result<(), Error> {
    let (place, ours, done) = (Place::of_forge(OWNER, name), value(ours)?, value(done)?);
    loop {
        match store.exchange(place, Some(&ours), Some(&done)).await {
            Ok(true) => return Ok(()),
            Ok(false) => {
                // an earlier try may have been written although its answer was lost
                if store.get(place).await? != Some(done) {
                    tracing::warn!(name, "another node has taken over a periodic job that ran here");
                }
                return Ok(());
            }
            Err(error) if now() < Row::deserialize(&ours)?.lease => {
                tracing::warn!(name, %error, "the run of a periodic job could not be recorded");
                sleep(RETRY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn value(row: Row) -> Result<serde_json::Value, Error> {
    Ok(serde_json::to_value(row)?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::config::{Config, Vars};
    use crate::store::MemoryStore;

    const HOUR: Duration = Duration::from_secs(3600);

    async fn node(store: &Arc<MemoryStore>) -> Addon {
        let vars = [("APP_ENV", "test"), ("DATABASE_URL", "memory:"), ("AC_LOCAL_BASE_URL", "https://addon.example")];
        let config = Config::from_parts(None, &Vars::from(vars)).unwrap();
        let descriptor = r#"{"key":"k","name":"n","baseUrl":"https://addon.example","authentication":{"type":"jwt"}}"#;
        let builder = Addon::builder().config(config).fallback_descriptor(descriptor);
        builder.store(Arc::clone(store) as _).build().await.unwrap()
    }

    /// One look of `node` at the job: how long it waits then, and how often the job has run.
    async fn look(node: &Addon) -> (u64, u32) {
        let runs = Rc::new(Cell::new(0));
        let counted = Rc::clone(&runs);
        let job = move |_| {
            counted.set(counted.get() + 1);
            async { Ok(()) }
        };
        let wait = run_if_due(node, HOUR, "job", &job).await.unwrap();
        (wait.as_secs(), runs.get())
    }

    async fn write(store: &MemoryStore, due: u64, lease: u64) {
        store.set(Place::of_forge(OWNER, "job"), &value(Row { due, lease, turn: 7 }).unwrap()).await.unwrap();
    }

    #[actix_web::test]
    async fn a_job_runs_once_per_period_on_one_node() {
        let store = Arc::new(MemoryStore::new());
        let (first, second) = (node(&store).await, node(&store).await);
        assert_eq!(look(&first).await, (1, 0), "the due time is recorded");
        assert_eq!(look(&second).await.1, 1);
        for node in [&first, &second] {
            let (wait, runs) = look(node).await;
            assert!(runs == 0 && (3590..=3600).contains(&wait), "{wait} s");
        }
        // a node that starts later finds the row
        assert_eq!(look(&node(&store).await).await.1, 0);
    }

    #[actix_web::test]
    async fn a_lease_keeps_other_nodes_away_until_it_expires() {
        let store = Arc::new(MemoryStore::new());
        let node = node(&store).await;
        write(&store, now() - 5, now() + 30).await;
        let (wait, runs) = look(&node).await;
        assert!(runs == 0 && (25..=30).contains(&wait), "{wait} s");
        write(&store, now() - 5, now() - 1).await;
        assert_eq!(look(&node).await.1, 1, "its holder is gone");
    }

    #[actix_web::test]
    async fn times_from_a_wrong_clock_do_not_stop_a_job() {
        let store = Arc::new(MemoryStore::new());
        let node = node(&store).await;
        write(&store, u64::MAX, 0).await;
        assert_eq!(look(&node).await, (1, 0));
        let (wait, runs) = look(&node).await;
        assert!(runs == 0 && (3590..=3600).contains(&wait), "{wait} s");
        write(&store, 0, u64::MAX).await;
        assert_eq!(look(&node).await, (1, 0));
        let (wait, runs) = look(&node).await;
        assert!(runs == 0 && (50..=LEASE).contains(&wait), "{wait} s");
        store.set(Place::of_forge(OWNER, "job"), &serde_json::json!("of another program")).await.unwrap();
        assert_eq!(look(&node).await.1, 1);
    }
}
