//! A MySQL-compatible server: databases for the tests, failures, TLS. `.ci/servers` starts MariaDB.

use futures_util::future::try_join_all;
use r2d2::ManageConnection as _;
use serde_json::{Value, json};

use super::database::TestDatabase;
use super::order::Held;
use super::{Sandbox, absent, cause_of, config, on_thread, shown, with_url};
use crate::config::StoreConfig;
use crate::connection::DbConnection;
use crate::connection::MysqlConnection;
use crate::mysql::MysqlConnector;
use crate::{Place, StoreError, open};

/// As Sequelize creates them, with the server's default character set.
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
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: .ci/servers start prints it"))
}

/// A connection that accepts SQL in the other databases' syntax. Blocks.
pub(super) fn connection(config: &StoreConfig) -> MysqlConnection {
    let DbConnection::Mysql(mut connection) = MysqlConnector::new(config).unwrap().connect().unwrap() else {
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

pub(super) fn database() -> TestDatabase {
    TestDatabase::new(&variable("TEST_MYSQL_URL"), server, "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "")
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]
async fn connections_that_the_server_ended_are_replaced() {
    let sandbox = Sandbox::mysql();
    let store = sandbox.open().await;
    for round in 0..10 {
        // More than the pool has connections, so that all of them are used.
        try_join_all((0..16).map(|_| store.ping())).await.unwrap();
        let others = sandbox.rows(
            "SELECT CAST(id AS CHAR) AS one, NULL AS two FROM information_schema.processlist \
             WHERE db = DATABASE() AND id <> CONNECTION_ID()",
        );
        for (id, _) in others {
            // a connection that the pool has closed meanwhile no longer exists
            let _ = sandbox.sql(&format!("KILL CONNECTION {id}"));
        }
        let value = json!(round);
        if round % 2 == 0 {
            store.set(Place::of_tenant("tenant", "key"), &value).await.unwrap();
        }
        assert!(store.get(Place::of_tenant("tenant", "key")).await.unwrap().is_some(), "round {round}");
        try_join_all((0..16).map(|_| store.get(Place::of_tenant("tenant", "key")))).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]
async fn a_server_that_goes_away_is_unavailable_until_it_is_back() {
    absent::a_server_that_goes_away_is_unavailable_until_it_is_back(Sandbox::mysql()).await;
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]
async fn a_server_that_falls_silent_is_unavailable_until_it_speaks() {
    absent::a_server_that_falls_silent_is_unavailable_until_it_speaks(Sandbox::mysql()).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_at_once() {
    absent::a_server_that_is_not_there_is_unavailable_at_once("mysql", "d").await;
}

#[tokio::test]
async fn a_silent_server_times_out() {
    absent::a_silent_server_times_out("mysql", "/d").await;
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]
async fn waiting_for_a_locked_row_times_out() {
    let sandbox = Sandbox::mysql();
    let store = sandbox.open().await;
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
    // Another program that holds the lock for long.
    let other = sandbox.config.clone();
    let held = Held::new(move |blocked, wait| {
        let mut connection = connection(&other);
        connection.batch("START TRANSACTION; UPDATE AddonSettings SET val = '2'").unwrap();
        blocked();
        wait();
        connection.batch("ROLLBACK").unwrap();
    });
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!(1)), "reading does not wait");
    let error = store.set(Place::of_tenant("tenant", "key"), &json!(3)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    drop(held);
    store.set(Place::of_tenant("tenant", "key"), &json!(3)).await.unwrap();
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!(3)));
}

/// Each server says it in its own language, so the number decides.
#[test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]
fn errors_that_pass_are_known_in_another_language() {
    use crate::connection::SqlConnection;
    let sandbox = Sandbox::mysql();
    on_thread(|| {
        let mut connection = connection(&sandbox.config);
        let mut other = self::connection(&sandbox.config);
        connection.batch("SET lc_messages = 'de_DE'; CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB").unwrap();
        connection.batch("INSERT INTO t VALUES (1), (2); SET innodb_lock_wait_timeout = 1").unwrap();
        let mut fails = |sql: &str| {
            let statement = crate::statement::Statement::new(&crate::mysql::DIALECT, sql);
            let error = connection.change(&statement, &[]).unwrap_err();
            let is_busy = connection.is_busy(&error);
            assert!(!connection.is_dead(&error));
            format!("{}: {error}", if is_busy { "busy" } else { "wrong" })
        };
        other.batch("START TRANSACTION; SELECT * FROM t WHERE id = 1 FOR UPDATE").unwrap();
        insta::assert_snapshot!(
            fails("UPDATE t SET id = 3 WHERE id = 1"),
            @"busy: Beim Warten auf eine Sperre wurde die zulässige Wartezeit überschritten. Bitte versuchen Sie, die Transaktion neu zu starten"
        );
        // has no German text
        insta::assert_snapshot!(
            fails("SET STATEMENT max_statement_time = 0.1 FOR SELECT SLEEP(5) FROM t"),
            @"busy: Query execution was interrupted (max_statement_time exceeded)"
        );
        let missing = fails("UPDATE missing SET id = 3");
        assert!(missing.starts_with("wrong: Tabelle") && missing.ends_with("existiert nicht"), "{missing}");
        insta::assert_snapshot!(
            fails("INSERT INTO t VALUES (2)"),
            @"wrong: Doppelter Eintrag '2' für Schlüssel 'PRIMARY'"
        );
    });
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]
async fn no_lock_outlives_its_transaction() {
    let sandbox = Sandbox::mysql();
    let store = sandbox.open().await;
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
    sandbox.sql("RENAME TABLE AddonSettings TO elsewhere").unwrap();
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap_err();
    sandbox.sql("RENAME TABLE elsewhere TO AddonSettings").unwrap();
    // Another node would wait for a lock that is still held, and fail.
    sandbox.open().await.set(Place::of_tenant("tenant", "key"), &json!(2)).await.unwrap();
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]
async fn an_exhausted_pool_times_out() {
    let mut sandbox = Sandbox::mysql();
    sandbox.config.pool_size = 2;
    let store = sandbox.open().await;
    try_join_all((0..40).map(|_| store.ping())).await.unwrap();

    let name = sandbox.url().rsplit_once('/').unwrap().1.to_owned();
    let lock = format!("CONCAT('addon-1097094738-', SHA1(CONCAT('{name}', '/', 'tenant')))");
    let config = sandbox.config.clone();
    let held = Held::new(move |blocked, wait| {
        let mut connection = connection(&config);
        connection.batch(&format!("DO GET_LOCK({lock}, 0)")).unwrap();
        blocked();
        wait();
    });
    let value = json!(1);
    let writes = (0..4).map(|_| store.set(Place::of_tenant("tenant", "key"), &value));
    let outcomes = futures_util::future::join_all(writes).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Unavailable(_)))), "{outcomes:?}");
    drop(held);
    store.set(Place::of_tenant("tenant", "key"), &value).await.unwrap();
}

#[tokio::test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]
async fn wrong_credentials_are_a_configuration_error() {
    let sandbox = Sandbox::mysql();
    let wrong = with_url(sandbox.url(), |url| url.set_password(Some("hush")).unwrap());
    let error = open(&wrong).await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains("Access denied") && !shown(&error).contains("hush"), "{}", shown(&error));
    let Some(mysql_async::Error::Server(refused)) = cause_of(&error) else { panic!("{error:?}") };
    assert!(refused.code == 1045 && shown(&error).contains("error 1045"), "{}", shown(&error));

    let error = open(&with_url(sandbox.url(), |url| url.set_path("/no_such_database"))).await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains("no_such_database"), "{error}");
}

/// The session's settings, whatever the server's own are.
#[test]
#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]
fn a_session_has_its_settings() {
    let sandbox = Sandbox::mysql();
    let rows = on_thread(|| {
        let statement = crate::statement::Statement::new(
            &crate::mysql::DIALECT,
            "SELECT CONCAT_WS(' ', @@character_set_client, @@character_set_results, @@sql_mode, @@tx_isolation) AS one,
                CONCAT_WS(' ', @@autocommit, @@max_statement_time, @@innodb_lock_wait_timeout, @@lock_wait_timeout)
                AS two",
        );
        let mut connection = MysqlConnector::new(&sandbox.config).unwrap().connect().unwrap();
        let connection: &mut dyn crate::connection::SqlConnection = &mut connection;
        connection.rows::<crate::row::PairRow>(&statement, &[]).unwrap()
    });
    let row = rows.into_iter().next().unwrap();
    assert_eq!(row.one.unwrap(), "utf8mb4 utf8mb4 STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION READ-COMMITTED");
    assert_eq!(row.two.unwrap(), "ON 10.000000 10 10");
}

/// Connects to the server that requires TLS, under the name `host`.
fn connect(host: &str, parameters: &str, ssl: Option<Value>) -> Result<(), StoreError> {
    let config = with_url(&variable("TEST_MYSQL_TLS_URL"), |url| {
        url.set_host(Some(host)).unwrap();
        url.set_query(Some(parameters));
    });
    let config = StoreConfig { ssl, ..config };
    on_thread(|| MysqlConnector::new(&config)?.connect().map(drop))
}

fn assert_refused(outcome: Result<(), StoreError>, because: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains(because), "{error}");
}

#[test]
#[ignore = "needs TEST_MYSQL_TLS_URL, see .ci/servers"]
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
    // The certificate is for another name, and VERIFY_CA checks the name too.
    for mode in ["VERIFY_CA", "VERIFY_IDENTITY"] {
        assert_refused(connect("127.0.0.1", &format!("ssl-mode={mode}&ssl-ca={ca}"), None), "not valid for name");
    }
    // If an authority is given, the certificate is verified against it.
    connect("localhost", &format!("ssl-mode=REQUIRED&ssl-ca={ca}"), None).unwrap();
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
    assert_refused(connect("localhost", &format!("ssl-mode=REQUIRED&ssl-ca={other}"), None), "certificate");
}

#[test]
#[ignore = "needs TEST_MYSQL_TLS_URL, see .ci/servers"]
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
#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]
fn a_server_without_tls_is_accepted_only_if_the_mode_allows() {
    let url = variable("TEST_MYSQL_URL");
    let connect = |query: &str| {
        let config = with_url(&url, |url| url.set_query(Some(query)));
        on_thread(|| MysqlConnector::new(&config)?.connect().map(drop))
    };
    connect("").unwrap();
    connect("ssl-mode=PREFERRED").unwrap();
    assert_refused(connect("ssl-mode=REQUIRED"), "ssl-mode=DISABLED");
}
