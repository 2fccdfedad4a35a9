//! Every metric of the framework, with its kind, labels and `# HELP` text. docs/monitoring.md explains them.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// How a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric: its name, the names of its labels, and what it means.
#[derive(Debug)]
pub(super) struct Family<const LABELS: usize> {
    pub(super) name: &'static str,
    pub(super) labels: [&'static str; LABELS],
    kind: Kind,
    help: &'static str,
}

impl<const LABELS: usize> Family<LABELS> {
    fn describe(&self) {
        match self.kind {
            Kind::Counter => describe_counter!(self.name, self.help),
            Kind::Gauge => describe_gauge!(self.name, self.help),
            Kind::Histogram => describe_histogram!(self.name, self.help),
        }
    }
}

macro_rules! families {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $constant: Family<{ <[&str]>::len(&[$($label),*]) }> =
            Family { name: $name, labels: [$($label),*], kind: Kind::$kind, help: $help };)*

        /// Tells the recorder what each metric means.
        pub(super) fn describe() {
            $($constant.describe();)*
        }

        #[cfg(test)]
        const ALL: &[(&str, Kind, &[&str], &str)] = &[$(($name, Kind::$kind, &[$($label),*], $help)),*];
    };
}

families! {
    REQUESTS: Counter "connect_http_requests_total" ["route", "method", "status"]
        "Requests that were answered, by the pattern of the route.";
    REQUEST_SECONDS: Histogram "connect_http_request_duration_seconds" ["route"]
        "Time from the start of a request to its answer.";
    AUTHENTICATIONS: Counter "connect_authentications_total" ["extractor", "outcome", "reason"]
        "Callers that an extractor has accepted or refused.";
    CACHE_READS: Counter "connect_tenant_cache_reads_total" ["outcome"]
        "Reads of the cache of tenants: hit, miss, or stale.";
    CACHE_ENTRIES: Gauge "connect_tenant_cache_entries" [] "Tenants in the cache.";
    POOL_CONNECTIONS: Gauge "connect_store_pool_connections" ["pool"] "Open connections to the database.";
    POOL_IDLE: Gauge "connect_store_pool_idle_connections" ["pool"] "Open connections to the database that are free.";
    POOL_WAITING: Gauge "connect_store_pool_waiting_requests" ["pool"]
        "Requests that wait for a connection to the database.";
    STORE_SECONDS: Histogram "connect_store_operation_duration_seconds" ["operation"]
        "Duration of an operation of the store.";
    STORE_ERRORS: Counter "connect_store_errors_total" ["operation", "kind"] "Operations of the store that failed.";
    OUTBOUND: Counter "connect_outbound_requests_total" ["product", "status"]
        "Requests to hosts, by the status of the answer or the kind of failure.";
    OUTBOUND_SECONDS: Histogram "connect_outbound_request_duration_seconds" ["product"]
        "Time until a host began its answer.";
    OUTBOUND_RETRIES: Counter "connect_outbound_retries_total" ["product"] "Requests to hosts that were sent again.";
    KEY_FETCHES: Counter "connect_key_fetches_total" ["keys", "outcome"] "Requests to key servers.";
    WEBHOOKS: Counter "connect_webhooks_total" ["event", "outcome"] "Webhooks whose listeners were called.";
    FORGE_EVENTS: Counter "connect_forge_events_total" ["event", "outcome"]
        "Forge events, when they arrive and when they are processed.";
    QUEUE_EVENTS: Gauge "connect_forge_queue_events" [] "Forge events that are under way on this node.";
    QUEUE_CAPACITY: Gauge "connect_forge_queue_capacity_events" [] "The most Forge events that this node keeps.";
    QUEUE_BYTES: Gauge "connect_forge_queue_bytes" [] "Memory of the Forge events that are under way on this node.";
    QUEUE_AGE: Gauge "connect_forge_queue_oldest_event_age_seconds" []
        "Age of the oldest Forge event that is under way on this node; 0 if there is none.";
    JOB_RUNS: Counter "connect_job_runs_total" ["name", "outcome"] "Runs of periodic jobs on this node.";
    JOB_SECONDS: Histogram "connect_job_duration_seconds" ["name"] "Duration of a run of a periodic job.";
    JOB_SUCCESS: Gauge "connect_job_last_success_timestamp_seconds" ["name"]
        "When a periodic job last succeeded on this node.";
    CONNECTIONS: Gauge "connect_connections" [] "Open connections of clients.";
    CONNECTIONS_WITHOUT_ROOM: Counter "connect_connections_without_room_total" []
        "Connections of clients that came when no place was free.";
    CONNECTIONS_CLOSED: Counter "connect_connections_closed_total" ["reason"]
        "Connections of clients that were closed, or whose body was refused, before the client had finished.";
    TENANTS: Gauge "connect_tenants" [] "Installed tenants, as of the last count.";
    TENANTS_ON_FORGE: Gauge "connect_tenants_on_forge" []
        "Installed tenants that are associated with a Forge installation, as of the last count.";
    COUNTED: Gauge "connect_tenants_counted_timestamp_seconds" [] "When the tenants were last counted.";
    CONNECT_ENDS: Gauge "connect_days_until_connect_ends" []
        "Days until Connect ends, on 2027-01-31; negative afterwards.";
}

/// The upper bounds of the buckets for durations, in seconds; also of the app's own histograms.
pub(super) const BUCKETS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The same for periodic jobs.
pub(super) const JOB_BUCKETS: [f64; 9] = [0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let mut names = std::collections::BTreeSet::new();
        for (name, kind, labels, help) in ALL {
            assert!(name.starts_with("connect_") && names.insert(name), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
            assert!(help.ends_with('.') && labels.len() <= 3, "{name}");
        }
    }

    #[test]
    fn every_metric_is_documented() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitoring.md");
        let page = std::fs::read_to_string(page).unwrap();
        for (name, _, labels, _) in ALL {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{name}`")));
            let row = row.unwrap_or_else(|| panic!("docs/monitoring.md has no row for {name}"));
            assert!(labels.iter().all(|label| row.contains(&format!("`{label}`"))), "{row}");
        }
    }
}
