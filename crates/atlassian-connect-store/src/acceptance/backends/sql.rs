//! Cases for the SQL databases: ACE's duplicates, table names, migrations.

use std::time::{Duration, Instant};

use diesel::result::Error;
use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};

use super::{Sandbox, cause_of, run_cases, shown, sql as cases};
use crate::admin::{Reversion, TablesFound, migrate, open_existing, revert, survey};
use crate::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, Place, QueuedEvent,
    Store, StoreError, now, open,
};

/// A row as another program may have left it.
fn insert(sandbox: &Sandbox, client_key: &str, key: &str, value: &str) {
    let sql =
        format!(r#"INSERT INTO "AddonSettings" ("clientKey", "key", "val") VALUES ('{client_key}', '{key}', {value})"#);
    sandbox.sql(&sql).unwrap();
}

fn secret(secret: &str) -> Value {
    json!({ "sharedSecret": secret })
}

/// The rows of `tenant`, oldest first: (key, value).
fn rows(sandbox: &Sandbox) -> Vec<(String, String)> {
    let mut rows = sandbox
        .rows(r#"SELECT "key" AS one, @val AS two FROM "AddonSettings" WHERE "clientKey" = 'tenant' ORDER BY "id""#);
    // only the installations matter here
    rows.retain(|(key, _)| key != CLIENT_INFO_UNINSTALLED_AT);
    rows
}

fn row(key: &str, secret: &str) -> (String, String) {
    (key.to_owned(), format!(r#"{{"sharedSecret":"{secret}"}}"#))
}

/// Two rows that ACE left for one tenant.
async fn with_duplicates(sandbox: &Sandbox) -> std::sync::Arc<dyn Store> {
    let store = sandbox.open().await;
    insert(sandbox, "tenant", CLIENT_INFO, r#"'{"sharedSecret":"old"}'"#);
    insert(sandbox, "tenant", CLIENT_INFO, r#"'{"sharedSecret":"new"}'"#);
    store
}

pub(super) async fn duplicates_are_tried_newest_first_until_an_install_settles_them(sandbox: Sandbox) {
    let store = with_duplicates(&sandbox).await;
    assert_eq!(store.installations("tenant").await.unwrap(), [secret("new"), secret("old")]);
    assert_eq!(store.get(Place::of_tenant("tenant", CLIENT_INFO)).await.unwrap(), Some(secret("new")));
    assert_eq!(store.tenants(None, 10).await.unwrap().tenants, [("tenant".to_owned(), secret("new"))]);

    store.save_installation("tenant", &secret("signed"), None).await.unwrap();
    assert_eq!(store.installations("tenant").await.unwrap(), [secret("signed")]);
    assert_eq!(rows(&sandbox), [row(CLIENT_INFO_SUPERSEDED, "old"), row(CLIENT_INFO, "signed")]);
}

pub(super) async fn an_uninstall_takes_all_duplicates_out_of_use(sandbox: Sandbox) {
    let store = with_duplicates(&sandbox).await;
    assert!(store.uninstall("tenant").await.unwrap());
    assert!(store.installations("tenant").await.unwrap().is_empty());
    assert_eq!(rows(&sandbox), [row(CLIENT_INFO_SUPERSEDED, "old"), row(CLIENT_INFO_UNINSTALLED, "new")]);
}

pub(super) async fn duplicates_are_exchanged_one_by_one(sandbox: Sandbox) {
    let store = with_duplicates(&sandbox).await;
    let place = Place::of_tenant("tenant", CLIENT_INFO);
    assert_eq!(store.values(place).await.unwrap(), [secret("new"), secret("old")]);
    assert!(store.exchange(place, Some(&secret("old")), Some(&secret("older"))).await.unwrap());
    assert_eq!(rows(&sandbox), [row(CLIENT_INFO, "older"), row(CLIENT_INFO, "new")]);
    assert!(!store.exchange(place, Some(&secret("old")), Some(&secret("oldest"))).await.unwrap());

    // an extra space is the same value, and a row without a value does not count
    insert(&sandbox, "tenant", CLIENT_INFO, r#"'{ "sharedSecret": "older" }'"#);
    insert(&sandbox, "tenant", CLIENT_INFO, "NULL");
    assert!(store.exchange(place, Some(&secret("older")), Some(&secret("both"))).await.unwrap());
    assert_eq!(store.values(place).await.unwrap(), [secret("both"), secret("new"), secret("both")]);
}

pub(super) async fn a_tenant_with_a_row_in_use_is_not_purged(sandbox: Sandbox) {
    let store = sandbox.open().await;
    store.save_installation("tenant", &secret("gone"), None).await.unwrap();
    store.uninstall("tenant").await.unwrap();
    // ACE installs, and ignores what it does not know
    insert(&sandbox, "tenant", CLIENT_INFO, r#"'{"sharedSecret":"used"}'"#);
    assert!(!store.purge("tenant", now()).await.unwrap());
    assert_eq!(store.installations("tenant").await.unwrap(), [secret("used")]);
}

pub(super) async fn an_uninstalled_row_beside_one_in_use_is_not_taken_for_it(sandbox: Sandbox) {
    let store = sandbox.open().await;
    insert(&sandbox, "tenant", CLIENT_INFO, r#"'{"sharedSecret":"used"}'"#);
    insert(&sandbox, "tenant", CLIENT_INFO_UNINSTALLED, r#"'{"sharedSecret":"gone"}'"#);
    store.save_installation("tenant", &secret("signed"), None).await.unwrap();
    assert_eq!(rows(&sandbox), [row(CLIENT_INFO, "signed"), row(CLIENT_INFO_SUPERSEDED, "gone")]);

    insert(&sandbox, "tenant", CLIENT_INFO_UNINSTALLED, r#"'{"sharedSecret":"again"}'"#);
    assert!(store.uninstall("tenant").await.unwrap());
    let keys: Vec<_> = rows(&sandbox).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [CLIENT_INFO_UNINSTALLED, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_SUPERSEDED]);
    assert_eq!(store.get(Place::of_tenant("tenant", CLIENT_INFO_UNINSTALLED)).await.unwrap(), Some(secret("signed")));
}

pub(super) async fn a_row_without_a_value_counts_as_none(sandbox: Sandbox) {
    let store = sandbox.open().await;
    insert(&sandbox, "tenant", CLIENT_INFO, r#"'{"sharedSecret":"good"}'"#);
    insert(&sandbox, "tenant", CLIENT_INFO, "NULL");
    sandbox.sql(r#"INSERT INTO "AddonSettings" ("key", "val") VALUES ('clientInfo', '{}')"#).unwrap();
    assert_eq!(store.installations("tenant").await.unwrap(), [secret("good")]);
    assert_eq!(store.tenants(None, 10).await.unwrap().tenants, [("tenant".to_owned(), secret("good"))]);

    insert(&sandbox, "tenant", "key", "NULL");
    let place = Place::of_tenant("tenant", "key");
    assert!(store.exchange(place, None, Some(&json!(1))).await.unwrap());
    assert!(!store.exchange(place, None, Some(&json!(2))).await.unwrap());
    assert_eq!(store.values(place).await.unwrap(), [json!(1)]);
}

pub(super) async fn the_table_is_the_one_of_two_forms_that_exists(mut sandbox: Sandbox) {
    let columns = r#"("id" INTEGER PRIMARY KEY, "clientKey" VARCHAR(255), "key" VARCHAR(255), "val" JSON)"#;
    sandbox.config.table = "My-Setting".to_owned();
    let error = sandbox.try_open().await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains(r#""My-Setting" or "My-Settings""#), "{error}");

    sandbox.sql(&format!(r#"CREATE TABLE "My-Settings" {columns}"#)).unwrap();
    sandbox.sql(r#"INSERT INTO "My-Settings" VALUES (1, 'tenant', 'key', '1')"#).unwrap();
    let store = sandbox.open().await;
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!(1)));
    assert_eq!(store.client_key_of_installation("id").await.unwrap(), None, "the Forge tables were added");
    migrate(&sandbox.config).await.unwrap();
    assert!(sandbox.sql(r#"SELECT 1 FROM "AddonSettings""#).is_err(), "no second settings table is created");

    sandbox.sql(&format!(r#"CREATE TABLE "My-Setting" {columns}"#)).unwrap();
    let error = sandbox.try_open().await.err().unwrap().to_string();
    assert!(error.contains(r#""My-Setting" and "My-Settings""#), "{error}");
    sandbox.sql(r#"DROP TABLE "My-Settings""#).unwrap();
    let store = sandbox.open().await;
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), None);
}

pub(super) async fn missing_forge_tables_are_added(sandbox: Sandbox) {
    let store = sandbox.open().await;
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
    // As an ACE without Forge support left it.
    for table in ["InstallationClientKeys", "ForgeSettings", "forge_events", "__diesel_schema_migrations"] {
        sandbox.sql(&format!(r#"DROP TABLE "{table}""#)).unwrap();
    }
    let store = sandbox.open().await;
    store.set(Place::of_forge("id", "key"), &json!(2)).await.unwrap();
    store.associate("id", "tenant").await.unwrap();
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!(1)));
}

/// As the release before the table, or an ACE with Forge support, left it.
pub(super) async fn a_missing_table_of_events_is_added(sandbox: Sandbox) {
    for recorded in [true, false] {
        let store = sandbox.open().await;
        store.set(Place::of_forge("id", "key"), &json!(1)).await.unwrap();
        sandbox.sql(r#"DROP TABLE "forge_events""#).unwrap();
        let records = if recorded { " WHERE version = '20261129000001'" } else { "" };
        sandbox.sql(&format!("DELETE FROM __diesel_schema_migrations{records}")).unwrap();
        // a command that only looks needs no such table, and makes none
        assert_eq!(survey(&sandbox.config).await.unwrap().tables, TablesFound::All("AddonSettings".to_owned()));
        assert_eq!(
            open_existing(&sandbox.config).await.unwrap().get(Place::of_forge("id", "key")).await.unwrap(),
            Some(json!(1))
        );
        assert!(sandbox.sql(r#"SELECT 1 FROM "forge_events""#).is_err());

        let store = sandbox.open().await;
        let event = QueuedEvent { id: "a".into(), installation_id: "id".into(), attempts: 0, body: json!(1) };
        assert!(store.events().unwrap().add(&event, 0, 0).await.unwrap());
        assert_eq!(store.get(Place::of_forge("id", "key")).await.unwrap(), Some(json!(1)));
    }
}

pub(super) async fn a_database_that_lacks_the_settings_is_not_taken_for_a_new_one(sandbox: Sandbox) {
    drop(sandbox.open().await);
    for table in ["AddonSettings", "__diesel_schema_migrations"] {
        sandbox.sql(&format!(r#"DROP TABLE "{table}""#)).unwrap();
    }
    let error = sandbox.try_open().await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("AddonSettings") && text.contains("`migrate`"), "{text}");

    let report = migrate(&sandbox.config).await.unwrap();
    assert_eq!(report.applied.len(), 3, "{report}");
    sandbox.open().await.ping().await.unwrap();
}

pub(super) async fn migrating_twice_does_nothing_the_second_time(sandbox: Sandbox) {
    let first = migrate(&sandbox.config).await.unwrap();
    assert_eq!(first.applied.len(), 3, "{first}");
    let store = sandbox.open().await;
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
    let second = migrate(&sandbox.config).await.unwrap();
    assert!(second.applied.is_empty(), "{second}");
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!(1)));
}

pub(super) async fn nodes_can_start_at_the_same_time(sandbox: Sandbox) {
    let stores = try_join_all((0..6).map(|_| open(&sandbox.config))).await.unwrap();
    let writes = join_all(
        stores.iter().map(|store| async move { store.set(Place::of_tenant("tenant", "key"), &json!(1)).await }),
    )
    .await;
    assert!(writes.iter().all(Result::is_ok), "{writes:?}");
    assert_eq!(rows(&sandbox).len(), 1, "they share one row");
    assert!(migrate(&sandbox.config).await.unwrap().applied.is_empty());
}

pub(super) async fn a_revert_drops_empty_tables_alone(sandbox: Sandbox) {
    let store = sandbox.open().await;
    let down = |step: &str| {
        let backend = sandbox.backend();
        let folder = format!("{}/migrations/{backend}/{step}", env!("CARGO_MANIFEST_DIR"));
        let sql = std::fs::read_to_string(format!("{folder}/down.sql")).unwrap();
        sandbox.sql(&format!("BEGIN; {sql} COMMIT"))
    };
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
    store.associate("id", "tenant").await.unwrap();
    let event = QueuedEvent { id: "a".into(), installation_id: "id".into(), attempts: 0, body: json!(1) };
    store.events().unwrap().add(&event, 0, 0).await.unwrap();
    for step in STEPS.into_iter().rev() {
        let error = down(step).unwrap_err().to_string();
        assert!(error.contains("still hold"), "{error}");
    }
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!(1)));

    store.delete(Place::of_tenant("tenant", "key")).await.unwrap();
    store.uninstall("tenant").await.unwrap();
    store.events().unwrap().finish("a", 1).await.unwrap();
    for step in STEPS.into_iter().rev() {
        down(step).unwrap();
    }
    assert!(store.get(Place::of_tenant("tenant", "key")).await.is_err(), "the tables are gone");
}

pub(super) async fn of_nodes_that_migrate_at_once_one_does(sandbox: Sandbox) {
    let reports = try_join_all((0..4).map(|_| migrate(&sandbox.config))).await.unwrap();
    let mut applied: Vec<_> = reports.iter().map(|report| report.applied.len()).collect();
    applied.sort_unstable();
    assert_eq!(applied, [0, 0, 0, 3], "{reports:?}");

    // they wait for each other when reverting, too
    let reverted = try_join_all((0..4).map(|_| revert(&sandbox.config, 1, false))).await.unwrap();
    let mut reverted: Vec<_> = reverted.iter().map(steps).map(Vec::len).collect();
    reverted.sort_unstable();
    assert_eq!(reverted, [0, 1, 1, 1]);
}

fn steps(reversion: &Reversion) -> &Vec<String> {
    let Reversion::Done(steps) = reversion else { panic!("{reversion:?}") };
    steps
}

const STEPS: [&str; 3] = [
    "2026-11-22-000001_create_addon_settings",
    "2026-11-22-000002_create_forge_tables",
    "2026-11-29-000001_create_forge_events",
];

pub(super) async fn a_revert_undoes_the_last_migrations(sandbox: Sandbox) {
    drop(sandbox.open().await);
    let survey = async || survey(&sandbox.config).await.unwrap();
    assert_eq!(survey().await.applied, STEPS);
    assert_eq!(revert(&sandbox.config, 1, false).await.unwrap(), Reversion::Done(vec![STEPS[2].to_owned()]));
    let found = survey().await;
    assert_eq!(
        (found.applied, found.pending),
        (vec![STEPS[0].to_owned(), STEPS[1].to_owned()], vec![STEPS[2].to_owned()])
    );
    assert_eq!(migrate(&sandbox.config).await.unwrap().applied, [STEPS[2]]);

    let all = Reversion::Done(STEPS.iter().rev().map(|&step| step.to_owned()).collect());
    assert_eq!(revert(&sandbox.config, 9, false).await.unwrap(), all);
    assert_eq!(survey().await.tables, TablesFound::None);
    assert_eq!(revert(&sandbox.config, 1, false).await.unwrap(), Reversion::Done(vec![]));
    sandbox.open().await.ping().await.unwrap();
}

pub(super) async fn a_revert_asks_before_rows_go(sandbox: Sandbox) {
    let store = sandbox.open().await;
    store.save_installation("tenant", &secret("old"), Some("id")).await.unwrap();
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
    let held = |tables: &[(&str, u64)]| {
        Reversion::HoldsRows(tables.iter().map(|&(table, rows)| (table.to_owned(), rows)).collect())
    };
    let event = QueuedEvent { id: "a".into(), installation_id: "id".into(), attempts: 0, body: json!(1) };
    store.events().unwrap().add(&event, 0, 0).await.unwrap();
    let (ids, events) = (("InstallationClientKeys", 1), ("forge_events", 1));
    assert_eq!(revert(&sandbox.config, 1, false).await.unwrap(), held(&[events]));
    assert_eq!(revert(&sandbox.config, 2, false).await.unwrap(), held(&[events, ids]));
    assert_eq!(revert(&sandbox.config, 3, false).await.unwrap(), held(&[events, ids, ("AddonSettings", 2)]));
    assert_eq!(store.client_key_of_installation("id").await.unwrap().as_deref(), Some("tenant"));
    assert_eq!(survey(&sandbox.config).await.unwrap().applied, STEPS);

    assert_eq!(steps(&revert(&sandbox.config, 2, true).await.unwrap()).as_slice(), [STEPS[2], STEPS[1]]);
    assert_eq!(store.installations("tenant").await.unwrap(), [secret("old")], "only the tables of those migrations");
    assert_eq!(revert(&sandbox.config, 1, false).await.unwrap(), held(&[("AddonSettings", 2)]));
    assert_eq!(steps(&revert(&sandbox.config, 1, true).await.unwrap()).as_slice(), [STEPS[0]]);
    assert_eq!(survey(&sandbox.config).await.unwrap().tables, TablesFound::None);
}

pub(super) async fn what_a_newer_release_did_is_not_reverted(sandbox: Sandbox) {
    drop(sandbox.open().await);
    sandbox.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')").unwrap();
    for count in [1, 2] {
        let error = revert(&sandbox.config, count, true).await.unwrap_err();
        assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
        assert!(error.to_string().contains("20990101000000"), "{error}");
    }
    sandbox.open().await.ping().await.unwrap();
}

pub(super) async fn a_migration_that_was_broken_off_is_finished(sandbox: Sandbox) {
    let store = sandbox.open().await;
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
    // As after a failure on a database without transactional DDL: one table exists, the other does not, and nothing is
    // recorded.
    sandbox.sql(r#"DROP TABLE "ForgeSettings""#).unwrap();
    sandbox.sql("DELETE FROM __diesel_schema_migrations").unwrap();
    assert_eq!(migrate(&sandbox.config).await.unwrap().applied, STEPS);
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!(1)));
    store.set(Place::of_forge("id", "key"), &json!(2)).await.unwrap();
}

pub(super) async fn errors_hold_no_value(sandbox: Sandbox) {
    let store = sandbox.open().await;
    sandbox.sql(r#"DROP TABLE "AddonSettings""#).unwrap();
    let error = store.save_installation("tenant", &secret("hush"), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("AddonSettings") && !shown(&error).contains("hush"), "{}", shown(&error));
    assert!(matches!(cause_of(&error), Some(Error::DatabaseError(..))), "{}", shown(&error));
}

/// The database quotes a value in its message or its details.
pub(super) async fn a_value_that_the_database_quotes_is_not_in_the_error(sandbox: Sandbox) {
    let store = sandbox.open().await;
    let rules: &[&str] = match sandbox.backend() {
        "postgres" => &[
            r#"CREATE UNIQUE INDEX one ON "AddonSettings" ((val::text)) WHERE "clientKey" = 'tenant'"#,
            r#"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION 'the column "val" must not be "%"', NEW.val; END $$"#,
            r#"CREATE TRIGGER refuse BEFORE UPDATE ON "AddonSettings" FOR EACH ROW
               WHEN (NEW."clientKey" = 'other') EXECUTE FUNCTION refuse()"#,
        ],
        "mysql" => &["ALTER TABLE AddonSettings ADD UNIQUE INDEX one (val(100))"],
        _ => &[r#"CREATE TRIGGER refuse BEFORE UPDATE ON "AddonSettings"
                  BEGIN SELECT RAISE(ABORT, 'the column "val" must not be "hush"'); END"#],
    };
    for rule in rules {
        sandbox.sql(rule).unwrap();
    }
    store.set(Place::of_tenant("tenant", "first"), &json!("hush")).await.unwrap();
    for client_key in ["tenant", "other"] {
        let place = Place::of_tenant(client_key, "second");
        store.set(place, &json!(client_key)).await.unwrap();
        let error = store.set(place, &json!("hush")).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)) && !shown(&error).contains("hush"), "{}", shown(&error));
        let Some(Error::DatabaseError(_, told)) = cause_of(&error) else { panic!("{}", shown(&error)) };
        assert!(error.to_string().ends_with(told.message()), "{error}");
    }
}

macro_rules! sql_suite {
    ($backend:ident, $new:expr, $attributes:tt) => {
        run_cases!($backend, $new, $attributes, cases [
            duplicates_are_tried_newest_first_until_an_install_settles_them,
            an_uninstall_takes_all_duplicates_out_of_use, duplicates_are_exchanged_one_by_one,
            a_tenant_with_a_row_in_use_is_not_purged,
            an_uninstalled_row_beside_one_in_use_is_not_taken_for_it, a_row_without_a_value_counts_as_none,
            the_table_is_the_one_of_two_forms_that_exists, missing_forge_tables_are_added,
            a_missing_table_of_events_is_added,
            a_database_that_lacks_the_settings_is_not_taken_for_a_new_one, migrating_twice_does_nothing_the_second_time,
            nodes_can_start_at_the_same_time, of_nodes_that_migrate_at_once_one_does,
            a_revert_drops_empty_tables_alone, a_revert_undoes_the_last_migrations, a_revert_asks_before_rows_go,
            what_a_newer_release_did_is_not_reverted, a_migration_that_was_broken_off_is_finished, errors_hold_no_value,
            a_value_that_the_database_quotes_is_not_in_the_error,
        ]);
    };
}

sql_suite!(on_sqlite, Sandbox::sqlite_file(), ());
sql_suite!(on_postgres, Sandbox::postgres(), (#[ignore = "needs TEST_POSTGRES_URL, see .ci/servers"]));
#[cfg(feature = "mysql")]
sql_suite!(on_mysql, Sandbox::mysql(), (#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]));

#[tokio::test]
async fn a_value_that_is_not_json_is_not_in_the_error() {
    let sandbox = Sandbox::sqlite_file();
    let store = sandbox.open().await;
    insert(&sandbox, "tenant", CLIENT_INFO, "'{hush'");
    let error = store.installations("tenant").await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("\"tenant\"") && !shown(&error).contains("hush"), "{}", shown(&error));
    assert!(cause_of::<serde_json::Error>(&error).is_some(), "{}", shown(&error));
}

/// Another program locks the file exclusively.
#[tokio::test]
async fn a_locked_file_is_unavailable() {
    use diesel::connection::SimpleConnection;
    use diesel::{Connection, SqliteConnection};
    let sandbox = Sandbox::sqlite_file();
    let store = sandbox.open().await;
    let mut other = SqliteConnection::establish(sandbox.url().trim_start_matches("sqlite:")).unwrap();
    other.batch_execute("BEGIN EXCLUSIVE").unwrap();
    let started = Instant::now();
    let error = store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(7), "{:?}", started.elapsed());
    other.batch_execute("ROLLBACK").unwrap();
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
}

/// An app's list has its own migrations beside the framework's.
mod own_steps {
    use diesel_migrations::{EmbeddedMigrations, embed_migrations};

    use super::*;
    use crate::admin::migrate;
    use crate::admin::{Reversion, revert};
    use crate::admin::{TablesFound, survey};
    use crate::{Migrations, StoreConfig};

    static SQLITE: EmbeddedMigrations = embed_migrations!("tests/fixtures/migrations/sqlite");
    static OTHERS: EmbeddedMigrations = embed_migrations!("tests/fixtures/migrations/others");
    const NOTES: &str = "2026-12-01-000001_create_notes";

    fn with_notes(sandbox: &Sandbox) -> StoreConfig {
        let mut config = sandbox.config.clone();
        config.migrations = Migrations::new().sqlite(&SQLITE);
        config
    }

    #[tokio::test]
    async fn a_new_database_gets_them_too() {
        let sandbox = Sandbox::sqlite_file();
        let config = with_notes(&sandbox);
        drop(open(&config).await.unwrap());
        let found = survey(&config).await.unwrap();
        assert_eq!((found.applied.len(), found.pending.len()), (4, 0), "{found:?}");
        sandbox.sql("INSERT INTO notes (text) VALUES ('kept')").unwrap();
        drop(open(&config).await.unwrap());
        assert_eq!(sandbox.rows("SELECT text AS one, '' AS two FROM notes").len(), 1);
    }

    #[tokio::test]
    async fn an_existing_database_gets_them_with_migrate_and_loses_them_only_when_confirmed() {
        let sandbox = Sandbox::sqlite_file();
        drop(open(&sandbox.config).await.unwrap());
        let config = with_notes(&sandbox);
        drop(open(&config).await.unwrap());
        assert_eq!(survey(&config).await.unwrap().pending, [NOTES], "a start runs no migration");
        assert_eq!(migrate(&config).await.unwrap().applied, [NOTES]);
        // a binary without that list still works
        drop(open(&sandbox.config).await.unwrap());
        assert_eq!(survey(&sandbox.config).await.unwrap().unknown, ["20261201000001"]);

        assert_eq!(revert(&config, 1, false).await.unwrap(), Reversion::OfTheApp(vec![NOTES.to_owned()]));
        assert_eq!(revert(&config, 1, true).await.unwrap(), Reversion::Done(vec![NOTES.to_owned()]));
        assert_eq!(survey(&config).await.unwrap().pending, [NOTES]);
    }

    #[tokio::test]
    async fn a_list_without_a_step_of_the_framework_opens_nothing() {
        let sandbox = Sandbox::sqlite_file();
        let mut config = sandbox.config.clone();
        config.migrations = Migrations::new().sqlite(&OTHERS);
        let error = open(&config).await.err().unwrap().to_string();
        assert!(error.contains("migrate --write"), "{error}");
        assert!(migrate(&config).await.is_err());
        assert_eq!(survey(&sandbox.config).await.unwrap().tables, TablesFound::None);
    }
}
