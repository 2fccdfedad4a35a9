//! The cases that every store must pass.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::Opened;
pub(super) use super::order::{an_abandoned_write_is_not_done_later, of_two_writes_the_later_one_counts};
use crate::{CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, KeyPage, Place, StoreError, now};

fn installation(client_key: &str, secret: &str) -> Value {
    json!({ "key": "com.example", "clientKey": client_key, "sharedSecret": secret, "baseUrl": "https://a.example.com" })
}

pub(super) async fn values_are_written_replaced_and_deleted(store: Opened) {
    assert_eq!(store.get("tenant", "key").await.unwrap(), None);
    assert!(!store.delete("tenant", "key").await.unwrap());

    store.set("tenant", "key", &json!({ "b": 1, "a": 2 })).await.unwrap();
    store.set("tenant", "other", &json!(2)).await.unwrap();
    store.set("another", "key", &json!(3)).await.unwrap();
    let value = store.get("tenant", "key").await.unwrap().unwrap();
    assert_eq!(value.to_string(), r#"{"b":1,"a":2}"#, "the order of the keys is kept");

    store.set("tenant", "key", &json!("new")).await.unwrap();
    assert_eq!(store.get("tenant", "key").await.unwrap(), Some(json!("new")));
    assert!(store.delete("tenant", "key").await.unwrap());
    assert_eq!(store.get("tenant", "key").await.unwrap(), None);
    assert_eq!(store.get("tenant", "other").await.unwrap(), Some(json!(2)));
    assert_eq!(store.get("another", "key").await.unwrap(), Some(json!(3)));
}

pub(super) async fn every_json_value_comes_back(store: Opened) {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-42),
        json!(1.5),
        json!(9_007_199_254_740_993_i64),
        json!(""),
        json!("123"),
        json!("{\"not\": \"parsed\"}"),
        json!([]),
        json!({}),
        json!([1, "a", null, { "b": [1.25e-7, u64::MAX] }]),
        json!({ "nul": "a\u{0}b", "quote": "'\"\\", "key\n": "\u{1f600}" }),
    ];
    for value in values {
        store.set("tenant", "key", &value).await.unwrap();
        assert_eq!(store.get("tenant", "key").await.unwrap(), Some(value));
    }
}

pub(super) async fn unicode_and_a_megabyte(store: Opened) {
    let (tenant, key) = ("zoë-日本-☃", "ключ");
    let value = json!({ "description": "Zoë & Søn ☃ 日本", "large": "ä".repeat(512 * 1024) });
    store.set(tenant, key, &value).await.unwrap();
    assert!(store.get(tenant, key).await.unwrap() == Some(value), "too long to print");
    assert_eq!(store.get("zoe\u{308}-日本-☃", key).await.unwrap(), None, "names are not normalised");
}

pub(super) async fn missing_is_no_null(store: Opened) {
    store.set("tenant", "key", &Value::Null).await.unwrap();
    assert_eq!(store.get("tenant", "key").await.unwrap(), Some(Value::Null));
    assert!(store.delete("tenant", "key").await.unwrap());
    assert_eq!(store.get("tenant", "key").await.unwrap(), None);
}

pub(super) async fn one_installation_per_tenant(store: Opened) {
    assert!(store.installations("tenant").await.unwrap().is_empty());
    for secret in ["first", "second"] {
        let installation = installation("tenant", secret);
        store.save_installation("tenant", &installation, None).await.unwrap();
        assert_eq!(store.installations("tenant").await.unwrap(), std::slice::from_ref(&installation));
        assert_eq!(store.get("tenant", CLIENT_INFO).await.unwrap(), Some(installation));
    }
}

pub(super) async fn concurrent_installs_of_one_tenant_end_in_one_row(store: Opened) {
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
    if let Some(rows) = store.count("AddonSettings") {
        assert_eq!(rows, 8, "no duplicates");
    }
}

pub(super) async fn concurrent_writes_of_many_tenants(store: Opened) {
    let names: Vec<_> = (0..32).map(|n| format!("tenant {n}")).collect();
    let values: Vec<_> = (0..4).map(|n| json!({ "n": n })).collect();
    let pairs = || names.iter().flat_map(|name| values.iter().map(move |value| (name, value)));
    try_join_all(pairs().map(|(name, value)| store.set(name, "key", value))).await.unwrap();
    try_join_all(pairs().map(|(name, value)| store.forge_set(name, "key", value))).await.unwrap();
    try_join_all(pairs().map(|(name, _)| store.associate(name, "tenant"))).await.unwrap();

    let stored = try_join_all(names.iter().map(|name| store.get(name, "key"))).await.unwrap();
    assert!(stored.iter().all(|value| value.as_ref().is_some_and(|value| values.contains(value))), "{stored:?}");
    let stored = try_join_all(names.iter().map(|name| store.forge_get(name, "key"))).await.unwrap();
    assert!(stored.iter().all(|value| value.as_ref().is_some_and(|value| values.contains(value))), "{stored:?}");
    for (table, expected) in [("AddonSettings", 32), ("ForgeSettings", 32), ("InstallationClientKeys", 32)] {
        if let Some(rows) = store.count(table) {
            assert_eq!(rows, expected, "rows of {table}");
        }
    }
}

pub(super) async fn uninstalled_tenants_are_kept_and_revived(store: Opened) {
    assert!(!store.uninstall("tenant").await.unwrap());
    let (first, second) = (installation("tenant", "first"), installation("tenant", "second"));
    store.save_installation("tenant", &first, Some("installation")).await.unwrap();
    store.set("tenant", "setting", &json!("mine")).await.unwrap();

    assert!(store.uninstall("tenant").await.unwrap());
    assert!(!store.uninstall("tenant").await.unwrap(), "nothing left to uninstall");
    assert!(store.installations("tenant").await.unwrap().is_empty());
    assert_eq!(store.get("tenant", CLIENT_INFO).await.unwrap(), None);
    assert_eq!(store.get("tenant", CLIENT_INFO_UNINSTALLED).await.unwrap(), Some(first));
    assert!(store.tenants(None, 10).await.unwrap().tenants.is_empty());
    assert_eq!(store.client_key_of_installation("installation").await.unwrap(), None);

    store.save_installation("tenant", &second, None).await.unwrap();
    assert_eq!(store.installations("tenant").await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(store.get("tenant", CLIENT_INFO_UNINSTALLED).await.unwrap(), None, "the row is active again");
    assert_eq!(store.get("tenant", "setting").await.unwrap(), Some(json!("mine")));
    assert_eq!(
        store.client_key_of_installation("installation").await.unwrap(),
        None,
        "this install had no installationId"
    );

    assert!(store.uninstall("tenant").await.unwrap());
    assert_eq!(store.get("tenant", CLIENT_INFO_UNINSTALLED).await.unwrap(), Some(second));
}

pub(super) async fn associations_follow_the_last_install(store: Opened) {
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

pub(super) async fn forge_values_are_their_own(store: Opened) {
    store.set("id", "key", &json!("a tenant's")).await.unwrap();
    assert_eq!(store.forge_get("id", "key").await.unwrap(), None);
    assert!(!store.forge_delete("id", "key").await.unwrap());
    for value in [json!({ "appToken": "one" }), json!({ "appToken": "two" })] {
        store.forge_set("id", "key", &value).await.unwrap();
        assert_eq!(store.forge_get("id", "key").await.unwrap(), Some(value));
    }
    assert_eq!(store.forge_get("id", "other").await.unwrap(), None);
    assert!(store.forge_delete("id", "key").await.unwrap());
    assert_eq!(store.forge_get("id", "key").await.unwrap(), None);
    assert_eq!(store.get("id", "key").await.unwrap(), Some(json!("a tenant's")));
}

pub(super) async fn tenants_come_in_pages(store: Opened) {
    // Names that a locale would sort differently.
    let names: BTreeSet<_> = (0..250).map(|n| format!("{}{n}", ["a", "B", "ä", "_", "Z-", "z"][n % 6])).collect();
    for name in &names {
        store.save_installation(name, &installation(name, "secret"), None).await.unwrap();
    }
    store.set("no installation", "key", &json!(1)).await.unwrap();
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

/// All tenants that `stored_keys` returns in pages of `limit`, each with its keys.
async fn all_keys(store: &Opened, limit: usize) -> Vec<(String, Vec<String>)> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let page = store.stored_keys(from.as_deref(), limit).await.unwrap();
        assert!((1..=limit).contains(&page.tenants.len()), "{page:?}");
        all.extend(page.tenants);
        match page.next {
            Some(next) => from = Some(next),
            None => return all,
        }
    }
}

pub(super) async fn keys_are_listed_installed_or_not(store: Opened) {
    assert_eq!(store.stored_keys(None, 10).await.unwrap(), KeyPage::default());
    for name in ["b", "Z", "ä", "日本"] {
        store.save_installation(name, &installation(name, "secret"), None).await.unwrap();
    }
    store.set("b", "ключ", &json!(null)).await.unwrap();
    store.set("b", "A key", &json!(1)).await.unwrap();
    store.uninstall("ä").await.unwrap();
    store.set("only a value", "key", &json!(1)).await.unwrap();

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
        assert_eq!(all_keys(&store, limit).await, expected, "{limit}");
    }
    let page = store.stored_keys(Some("b"), 1).await.unwrap();
    assert_eq!((page.tenants, page.next.as_deref()), (expected[1..2].to_vec(), Some("only a value")));
    let page = store.stored_keys(Some("c"), 0).await.unwrap();
    assert_eq!((page.tenants, page.next.as_deref()), (expected[2..3].to_vec(), Some("ä")));
    assert_eq!(store.stored_keys(Some("\u{10ffff}"), 10).await.unwrap(), KeyPage::default());
}

pub(super) async fn a_removed_tenant_leaves_nothing(store: Opened) {
    assert!(!store.remove("tenant").await.unwrap());
    for name in ["tenant", "other"] {
        store.save_installation(name, &installation(name, "secret"), Some(&format!("of {name}"))).await.unwrap();
        store.set(name, "key", &json!(1)).await.unwrap();
        store.forge_set(&format!("of {name}"), "key", &json!(1)).await.unwrap();
    }
    assert!(store.remove("tenant").await.unwrap());
    assert!(!store.remove("tenant").await.unwrap(), "nothing left to remove");
    assert!(store.installations("tenant").await.unwrap().is_empty());
    assert_eq!(store.get("tenant", "key").await.unwrap(), None);
    assert_eq!(store.client_key_of_installation("of tenant").await.unwrap(), None);
    assert_eq!(store.forge_get("of tenant", "key").await.unwrap(), None);

    assert_eq!(store.installations("other").await.unwrap(), [installation("other", "secret")]);
    assert_eq!(store.get("other", "key").await.unwrap(), Some(json!(1)));
    assert_eq!(store.client_key_of_installation("of other").await.unwrap().as_deref(), Some("other"));
    assert_eq!(store.forge_get("of other", "key").await.unwrap(), Some(json!(1)));

    // what an uninstall left is removed too
    assert!(store.uninstall("other").await.unwrap());
    assert!(store.remove("other").await.unwrap());
    assert_eq!(store.stored_keys(None, 10).await.unwrap(), KeyPage::default());
}

pub(super) async fn forge_keys_are_listed(store: Opened) {
    assert_eq!(store.forge_keys(None, 10).await.unwrap(), KeyPage::default());
    store.set("a tenant's", "key", &json!(1)).await.unwrap();
    for (id, key) in [("b", "y"), ("b", "X"), ("Z", "x"), ("ä", "x")] {
        store.forge_set(id, key, &json!(1)).await.unwrap();
    }
    let owned = |pairs: &[(&str, &[&str])]| -> Vec<(String, Vec<String>)> {
        let keys = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
        pairs.iter().map(|(id, of)| ((*id).to_owned(), keys(of))).collect()
    };
    let page = store.forge_keys(None, 2).await.unwrap();
    assert_eq!((page.tenants, page.next.as_deref()), (owned(&[("Z", &["x"]), ("b", &["X", "y"])]), Some("ä")));
    let page = store.forge_keys(Some("ä"), 2).await.unwrap();
    assert_eq!((page.tenants, page.next), (owned(&[("ä", &["x"])]), None));
}

pub(super) async fn values_are_exchanged_for_what_they_were(store: Opened) {
    let (tenant, forge) = (Place::of_tenant("owner", "key"), Place::of_forge("owner", "key"));
    for place in [tenant, forge] {
        assert!(store.values(place).await.unwrap().is_empty());
        assert!(!store.exchange(place, &json!(null), &json!(1)).await.unwrap(), "a missing value is not null");
        assert!(store.values(place).await.unwrap().is_empty());
    }
    let old = json!({ "b": [1.5, null, "ä"], "a": u64::MAX });
    store.set("owner", "key", &old).await.unwrap();
    store.set("owner", "other", &old).await.unwrap();
    store.forge_set("owner", "key", &old).await.unwrap();
    assert!(!store.exchange(tenant, &json!("another"), &json!(1)).await.unwrap());
    assert!(store.exchange(tenant, &old, &json!("new")).await.unwrap());
    assert!(!store.exchange(tenant, &old, &json!("newer")).await.unwrap(), "the value has changed");
    assert_eq!(store.values(tenant).await.unwrap(), [json!("new")]);
    assert_eq!(store.get("owner", "other").await.unwrap(), Some(old.clone()));
    assert_eq!(store.values(forge).await.unwrap(), std::slice::from_ref(&old));
    assert!(store.exchange(forge, &old, &json!("Forge")).await.unwrap());
    assert_eq!(store.forge_get("owner", "key").await.unwrap(), Some(json!("Forge")));
    assert_eq!(store.get("owner", "key").await.unwrap(), Some(json!("new")));
}

pub(super) async fn of_many_exchanges_at_once_one_is_done(store: Opened) {
    let place = Place::of_tenant("tenant", "key");
    for round in 0..8 {
        let old = json!({ "round": round });
        store.set("tenant", "key", &old).await.unwrap();
        let values: Vec<_> = (0..16).map(|n| json!({ "by": n, "of": round })).collect();
        let done = try_join_all(values.iter().map(|value| store.exchange(place, &old, value))).await.unwrap();
        let winners: Vec<_> = values.iter().zip(done).filter_map(|(value, done)| done.then_some(value)).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(store.get("tenant", "key").await.unwrap().as_ref(), Some(winners[0]));
    }
}

pub(super) async fn an_uninstall_is_timed_until_the_next_install(store: Opened) {
    let at = async || store.get("tenant", CLIENT_INFO_UNINSTALLED_AT).await.unwrap();
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
    store.set("tenant", CLIENT_INFO_UNINSTALLED_AT, &json!(7)).await.unwrap();
    store.uninstall("tenant").await.unwrap();
    assert_eq!(at().await, Some(json!(7)), "a second uninstall changes nothing");
}

pub(super) async fn what_was_uninstalled_long_ago_is_purged(store: Opened) {
    for name in ["installed", "gone", "untimed", "odd"] {
        let id = format!("of {name}");
        store.save_installation(name, &installation(name, "secret"), Some(&id)).await.unwrap();
        store.set(name, "key", &json!(1)).await.unwrap();
    }
    for name in ["gone", "untimed", "odd"] {
        store.uninstall(name).await.unwrap();
    }
    store.set("gone", CLIENT_INFO_UNINSTALLED_AT, &json!(1000)).await.unwrap();
    // beside an active installation, the time means nothing
    store.set("installed", CLIENT_INFO_UNINSTALLED_AT, &json!(1000)).await.unwrap();
    store.set("odd", CLIENT_INFO_UNINSTALLED_AT, &json!("1000")).await.unwrap();
    assert!(store.delete("untimed", CLIENT_INFO_UNINSTALLED_AT).await.unwrap());

    assert!(!store.purge("gone", 999).await.unwrap());
    for name in ["installed", "untimed", "odd", "nobody"] {
        assert!(!store.purge(name, now()).await.unwrap(), "{name}");
    }
    assert_eq!(store.stored_keys(None, 10).await.unwrap().tenants.len(), 4);
    assert!(store.purge("gone", 1000).await.unwrap());
    assert!(!store.purge("gone", 1000).await.unwrap());
    assert_eq!(store.get("gone", "key").await.unwrap(), None);
    let left = store.stored_keys(None, 10).await.unwrap().tenants;
    assert_eq!(left.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["installed", "odd", "untimed"]);
    assert_eq!(store.client_key_of_installation("of installed").await.unwrap().as_deref(), Some("installed"));
}

pub(super) async fn hostile_names_are_names(store: Opened) {
    let long = "x".repeat(255);
    #[rustfmt::skip]
    let names = [
        "'", "\"", "`", "\\", "\\'; DROP TABLE \"AddonSettings\"; --", "' OR '1'='1", "%", "_", "$1", "?", "@json", "",
        " ",
        "a\nb", "\u{feff}", "../../etc/passwd", "null", long.as_str(),
    ];
    for (n, name) in names.iter().enumerate() {
        store.set(name, name, &json!(n)).await.unwrap();
        store.forge_set(name, name, &json!(n)).await.unwrap();
        store.associate(name, name).await.unwrap();
    }
    for (n, name) in names.iter().enumerate() {
        assert_eq!(store.get(name, name).await.unwrap(), Some(json!(n)), "{name:?}");
        assert_eq!(store.forge_get(name, name).await.unwrap(), Some(json!(n)), "{name:?}");
        assert_eq!(store.client_key_of_installation(name).await.unwrap().as_deref(), Some(*name));
        assert!(store.installations(name).await.unwrap().is_empty(), "{name:?}");
    }
    assert!(store.tenants(Some("' OR 1=1 --"), 10).await.unwrap().tenants.is_empty());

    // No column can hold these. Reading under them finds nothing, and writing is refused.
    let too_long = "ä".repeat(256);
    for name in ["a\0b", too_long.as_str()] {
        assert_eq!(store.get(name, "key").await.unwrap(), None);
        assert_eq!(store.get("tenant", name).await.unwrap(), None);
        assert_eq!(store.forge_get(name, "key").await.unwrap(), None);
        assert_eq!(store.client_key_of_installation(name).await.unwrap(), None);
        assert!(store.values(Place::of_tenant(name, "key")).await.unwrap().is_empty());
        assert!(!store.purge(name, now()).await.unwrap());
        assert!(store.installations(name).await.unwrap().is_empty());
        assert!(!store.delete(name, "key").await.unwrap());
        assert!(!store.uninstall(name).await.unwrap());
        let refused = [
            store.set(name, "key", &json!(1)).await,
            store.set("tenant", name, &json!(1)).await,
            store.forge_set(name, "key", &json!(1)).await,
            store.associate(name, "tenant").await,
            store.save_installation(name, &json!({}), None).await,
            store.save_installation("tenant", &json!({}), Some(name)).await,
        ];
        assert!(refused.iter().all(|outcome| matches!(outcome, Err(StoreError::Refused(_)))), "{refused:?}");
    }
    assert!(store.installations("tenant").await.unwrap().is_empty(), "a refused install leaves nothing");
}

pub(super) async fn names_differ_by_every_byte(store: Opened) {
    // Equal in a database with a locale's collation.
    let names = ["tenant", "Tenant", "TENANT", "tenant ", "tenant  ", "ténant", "te\u{301}nant", "tenant\t", "ｔenant"];
    for name in names {
        assert!(store.installations(name).await.unwrap().is_empty(), "{name:?}");
        assert_eq!(store.client_key_of_installation(name).await.unwrap(), None, "{name:?}");
        store.save_installation(name, &installation(name, "old"), Some(name)).await.unwrap();
        store.save_installation(name, &installation(name, "secret"), Some(name)).await.unwrap();
        store.set(name, "key", &json!(name)).await.unwrap();
        store.set("owner", name, &json!(name)).await.unwrap();
        store.forge_set(name, "key", &json!(name)).await.unwrap();
        store.forge_set("owner", name, &json!(name)).await.unwrap();
    }
    let unchanged = async |names: &[&str]| {
        for &name in names {
            assert_eq!(store.installations(name).await.unwrap(), [installation(name, "secret")], "{name:?}");
            assert_eq!(store.get(name, "key").await.unwrap(), Some(json!(name)));
            assert_eq!(store.get("owner", name).await.unwrap(), Some(json!(name)));
            assert_eq!(store.forge_get(name, "key").await.unwrap(), Some(json!(name)));
            assert_eq!(store.forge_get("owner", name).await.unwrap(), Some(json!(name)));
            assert_eq!(store.client_key_of_installation(name).await.unwrap().as_deref(), Some(name));
        }
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        for limit in [1, 2, 100] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = store.tenants(after.as_deref(), limit).await.unwrap();
                seen.extend(page.tenants.into_iter().map(|(name, _)| name));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, sorted, "{limit} per page");
        }
    };
    unchanged(&names).await;
    assert_eq!(store.get("owner", "KEY").await.unwrap(), None);
    assert!(store.values(Place::of_tenant("tenant", "clientInfo ")).await.unwrap().is_empty());

    // changing one changes no other
    let place = Place::of_tenant(names[0], "key");
    assert!(store.exchange(place, &json!(names[0]), &json!("new")).await.unwrap());
    assert!(store.delete("owner", names[0]).await.unwrap() && store.forge_delete("owner", names[0]).await.unwrap());
    assert!(store.uninstall(names[0]).await.unwrap());
    unchanged(&names[1..]).await;
    assert!(store.purge(names[0], now()).await.unwrap());
    unchanged(&names[1..]).await;
    assert!(store.remove(names[1]).await.unwrap());
    assert!(store.delete("owner", names[1]).await.unwrap() && store.forge_delete("owner", names[1]).await.unwrap());
    unchanged(&names[2..]).await;

    let mut listed = all_keys(&store, 1).await;
    assert_eq!(listed, all_keys(&store, 3).await);
    listed.retain(|(owner, _)| owner != "owner");
    let mut left = names[2..].to_vec();
    left.sort_unstable();
    assert_eq!(listed.into_iter().map(|(owner, _)| owner).collect::<Vec<_>>(), left);
}

pub(super) async fn text_that_holds_an_installation(store: Opened) {
    let installation = installation("tenant", "secret");
    store.set("tenant", CLIENT_INFO, &json!(installation.to_string())).await.unwrap();
    assert_eq!(store.installations("tenant").await.unwrap(), std::slice::from_ref(&installation));
    assert_eq!(store.tenants(None, 1).await.unwrap().tenants, [("tenant".to_owned(), installation)]);
    for other in [json!("not JSON"), json!("[1]"), json!(5)] {
        store.set("tenant", CLIENT_INFO, &other).await.unwrap();
        assert_eq!(store.installations("tenant").await.unwrap(), [other]);
    }
}

pub(super) async fn it_answers_a_ping(store: Opened) {
    store.ping().await.unwrap();
}
