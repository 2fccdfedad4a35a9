//! The metrics of the framework, for Prometheus. Other modules call the functions here; `families.rs` lists what there
//! is. As long as [`start`] was not called, each function returns at once.
//!
//! Labels are bounded: route patterns, names that the app has registered, and fixed words. No label comes from a client.

mod families;
mod handles;
mod requests;
mod store;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub(crate) use requests::request;
pub(crate) use store::MeasuredStore;

use families as f;
use handles::{add, observe, set, shift, with_name};

/// The recorder of this process.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
/// The first second of 2027-01-31, the last day of Connect, in seconds since 1970.
///
/// Source: Atlassian, "Connect end of support" (CHANGE-3383).
const CONNECT_ENDS: f64 = 1_801_353_600.0;
const DAY: f64 = 86_400.0;

/// Another library has set the recorder of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process already has a recorder of metrics: remove it, or remove `metrics` from the configuration")]
pub(crate) struct RecorderTaken;

/// Records from now on. A second call changes nothing.
pub(crate) fn start() -> Result<(), RecorderTaken> {
    static STARTING: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
    let _starting = STARTING.lock();
    if is_on() {
        return Ok(());
    }
    let jobs = Matcher::Full(f::JOB_SECONDS.name.to_owned());
    // the lists of buckets are not empty, which is the only error
    let builder = PrometheusBuilder::new().set_buckets(&f::BUCKETS).map_err(|_| RecorderTaken)?;
    let builder = builder.set_buckets_for_metric(jobs, &f::JOB_BUCKETS).map_err(|_| RecorderTaken)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| RecorderTaken)?;
    f::describe();
    let _ = RECORDER.set(handle);
    // these are there before the first event, so that a rule sees the first increase
    for outcome in CacheRead::ALL {
        handles::add_nothing(&f::CACHE_READS, [outcome.word()]);
    }
    for reason in Close::ALL {
        handles::add_nothing(&f::CONNECTIONS_CLOSED, [reason.word()]);
    }
    handles::add_nothing(&f::CONNECTIONS_WITHOUT_ROOM, []);
    shift(&f::CONNECTIONS, [], 0.0);
    Ok(())
}

/// Whether metrics are recorded.
#[inline]
pub(crate) fn is_on() -> bool {
    RECORDER.get().is_some()
}

/// All metrics in Prometheus' text format; `None` if nothing is recorded.
pub(crate) fn render() -> Option<String> {
    RECORDER.get().map(PrometheusHandle::render)
}

/// Moves recorded durations into their buckets. Without it, they would need more and more memory between two scrapes.
pub(crate) fn tidy() {
    if let Some(recorder) = RECORDER.get() {
        recorder.run_upkeep();
    }
}

/// A caller was accepted (`Ok`) or refused, for this reason.
pub(crate) fn authentication(extractor: &'static str, outcome: Result<(), (&'static str, &'static str)>) {
    let (outcome, reason) = outcome.err().unwrap_or(("accepted", "none"));
    add(&f::AUTHENTICATIONS, [extractor, outcome, reason]);
}

/// What a read of the tenant cache found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CacheRead {
    Hit,
    Miss,
    /// An entry beyond its lifetime, used because the store is away.
    Stale,
}

impl CacheRead {
    const ALL: [Self; 3] = [Self::Hit, Self::Miss, Self::Stale];

    fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
        }
    }
}

/// The cache of tenants was read.
pub(crate) fn cache_read(outcome: CacheRead) {
    add(&f::CACHE_READS, [outcome.word()]);
}

/// A request to a host began its answer or failed. `status`: the answer's, or the kind of failure.
pub(crate) fn outbound(product: &'static str, status: Result<u16, &'static str>, took: Duration) {
    if !is_on() {
        return;
    }
    match status {
        Err(failure) => add(&f::OUTBOUND, [product, failure]),
        Ok(status @ 100..=599) => with_name(&f::OUTBOUND, &[product, &status.to_string()]).increment(1),
        // a host may answer with any number
        Ok(_) => add(&f::OUTBOUND, [product, "other"]),
    }
    observe(&f::OUTBOUND_SECONDS, [product], took);
}

/// A request to a host is sent again.
pub(crate) fn outbound_retry(product: &'static str) {
    add(&f::OUTBOUND_RETRIES, [product]);
}

/// A key server was asked. `keys`: `install` or `forge`.
pub(crate) fn key_fetch(keys: &'static str, outcome: &'static str) {
    add(&f::KEY_FETCHES, [keys, outcome]);
}

/// The listeners of a webhook were called. `event` comes from the descriptor.
pub(crate) fn webhook(event: &str, outcome: &'static str) {
    if is_on() {
        with_name(&f::WEBHOOKS, &[event, outcome]).increment(1);
    }
}

/// Something happened to a Forge event. `event`: its name if the app listens to it, else `other`.
pub(crate) fn forge_event(event: Option<&str>, outcome: &'static str) {
    if is_on() {
        with_name(&f::FORGE_EVENTS, &[event.unwrap_or("other"), outcome]).increment(1);
    }
}

/// A periodic job has run.
pub(crate) fn job(name: &str, has_succeeded: bool, took: Duration) {
    if !is_on() {
        return;
    }
    with_name(&f::JOB_RUNS, &[name, if has_succeeded { "succeeded" } else { "failed" }]).increment(1);
    handles::histogram_with_name(&f::JOB_SECONDS, &[name]).record(took);
    if has_succeeded {
        handles::set_with_name(&f::JOB_SUCCESS, &[name], now());
    }
}

/// Why the server closed a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Close {
    /// There were too many, and this one waited for its client.
    Room,
    /// Callers that are not authenticated used too much memory.
    Memory,
    /// A deadline has passed.
    Overdue,
    /// The body was too slow.
    SlowBody,
}

impl Close {
    const ALL: [Self; 4] = [Self::Room, Self::Memory, Self::Overdue, Self::SlowBody];

    fn word(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Memory => "memory",
            Self::Overdue => "overdue",
            Self::SlowBody => "slow_body",
        }
    }
}

/// A client has connected.
pub(crate) fn connection_opened() {
    shift(&f::CONNECTIONS, [], 1.0);
}

/// A connection has ended.
pub(crate) fn connection_ended() {
    shift(&f::CONNECTIONS, [], -1.0);
}

/// A connection came when no place was free, and none could be freed.
pub(crate) fn connection_without_room() {
    add(&f::CONNECTIONS_WITHOUT_ROOM, []);
}

/// The server closes a connection, or refuses its body.
pub(crate) fn connection_closed(reason: Close) {
    add(&f::CONNECTIONS_CLOSED, [reason.word()]);
}

/// What is looked up for each scrape.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    /// The tenants in the cache.
    pub cached: u64,
    /// Forge events under way, and the most there may be.
    pub events: (usize, usize),
    /// Their memory, in bytes.
    pub event_bytes: usize,
    pub oldest_event: Option<Duration>,
    /// Each pool with its name: connections, idle ones, waiting requests.
    pub pools: Vec<(&'static str, [u32; 3])>,
    /// Installed tenants, those of them on Forge, and when they were counted (seconds since 1970).
    pub tenants: Option<(u64, u64, u64)>,
}

impl Levels {
    /// Records all of them.
    // a count beyond 2^52 would lose its last digits
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn record(&self) {
        set(&f::CACHE_ENTRIES, [], self.cached as f64);
        set(&f::QUEUE_EVENTS, [], self.events.0 as f64);
        set(&f::QUEUE_CAPACITY, [], self.events.1 as f64);
        set(&f::QUEUE_BYTES, [], self.event_bytes as f64);
        set(&f::QUEUE_AGE, [], self.oldest_event.unwrap_or_default().as_secs_f64());
        for (pool, [connections, idle, waiting]) in &self.pools {
            set(&f::POOL_CONNECTIONS, [pool], f64::from(*connections));
            set(&f::POOL_IDLE, [pool], f64::from(*idle));
            set(&f::POOL_WAITING, [pool], f64::from(*waiting));
        }
        if let Some((installed, on_forge, at)) = self.tenants {
            set(&f::TENANTS, [], installed as f64);
            set(&f::TENANTS_ON_FORGE, [], on_forge as f64);
            set(&f::COUNTED, [], at as f64);
        }
        set(&f::CONNECT_ENDS, [], ((CONNECT_ENDS - now()) / DAY).ceil());
    }
}

/// The operation `name` of the store took this long; `error` is the kind of its failure.
fn store_operation(name: &'static str, begun: Instant, error: Option<&'static str>) {
    observe(&f::STORE_SECONDS, [name], begun.elapsed());
    if let Some(kind) = error {
        add(&f::STORE_ERRORS, [name, kind]);
    }
}

/// Seconds since 1970.
#[allow(clippy::cast_precision_loss)]
fn now() -> f64 {
    crate::store::internal::now() as f64
}
