//! `tenants purge`.

use serde_json::json;

use super::install;
use crate::command::Workplace;
use atlassian_connect_actix::store::Place;

const DAY: u64 = 24 * 60 * 60;

/// One tenant of each kind: installed, uninstalled long ago, uninstalled recently, and without a time.
async fn several() -> Workplace {
    let place = Workplace::new().with_file();
    for name in ["here", "old", "older", "recent", "untimed"] {
        install(&place, name, "https://acme.atlassian.net").await;
    }
    let store = place.store().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (name, days) in [("old", 91), ("older", 400), ("recent", 89), ("untimed", 0)] {
        store.set(Place::of_tenant(name, "greeting"), &json!(1)).await.unwrap();
        store.uninstall(name).await.unwrap();
        store.set(Place::of_tenant(name, "clientInfo:uninstalledAt"), &json!(now - days * DAY)).await.unwrap();
    }
    store.delete(Place::of_tenant("untimed", "clientInfo:uninstalledAt")).await.unwrap();
    place
}

fn left(place: &Workplace) -> Vec<String> {
    let list = place.run(&["tenants", "list", "--json"]).json();
    list.as_array().unwrap().iter().map(|tenant| tenant["clientKey"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn only_tenants_that_uninstalled_long_ago_are_purged() {
    let place = several().await;
    let dry = place.run(&["tenants", "purge", "--older-than", "90d", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    let shown = dry.stdout.replace(place.path("").to_str().unwrap(), "");
    insta::assert_snapshot!(shown, @r"
    CLIENT KEY  UNINSTALLED
    old         91 days ago
    older       400 days ago
    2 would be removed from sqlite:addon.db; 1 uninstalled more recently
    ");
    assert!(
        dry.stderr.starts_with("1 kept, because the time of their uninstall is unknown")
            && dry.stderr.ends_with(": untimed\n"),
        "{dry:?}"
    );
    assert_eq!(left(&place).len(), 5);

    let unasked = place.run(&["tenants", "purge", "--older-than", "90d"]);
    assert_eq!((unasked.code, unasked.stdout.as_str()), (2, ""));
    assert!(unasked.stderr.contains(": old, older.") && unasked.stderr.contains("--yes"), "{unasked:?}");
    assert_eq!(left(&place).len(), 5);

    let done = place.run(&["tenants", "purge", "--older-than", "90d", "--yes"]);
    assert!(done.code == 0 && done.stdout.starts_with("removed 2 tenants from sqlite:"), "{done:?}");
    assert_eq!(left(&place), ["here", "recent", "untimed"]);
    assert_eq!(place.store().await.get(Place::of_tenant("old", "greeting")).await.unwrap(), None);
    let again = place.run(&["tenants", "purge", "--older-than", "90d", "--yes"]);
    assert!(again.code == 0 && again.stdout.starts_with("no tenants to remove from sqlite:"), "{again:?}");
}

#[actix_web::test]
async fn it_needs_no_keys_and_works_with_them() {
    let place = several().await.var("AC_STORE_ENCRYPTION_KEYS", super::KEY);
    assert_eq!(place.run(&["tenants", "encrypt"]).code, 0);
    let done = place.run(&["tenants", "purge", "--older-than", "52w", "--yes"]);
    assert!(done.stdout.starts_with("removed 1 tenants from "), "{done:?}");
    let keyless = Workplace::new().var("DATABASE_URL", format!("sqlite:{}", place.path("addon.db").display()));
    let done = keyless.run(&["tenants", "purge", "--older-than", "90d", "--yes"]);
    assert!(done.stdout.starts_with("removed 1 tenants from "), "{done:?}");
    assert_eq!(left(&place), ["here", "recent", "untimed"]);
}

#[actix_web::test]
async fn a_tenant_that_installs_again_is_not_purged() {
    let place = several().await;
    install(&place, "old", "https://acme.atlassian.net").await;
    let done = place.run(&["tenants", "purge", "--older-than", "90d", "--yes"]);
    assert!(done.stdout.starts_with("removed 1 tenants from "), "{done:?}");
    place.store().await.uninstall("old").await.unwrap();
    let done = place.run(&["tenants", "purge", "--older-than", "90d", "--yes"]);
    assert!(done.stdout.starts_with("no tenants to remove from "), "{done:?}");
    let shown = place.run(&["tenants", "show", "old", "--json"]).json();
    assert_eq!((&shown["state"], &shown["furtherKeys"]), (&json!("uninstalled"), &json!(["greeting"])));
}
