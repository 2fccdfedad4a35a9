//! Databases that atlassian-connect-express 11.5.3 created, see `tests/fixtures/ace`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Sandbox;
use crate::{CLIENT_INFO, Place};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ace").join(name)
}

/// clientKey -> the tenant in the fixture's description.
fn described(name: &str) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    let description: Value = serde_json::from_str(&text).unwrap();
    let tenants = description["tenants"].as_array().unwrap();
    tenants.iter().map(|tenant| (tenant["clientKey"].as_str().unwrap().to_owned(), tenant.clone())).collect()
}

/// Every row and every object of the database, except the migrations' own table.
fn content(sandbox: &Sandbox) -> Vec<(String, String)> {
    let catalog = match sandbox.backend() {
        "postgres" => {
            "SELECT tablename AS one, indexdef AS two FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname"
        }
        "mysql" => {
            "SELECT CONCAT_WS('.', table_name, index_name) AS one, column_name AS two FROM information_schema.statistics
                WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index"
        }
        _ => "SELECT name AS one, sql AS two FROM sqlite_master ORDER BY name",
    };
    let mut content = sandbox.rows(catalog);
    // what is not ACE's
    content.retain(|(name, _)| !name.contains("__diesel_schema_migrations") && !name.contains("forge_events"));
    for (table, owner) in [("AddonSettings", "clientKey"), ("ForgeSettings", "installationId")] {
        let rows = format!(r#"SELECT "{owner}" || "key" AS one, @val AS two FROM "{table}" ORDER BY "id""#);
        content.extend(sandbox.rows(&rows));
    }
    let associations =
        r#"SELECT "installationId" AS one, "clientKey" AS two FROM "InstallationClientKeys" ORDER BY "id""#;
    content.extend(sandbox.rows(associations));
    content
}

async fn opens_as_it_is(mut sandbox: Sandbox, tenants: BTreeMap<String, Value>) {
    let before = content(&sandbox);
    let store = sandbox.open().await;
    assert_eq!(content(&sandbox), before, "opening must change nothing of ACE's");
    let steps = sandbox.rows(r#"SELECT "version" AS one, NULL AS two FROM "__diesel_schema_migrations""#);
    assert_eq!(steps, [("20261129000001".to_owned(), String::new())], "only the table of events is added");

    let page = store.tenants(None, 100).await.unwrap();
    assert_eq!(page.next, None);
    assert_eq!(page.tenants.len(), 4);
    for (client_key, installation) in &page.tenants {
        let tenant = &tenants[client_key];
        for field in ["sharedSecret", "baseUrl", "oauthClientId"] {
            assert_eq!(installation[field], tenant[field], "{field} of {client_key}");
        }
        assert_eq!(store.installations(client_key).await.unwrap(), std::slice::from_ref(installation));
    }
    let named = |name: &str| tenants.values().find(|tenant| tenant["name"] == name).unwrap();
    let (forge, plain) = (named("forge"), named("plain")["clientKey"].as_str().unwrap());
    let unicode = store.installations(named("unicode")["clientKey"].as_str().unwrap()).await.unwrap();
    assert_eq!(unicode[0]["description"], "Zoë & Søn ☃ 日本");
    let (installation_id, forge_key) =
        (forge["installationId"].as_str().unwrap(), forge["clientKey"].as_str().unwrap());
    assert_eq!(store.client_key_of_installation(installation_id).await.unwrap().as_deref(), Some(forge_key));
    assert_eq!(
        store.get(Place::of_forge(installation_id, "appToken")).await.unwrap().unwrap()["appToken"],
        "app-token-1"
    );

    // A new install of one tenant, as the host sends it, with a new secret.
    let renewed = json!({ "clientKey": plain, "sharedSecret": "renewed", "baseUrl": "https://new.example.com" });
    store.save_installation(plain, &renewed, None).await.unwrap();
    sandbox.config.auto_migrate = true;
    let store = sandbox.open().await;
    assert_eq!(store.installations(plain).await.unwrap(), std::slice::from_ref(&renewed));
    let expected: Vec<_> = before
        .into_iter()
        .map(
            |(name, value)| {
                if name == format!("{plain}{CLIENT_INFO}") { (name, renewed.to_string()) } else { (name, value) }
            },
        )
        .collect();
    assert_eq!(content(&sandbox), expected, "only one row has changed");
}

#[tokio::test]
async fn an_ace_file_opens_as_it_is() {
    let sandbox = Sandbox::sqlite_file();
    let file = sandbox.url().trim_start_matches("sqlite:");
    std::fs::copy(fixture("ace-11.5.3.sqlite"), file).unwrap();
    let written_by_ace = std::fs::read(file).unwrap()[18];
    opens_as_it_is(sandbox, described("ace-11.5.3.sqlite.tenants.json")).await;
    assert_eq!(written_by_ace, 1, "the file uses a rollback journal");
}

#[tokio::test]
async fn an_ace_file_keeps_its_journal_mode() {
    let sandbox = Sandbox::sqlite_file();
    let file = sandbox.url().trim_start_matches("sqlite:").to_owned();
    std::fs::copy(fixture("ace-11.5.3.sqlite"), &file).unwrap();
    let store = sandbox.open().await;
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap()[18], 1, "1 is a rollback journal, 2 would be WAL");
}

#[tokio::test]
#[ignore = "needs TEST_POSTGRES_URL, see .ci/servers"]
async fn an_ace_dump_opens_as_it_is() {
    let sandbox = Sandbox::postgres();
    let dump = std::fs::read_to_string(fixture("ace-11.5.3.postgres.sql")).unwrap();
    // Skips psql's own commands. The rest is SQL with qualified names.
    let dump: Vec<_> = dump.lines().filter(|line| !line.starts_with('\\')).collect();
    sandbox.sql(&dump.join("\n")).unwrap();
    opens_as_it_is(sandbox, described("ace-11.5.3.postgres.tenants.json")).await;
}

#[cfg(feature = "mysql")]
#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]
async fn an_ace_dump_of_mariadb_opens_as_it_is() {
    let sandbox = Sandbox::mysql();
    let dump = std::fs::read_to_string(fixture("ace-11.5.3.mariadb.sql")).unwrap();
    sandbox.sql(&dump).unwrap();
    // the rows equal those of the SQLite file
    opens_as_it_is(sandbox, described("ace-11.5.3.sqlite.tenants.json")).await;
}
