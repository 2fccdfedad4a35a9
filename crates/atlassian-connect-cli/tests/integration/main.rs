//! The command line, run as separate processes.
#![cfg(unix)]
// what helpers cannot do is a failed test
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
// tables read best as they are written
#![allow(clippy::format_collect, clippy::format_push_string, clippy::too_many_lines)]

mod app;
mod arguments;
mod association;
mod command;
mod descriptor;
mod doctor;
mod events;
mod fleet;
mod forge;
mod kill;
mod logs;
mod messages;
mod migrate;
mod process;
mod purge;
mod registration;
mod sealing;
mod secrets;
mod start;
mod stop;
#[allow(dead_code)]
#[path = "../../../atlassian-connect-actix/tests/integration/support/mod.rs"]
mod support;
mod tenants;
mod token;

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::sqlite::SqliteConnection;
use serde_json::{Value, json};

use crate::command::Workplace;

/// Part of every secret in these tests.
const HUSH: &str = "hush";

/// Encryption keys.
const KEY: &str = "a2V5IG9uZSBrZXkgb25lIGtleSBvbmUga2V5IG9uZSE=";
const NEW: &str = "bmV3IGtleSBuZXcga2V5IG5ldyBrZXkgbmV3IGtleSE=";

fn installation(client_key: &str, base_url: &str) -> Value {
    json!({
        "key": "com.example.fixture-app",
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

/// Runs SQL on the file in a folder, like another program.
fn sql(place: &Workplace, text: &str) {
    let mut connection = SqliteConnection::establish(place.path("addon.db").to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    connection.batch_execute(text).unwrap();
}

/// A copy of the database that ACE created, and its description of the tenants.
fn of_ace() -> (Workplace, Vec<Value>) {
    let fixtures =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../atlassian-connect-store/tests/fixtures/ace");
    let place = Workplace::new().with_file();
    std::fs::copy(fixtures.join("ace-11.5.3.sqlite"), place.path("addon.db")).unwrap();
    let description = std::fs::read_to_string(fixtures.join("ace-11.5.3.sqlite.tenants.json")).unwrap();
    let description: Value = serde_json::from_str(&description).unwrap();
    (place, description["tenants"].as_array().unwrap().clone())
}
