//! Values: what is written is read, and nothing else.

use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::{Place, Store, StoreError};

pub async fn values_are_written_replaced_and_deleted(store: &dyn Store) {
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), None);
    assert!(!store.delete(Place::of_tenant("tenant", "key")).await.unwrap());

    store.set(Place::of_tenant("tenant", "key"), &json!({ "b": 1, "a": 2 })).await.unwrap();
    store.set(Place::of_tenant("tenant", "other"), &json!(2)).await.unwrap();
    store.set(Place::of_tenant("another", "key"), &json!(3)).await.unwrap();
    let value = store.get(Place::of_tenant("tenant", "key")).await.unwrap().unwrap();
    assert_eq!(value.to_string(), r#"{"b":1,"a":2}"#, "the order of the keys is kept");

    store.set(Place::of_tenant("tenant", "key"), &json!("new")).await.unwrap();
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!("new")));
    assert!(store.delete(Place::of_tenant("tenant", "key")).await.unwrap());
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), None);
    assert_eq!(store.get(Place::of_tenant("tenant", "other")).await.unwrap(), Some(json!(2)));
    assert_eq!(store.get(Place::of_tenant("another", "key")).await.unwrap(), Some(json!(3)));
}

pub async fn every_json_value_comes_back(store: &dyn Store) {
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
        store.set(Place::of_tenant("tenant", "key"), &value).await.unwrap();
        assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(value));
    }
}

pub async fn unicode_and_a_megabyte(store: &dyn Store) {
    let (tenant, key) = ("zoë-日本-☃", "ключ");
    let value = json!({ "description": "Zoë & Søn ☃ 日本", "large": "ä".repeat(512 * 1024) });
    store.set(Place::of_tenant(tenant, key), &value).await.unwrap();
    assert!(store.get(Place::of_tenant(tenant, key)).await.unwrap() == Some(value), "too long to print");
    assert_eq!(store.get(Place::of_tenant("zoe\u{308}-日本-☃", key)).await.unwrap(), None, "names are not normalised");
}

pub async fn missing_is_no_null(store: &dyn Store) {
    store.set(Place::of_tenant("tenant", "key"), &Value::Null).await.unwrap();
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(Value::Null));
    assert!(store.delete(Place::of_tenant("tenant", "key")).await.unwrap());
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), None);
}

pub async fn forge_values_are_their_own(store: &dyn Store) {
    store.set(Place::of_tenant("id", "key"), &json!("a tenant's")).await.unwrap();
    assert_eq!(store.get(Place::of_forge("id", "key")).await.unwrap(), None);
    assert!(!store.delete(Place::of_forge("id", "key")).await.unwrap());
    for value in [json!({ "appToken": "one" }), json!({ "appToken": "two" })] {
        store.set(Place::of_forge("id", "key"), &value).await.unwrap();
        assert_eq!(store.get(Place::of_forge("id", "key")).await.unwrap(), Some(value));
    }
    assert_eq!(store.get(Place::of_forge("id", "other")).await.unwrap(), None);
    assert!(store.delete(Place::of_forge("id", "key")).await.unwrap());
    assert_eq!(store.get(Place::of_forge("id", "key")).await.unwrap(), None);
    assert_eq!(store.get(Place::of_tenant("id", "key")).await.unwrap(), Some(json!("a tenant's")));
}

pub async fn values_are_exchanged_for_what_they_were(store: &dyn Store) {
    let (tenant, forge) = (Place::of_tenant("owner", "key"), Place::of_forge("owner", "key"));
    for place in [tenant, forge] {
        assert!(store.values(place).await.unwrap().is_empty());
        assert!(
            !store.exchange(place, Some(&json!(null)), Some(&json!(1))).await.unwrap(),
            "a missing value is not null"
        );
        assert!(store.values(place).await.unwrap().is_empty());
    }
    let old = json!({ "b": [1.5, null, "ä"], "a": u64::MAX });
    store.set(Place::of_tenant("owner", "key"), &old).await.unwrap();
    store.set(Place::of_tenant("owner", "other"), &old).await.unwrap();
    store.set(Place::of_forge("owner", "key"), &old).await.unwrap();
    assert!(!store.exchange(tenant, Some(&json!("another")), Some(&json!(1))).await.unwrap());
    assert!(store.exchange(tenant, Some(&old), Some(&json!("new"))).await.unwrap());
    assert!(!store.exchange(tenant, Some(&old), Some(&json!("newer"))).await.unwrap(), "the value has changed");
    assert_eq!(store.values(tenant).await.unwrap(), [json!("new")]);
    assert_eq!(store.get(Place::of_tenant("owner", "other")).await.unwrap(), Some(old.clone()));
    assert_eq!(store.values(forge).await.unwrap(), std::slice::from_ref(&old));
    assert!(store.exchange(forge, Some(&old), Some(&json!("Forge"))).await.unwrap());
    assert_eq!(store.get(Place::of_forge("owner", "key")).await.unwrap(), Some(json!("Forge")));
    assert_eq!(store.get(Place::of_tenant("owner", "key")).await.unwrap(), Some(json!("new")));
}

pub async fn of_many_exchanges_at_once_one_is_done(store: &dyn Store) {
    let place = Place::of_tenant("tenant", "key");
    for round in 0..8 {
        let old = json!({ "round": round });
        store.set(Place::of_tenant("tenant", "key"), &old).await.unwrap();
        let values: Vec<_> = (0..16).map(|n| json!({ "by": n, "of": round })).collect();
        let done =
            try_join_all(values.iter().map(|value| store.exchange(place, Some(&old), Some(value)))).await.unwrap();
        let winners: Vec<_> = values.iter().zip(done).filter_map(|(value, done)| done.then_some(value)).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap().as_ref(), Some(winners[0]));
    }
}

pub async fn values_are_added_and_removed_only_if_nothing_has_changed(store: &dyn Store) {
    for place in [Place::of_tenant("owner", "key"), Place::of_forge("owner", "key")] {
        assert!(store.exchange(place, None, None).await.unwrap(), "there is none");
        assert!(store.exchange(place, None, Some(&json!(null))).await.unwrap());
        assert!(!store.exchange(place, None, Some(&json!(1))).await.unwrap(), "null is a value");
        assert!(!store.exchange(place, None, None).await.unwrap());
        assert_eq!(store.values(place).await.unwrap(), [json!(null)]);

        assert!(!store.exchange(place, Some(&json!({})), None).await.unwrap());
        assert_eq!(store.values(place).await.unwrap(), [json!(null)]);
        assert!(store.exchange(place, Some(&json!(null)), None).await.unwrap());
        assert!(!store.exchange(place, Some(&json!(null)), None).await.unwrap(), "it is gone");
        assert!(store.values(place).await.unwrap().is_empty());
        assert!(store.keys(place.kind(), "owner").await.unwrap().is_empty());
        assert!(store.exchange(place, None, Some(&json!(""))).await.unwrap(), "it can be added again");
        assert_eq!(store.get(place).await.unwrap(), Some(json!("")));
    }
    let long = "k".repeat(256);
    let refused = store.exchange(Place::of_tenant("owner", &long), None, Some(&json!(1))).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
}

pub async fn of_many_additions_at_once_one_is_done(store: &dyn Store) {
    for round in 0..8 {
        let key = format!("key {round}");
        let place = Place::of_tenant("tenant", &key);
        let values: Vec<_> = (0..16).map(|n| json!({ "by": n })).collect();
        let done = try_join_all(values.iter().map(|value| store.exchange(place, None, Some(value)))).await.unwrap();
        let winners: Vec<_> = values.iter().zip(done).filter_map(|(value, done)| done.then_some(value)).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(store.values(place).await.unwrap(), [winners[0].clone()]);
    }
}

pub async fn concurrent_writes_of_many_tenants(store: &dyn Store) {
    let names: Vec<_> = (0..32).map(|n| format!("tenant {n}")).collect();
    let values: Vec<_> = (0..4).map(|n| json!({ "n": n })).collect();
    let pairs = || names.iter().flat_map(|name| values.iter().map(move |value| (name, value)));
    try_join_all(pairs().map(|(name, value)| store.set(Place::of_tenant(name, "key"), value))).await.unwrap();
    try_join_all(pairs().map(|(name, value)| store.set(Place::of_forge(name, "key"), value))).await.unwrap();
    try_join_all(pairs().map(|(name, _)| store.associate(name, "tenant"))).await.unwrap();

    let stored = try_join_all(names.iter().map(|name| store.get(Place::of_tenant(name, "key")))).await.unwrap();
    assert!(stored.iter().all(|value| value.as_ref().is_some_and(|value| values.contains(value))), "{stored:?}");
    let stored = try_join_all(names.iter().map(|name| store.get(Place::of_forge(name, "key")))).await.unwrap();
    assert!(stored.iter().all(|value| value.as_ref().is_some_and(|value| values.contains(value))), "{stored:?}");
}

pub async fn it_answers_a_ping(store: &dyn Store) {
    store.ping().await.unwrap();
}
