//! What is known in the end, and what the report says.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use atlassian_connect_actix::internal::association::{
    InstallationRecord, installation_record, save_installation_record, site_record,
};
use atlassian_connect_actix::store::{Place, Store};
use serde_json::{Value, json};

use super::customers::{Case, Fleet, Installation, Installed};
use super::unix_seconds;

/// A setting that each installation has.
const NOTE: &str = "note";
/// A setting that some tenants have as well, with another value.
const GREETING: &str = "greeting";
/// How many questions a node has under way at most.
const AT_ONCE: usize = 32;
/// Longer than a node waits for an answer, in seconds.
const ANSWERED: u64 = 15;

/// The store, compared with the truth.
pub(super) struct Outcome {
    pub(super) fleet: Arc<Fleet>,
    pub(super) store: Arc<dyn Store>,
    /// When a node was killed, in seconds since 1970.
    pub(super) killed_at: u64,
}

/// Stores settings of the customers, as before a tenant is known.
pub(super) async fn prepare(store: &dyn Store, fleet: &Fleet) {
    for installation in fleet.installations() {
        store.set(Place::of_tenant(&installation.keys[0], NOTE), &note(installation)).await.unwrap();
    }
    for (installation, tenant) in fleet.cases.iter().filter_map(with_greetings) {
        store.set(Place::of_tenant(&installation.keys[0], GREETING), &json!("of the site")).await.unwrap();
        store.set(Place::of_tenant(tenant, GREETING), &json!("of the tenant")).await.unwrap();
    }
}

fn note(installation: &Installation) -> Value {
    format!("of {}", installation.keys[0]).into()
}

/// The first installation of a case with a tenant that has another greeting.
fn with_greetings(case: &Case) -> Option<(&Installation, &str)> {
    let is_one = matches!(case.sort, "named by the property" | "without a token" | "installed again, with a token");
    let installation = case.installations.first().filter(|_| is_one)?;
    Some((installation, installation.known.as_deref()?))
}

impl Outcome {
    async fn record(&self, installation: &Installation) -> Option<InstallationRecord> {
        installation_record(self.store.as_ref(), &installation.id).await.unwrap()
    }

    async fn owner(&self, id: &str) -> Option<String> {
        self.store.client_key_of_installation(id).await.unwrap()
    }

    /// Whether a node was killed after it had noted that it asks, and before it noted an answer.
    fn is_lost(&self, record: Option<&InstallationRecord>) -> bool {
        let is_early = |asked: u64| (1..=self.killed_at).contains(&asked);
        record.is_some_and(|record| record.answers.is_empty() && record.asked.is_some_and(is_early))
    }

    /// Waits until the servers know what they can know alone. Returns the installations whose question was lost with the
    /// node that was killed.
    pub(super) async fn assert_served(&self) -> Vec<String> {
        let begun = Instant::now();
        let all = u32::try_from(self.fleet.installations().count()).unwrap();
        let patience = Duration::from_secs(30) + Duration::from_millis(500) * all;
        loop {
            let (mut open, mut lost) = (Vec::new(), Vec::new());
            for case in &self.fleet.cases {
                for installation in &case.installations {
                    let record = self.record(installation).await;
                    let has = self.owner(&installation.id).await;
                    let answer = record.as_ref().map_or(Value::Null, |record| json!(record.answer));
                    let is_done = if let Some(expected) = &installation.served {
                        has.as_ref() == Some(expected)
                    } else {
                        let is_asked = |record: &InstallationRecord| !record.answers.is_empty();
                        let is_asked = installation.questions == 0 || record.as_ref().is_some_and(is_asked);
                        record.is_some() && is_asked && answer == installation.answer
                    };
                    if is_done {
                        continue;
                    }
                    // the other node may have asked in the same second, and wait for the answer
                    if self.is_lost(record.as_ref()) && unix_seconds() > self.killed_at + ANSWERED {
                        lost.push(installation.id.clone());
                    } else {
                        open.push(format!("{}: {} has {has:?}, {record:?}", case.sort, installation.id));
                    }
                }
            }
            if open.is_empty() {
                assert!(lost.len() <= AT_ONCE, "{lost:?} were lost");
                return lost;
            }
            assert!(begun.elapsed() < patience, "the servers do not know: {open:#?}");
            actix_web::rt::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A day passes for these installations.
    pub(super) async fn let_a_day_pass(&self, ids: &[String]) {
        for id in ids {
            let mut record = installation_record(self.store.as_ref(), id).await.unwrap().unwrap();
            record.asked = Some(0);
            save_installation_record(self.store.as_ref(), id, &record).await.unwrap();
        }
    }

    /// Each installation and each site has its tenant, or none.
    pub(super) async fn assert_known(&self) {
        for case in &self.fleet.cases {
            for Installation { id, known, .. } in &case.installations {
                assert_eq!(self.owner(id).await, *known, "{}: {id}", case.sort);
            }
        }
        let of_tenant: HashMap<&str, &Installed> =
            self.fleet.tenants().map(|installed| (installed.tenant.client_key.as_str(), installed)).collect();
        for (key, client_key) in self.fleet.sites_of_tenants() {
            let installed = of_tenant[client_key.as_str()];
            let is_named = self.fleet.info_is_usual(&installed.tenant.base_url);
            if is_named && installed.status == "associated" && !installed.is_gone {
                assert_eq!(self.owner(&key).await.as_deref(), Some(client_key.as_str()), "{key}");
            }
        }
    }

    /// The settings have followed, or stayed where they are.
    pub(super) async fn assert_data(&self, told: &str) {
        let store = self.store.as_ref();
        for case in &self.fleet.cases {
            let greetings = with_greetings(case).map(|(installation, _)| installation.id.as_str());
            for installation in case.installations.iter().filter(|installation| installation.has_data) {
                let (key, what) = (&installation.keys[0], format!("{}: {}", case.sort, installation.id));
                let left = store.get(Place::of_tenant(key, NOTE)).await.unwrap();
                let Some(tenant) = &installation.known else {
                    assert_eq!(left, Some(note(installation)), "{what}");
                    continue;
                };
                assert_eq!(
                    store.get(Place::of_tenant(tenant, NOTE)).await.unwrap(),
                    Some(note(installation)),
                    "{what}"
                );
                assert_eq!(left, None, "{what}");
                assert!(told.contains(&format!("{key} -> {tenant}\n")), "{what}: the app was not told");
                if greetings != Some(installation.id.as_str()) {
                    continue;
                }
                let kept = site_record(store, key).await.unwrap().unwrap().kept;
                assert_eq!(kept, [GREETING], "{what}");
                assert_eq!(
                    store.get(Place::of_tenant(key, GREETING)).await.unwrap(),
                    Some(json!("of the site")),
                    "{what}"
                );
                assert_eq!(
                    store.get(Place::of_tenant(tenant, GREETING)).await.unwrap(),
                    Some(json!("of the tenant")),
                    "{what}"
                );
            }
        }
    }

    /// The report says what is left, and why.
    pub(super) async fn assert_reported(&self, report: &Value) {
        let status = |row: &Value| (row["status"].clone(), row["movedTo"].clone());
        let told: BTreeMap<&str, _> = report["tenants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["clientKey"].as_str().unwrap(), status(row)))
            .collect();
        let installed = self.fleet.tenants().filter(|installed| !installed.is_gone);
        let expected: BTreeMap<&str, _> = installed
            .map(|Installed { tenant, status, moved_to, .. }| {
                (tenant.client_key.as_str(), (json!(status), json!(moved_to)))
            })
            .collect();
        assert_eq!(told, expected);
        let mut summary: BTreeMap<&str, usize> = BTreeMap::new();
        for (status, _) in expected.values() {
            *summary.entry(status.as_str().unwrap()).or_default() += 1;
        }
        for status in ["associated", "unchecked", "unreachable", "renamed", "ambiguous", "unusable", "stale"] {
            assert_eq!(report["summary"][status], summary.get(status).copied().unwrap_or_default(), "{status}");
        }
        let count = |status| summary.get(status).copied().unwrap_or_default();
        let open = expected.len() - count("associated") - count("stale");
        assert_eq!((&report["summary"]["tenants"], &report["summary"]["open"]), (&json!(expected.len()), &json!(open)));
        self.assert_kept_are_named(report);
        self.assert_without_tenant(report).await;
    }

    /// The settings that could not move.
    fn assert_kept_are_named(&self, report: &Value) {
        let rows = report["tenants"].as_array().unwrap().iter();
        let told: BTreeMap<&str, &Value> = rows
            .filter(|row| row["kept"] != json!([]))
            .map(|row| (row["clientKey"].as_str().unwrap(), &row["kept"]))
            .collect();
        let kept = self.fleet.cases.iter().filter_map(with_greetings);
        let kept: BTreeMap<&str, Value> = kept
            .map(|(installation, tenant)| (tenant, json!([{ "site": installation.keys[0], "keys": [GREETING] }])))
            .collect();
        assert_eq!(told, kept.iter().map(|(tenant, kept)| (*tenant, kept)).collect::<BTreeMap<_, _>>());
        assert_eq!(report["summary"]["kept"], kept.len());
    }

    async fn assert_without_tenant(&self, report: &Value) {
        let rows = report["withoutTenant"].as_array().unwrap();
        let mut told: HashMap<&str, &Value> =
            rows.iter().map(|row| (row["installationId"].as_str().unwrap(), row)).collect();
        for case in &self.fleet.cases {
            for installation in case.installations.iter().filter(|installation| installation.known.is_none()) {
                let row = told.remove(installation.id.as_str());
                let what = format!("{}: {}", case.sort, installation.id);
                let row = row.unwrap_or_else(|| panic!("{what} is not in the report"));
                let is_lost = self.is_lost(self.record(installation).await.as_ref());
                assert!(is_lost || row["answer"] == installation.answer, "{what}: {row}");
                assert_eq!(row["isForgeAlone"], row["answer"] == "none", "{what}");
            }
        }
        assert!(told.is_empty(), "these have a tenant: {told:?}");
    }
}
