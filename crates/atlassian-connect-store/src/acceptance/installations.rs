//! Installations: one for each tenant, installed, uninstalled and removed.

use futures_util::future::try_join_all;
use serde_json::json;

use super::installation;
use crate::{CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, KeyPage, OwnerKind, Place, Store, now};

pub async fn one_installation_per_tenant(store: &dyn Store) {
    assert!(store.installations("tenant").await.unwrap().is_empty());
    for secret in ["first", "second"] {
        let installation = installation("tenant", secret);
        store.save_installation("tenant", &installation, None).await.unwrap();
        assert_eq!(store.installations("tenant").await.unwrap(), std::slice::from_ref(&installation));
        assert_eq!(store.get(Place::of_tenant("tenant", CLIENT_INFO)).await.unwrap(), Some(installation));
    }
}

pub async fn concurrent_installs_of_one_tenant_end_in_one_row(store: &dyn Store) {
    // The first rounds are not concurrent: the pool is still opening its connections.
    for round in 0..8 {
        let (tenant, id) = (format!("tenant {round}"), format!("installation {round}"));
        let installations: Vec<_> = (0..32).map(|n| installation(&tenant, &format!("secret {n}"))).collect();
        try_join_all(installations.iter().map(|one| store.save_installation(&tenant, one, Some(&id)))).await.unwrap();

        let stored = store.installations(&tenant).await.unwrap();
        assert_eq!(stored.len(), 1, "{stored:?}");
        assert!(installations.contains(&stored[0]), "{stored:?}");
        assert_eq!(store.client_key_of_installation(&id).await.unwrap().as_ref(), Some(&tenant));
    }
}

pub async fn uninstalled_tenants_are_kept_and_revived(store: &dyn Store) {
    assert!(!store.uninstall("tenant").await.unwrap());
    let (first, second) = (installation("tenant", "first"), installation("tenant", "second"));
    store.save_installation("tenant", &first, Some("installation")).await.unwrap();
    store.set(Place::of_tenant("tenant", "setting"), &json!("mine")).await.unwrap();

    assert!(store.uninstall("tenant").await.unwrap());
    assert!(!store.uninstall("tenant").await.unwrap(), "nothing left to uninstall");
    assert!(store.installations("tenant").await.unwrap().is_empty());
    assert_eq!(store.get(Place::of_tenant("tenant", CLIENT_INFO)).await.unwrap(), None);
    assert_eq!(store.get(Place::of_tenant("tenant", CLIENT_INFO_UNINSTALLED)).await.unwrap(), Some(first));
    assert!(store.tenants(None, 10).await.unwrap().tenants.is_empty());
    assert_eq!(store.client_key_of_installation("installation").await.unwrap(), None);

    store.save_installation("tenant", &second, None).await.unwrap();
    assert_eq!(store.installations("tenant").await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(
        store.get(Place::of_tenant("tenant", CLIENT_INFO_UNINSTALLED)).await.unwrap(),
        None,
        "the row is active again"
    );
    assert_eq!(store.get(Place::of_tenant("tenant", "setting")).await.unwrap(), Some(json!("mine")));
    assert_eq!(
        store.client_key_of_installation("installation").await.unwrap(),
        None,
        "this install had no installationId"
    );

    assert!(store.uninstall("tenant").await.unwrap());
    assert_eq!(store.get(Place::of_tenant("tenant", CLIENT_INFO_UNINSTALLED)).await.unwrap(), Some(second));
}

pub async fn associations_follow_the_last_install(store: &dyn Store) {
    let tenant = |id: &'static str| {
        let store = &store;
        async move { store.client_key_of_installation(id).await.unwrap() }
    };
    assert_eq!(tenant("one").await, None);
    store.save_installation("a", &installation("a", "x"), Some("one")).await.unwrap();
    store.associate("two", "a").await.unwrap();
    assert_eq!((tenant("one").await.as_deref(), tenant("two").await.as_deref()), (Some("a"), Some("a")));

    store.save_installation("b", &installation("b", "x"), Some("one")).await.unwrap();
    assert_eq!((tenant("one").await.as_deref(), tenant("two").await.as_deref()), (Some("b"), Some("a")));
    store.save_installation("b", &installation("b", "y"), None).await.unwrap();
    assert_eq!(
        tenant("one").await.as_deref(),
        Some("b"),
        "an install without an installationId removes no association"
    );

    assert!(store.uninstall("a").await.unwrap());
    assert_eq!((tenant("one").await.as_deref(), tenant("two").await.as_deref()), (Some("b"), None));
}

pub async fn a_removed_tenant_leaves_nothing(store: &dyn Store) {
    assert!(!store.remove("tenant").await.unwrap());
    for name in ["tenant", "other"] {
        store.save_installation(name, &installation(name, "secret"), Some(&format!("of {name}"))).await.unwrap();
        store.set(Place::of_tenant(name, "key"), &json!(1)).await.unwrap();
        store.set(Place::of_forge(&format!("of {name}"), "key"), &json!(1)).await.unwrap();
    }
    assert!(store.remove("tenant").await.unwrap());
    assert!(!store.remove("tenant").await.unwrap(), "nothing left to remove");
    assert!(store.installations("tenant").await.unwrap().is_empty());
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), None);
    assert_eq!(store.client_key_of_installation("of tenant").await.unwrap(), None);
    assert_eq!(store.get(Place::of_forge("of tenant", "key")).await.unwrap(), None);

    assert_eq!(store.installations("other").await.unwrap(), [installation("other", "secret")]);
    assert_eq!(store.get(Place::of_tenant("other", "key")).await.unwrap(), Some(json!(1)));
    assert_eq!(store.client_key_of_installation("of other").await.unwrap().as_deref(), Some("other"));
    assert_eq!(store.get(Place::of_forge("of other", "key")).await.unwrap(), Some(json!(1)));

    // what an uninstall left is removed too
    assert!(store.uninstall("other").await.unwrap());
    assert!(store.remove("other").await.unwrap());
    assert_eq!(store.key_page(OwnerKind::Tenant, None, 10).await.unwrap(), KeyPage::default());
}

pub async fn an_uninstall_is_timed_until_the_next_install(store: &dyn Store) {
    let at = async || store.get(Place::of_tenant("tenant", CLIENT_INFO_UNINSTALLED_AT)).await.unwrap();
    let before = now();
    store.uninstall("tenant").await.unwrap();
    assert_eq!(at().await, None, "there was nothing to uninstall");
    for _ in 0..2 {
        store.save_installation("tenant", &installation("tenant", "secret"), None).await.unwrap();
        assert_eq!(at().await, None);
        store.uninstall("tenant").await.unwrap();
        let since = at().await.unwrap().as_u64().unwrap();
        assert!((before..=now()).contains(&since), "{since}");
    }
    store.set(Place::of_tenant("tenant", CLIENT_INFO_UNINSTALLED_AT), &json!(7)).await.unwrap();
    store.uninstall("tenant").await.unwrap();
    assert_eq!(at().await, Some(json!(7)), "a second uninstall changes nothing");
}

pub async fn what_was_uninstalled_long_ago_is_purged(store: &dyn Store) {
    for name in ["installed", "gone", "untimed", "odd"] {
        let id = format!("of {name}");
        store.save_installation(name, &installation(name, "secret"), Some(&id)).await.unwrap();
        store.set(Place::of_tenant(name, "key"), &json!(1)).await.unwrap();
    }
    for name in ["gone", "untimed", "odd"] {
        store.uninstall(name).await.unwrap();
    }
    store.set(Place::of_tenant("gone", CLIENT_INFO_UNINSTALLED_AT), &json!(1000)).await.unwrap();
    // beside an active installation, the time means nothing
    store.set(Place::of_tenant("installed", CLIENT_INFO_UNINSTALLED_AT), &json!(1000)).await.unwrap();
    store.set(Place::of_tenant("odd", CLIENT_INFO_UNINSTALLED_AT), &json!("1000")).await.unwrap();
    assert!(store.delete(Place::of_tenant("untimed", CLIENT_INFO_UNINSTALLED_AT)).await.unwrap());

    assert!(!store.purge("gone", 999).await.unwrap());
    for name in ["installed", "untimed", "odd", "nobody"] {
        assert!(!store.purge(name, now()).await.unwrap(), "{name}");
    }
    assert_eq!(store.key_page(OwnerKind::Tenant, None, 10).await.unwrap().owners.len(), 4);
    assert!(store.purge("gone", 1000).await.unwrap());
    assert!(!store.purge("gone", 1000).await.unwrap());
    assert_eq!(store.get(Place::of_tenant("gone", "key")).await.unwrap(), None);
    let left = store.key_page(OwnerKind::Tenant, None, 10).await.unwrap().owners;
    assert_eq!(left.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["installed", "odd", "untimed"]);
    assert_eq!(store.client_key_of_installation("of installed").await.unwrap().as_deref(), Some("installed"));
}

pub async fn text_that_holds_an_installation(store: &dyn Store) {
    let installation = installation("tenant", "secret");
    store.set(Place::of_tenant("tenant", CLIENT_INFO), &json!(installation.to_string())).await.unwrap();
    assert_eq!(store.installations("tenant").await.unwrap(), std::slice::from_ref(&installation));
    assert_eq!(store.tenants(None, 1).await.unwrap().tenants, [("tenant".to_owned(), installation)]);
    for other in [json!("not JSON"), json!("[1]"), json!(5)] {
        store.set(Place::of_tenant("tenant", CLIENT_INFO), &other).await.unwrap();
        assert_eq!(store.installations("tenant").await.unwrap(), [other]);
    }
}
