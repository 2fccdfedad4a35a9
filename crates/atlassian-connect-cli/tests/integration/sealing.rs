//! `tenants encrypt` and `tenants decrypt`.

use diesel::connection::Connection as _;
use diesel::query_dsl::RunQueryDsl as _;
use diesel::sql_types::Text;
use serde_json::json;

use crate::command::Workplace;
use crate::{HUSH, KEY, NEW, install, of_ace, sql};
use atlassian_connect_actix::store::Place;

/// Whether the secrets of these tests are readable in the store's files.
fn is_readable(place: &Workplace) -> bool {
    sql(place, "PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    let contains = |bytes: &[u8]| bytes.windows(HUSH.len()).any(|window| window == HUSH.as_bytes());
    place.files().iter().any(|name| contains(&std::fs::read(place.path(name)).unwrap()))
}

async fn filled() -> Workplace {
    let place = Workplace::new().with_file();
    for name in ["acme", "gone", "zoë-日本-☃"] {
        install(&place, name, "https://acme.atlassian.net").await;
    }
    let store = place.store().await;
    store.uninstall("gone").await.unwrap();
    store.set(Place::of_tenant("acme", "oauth"), &json!({ "token": HUSH })).await.unwrap();
    store.set(Place::of_forge("ari:1", "appToken"), &json!(HUSH)).await.unwrap();
    drop(store);
    // as ACE left them: two rows of one tenant
    for n in 0..2 {
        let value = format!(r#"{{"clientKey": "twice", "sharedSecret": "{HUSH}-{n}"}}"#);
        sql(
            &place,
            &format!(
                r#"INSERT INTO "AddonSettings" ("clientKey", "key", "val") VALUES ('twice', 'clientInfo', '{value}')"#
            ),
        );
    }
    place
}

#[actix_web::test]
async fn a_store_is_sealed_rotated_and_opened_again() {
    let place = filled().await;
    let listed = place.run(&["tenants", "list"]).stdout;
    assert!(is_readable(&place));

    let said = place.run(&["tenants", "encrypt"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(
        said.stderr.contains("set AC_STORE_ENCRYPTION_KEYS (create one with `openssl rand -base64 32`)"),
        "{said:?}"
    );

    let place = place.var("AC_STORE_ENCRYPTION_KEYS", KEY);
    let said = place.run(&["tenants", "encrypt"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    assert!(said.stdout.starts_with("encrypted 7 values in sqlite:"), "{said:?}");
    assert!(said.stdout.contains("; now 7 of 7 are encrypted with key "), "{said:?}");
    assert!(!is_readable(&place), "a secret is readable");
    assert_eq!(place.run(&["tenants", "list"]).stdout, listed);
    assert_eq!(place.store().await.installations("twice").await.unwrap().len(), 2, "no duplicate was lost");
    let said = place.run(&["tenants", "encrypt"]);
    assert!(said.code == 0 && said.stdout.starts_with("encrypted 0 values"), "{said:?}");

    let place = place.var("AC_STORE_ENCRYPTION_KEYS", format!("{NEW}, {KEY}"));
    assert!(place.run(&["tenants", "encrypt"]).stdout.starts_with("encrypted 7 values"));
    let place = place.var("AC_STORE_ENCRYPTION_KEYS", NEW);
    assert_eq!(place.run(&["tenants", "list"]).stdout, listed);

    let said = place.run(&["tenants", "decrypt"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    assert!(
        said.stdout.starts_with("decrypted 7 values in sqlite:") && said.stdout.contains("7 of 7 are in clear"),
        "{said:?}"
    );
    let place = place.var("AC_STORE_ENCRYPTION_KEYS", "");
    assert_eq!(place.run(&["tenants", "list"]).stdout, listed);
    assert!(is_readable(&place));
}

#[actix_web::test]
async fn a_wrong_key_is_reported_and_changes_nothing() {
    let place = filled().await.var("AC_STORE_ENCRYPTION_KEYS", KEY);
    assert_eq!(place.run(&["tenants", "encrypt"]).code, 0);
    for (keys, words) in
        [(NEW, "which is not in AC_STORE_ENCRYPTION_KEYS"), ("", "AC_STORE_ENCRYPTION_KEYS is not set")]
    {
        let place = Workplace::new()
            .var("DATABASE_URL", format!("sqlite:{}", place.path("addon.db").display()))
            .var("AC_STORE_ENCRYPTION_KEYS", keys);
        for arguments in [&["tenants", "list"][..], &["tenants", "show", "acme"], &["tenants", "decrypt"], &["serve"]] {
            let said = place.run(arguments);
            assert_eq!(said.code, 1, "{arguments:?}: {said:?}");
            let all = said.stdout + &said.stderr;
            assert!(all.contains(words) && all.contains("is encrypted with key "), "{arguments:?}: {all}");
        }
    }
    let said = place.run(&["tenants", "encrypt"]);
    assert!(said.code == 0 && said.stdout.starts_with("encrypted 0 values"), "{said:?}");

    // if the key is lost for good, a tenant can be removed and install the add-on again
    let place = place.var("AC_STORE_ENCRYPTION_KEYS", NEW);
    let removed = place.run(&["tenants", "remove", "acme", "--yes"]);
    assert!(removed.code == 0 && removed.stdout.starts_with("removed acme from sqlite:"), "{removed:?}");

    let place = place.var("AC_STORE_ENCRYPTION_KEYS", HUSH);
    let said = place.run(&["tenants", "list"]);
    assert!(said.code == 1 && said.stderr.contains("is not a key of 32 bytes"), "{said:?}");
    assert!(!said.stderr.contains(HUSH), "{said:?}");
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    val: String,
}

#[actix_web::test]
async fn a_database_of_ace_is_encrypted_and_decrypted() {
    let (place, tenants) = of_ace();
    let rows = || {
        let mut connection = diesel::SqliteConnection::establish(place.path("addon.db").to_str().unwrap()).unwrap();
        let rows =
            diesel::sql_query(r#"SELECT "val" FROM "AddonSettings" UNION ALL SELECT "val" FROM "ForgeSettings""#);
        let values = rows.load::<Row>(&mut connection).unwrap().into_iter();
        values.map(|row| serde_json::from_str(&row.val).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    let before = rows();
    let sealing = Workplace::new()
        .var("DATABASE_URL", format!("sqlite:{}", place.path("addon.db").display()))
        .var("AC_STORE_ENCRYPTION_KEYS", KEY);
    assert_eq!(sealing.run(&["tenants", "encrypt"]).code, 0);
    assert!(rows().iter().all(|value| value.get("$sealed").is_some()));
    assert_eq!(sealing.run(&["tenants", "list", "--json"]).json().as_array().unwrap().len(), tenants.len());
    assert_eq!(sealing.run(&["tenants", "decrypt"]).code, 0);
    assert_eq!(rows(), before);
}
