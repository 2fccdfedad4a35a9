//! What `tenants remove` and `tenants purge` do with the settings that stay under the keys of sites.

use atlassian_connect_actix::internal::association::{By, SITE, SiteRecord, save_site_record, site_record};
use serde_json::json;

use super::site::Site;
use super::{install, installation_seen, now, run, workplace};
use crate::command::Workplace;
use atlassian_connect_actix::store::Place;

const DAY: u64 = 24 * 60 * 60;

fn site(name: &str) -> String {
    format!("ari:cloud:jira::site/{name}")
}

/// An installed tenant with settings that stay under the key of a site of the same name, from which a Forge installation
/// has called.
async fn tenant(place: &Workplace, name: &str, seen: u64) {
    install(place, &Site::start(name).tenant(name)).await;
    let (store, key) = (place.store().await, site(name));
    store.associate(&key, name).await.unwrap();
    store.set(Place::of_tenant(name, "greeting"), &json!("of the tenant")).await.unwrap();
    for kept in ["greeting", "color"] {
        store.set(Place::of_tenant(&key, kept), &json!("of the site")).await.unwrap();
    }
    store.set(Place::of_tenant(&key, "later"), &json!("not kept")).await.unwrap();
    let kept = ["greeting", "color"].map(str::to_owned).to_vec();
    let record = SiteRecord { client_key: name.to_owned(), by: Some(By::Site), kept, ..SiteRecord::default() };
    save_site_record(store.as_ref(), &key, &record).await.unwrap();
    installation_seen(place, &format!("ari:cloud:ecosystem::installation/{name}"), &[&key], seen).await;
}

/// Which of the settings under the key of a site are left, and whether its record is.
async fn left(place: &Workplace, name: &str) -> (Vec<&'static str>, bool) {
    let (store, key) = (place.store().await, site(name));
    let mut left = Vec::new();
    for setting in ["greeting", "color", "later"] {
        if store.get(Place::of_tenant(&key, setting)).await.unwrap().is_some() {
            left.push(setting);
        }
    }
    (left, site_record(store.as_ref(), &key).await.unwrap().is_some())
}

#[actix_web::test]
async fn a_removed_tenant_leaves_nothing_under_the_keys_of_its_sites() {
    let place = workplace();
    for name in ["goes", "stays"] {
        tenant(&place, name, now()).await;
    }
    let said = run(&place, &["remove", "goes", "--yes"]).await;
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    assert_eq!(left(&place, "goes").await, (vec!["later"], false));
    assert_eq!(left(&place, "stays").await, (vec!["greeting", "color", "later"], true));

    // what an interrupted removal has left
    let store = place.store().await;
    let record = SiteRecord { client_key: "goes".to_owned(), kept: vec!["later".to_owned()], ..SiteRecord::default() };
    save_site_record(store.as_ref(), &site("unseen"), &record).await.unwrap();
    store.set(Place::of_tenant(&site("unseen"), "later"), &json!(1)).await.unwrap();
    assert_eq!(run(&place, &["remove", "goes", "--yes"]).await.code, 1, "it is not there any more");
    assert_eq!(left(&place, "unseen").await, (vec![], false));
}

#[actix_web::test]
async fn a_purge_removes_them_and_leaves_what_forge_works_with() {
    let place = workplace();
    let store = place.store().await;
    for (name, seen) in [("silent", now() - 100 * DAY), ("busy", now()), ("recent", now() - 100 * DAY)] {
        tenant(&place, name, seen).await;
        store.uninstall(name).await.unwrap();
        let days = if name == "recent" { 5 } else { 95 };
        store.set(Place::of_tenant(name, "clientInfo:uninstalledAt"), &json!(now() - days * DAY)).await.unwrap();
    }
    // a site whose record cannot be read is left alone
    store.set(Place::of_forge(&site("odd"), SITE), &json!("not a record")).await.unwrap();
    let said = run(&place, &["purge", "--older-than", "90d", "--yes"]).await;
    assert!(said.code == 0 && said.stdout.starts_with("removed 2 tenants from "), "{said:?}");
    let busy = site("busy");
    let expected = format!("settings under the key of a site stay, because Forge installations use them: {busy}\n");
    assert_eq!(said.stderr, expected);
    assert_eq!(left(&place, "silent").await, (vec!["later"], false));
    assert_eq!(left(&place, "busy").await, (vec!["greeting", "color", "later"], false));
    assert_eq!(left(&place, "recent").await, (vec!["greeting", "color", "later"], true));
}

#[actix_web::test]
async fn without_the_encryption_keys_it_is_said_what_may_be_left() {
    let place = Workplace::new().with_file().var("AC_STORE_ENCRYPTION_KEYS", crate::KEY);
    tenant(&place, "goes", 0).await;
    let url = format!("sqlite:{}", place.path("addon.db").display());
    assert_eq!(place.run(&["tenants", "encrypt"]).code, 0);
    let keyless = std::sync::Arc::new(Workplace::new().var("DATABASE_URL", url));
    let said = run(&keyless, &["remove", "goes", "--yes"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stderr.starts_with("the records of 1 sites could not be read."), "{said:?}");
    assert_eq!(left(&place, "goes").await.0, ["greeting", "color", "later"]);
}
