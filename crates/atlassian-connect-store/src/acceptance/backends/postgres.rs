//! A PostgreSQL server: databases for the tests, failures, TLS.

use diesel::connection::SimpleConnection;
use futures_util::future::try_join_all;
use r2d2::ManageConnection;
use serde_json::{Value, json};

use super::database::TestDatabase;
use super::order::Held;
use super::{Sandbox, absent, cause_of, config, on_thread, shown, with_url};
use crate::config::StoreConfig;
use crate::postgres::connector_for_tests;
use crate::{Place, StoreError, open};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: .ci/servers start prints it"))
}

/// Runs SQL on the server's own database.
fn server(sql: &str) {
    let config = config(&variable("TEST_POSTGRES_URL"));
    on_thread(|| connector_for_tests(&config).unwrap().connect().unwrap().batch_execute(sql).unwrap());
}

pub(super) fn database() -> TestDatabase {
    TestDatabase::new(&variable("TEST_POSTGRES_URL"), server, "TEMPLATE template0", "WITH (FORCE)")
}

#[tokio::test]
#[ignore = "needs TEST_POSTGRES_URL, see .ci/servers"]
async fn connections_that_the_server_ended_are_replaced() {
    let sandbox = Sandbox::postgres();
    let store = sandbox.open().await;
    for round in 0..10 {
        // More than the pool has connections, so that all of them are used.
        try_join_all((0..16).map(|_| store.ping())).await.unwrap();
        sandbox
            .sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .unwrap();
        let value = json!(round);
        if round % 2 == 0 {
            store.set(Place::of_tenant("tenant", "key"), &value).await.unwrap();
        }
        assert!(store.get(Place::of_tenant("tenant", "key")).await.unwrap().is_some(), "round {round}");
        try_join_all((0..16).map(|_| store.get(Place::of_tenant("tenant", "key")))).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs TEST_POSTGRES_URL, see .ci/servers"]
async fn a_server_that_goes_away_is_unavailable_until_it_is_back() {
    absent::a_server_that_goes_away_is_unavailable_until_it_is_back(Sandbox::postgres()).await;
}

#[tokio::test]
#[ignore = "needs TEST_POSTGRES_URL, see .ci/servers"]
async fn a_server_that_falls_silent_is_unavailable_until_it_speaks() {
    absent::a_server_that_falls_silent_is_unavailable_until_it_speaks(Sandbox::postgres()).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_at_once() {
    absent::a_server_that_is_not_there_is_unavailable_at_once("postgres", "d").await;
}

#[tokio::test]
async fn a_silent_server_times_out() {
    absent::a_silent_server_times_out("postgres", "/d?sslmode=disable").await;
}

#[tokio::test]
#[ignore = "needs TEST_POSTGRES_URL, see .ci/servers"]
async fn wrong_credentials_are_a_configuration_error() {
    let sandbox = Sandbox::postgres();
    let error = open(&with_url(sandbox.url(), |url| url.set_password(Some("hush")).unwrap())).await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains("authentication") && !shown(&error).contains("hush"), "{}", shown(&error));
    let code = cause_of::<tokio_postgres::Error>(&error).and_then(tokio_postgres::Error::code);
    assert_eq!(code, Some(&tokio_postgres::error::SqlState::INVALID_PASSWORD));
    assert!(shown(&error).contains("SQLSTATE 28P01"), "{}", shown(&error));

    let error = open(&with_url(sandbox.url(), |url| url.set_path("/no_such_database"))).await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains("no_such_database"), "{error}");
}

/// The server speaks German.
#[tokio::test]
#[ignore = "needs TEST_POSTGRES_URL, see .ci/servers"]
async fn waiting_that_the_server_ends_is_temporary_in_another_language() {
    let sandbox = Sandbox::postgres();
    let store = sandbox.open().await;
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
    drop(store);
    let name = sandbox.url().rsplit_once('/').unwrap().1;
    server(&format!("ALTER DATABASE {name} SET lc_messages = 'de_DE.UTF-8'"));
    let store = sandbox.open().await;

    // Another program that holds the row for long.
    let other = sandbox.config.clone();
    let held = Held::new(move |blocked, wait| {
        let mut connection = connector_for_tests(&other).unwrap().connect().unwrap();
        connection.batch_execute(r#"BEGIN; UPDATE "AddonSettings" SET "val" = '2'"#).unwrap();
        blocked();
        wait();
        connection.batch_execute("ROLLBACK").unwrap();
    });
    let error = store.set(Place::of_tenant("tenant", "key"), &json!(3)).await.unwrap_err();
    insta::assert_snapshot!(error, @"the store is not available: storniere Anfrage wegen Zeitüberschreitung der Anfrage");
    drop(held);

    sandbox.sql(r#"ALTER TABLE "AddonSettings" RENAME TO elsewhere"#).unwrap();
    let error = store.set(Place::of_tenant("tenant", "key"), &json!(3)).await.unwrap_err();
    insta::assert_snapshot!(error, @"the store failed: Relation »AddonSettings« existiert nicht");
}

/// Connects to the server that requires TLS, under the name `host`.
fn connect(host: &str, parameters: &str, ssl: Option<Value>) -> Result<(), StoreError> {
    let config = with_url(&variable("TEST_POSTGRES_TLS_URL"), |url| {
        url.set_host(Some(host)).unwrap();
        url.set_query(Some(parameters));
    });
    let config = StoreConfig { ssl, ..config };
    on_thread(|| connector_for_tests(&config)?.connect().map(drop))
}

fn assert_refused(outcome: Result<(), StoreError>, because: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains(because), "{error}");
}

#[test]
#[ignore = "needs TEST_POSTGRES_TLS_URL, see .ci/servers"]
fn each_sslmode_asks_for_what_it_says() {
    let ca = variable("TEST_POSTGRES_CA");
    connect("localhost", "sslmode=require", None).unwrap();
    connect("localhost", "sslmode=prefer", None).unwrap();
    connect("localhost", "", None).unwrap();
    assert_refused(connect("localhost", "sslmode=disable", None), "pg_hba.conf");
    let without_tls = format!("{}?sslmode=require", variable("TEST_POSTGRES_URL"));
    assert_refused(
        on_thread(|| connector_for_tests(&config(&without_tls))?.connect().map(drop)),
        "sslmode=disable in the URL connects without encryption",
    );

    for mode in ["verify-ca", "verify-full"] {
        assert_refused(connect("localhost", &format!("sslmode={mode}"), None), "sslrootcert=<file>");
        connect("localhost", &format!("sslmode={mode}&sslrootcert={ca}"), None).unwrap();
    }
    // The certificate is for another name.
    connect("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={ca}"), None).unwrap();
    assert_refused(connect("127.0.0.1", &format!("sslmode=verify-full&sslrootcert={ca}"), None), "certificate");

    // As in libpq: if an authority is given, the certificate is verified against it.
    connect("127.0.0.1", &format!("sslmode=require&sslrootcert={ca}"), None).unwrap();
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
    assert_refused(connect("localhost", &format!("sslmode=require&sslrootcert={other}"), None), "certificate");
}

#[test]
#[ignore = "needs TEST_POSTGRES_TLS_URL, see .ci/servers"]
fn ace_settings_connect_as_they_did() {
    let pem = std::fs::read_to_string(variable("TEST_POSTGRES_CA")).unwrap();
    connect("localhost", "", Some(json!({ "require": true, "rejectUnauthorized": false }))).unwrap();
    connect("localhost", "", Some(json!({ "ca": pem }))).unwrap();
    connect("localhost", "", Some(json!({ "ca": [pem] }))).unwrap();
    assert_refused(connect("localhost", "", Some(json!(true))), "certificate");
    assert_refused(connect("localhost", "", Some(json!(false))), "pg_hba.conf");
    connect("localhost", "sslmode=require", Some(json!(false))).unwrap();
}
