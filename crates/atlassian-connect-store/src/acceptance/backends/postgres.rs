//! A PostgreSQL server: databases for the tests, failures, TLS.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use futures_util::future::try_join_all;
use r2d2::ManageConnection;
use serde_json::{Value, json};

use super::proxy::Proxy;
use super::{Sandbox, config, on_thread, unique};
use crate::config::StoreConfig;
use crate::postgres::database_manager;
use crate::{Place, StoreError, open};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: .ci/postgres start prints it"))
}

/// Runs SQL on the server's own database.
fn server(sql: &str) {
    let config = config(&variable("TEST_POSTGRES_URL"));
    on_thread(|| database_manager(&config).unwrap().connect().unwrap().batch_execute(sql).unwrap());
}

/// A database of the server, dropped with this value.
pub(super) struct TestDatabase {
    name: String,
    pub url: String,
}

impl TestDatabase {
    pub(super) fn new() -> Self {
        let url = variable("TEST_POSTGRES_URL");
        let name = format!("test_{}_{}", std::process::id(), unique());
        // Left by an earlier process with the same id that did not finish.
        server(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        server(&format!("CREATE DATABASE {name} TEMPLATE template0"));
        let (server, _) = url.rsplit_once('/').unwrap();
        Self { url: format!("{server}/{name}"), name }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            server(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

#[tokio::test]
#[ignore = "needs TEST_POSTGRES_URL, see .ci/postgres"]
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
#[ignore = "needs TEST_POSTGRES_URL, see .ci/postgres"]
async fn a_server_that_goes_away_is_unavailable_until_it_is_back() {
    let sandbox = Sandbox::postgres();
    let mut url = url::Url::parse(sandbox.url()).unwrap();
    let proxy = Proxy::to(sandbox.url());
    url.set_port(Some(proxy.port)).unwrap();
    let store = open(&config(url.as_str())).await.unwrap();
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();

    proxy.cut();
    let started = Instant::now();
    let error = store.get(Place::of_tenant("tenant", "key")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));

    proxy.restore();
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!(1)));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_at_once() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Instant::now();
    let error = open(&config(&format!("postgres://u:hush@127.0.0.1:{port}/d"))).await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains(&format!("u:***@127.0.0.1:{port}/d")), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let started = Instant::now();
    let error = open(&config(&format!("postgres://u:hush@127.0.0.1:{port}/d?sslmode=disable"))).await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

#[tokio::test]
#[ignore = "needs TEST_POSTGRES_URL, see .ci/postgres"]
async fn wrong_credentials_are_a_configuration_error() {
    let sandbox = Sandbox::postgres();
    let mut url = url::Url::parse(sandbox.url()).unwrap();
    url.set_password(Some("hush")).unwrap();
    let error = open(&config(url.as_str())).await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains("authentication") && !error.to_string().contains("hush"), "{error}");

    let mut url = url::Url::parse(sandbox.url()).unwrap();
    url.set_path("/no_such_database");
    let error = open(&config(url.as_str())).await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains("no_such_database"), "{error}");
}

/// The server speaks German.
#[tokio::test]
#[ignore = "needs TEST_POSTGRES_URL, see .ci/postgres"]
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
    let (held, is_held) = std::sync::mpsc::channel();
    let (done, end) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        let mut connection = database_manager(&other).unwrap().connect().unwrap();
        connection.batch_execute(r#"BEGIN; UPDATE "AddonSettings" SET "val" = '2'"#).unwrap();
        held.send(()).unwrap();
        let _ = end.recv();
        connection.batch_execute("ROLLBACK").unwrap();
    });
    is_held.recv().unwrap();
    let error = store.set(Place::of_tenant("tenant", "key"), &json!(3)).await.unwrap_err();
    insta::assert_snapshot!(error, @"the store is not available: storniere Anfrage wegen Zeitüberschreitung der Anfrage");
    done.send(()).unwrap();
    other.join().unwrap();

    sandbox.sql(r#"ALTER TABLE "AddonSettings" RENAME TO elsewhere"#).unwrap();
    let error = store.set(Place::of_tenant("tenant", "key"), &json!(3)).await.unwrap_err();
    insta::assert_snapshot!(error, @"the store failed: Relation »AddonSettings« existiert nicht");
}

/// Connects to the server that requires TLS, under the name `host`.
fn connect(host: &str, parameters: &str, ssl: Option<Value>) -> Result<(), StoreError> {
    let mut url = url::Url::parse(&variable("TEST_POSTGRES_TLS_URL")).unwrap();
    url.set_host(Some(host)).unwrap();
    url.set_query(Some(parameters));
    let config = StoreConfig { ssl, ..config(url.as_str()) };
    on_thread(|| database_manager(&config)?.connect().map(drop))
}

fn assert_refused(outcome: Result<(), StoreError>, because: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains(because), "{error}");
}

#[test]
#[ignore = "needs TEST_POSTGRES_TLS_URL, see .ci/postgres"]
fn each_sslmode_asks_for_what_it_says() {
    let ca = variable("TEST_POSTGRES_CA");
    connect("localhost", "sslmode=require", None).unwrap();
    connect("localhost", "sslmode=prefer", None).unwrap();
    connect("localhost", "", None).unwrap();
    assert_refused(connect("localhost", "sslmode=disable", None), "pg_hba.conf");
    let without_tls = format!("{}?sslmode=require", variable("TEST_POSTGRES_URL"));
    assert_refused(
        on_thread(|| database_manager(&config(&without_tls))?.connect().map(drop)),
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
#[ignore = "needs TEST_POSTGRES_TLS_URL, see .ci/postgres"]
fn ace_settings_connect_as_they_did() {
    let pem = std::fs::read_to_string(variable("TEST_POSTGRES_CA")).unwrap();
    connect("localhost", "", Some(json!({ "require": true, "rejectUnauthorized": false }))).unwrap();
    connect("localhost", "", Some(json!({ "ca": pem }))).unwrap();
    connect("localhost", "", Some(json!({ "ca": [pem] }))).unwrap();
    assert_refused(connect("localhost", "", Some(json!(true))), "certificate");
    assert_refused(connect("localhost", "", Some(json!(false))), "pg_hba.conf");
    connect("localhost", "sslmode=require", Some(json!(false))).unwrap();
}
