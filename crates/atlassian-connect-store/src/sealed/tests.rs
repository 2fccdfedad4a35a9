//! Cases for encryption: keys, addresses, values in clear.

use proptest::prelude::*;
use serde_json::json;

use super::keys::SealState;
use super::*;
use crate::acceptance::backends::{KEY, Sandbox};
use crate::admin::{ValueForm, open_existing};
use crate::{CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED_AT, MemoryStore, QueuedEvent};

const NEW: &str = "bmV3IGtleSBuZXcga2V5IG5ldyBrZXkgbmV3IGtleSE=";
/// Must be unreadable without a key.
const HUSH: &str = "hush-0123456789";

fn keys(texts: &[&str]) -> Vec<EncryptionKey> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// One memory store, and the stores of several nodes on it.
struct Memory(Arc<MemoryStore>);

impl Memory {
    fn new() -> Self {
        Self(Arc::new(MemoryStore::new()))
    }

    fn node(&self, with: &[&str]) -> SealedStore {
        SealedStore::new(self.0.clone(), &keys(with))
    }

    async fn raw(&self, client_key: &str, key: &str) -> Value {
        self.0.get(Place::of_tenant(client_key, key)).await.unwrap().unwrap()
    }
}

fn installation(client_key: &str) -> Value {
    json!({ "clientKey": client_key, "sharedSecret": HUSH })
}

#[track_caller]
fn refused(outcome: Result<impl std::fmt::Debug, StoreError>, words: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains(words) && !error.to_string().contains(HUSH), "{error}");
}

#[track_caller]
fn locked(outcome: Result<impl std::fmt::Debug, StoreError>, words: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, StoreError::Sealed(_)), "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn nothing_of_a_value_is_read_without_the_key() {
    let memory = Memory::new();
    let node = memory.node(&[KEY]);
    node.save_installation("acme", &installation("acme"), Some("id")).await.unwrap();
    node.set(Place::of_forge("id", "appToken"), &json!(HUSH)).await.unwrap();
    let stored = memory.raw("acme", CLIENT_INFO).await;
    let text = stored["$sealed"].as_str().unwrap();
    assert!(text.starts_with(&format!("v1.{}.", node.key_id().unwrap())), "{text}");
    assert_eq!(stored.as_object().unwrap().len(), 1);
    for text in
        [stored.to_string(), memory.0.get(Place::of_forge("id", "appToken")).await.unwrap().unwrap().to_string()]
    {
        assert!(!text.contains(HUSH) && !text.contains("sharedSecret"), "{text}");
    }
    node.set(Place::of_tenant("acme", "twice"), &json!(1)).await.unwrap();
    let first = memory.raw("acme", "twice").await;
    node.set(Place::of_tenant("acme", "twice"), &json!(1)).await.unwrap();
    assert_ne!(memory.raw("acme", "twice").await, first, "equal values must not look equal");
    assert_eq!(format!("{node:?}"), "SealedStore { keys: 1, .. }");
}

#[tokio::test]
async fn values_in_clear_are_read_until_they_are_rewritten() {
    let memory = Memory::new();
    memory.0.save_installation("acme", &installation("acme"), None).await.unwrap();
    let node = memory.node(&[KEY]);
    assert_eq!(node.installations("acme").await.unwrap(), [installation("acme")]);
    assert_eq!(node.tenants(None, 10).await.unwrap().tenants, [("acme".to_owned(), installation("acme"))]);
    node.save_installation("acme", &installation("acme"), None).await.unwrap();
    assert!(memory.raw("acme", CLIENT_INFO).await.get("$sealed").is_some());
    assert_eq!(node.installations("acme").await.unwrap(), [installation("acme")]);
}

#[tokio::test]
async fn a_value_decrypts_only_at_its_own_address() {
    let memory = Memory::new();
    let node = memory.node(&[KEY]);
    node.save_installation("acme", &installation("acme"), None).await.unwrap();
    node.set(Place::of_tenant("acme", "a"), &json!(HUSH)).await.unwrap();
    node.set(Place::of_forge("acme", "a"), &json!(HUSH)).await.unwrap();
    let (installed, value) = (memory.raw("acme", CLIENT_INFO).await, memory.raw("acme", "a").await);
    let of_forge = memory.0.get(Place::of_forge("acme", "a")).await.unwrap().unwrap();

    memory.0.save_installation("evil", &installed, None).await.unwrap();
    refused(node.installations("evil").await, "copied from elsewhere");
    refused(node.tenants(None, 10).await, "\"evil\"");
    for (client_key, key, value) in
        [("acme", "b", &value), ("acm", "ea", &value), ("acme", "a", &of_forge), ("acme", CLIENT_INFO, &value)]
    {
        memory.0.set(Place::of_tenant(client_key, key), value).await.unwrap();
        refused(node.get(Place::of_tenant(client_key, key)).await, "cannot be decrypted");
    }
    memory.0.set(Place::of_forge("acme", "a"), &value).await.unwrap();
    refused(node.get(Place::of_forge("acme", "a")).await, "cannot be decrypted");

    // an installation moves between its own keys without being decrypted
    memory.0.set(Place::of_tenant("acme", CLIENT_INFO), &installed).await.unwrap();
    memory.node(&[NEW]).uninstall("acme").await.unwrap();
    assert_eq!(node.get(Place::of_tenant("acme", CLIENT_INFO_UNINSTALLED)).await.unwrap(), Some(installation("acme")));
    memory.0.set(Place::of_tenant("acme", CLIENT_INFO_SUPERSEDED), &installed).await.unwrap();
    assert_eq!(node.get(Place::of_tenant("acme", CLIENT_INFO_SUPERSEDED)).await.unwrap(), Some(installation("acme")));
}

#[tokio::test]
async fn a_missing_key_is_named_and_nothing_is_lost() {
    let memory = Memory::new();
    let right = memory.node(&[KEY]);
    right.save_installation("acme", &installation("acme"), None).await.unwrap();
    right.save_installation("gone", &installation("gone"), None).await.unwrap();
    right.uninstall("gone").await.unwrap();
    right.set(Place::of_tenant("acme", "key"), &json!(1)).await.unwrap();
    right.set(Place::of_forge("id", "key"), &json!(1)).await.unwrap();
    let before = [memory.raw("acme", CLIENT_INFO).await, memory.raw("gone", CLIENT_INFO_UNINSTALLED).await];
    let id = right.key_id().unwrap();

    let held = format!("is not in AC_STORE_ENCRYPTION_KEYS (its keys are {})", memory.node(&[NEW]).key_id().unwrap());
    for (node, words) in [
        (memory.node(&[]), format!("encrypted with key {id}, and AC_STORE_ENCRYPTION_KEYS is not set")),
        (memory.node(&[NEW]), format!("encrypted with key {id}, which {held}")),
    ] {
        locked(node.installations("acme").await, &words);
        locked(node.tenants(None, 10).await, &words);
        locked(node.get(Place::of_tenant("acme", "key")).await, &words);
        locked(node.get(Place::of_forge("id", "key")).await, &words);
        locked(node.values(Place::of_tenant("acme", "key")).await, &words);
        locked(node.set(Place::of_tenant("acme", "key"), &json!(2)).await, &words);
        locked(node.set(Place::of_forge("id", "key"), &json!(2)).await, &words);
        locked(node.exchange(Place::of_tenant("acme", "key"), Some(&json!(1)), Some(&json!(2))).await, &words);
        locked(node.exchange(Place::of_tenant("acme", "key"), Some(&json!(1)), None).await, &words);
        assert!(!node.exchange(Place::of_tenant("acme", "key"), None, Some(&json!(2))).await.unwrap());
        locked(node.save_installation("acme", &installation("acme"), None).await, &words);
        locked(node.save_installation("gone", &installation("gone"), None).await, &words);
        node.save_installation("another", &installation("another"), None).await.unwrap();
        node.remove("another").await.unwrap();
    }
    assert_eq!(before, [memory.raw("acme", CLIENT_INFO).await, memory.raw("gone", CLIENT_INFO_UNINSTALLED).await]);
    assert_eq!(right.get(Place::of_tenant("acme", "key")).await.unwrap(), Some(json!(1)));

    let tried = async |with: &[&str]| SealedStore::tried(memory.0.clone(), &keys(with)).await;
    locked(tried(&[]).await, "is not set");
    locked(tried(&[NEW]).await, "is not in");
    tried(&[NEW, KEY]).await.unwrap();
}

#[tokio::test]
async fn the_first_key_seals_and_all_open() {
    let memory = Memory::new();
    memory.node(&[KEY]).set(Place::of_tenant("acme", "key"), &json!(1)).await.unwrap();
    let both = memory.node(&[NEW, KEY]);
    assert_eq!(both.get(Place::of_tenant("acme", "key")).await.unwrap(), Some(json!(1)));
    assert_eq!(memory.node(&[KEY, NEW]).get(Place::of_tenant("acme", "key")).await.unwrap(), Some(json!(1)));
    both.set(Place::of_tenant("acme", "key"), &json!(2)).await.unwrap();
    assert_eq!(memory.node(&[NEW]).get(Place::of_tenant("acme", "key")).await.unwrap(), Some(json!(2)));
    locked(memory.node(&[KEY]).get(Place::of_tenant("acme", "key")).await, "is not in");
}

#[tokio::test]
async fn altered_values_are_reported_and_can_be_overwritten() {
    let memory = Memory::new();
    let node = memory.node(&[KEY]);
    node.set(Place::of_tenant("acme", "key"), &json!({ "a": HUSH })).await.unwrap();
    let text = memory.raw("acme", "key").await["$sealed"].as_str().unwrap().to_owned();
    let start = text.rfind('.').unwrap() + 1;
    for at in start..text.len() - 1 {
        let mut altered = text.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = json!({ "$sealed": String::from_utf8(altered).unwrap() });
        memory.0.set(Place::of_tenant("acme", "key"), &altered).await.unwrap();
        refused(node.get(Place::of_tenant("acme", "key")).await, "it was altered, truncated, or copied");
    }
    let long = text.clone() + "AAAA";
    for bad in [&text[..start], &text[..start + 8], &text[..text.len() - 4], &long, "v1", "v1.", "x.y.z", "", "v1.."] {
        memory.0.set(Place::of_tenant("acme", "key"), &json!({ "$sealed": bad })).await.unwrap();
        assert!(node.get(Place::of_tenant("acme", "key")).await.is_err(), "{bad}");
    }
    for bad in [json!(1), json!(null), json!({ "a": 1 })] {
        memory.0.set(Place::of_tenant("acme", "key"), &json!({ "$sealed": bad })).await.unwrap();
        refused(node.get(Place::of_tenant("acme", "key")).await, "altered");
    }
    node.set(Place::of_tenant("acme", "key"), &json!(2)).await.unwrap();
    assert_eq!(node.get(Place::of_tenant("acme", "key")).await.unwrap(), Some(json!(2)));

    memory.0.set(Place::of_tenant("acme", "key"), &json!({ "$sealed": text.replacen("v1", "v2", 1) })).await.unwrap();
    locked(node.get(Place::of_tenant("acme", "key")).await, "of a newer version of the add-on");
    locked(node.set(Place::of_tenant("acme", "key"), &json!(2)).await, "newer version");
}

#[tokio::test]
async fn what_looks_sealed_is_not_written() {
    for with in [&[][..], &[KEY]] {
        let memory = Memory::new();
        let node = memory.node(with);
        let form = json!({ "$sealed": "v1.00000000.AAAA" });
        refused(node.set(Place::of_tenant("acme", "key"), &form).await, "$sealed");
        refused(node.save_installation("acme", &form, None).await, "$sealed");
        assert_eq!(node.key_page(OwnerKind::Tenant, None, 10).await.unwrap(), KeyPage::default());
        for other in [json!({ "$sealed": 1, "a": 2 }), json!([{ "$sealed": 1 }]), json!("$sealed")] {
            node.set(Place::of_tenant("acme", "key"), &other).await.unwrap();
            assert_eq!(node.get(Place::of_tenant("acme", "key")).await.unwrap(), Some(other));
        }
    }
}

async fn filled(memory: &Memory) {
    for n in 0..450 {
        let name = format!("tenant {n}");
        memory.0.save_installation(&name, &installation(&name), None).await.unwrap();
    }
    memory.0.uninstall("tenant 7").await.unwrap();
    memory.0.set(Place::of_tenant("tenant 1", "$sealed"), &json!({})).await.unwrap();
    memory.0.set(Place::of_forge("id", "key"), &json!(HUSH)).await.unwrap();
}

#[tokio::test]
async fn a_store_is_converted_there_and_back() {
    let memory = Memory::new();
    filled(&memory).await;
    let time = memory.raw("tenant 7", CLIENT_INFO_UNINSTALLED_AT).await;
    let node = memory.node(&[KEY]);
    let before = node.census(u64::MAX).await.unwrap();
    assert_eq!((before.clear, before.values(), before.is_whole), (452, 452, true));
    assert!(!node.census(100).await.unwrap().is_whole);

    let done = node.convert(ValueForm::Sealed).await.unwrap();
    assert_eq!((done.converted, done.left.sealed, done.left.values(), done.is_settled), (452, 452, 452, true));
    assert_eq!(node.convert(ValueForm::Sealed).await.unwrap().converted, 0);
    assert_eq!(memory.raw("tenant 7", CLIENT_INFO_UNINSTALLED_AT).await, time, "the store reads it itself");
    assert_eq!(
        node.get(Place::of_tenant("tenant 7", CLIENT_INFO_UNINSTALLED)).await.unwrap(),
        Some(installation("tenant 7"))
    );
    locked(memory.node(&[]).tenants(None, 1).await, "is not set");

    let rotated = memory.node(&[NEW, KEY]);
    assert_eq!(rotated.census(u64::MAX).await.unwrap().sealed_before, 452);
    assert_eq!(rotated.convert(ValueForm::Sealed).await.unwrap().converted, 452);
    assert_eq!(memory.node(&[NEW]).tenants(None, 1000).await.unwrap().tenants.len(), 449);

    let looked_at = std::sync::atomic::AtomicUsize::new(0);
    let count = || {
        looked_at.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    let done = rotated.convert_with(ValueForm::Clear, &count).await.unwrap();
    assert_eq!((done.converted, done.left.clear, done.is_settled), (452, 452, true));
    assert_eq!(looked_at.into_inner(), 2 * 452, "each value in each of two passes");
    assert_eq!(memory.node(&[]).tenants(None, 1000).await.unwrap().tenants.len(), 449);
    assert_eq!(memory.raw("tenant 3", CLIENT_INFO).await, installation("tenant 3"));
}

#[tokio::test]
async fn a_conversion_goes_on_where_another_was_stopped() {
    let sandbox = Sandbox::sqlite_file();
    let clear = sandbox.open().await;
    for n in 0..300 {
        clear.set(Place::of_forge(&format!("id {n}"), "key"), &json!(n)).await.unwrap();
    }
    let sandbox = sandbox.sealed();
    let node = open_existing(&sandbox.config).await.unwrap();
    // dropped midway, as if the process ended: soon after one of the first was encrypted
    let begun = async { while clear.get(Place::of_forge("id 100", "key")).await.is_ok() {} };
    let stopped = futures_util::future::select(Box::pin(begun), Box::pin(node.convert(ValueForm::Sealed))).await;
    drop(stopped);
    let before = node.census(u64::MAX).await.unwrap().sealed;
    assert!((1..300).contains(&before), "{before}");
    // and two concurrent ones do no more than one
    let (one, other) = tokio::join!(node.convert(ValueForm::Sealed), node.convert(ValueForm::Sealed));
    let (one, other) = (one.unwrap(), other.unwrap());
    // the write in progress may have finished after the census looked there
    let done = one.converted + other.converted + before;
    assert!((299..=300).contains(&done), "{done}");
    assert_eq!((one.left.sealed, one.left.values(), one.is_settled, other.is_settled), (300, 300, true, true));
    for n in 0..300 {
        assert_eq!(node.get(Place::of_forge(&format!("id {n}"), "key")).await.unwrap(), Some(json!(n)));
    }
}

#[tokio::test]
async fn what_does_not_open_is_counted_and_left() {
    let memory = Memory::new();
    filled(&memory).await;
    memory.node(&[NEW]).set(Place::of_tenant("another", "key"), &json!(1)).await.unwrap();
    memory.0.set(Place::of_tenant("altered", "key"), &json!({ "$sealed": "?" })).await.unwrap();
    let before = [memory.raw("another", "key").await, memory.raw("altered", "key").await];
    let done = memory.node(&[KEY]).convert(ValueForm::Sealed).await.unwrap();
    assert_eq!((done.converted, done.left.unopened, done.left.reasons.len(), done.is_settled), (452, 2, 2, true));
    let done = memory.node(&[KEY]).convert(ValueForm::Clear).await.unwrap();
    assert_eq!((done.converted, done.left.unopened), (452, 2));
    assert_eq!(before, [memory.raw("another", "key").await, memory.raw("altered", "key").await]);
    let error = memory.node(&[]).convert(ValueForm::Sealed).await.unwrap_err();
    assert!(error.to_string().contains("openssl rand -base64 32"), "{error}");
}

#[tokio::test]
async fn a_conversion_loses_no_write_that_comes_meanwhile() {
    let sandbox = Sandbox::sqlite_file();
    let names: Vec<_> = (0..100).map(|n| format!("tenant {n}")).collect();
    let clear = sandbox.open().await;
    for name in &names {
        clear.save_installation(name, &installation(name), None).await.unwrap();
    }
    let sandbox = sandbox.sealed();
    let (converting, serving) = (open_existing(&sandbox.config).await.unwrap(), sandbox.open().await);
    let writes = async {
        for (n, name) in names.iter().enumerate() {
            let renewed = json!({ "clientKey": name, "sharedSecret": "renewed" });
            serving.save_installation(name, &renewed, None).await.unwrap();
            if n % 3 == 0 {
                assert!(serving.uninstall(name).await.unwrap());
            }
        }
    };
    let (done, ()) = tokio::join!(converting.convert(ValueForm::Sealed), writes);
    done.unwrap();
    for (n, name) in names.iter().enumerate() {
        let key = if n % 3 == 0 { CLIENT_INFO_UNINSTALLED } else { CLIENT_INFO };
        assert_eq!(
            serving.get(Place::of_tenant(name, key)).await.unwrap().unwrap()["sharedSecret"],
            "renewed",
            "{name}"
        );
    }
    let left = converting.convert(ValueForm::Sealed).await.unwrap().left;
    assert_eq!((left.sealed, left.clear), (100, 0));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_sealed_opens_as_it_was(owner: String, key: String, other: String, value in any_json()) {
        let held = Keys::new(&keys(&[KEY]));
        let place = Place::of_tenant(&owner, &key);
        let sealed = held.seal(place, &value).unwrap();
        prop_assert_eq!(held.find(place, &sealed).unwrap(), SealState::Sealed);
        prop_assert_eq!(held.open(place, sealed.clone()).unwrap(), value);
        prop_assert!(held.open(Place::of_forge(&owner, &key), sealed.clone()).is_err());
        if other != owner {
            prop_assert!(held.open(Place::of_tenant(&other, &key), sealed).is_err());
        }
    }
}

#[tokio::test]
async fn bodies_of_events_are_sealed_and_one_that_does_not_open_keeps_no_other_waiting() {
    let memory = Memory::new();
    let event = |id: &str, body| QueuedEvent { id: id.to_owned(), installation_id: "i".to_owned(), attempts: 0, body };
    let (clear, sealed) = (memory.0.events().unwrap(), memory.node(&[KEY]));
    let sealed = sealed.events().unwrap();
    assert!(sealed.add(&event("a", json!(HUSH)), 0, 0).await.unwrap());
    let stored = clear.take_over(1, 1, 9).await.unwrap().remove(0).body.unwrap();
    assert!(stored["$sealed"].is_string() && !stored.to_string().contains(HUSH), "{stored}");
    // copied from another event, sealed with a key that this node does not have, written in clear by an older node
    assert!(clear.add(&event("b", stored), 0, 0).await.unwrap());
    let other = memory.node(&[NEW]);
    assert!(other.events().unwrap().add(&event("c", json!(HUSH)), 0, 0).await.unwrap());
    assert!(clear.add(&event("d", json!("clear")), 0, 0).await.unwrap());
    let mut taken = sealed.take_over(2, 3, 9).await.unwrap();
    taken.sort_by(|one, other| one.id.cmp(&other.id));
    let bodies: Vec<_> = taken.into_iter().map(|event| event.body).collect();
    let [Ok(a), Err(b), Err(c), Ok(d)] = bodies.as_slice() else { panic!("{bodies:?}") };
    assert_eq!((a, d), (&json!(HUSH), &json!("clear")));
    assert!(matches!(b, StoreError::Refused(_)) && b.to_string().contains("copied from elsewhere"), "{b}");
    assert!(matches!(c, StoreError::Sealed(_)), "{c}");
    let reserved = sealed.add(&event("e", json!({ "$sealed": "v1" })), 0, 0).await;
    assert!(matches!(reserved, Err(StoreError::Refused(_))), "{reserved:?}");
}
