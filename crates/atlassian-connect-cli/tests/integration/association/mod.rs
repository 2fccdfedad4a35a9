//! `tenants associate` and `tenants migration`, with fake sites.

mod associate;
mod environments;
mod interrupted;
mod kept;
mod moves;
mod refusals;
mod report;
mod rivals;
mod site;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use atlassian_connect_actix::internal::association::{
    CHECKED, InstallationRecord, TenantRecord, save_installation_record,
};
use atlassian_connect_actix::store::{Place, Store};
use atlassian_connect_testing::TestTenant;
use serde_json::{Value, json};

use crate::command::{Said, Workplace};
use crate::support::{blocking, fixture};

/// A folder with a SQLite file.
fn workplace() -> Arc<Workplace> {
    Arc::new(Workplace::new().with_file().var("AC_APP_ID", "6f0e5a4c"))
}

async fn install(place: &Workplace, tenant: &TestTenant) {
    let payload = tenant.payload(fixture::KEY, "installed");
    let id = tenant.installation_id.as_deref();
    place.store().await.save_installation(&tenant.client_key, &payload, id).await.unwrap();
}

/// A Forge installation that has called from these sites.
async fn installation(place: &Workplace, id: &str, sites: &[&str]) {
    installation_seen(place, id, sites, now()).await;
}

async fn installation_seen(place: &Workplace, id: &str, sites: &[&str], seen: u64) {
    let record = InstallationRecord {
        sites: sites.iter().map(|&site| site.to_owned()).collect(),
        seen,
        ..InstallationRecord::default()
    };
    save_installation_record(place.store().await.as_ref(), id, &record).await.unwrap();
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Runs `tenants …` while the fake sites serve.
async fn run(place: &Arc<Workplace>, arguments: &[&str]) -> Said {
    let arguments: Vec<String> = ["tenants"].iter().chain(arguments).map(|&word| word.to_owned()).collect();
    let place = Arc::clone(place);
    blocking(move || place.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())).await
}

/// The clientKey of an installation or site.
async fn owner(store: &dyn Store, id: &str) -> Option<String> {
    store.client_key_of_installation(id).await.unwrap()
}

/// The result that is stored for a tenant.
async fn record(place: &Workplace, client_key: &str) -> Option<TenantRecord> {
    let value = place.store().await.get(Place::of_tenant(client_key, CHECKED)).await.unwrap();
    value.map(|value| serde_json::from_value(value).unwrap())
}

async fn result(place: &Workplace, client_key: &str) -> Value {
    record(place, client_key).await.map_or(Value::Null, |record| json!(record.result))
}
