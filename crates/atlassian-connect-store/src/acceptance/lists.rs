//! Lists: pages in order, and the keys of one owner.

use std::collections::BTreeSet;

use serde_json::json;

use super::installation;
use crate::{CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, KeyPage, OwnerKind, Place, Store};

pub async fn tenants_come_in_pages(store: &dyn Store) {
    // Names that a locale would sort differently.
    let names: BTreeSet<_> = (0..250).map(|n| format!("{}{n}", ["a", "B", "ä", "_", "Z-", "z"][n % 6])).collect();
    for name in &names {
        store.save_installation(name, &installation(name, "secret"), None).await.unwrap();
    }
    store.set(Place::of_tenant("no installation", "key"), &json!(1)).await.unwrap();
    store.save_installation("gone", &installation("gone", "secret"), None).await.unwrap();
    store.uninstall("gone").await.unwrap();

    for limit in [1, 7, 249, 250, 251, 1000] {
        let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = store.tenants(after.as_deref(), limit).await.unwrap();
            assert!(page.tenants.len() <= limit);
            for (client_key, installation) in page.tenants {
                assert_eq!(installation["clientKey"], client_key);
                seen.push(client_key);
            }
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(seen.iter().eq(&names), "each once, in order, with {limit} per page");
        assert_eq!(pages, 250_usize.div_ceil(limit));
    }
    assert_eq!(store.tenants(Some("\u{10ffff}"), 10).await.unwrap().next, None);
    assert_eq!(store.tenants(None, 0).await.unwrap().tenants.len(), 1, "an empty page would never end");
}

/// All tenants that [`Store::key_page`] returns in pages of `limit`, each with its keys.
pub(super) async fn all_keys(store: &dyn Store, limit: usize) -> Vec<(String, Vec<String>)> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let page = store.key_page(OwnerKind::Tenant, from.as_deref(), limit).await.unwrap();
        assert!((1..=limit).contains(&page.owners.len()), "{page:?}");
        all.extend(page.owners);
        match page.next {
            Some(next) => from = Some(next),
            None => return all,
        }
    }
}

pub async fn keys_are_listed_installed_or_not(store: &dyn Store) {
    assert_eq!(store.key_page(OwnerKind::Tenant, None, 10).await.unwrap(), KeyPage::default());
    for name in ["b", "Z", "ä", "日本"] {
        store.save_installation(name, &installation(name, "secret"), None).await.unwrap();
    }
    store.set(Place::of_tenant("b", "ключ"), &json!(null)).await.unwrap();
    store.set(Place::of_tenant("b", "A key"), &json!(1)).await.unwrap();
    store.uninstall("ä").await.unwrap();
    store.set(Place::of_tenant("only a value", "key"), &json!(1)).await.unwrap();

    let expected: Vec<(String, Vec<String>)> = [
        ("Z", vec![CLIENT_INFO]),
        ("b", vec!["A key", CLIENT_INFO, "ключ"]),
        ("only a value", vec!["key"]),
        ("ä", vec![CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT]),
        ("日本", vec![CLIENT_INFO]),
    ]
    .map(|(name, keys)| (name.to_owned(), keys.into_iter().map(str::to_owned).collect()))
    .into();
    for limit in [1, 2, 4, 5, 100] {
        assert_eq!(all_keys(store, limit).await, expected, "{limit}");
    }
    let page = store.key_page(OwnerKind::Tenant, Some("b"), 1).await.unwrap();
    assert_eq!((page.owners, page.next.as_deref()), (expected[1..2].to_vec(), Some("only a value")));
    let page = store.key_page(OwnerKind::Tenant, Some("c"), 0).await.unwrap();
    assert_eq!((page.owners, page.next.as_deref()), (expected[2..3].to_vec(), Some("ä")));
    assert_eq!(store.key_page(OwnerKind::Tenant, Some("\u{10ffff}"), 10).await.unwrap(), KeyPage::default());
}

pub async fn forge_keys_are_listed(store: &dyn Store) {
    assert_eq!(store.key_page(OwnerKind::Forge, None, 10).await.unwrap(), KeyPage::default());
    store.set(Place::of_tenant("a tenant's", "key"), &json!(1)).await.unwrap();
    for (id, key) in [("b", "y"), ("b", "X"), ("Z", "x"), ("ä", "x")] {
        store.set(Place::of_forge(id, key), &json!(1)).await.unwrap();
    }
    let owned = |pairs: &[(&str, &[&str])]| -> Vec<(String, Vec<String>)> {
        let keys = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
        pairs.iter().map(|(id, of)| ((*id).to_owned(), keys(of))).collect()
    };
    let page = store.key_page(OwnerKind::Forge, None, 2).await.unwrap();
    assert_eq!((page.owners, page.next.as_deref()), (owned(&[("Z", &["x"]), ("b", &["X", "y"])]), Some("ä")));
    let page = store.key_page(OwnerKind::Forge, Some("ä"), 2).await.unwrap();
    assert_eq!((page.owners, page.next), (owned(&[("ä", &["x"])]), None));
}

pub async fn the_keys_of_one_owner(store: &dyn Store) {
    store.save_installation("b", &installation("b", "secret"), None).await.unwrap();
    for (owner, key) in [("b", "y"), ("b", "X"), ("b", "a:c"), ("B", "other"), ("b b", "other"), ("", "other")] {
        store.set(Place::of_tenant(owner, key), &json!(1)).await.unwrap();
    }
    store.set(Place::of_forge("b", "of Forge"), &json!(1)).await.unwrap();
    assert_eq!(store.keys(OwnerKind::Tenant, "b").await.unwrap(), ["X", "a:c", CLIENT_INFO, "y"]);
    assert_eq!(store.keys(OwnerKind::Forge, "b").await.unwrap(), ["of Forge"]);
    for nobody in ["c", "*", "?", "%", &"b".repeat(256), "\0"] {
        for kind in [OwnerKind::Tenant, OwnerKind::Forge] {
            assert_eq!(store.keys(kind, nobody).await.unwrap(), [""; 0], "{kind:?} {nobody:?}");
        }
    }
}
