//! A server of MySQL's kind: its databases for the tests, its failures, its TLS. `.ci/mariadb` starts MariaDB.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use r2d2::ManageConnection as _;
use serde_json::{Value, json};

use super::proxy::Proxy;
use super::{Sandbox, config, on_thread, unique};
use crate::config::StoreConfig;
use crate::connection::DbConnection;
use crate::connection::MysqlConnection;
use crate::mysql::Manager;
use crate::{StoreError, open};

/// As Sequelize makes them, which leaves the character set to the server.
pub(super) const TABLES_OF_ACE: &str = "
    CREATE TABLE `AddonSettings` (`id` INTEGER NOT NULL auto_increment, `clientKey` VARCHAR(255), `key` VARCHAR(255),
        `val` JSON, PRIMARY KEY (`id`)) ENGINE=InnoDB;
    ALTER TABLE `AddonSettings` ADD INDEX `addon_settings_client_key_key` (`clientKey`, `key`);
    CREATE TABLE `InstallationClientKeys` (`id` INTEGER NOT NULL auto_increment, `installationId` VARCHAR(255) NOT NULL,
        `clientKey` VARCHAR(255) NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB;
    ALTER TABLE `InstallationClientKeys` ADD INDEX `installation_client_keys_installation_id` (`installationId`);
    ALTER TABLE `InstallationClientKeys` ADD INDEX `installation_client_keys_client_key` (`clientKey`);
    CREATE TABLE `ForgeSettings` (`id` INTEGER NOT NULL auto_increment, `installationId` VARCHAR(255) NOT NULL,
        `key` VARCHAR(255) NOT NULL, `val` JSON NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB;
    ALTER TABLE `ForgeSettings` ADD INDEX `forge_settings_installation_id_key` (`installationId`, `key`)";

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: .ci/mariadb start prints it"))
}

/// A connection for SQL as the other databases have it. Blocks.
pub(super) fn connection(config: &StoreConfig) -> MysqlConnection {
    let DbConnection::Mysql(mut connection) = Manager::new(config).unwrap().connect().unwrap() else {
        panic!("no connection to MySQL")
    };
    connection.batch("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES,PIPES_AS_CONCAT')").unwrap();
    connection
}

/// Runs SQL on the server.
fn server(sql: &str) {
    let config = config(&variable("TEST_MYSQL_URL"));
    on_thread(|| connection(&config).batch(sql).unwrap());
}

/// A database of the server, dropped with this.
pub(super) struct TestDatabase {
    name: String,
    pub url: String,
}

impl TestDatabase {
    pub(super) fn new() -> Self {
        let url = variable("TEST_MYSQL_URL");
        let name = format!("test_{}_{}", std::process::id(), unique());
        // Of a process that had the same number and did not come to its end.
        server(&format!("DROP DATABASE IF EXISTS {name}"));
        server(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"));
        let (server, _) = url.rsplit_once('/').unwrap();
        Self { url: format!("{server}/{name}"), name }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            server(&format!("DROP DATABASE {}", self.name));
        }
    }
}

fn with(url: &str, change: impl FnOnce(&mut url::Url)) -> StoreConfig {
    let mut url = url::Url::parse(url).unwrap();
    change(&mut url);
    config(url.as_str())
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/mariadb"]
async fn connections_that_the_server_ended_are_replaced() {
    let sandbox = Sandbox::mysql();
    let store = sandbox.open().await;
    for round in 0..10 {
        // More at once than there are connections: all of them get used.
        try_join_all((0..16).map(|_| store.ping())).await.unwrap();
        let others = sandbox.rows(
            "SELECT CAST(id AS CHAR), NULL FROM information_schema.processlist \
             WHERE db = DATABASE() AND id <> CONNECTION_ID()",
        );
        for (id, _) in others {
            // one that the pool has closed meanwhile is not there any more
            let _ = sandbox.sql(&format!("KILL CONNECTION {id}"));
        }
        let value = json!(round);
        if round % 2 == 0 {
            store.set("tenant", "key", &value).await.unwrap();
        }
        assert!(store.get("tenant", "key").await.unwrap().is_some(), "round {round}");
        try_join_all((0..16).map(|_| store.get("tenant", "key"))).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/mariadb"]
async fn a_server_that_goes_away_is_unavailable_until_it_is_back() {
    let sandbox = Sandbox::mysql();
    let proxy = Proxy::to(sandbox.url());
    let store = open(&with(sandbox.url(), |url| url.set_port(Some(proxy.port)).unwrap())).await.unwrap();
    store.set("tenant", "key", &json!(1)).await.unwrap();

    proxy.cut();
    let started = Instant::now();
    let error = store.get("tenant", "key").await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));

    proxy.mend();
    assert_eq!(store.get("tenant", "key").await.unwrap(), Some(json!(1)));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_at_once() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Instant::now();
    let error = open(&config(&format!("mysql://u:hush@127.0.0.1:{port}/d"))).await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains(&format!("u:***@127.0.0.1:{port}/d")), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let started = Instant::now();
    let error = open(&config(&format!("mysql://u:hush@127.0.0.1:{port}/d"))).await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/mariadb"]
async fn a_row_that_others_hold_is_waited_for_and_given_up() {
    let sandbox = Sandbox::mysql();
    let store = sandbox.open().await;
    store.set("tenant", "key", &json!(1)).await.unwrap();
    // Another program; it is in no hurry.
    let other = sandbox.config.clone();
    let (held, is_held) = std::sync::mpsc::channel();
    let (done, end) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        let mut connection = connection(&other);
        connection.batch("START TRANSACTION; UPDATE AddonSettings SET val = '2'").unwrap();
        held.send(()).unwrap();
        let _ = end.recv();
        connection.batch("ROLLBACK").unwrap();
    });
    is_held.recv().unwrap();
    assert_eq!(store.get("tenant", "key").await.unwrap(), Some(json!(1)), "reading waits for nobody");
    let error = store.set("tenant", "key", &json!(3)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    done.send(()).unwrap();
    other.join().unwrap();
    store.set("tenant", "key", &json!(3)).await.unwrap();
    assert_eq!(store.get("tenant", "key").await.unwrap(), Some(json!(3)));
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/mariadb"]
async fn no_lock_outlives_its_transaction() {
    let sandbox = Sandbox::mysql();
    let store = sandbox.open().await;
    store.set("tenant", "key", &json!(1)).await.unwrap();
    sandbox.sql("RENAME TABLE AddonSettings TO elsewhere").unwrap();
    store.set("tenant", "key", &json!(1)).await.unwrap_err();
    sandbox.sql("RENAME TABLE elsewhere TO AddonSettings").unwrap();
    // As another node; a lock that is still held would make it wait, and fail.
    sandbox.open().await.set("tenant", "key", &json!(2)).await.unwrap();
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/mariadb"]
async fn a_pool_that_is_used_up_makes_wait_and_gives_up() {
    let mut sandbox = Sandbox::mysql();
    sandbox.config.pool_size = 2;
    let store = sandbox.open().await;
    try_join_all((0..40).map(|_| store.ping())).await.unwrap();

    let name = sandbox.url().rsplit_once('/').unwrap().1.to_owned();
    let lock = format!("CONCAT('addon-1097094738-', SHA1(CONCAT('{name}', '/', 'tenant')))");
    let (held, is_held) = std::sync::mpsc::channel();
    let (done, end) = std::sync::mpsc::channel::<()>();
    let config = sandbox.config.clone();
    let other = std::thread::spawn(move || {
        let mut connection = connection(&config);
        connection.batch(&format!("DO GET_LOCK({lock}, 0)")).unwrap();
        held.send(()).unwrap();
        let _ = end.recv();
    });
    is_held.recv().unwrap();
    let value = json!(1);
    let writes = (0..4).map(|_| store.set("tenant", "key", &value));
    let outcomes = futures_util::future::join_all(writes).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Unavailable(_)))), "{outcomes:?}");
    done.send(()).unwrap();
    other.join().unwrap();
    store.set("tenant", "key", &value).await.unwrap();
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/mariadb"]
async fn wrong_credentials_are_the_operators_to_mend() {
    let sandbox = Sandbox::mysql();
    let wrong = with(sandbox.url(), |url| url.set_password(Some("hush")).unwrap());
    let error = open(&wrong).await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains("Access denied") && !error.to_string().contains("hush"), "{error}");

    let error = open(&with(sandbox.url(), |url| url.set_path("/no_such_database"))).await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains("no_such_database"), "{error}");
}

/// What the session is, whatever the server's own settings are.
#[test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/mariadb"]
fn a_session_has_its_settings() {
    let sandbox = Sandbox::mysql();
    let rows = on_thread(|| {
        use crate::connection::SqlConnection as _;
        let statement = crate::statement::Statement::new(
            &crate::mysql::DIALECT,
            "SELECT CONCAT_WS(' ', @@character_set_client, @@character_set_results, @@sql_mode, @@tx_isolation),
                CONCAT_WS(' ', @@autocommit, @@max_statement_time, @@innodb_lock_wait_timeout, @@lock_wait_timeout)",
        );
        Manager::new(&sandbox.config).unwrap().connect().unwrap().rows(&statement, &[]).unwrap()
    });
    let (text, numbers) = rows.into_iter().next().unwrap();
    assert_eq!(text.unwrap(), "utf8mb4 utf8mb4 STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION READ-COMMITTED");
    assert_eq!(numbers.unwrap(), "ON 10.000000 10 10");
}

/// Connects to the server that takes TLS alone; `host` is the name to call it by.
fn connect(host: &str, parameters: &str, ssl: Option<Value>) -> Result<(), StoreError> {
    let config = with(&variable("TEST_MYSQL_TLS_URL"), |url| {
        url.set_host(Some(host)).unwrap();
        url.set_query(Some(parameters));
    });
    let config = StoreConfig { ssl, ..config };
    on_thread(|| Manager::new(&config)?.connect().map(drop))
}

fn assert_refused(outcome: Result<(), StoreError>, because: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains(because), "{error}");
}

#[test]
#[ignore = "needs TEST_MYSQL_TLS_URL, see .ci/mariadb"]
fn each_ssl_mode_asks_for_what_it_says() {
    let ca = variable("TEST_MYSQL_CA");
    connect("localhost", "ssl-mode=REQUIRED", None).unwrap();
    connect("localhost", "ssl-mode=PREFERRED", None).unwrap();
    connect("localhost", "", None).unwrap();
    assert_refused(connect("localhost", "ssl-mode=DISABLED", None), "Access denied");

    for mode in ["VERIFY_CA", "VERIFY_IDENTITY"] {
        assert_refused(connect("localhost", &format!("ssl-mode={mode}"), None), "ssl-ca=<file>");
        connect("localhost", &format!("ssl-mode={mode}&ssl-ca={ca}"), None).unwrap();
    }
    // The certificate's name is another; there is no VERIFY_CA without it.
    for mode in ["VERIFY_CA", "VERIFY_IDENTITY"] {
        assert_refused(connect("127.0.0.1", &format!("ssl-mode={mode}&ssl-ca={ca}"), None), "not valid for name");
    }
    // An authority that is named is asked.
    connect("localhost", &format!("ssl-mode=REQUIRED&ssl-ca={ca}"), None).unwrap();
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
    assert_refused(connect("localhost", &format!("ssl-mode=REQUIRED&ssl-ca={other}"), None), "certificate");
}

#[test]
#[ignore = "needs TEST_MYSQL_TLS_URL, see .ci/mariadb"]
fn ace_settings_connect_as_they_did() {
    let pem = std::fs::read_to_string(variable("TEST_MYSQL_CA")).unwrap();
    connect("localhost", "", Some(json!({ "rejectUnauthorized": false }))).unwrap();
    connect("localhost", "", Some(json!({ "ca": pem }))).unwrap();
    connect("localhost", "", Some(json!({ "ca": [pem] }))).unwrap();
    assert_refused(connect("localhost", "", Some(json!(true))), "certificate");
    assert_refused(connect("localhost", "", Some(json!(false))), "Access denied");
    connect("localhost", "ssl-mode=REQUIRED", Some(json!(false))).unwrap();
}

#[test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/mariadb"]
fn a_server_without_tls_is_taken_where_it_may_be() {
    let url = variable("TEST_MYSQL_URL");
    let connect = |query: &str| {
        let config = with(&url, |url| url.set_query(Some(query)));
        on_thread(|| Manager::new(&config)?.connect().map(drop))
    };
    connect("").unwrap();
    connect("ssl-mode=PREFERRED").unwrap();
    assert_refused(connect("ssl-mode=REQUIRED"), "ssl-mode=DISABLED");
}
