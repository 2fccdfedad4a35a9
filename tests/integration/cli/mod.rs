//! The command line, as the processes that people start.

mod arguments;
mod doctor;
mod forge;
mod migrate;
mod purge;
mod sealing;
mod tenants;
mod token;

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::sqlite::SqliteConnection;
use serde_json::{Value, json};

use crate::support::command::Workplace;

/// In every secret of these tests.
const HUSH: &str = "hush";

/// Keys that seal.
const KEY: &str = "a2V5IG9uZSBrZXkgb25lIGtleSBvbmUga2V5IG9uZSE=";
const NEW: &str = "bmV3IGtleSBuZXcga2V5IG5ldyBrZXkgbmV3IGtleSE=";

fn installation(client_key: &str, base_url: &str) -> Value {
    json!({
        "key": "com.example.hello-from-rust",
        "clientKey": client_key,
        "sharedSecret": format!("{HUSH}-{client_key}-0123456789abcdef"),
        "baseUrl": base_url,
        "productType": "jira",
        "description": "Zoë & Søn ☃ 日本",
    })
}

/// Installs a site in the store.
async fn install(place: &Workplace, client_key: &str, base_url: &str) {
    place.store().await.save_installation(client_key, &installation(client_key, base_url), None).await.unwrap();
}

/// Runs SQL on the file of a workplace, as another program does.
fn sql(place: &Workplace, text: &str) {
    let mut connection = SqliteConnection::establish(place.path("addon.db").to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    connection.batch_execute(text).unwrap();
}

/// A copy of the database that ACE wrote, and what its description says of the tenants.
fn of_ace() -> (Workplace, Vec<Value>) {
    let fixtures =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/atlassian-connect-store/tests/fixtures/ace");
    let place = Workplace::new().with_file();
    std::fs::copy(fixtures.join("ace-11.5.3.sqlite"), place.path("addon.db")).unwrap();
    let description = std::fs::read_to_string(fixtures.join("ace-11.5.3.sqlite.tenants.json")).unwrap();
    let description: Value = serde_json::from_str(&description).unwrap();
    (place, description["tenants"].as_array().unwrap().clone())
}
