//! A Redis server: databases for the tests, ACE's data, names that try to reach other tenants, failures, TLS.

mod server;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use super::process::{Process, eventually};
use super::proxy::Proxy;
use super::{Sandbox, cause_of, config, shown, unique};
use crate::admin::migrate;
use crate::admin::{TablesFound, open_existing, survey};
use crate::config::StoreConfig;
use crate::redis::RedisStore;
use crate::{
    CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, Change, Changes, KeyPage, OwnerKind, Place,
    Store, StoreError, now, open,
};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: .ci/servers start prints it"))
}

/// The URL of an empty database of the server.
pub(super) fn database() -> String {
    let url = format!("{}/{}", variable("TEST_REDIS_URL"), unique());
    raw::<()>(&url, &["FLUSHDB"]);
    url
}

/// Runs a command without the store.
pub(super) fn raw<T: ::redis::FromRedisValue>(url: &str, command: &[&str]) -> T {
    let mut connection = ::redis::Client::open(url).unwrap().get_connection().unwrap();
    ::redis::cmd(command[0]).arg(&command[1..]).query(&mut connection).unwrap()
}

/// Every key that is not the framework's own, with its text.
fn content(url: &str) -> Vec<(String, String)> {
    let mut keys: Vec<String> = raw(url, &["KEYS", "*"]);
    keys.retain(|key| !key.starts_with("atlassian-connect-actix:"));
    keys.sort();
    keys.into_iter().map(|key| (key.clone(), raw(url, &["GET", &key]))).collect()
}

fn installation(client_key: &str, secret: &str) -> Value {
    json!({ "clientKey": client_key, "sharedSecret": secret, "baseUrl": "https://a.example.com" })
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
async fn it_writes_where_ace_reads() {
    let sandbox = Sandbox::redis();
    let store = sandbox.open().await;
    let (tenant, id) = ("jira:1b6b", "ari:cloud:ecosystem::installation/7a");
    store.save_installation(tenant, &json!({ "clientKey": tenant, "sharedSecret": "s" }), Some(id)).await.unwrap();
    store.set(Place::of_tenant(tenant, "bearer:0a1b"), &json!({ "n": 1.5 })).await.unwrap();
    store.set(Place::of_tenant(tenant, "text"), &json!("123")).await.unwrap();
    store.set(Place::of_forge(id, "appToken"), &json!({ "appToken": "t" })).await.unwrap();
    let expected = [
        ("forge:ari:cloud:ecosystem::installation/7a:appToken", r#"{"appToken":"t"}"#),
        ("installation:ari:cloud:ecosystem::installation/7a;", "jira:1b6b"),
        ("jira:1b6b:bearer:0a1b", r#"{"n":1.5}"#),
        ("jira:1b6b:clientInfo", r#"{"clientKey":"jira:1b6b","sharedSecret":"s"}"#),
        ("jira:1b6b:text", r#""123""#),
    ];
    assert_eq!(content(sandbox.url()), expected.map(|(key, text)| (key.to_owned(), text.to_owned())));
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
async fn what_ace_wrote_opens_as_it_is() {
    let sandbox = Sandbox::redis();
    let url = sandbox.url();
    let (tenant, id) = ("Confluence:13", "ari:cloud:ecosystem::installation/7a");
    let ace = [
        (
            "Confluence:13:clientInfo",
            r#"{"clientKey":"Confluence:13","sharedSecret":"s","installationId":"ari:cloud:ecosystem::installation/7a"}"#,
        ),
        ("Confluence:13:settings:of:mia", r#"{"theme":"dark"}"#),
        ("Confluence:13:text", "not JSON {"),
        ("Confluence:13:number", "42"),
        ("Confluence:13:bearer:0a1b", r#"{"token":{"access_token":"t"}}"#),
        ("plain:clientInfo", r#"{"clientKey":"plain","sharedSecret":"p"}"#),
        ("installation:ari:cloud:ecosystem::installation/7a;", tenant),
        ("forge:ari:cloud:ecosystem::installation/7a:some:key", r#"{"a":1}"#),
        // other programs' keys
        ("sess:abc", "{}"),
        ("bull:queue:1", "{}"),
        ("cache", "{}"),
    ];
    for (key, text) in ace {
        raw::<()>(url, &["SET", key, text]);
    }
    let before = content(url);
    let store = sandbox.open().await;
    assert_eq!(content(url), before, "opening must change nothing");

    let page = store.tenants(None, 10).await.unwrap();
    assert_eq!(page.tenants.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [tenant, "plain"]);
    assert_eq!(store.installations(tenant).await.unwrap()[0]["sharedSecret"], "s");
    assert_eq!(store.get(Place::of_tenant(tenant, "settings:of:mia")).await.unwrap(), Some(json!({ "theme": "dark" })));
    assert_eq!(store.get(Place::of_tenant(tenant, "text")).await.unwrap(), Some(json!("not JSON {")));
    assert_eq!(store.get(Place::of_tenant(tenant, "number")).await.unwrap(), Some(json!(42)));
    assert_eq!(store.client_key_of_installation(id).await.unwrap().as_deref(), Some(tenant));
    assert_eq!(store.get(Place::of_forge(id, "some:key")).await.unwrap(), Some(json!({ "a": 1 })));
    // each under its owner; other programs' keys have none
    let keys = ["bearer:0a1b", CLIENT_INFO, "number", "settings:of:mia", "text"].map(str::to_owned);
    let known = vec![(tenant.to_owned(), keys.into()), ("plain".to_owned(), vec![CLIENT_INFO.to_owned()])];
    assert_eq!(store.key_page(OwnerKind::Tenant, None, 10).await.unwrap(), KeyPage { owners: known, next: None });
    assert_eq!(
        store.key_page(OwnerKind::Forge, None, 10).await.unwrap().owners,
        [(id.to_owned(), vec!["some:key".to_owned()])]
    );

    assert!(store.uninstall(tenant).await.unwrap());
    assert_eq!(store.client_key_of_installation(id).await.unwrap(), None, "ACE's association was removed too");
    store.associate(id, tenant).await.unwrap();
    assert!(store.remove(tenant).await.unwrap());
    let left: Vec<_> = content(url).into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, ["bull:queue:1", "cache", "plain:clientInfo", "sess:abc"]);
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
async fn hostile_names_reach_no_other_tenant() {
    let sandbox = Sandbox::redis();
    let store = sandbox.open().await;
    let (victim, id) = ("jira:victim", "ari:cloud:ecosystem::installation/7a");
    store.save_installation(victim, &installation(victim, "secret"), Some(id)).await.unwrap();
    store.save_installation("gone:victim", &installation("gone:victim", "old"), None).await.unwrap();
    store.uninstall("gone:victim").await.unwrap();
    store.set(Place::of_tenant(victim, "bearer:user"), &json!("token")).await.unwrap();
    store.set(Place::of_tenant(victim, "plain"), &json!("mine")).await.unwrap();
    store.set(Place::of_forge(id, "appToken"), &json!("token")).await.unwrap();
    store.save_installation("jira", &installation("jira", "attacker"), None).await.unwrap();
    store.save_installation("gone", &installation("gone", "attacker"), None).await.unwrap();
    let before = content(sandbox.url());

    let attempts = [
        ("jira", "victim:clientInfo"),
        ("jira", "victim:plain"),
        ("jira", "victim:bearer:user"),
        ("jira:victim:bearer", "user"),
        ("gone", "victim:clientInfo:uninstalled"),
        ("gone", "victim:clientInfo:uninstalledAt"),
        ("gone:victim:clientInfo", "uninstalled"),
        ("gone:victim:clientInfo", "uninstalledAt"),
        ("", "jira:victim:clientInfo"),
        ("forge", "ari:cloud:ecosystem::installation/7a:appToken"),
        ("forge:ari:cloud:ecosystem::installation/7a", "appToken"),
        ("installation", "ari:cloud:ecosystem::installation/7a;"),
        ("installation:ari:cloud:ecosystem", ":installation/7a;"),
        ("atlassian-connect-actix", "owners"),
        ("atlassian-connect-actix:installations", "jira:victim;"),
    ];
    for (client_key, key) in attempts {
        let place = Place::of_tenant(client_key, key);
        assert_eq!(store.get(Place::of_tenant(client_key, key)).await.unwrap(), None, "{place:?}");
        assert!(store.values(place).await.unwrap().is_empty(), "{place:?}");
        // the empty name's form begins with a colon, which no other form does
        if !client_key.is_empty() || key.ends_with(CLIENT_INFO) {
            let error = store.set(Place::of_tenant(client_key, key), &json!("x")).await.unwrap_err();
            assert!(matches!(error, StoreError::Refused(_)), "{place:?} {error:?}");
        }
        for held in [json!("mine"), json!("token"), installation(victim, "secret")] {
            assert!(!matches!(store.exchange(place, Some(&held), Some(&json!("x"))).await, Ok(true)), "{place:?}");
        }
        assert!(!store.delete(Place::of_tenant(client_key, key)).await.unwrap(), "{place:?}");
    }
    for (installation_id, key) in
        [("ari", "cloud:ecosystem::installation/7a:appToken"), ("ari:cloud:ecosystem:", "installation/7a:appToken")]
    {
        assert_eq!(store.get(Place::of_forge(installation_id, key)).await.unwrap(), None);
        assert!(store.set(Place::of_forge(installation_id, key), &json!("x")).await.is_err());
        assert!(!store.delete(Place::of_forge(installation_id, key)).await.unwrap());
    }
    for client_key in ["forge", "forge:x", "installation", "installation:x", "atlassian-connect-actix:owners"] {
        assert!(store.installations(client_key).await.unwrap().is_empty());
        assert!(store.save_installation(client_key, &json!({}), None).await.is_err());
        assert!(store.associate("id", client_key).await.is_err());
        assert!(!store.uninstall(client_key).await.unwrap() && !store.remove(client_key).await.unwrap());
    }
    assert_eq!(content(sandbox.url()), before);

    // names that look like patterns
    store.save_installation("*", &installation("*", "secret"), None).await.unwrap();
    store.set(Place::of_tenant("*", "key"), &json!(1)).await.unwrap();
    assert!(store.remove("*").await.unwrap());
    assert!(store.remove("jira").await.unwrap(), "a longer name belongs to another tenant");
    let mut after = content(sandbox.url());
    after.retain(|(key, _)| key != "jira:clientInfo");
    let mut expected = before;
    expected.retain(|(key, _)| key != "jira:clientInfo");
    assert_eq!(after, expected);
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
async fn names_with_colons_are_listed_as_they_were_written() {
    let sandbox = Sandbox::redis();
    let store = sandbox.open().await;
    let names = [
        ("a", "b:c"),
        ("a:x", "b:c:d"),
        ("nobody", "k:e:y"),
        ("a:x:y", "z"),
        ("", "b"),
        (":", ":"),
        ("ä:日本", "ключ:☃"),
    ];
    for (client_key, key) in names {
        store.set(Place::of_tenant(client_key, key), &json!([client_key, key])).await.unwrap();
        store.set(Place::of_forge(client_key, key), &json!([client_key, key])).await.unwrap();
    }
    let mut expected: Vec<_> = names.map(|(client_key, key)| (client_key.to_owned(), vec![key.to_owned()])).into();
    expected.sort();
    assert_eq!(store.key_page(OwnerKind::Tenant, None, 100).await.unwrap().owners, expected);
    assert_eq!(store.key_page(OwnerKind::Forge, None, 100).await.unwrap().owners, expected);
    for (client_key, key) in names {
        assert_eq!(store.get(Place::of_tenant(client_key, key)).await.unwrap(), Some(json!([client_key, key])));
    }
    // once a value exists, another way to split its key reaches nothing
    for (client_key, key) in [("a:b", "c"), ("a", "x:b:c:d"), ("a:x:b:c", "d"), ("nobody:k:e", "y"), ("a", "x:y:z")] {
        assert_eq!(store.get(Place::of_tenant(client_key, key)).await.unwrap(), None);
        assert!(store.set(Place::of_tenant(client_key, key), &json!(0)).await.is_err(), "{client_key} {key}");
        assert!(!store.delete(Place::of_tenant(client_key, key)).await.unwrap());
    }
    assert!(store.delete(Place::of_tenant("a", "b:c")).await.unwrap());
    store.set(Place::of_tenant("a:b", "c"), &json!(1)).await.unwrap();
    assert_eq!(
        (
            store.get(Place::of_tenant("a", "b:c")).await.unwrap(),
            store.get(Place::of_tenant("a:b", "c")).await.unwrap()
        ),
        (None, Some(json!(1)))
    );
    for (client_key, _) in names.into_iter().skip(1) {
        assert!(store.remove(client_key).await.unwrap(), "{client_key}");
    }
    assert!(store.remove("a:b").await.unwrap());
    assert_eq!(store.key_page(OwnerKind::Tenant, None, 100).await.unwrap(), KeyPage::default());
    let owners: Vec<String> = raw(sandbox.url(), &["HKEYS", "atlassian-connect-actix:owners"]);
    assert!(owners.iter().all(|key| key.starts_with("forge:")), "{owners:?}");
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
async fn a_list_of_many_is_right_page_by_page() {
    let sandbox = Sandbox::redis();
    let store = sandbox.open().await;
    let mut pipeline = ::redis::pipe();
    for n in 0..5000 {
        pipeline.set(format!("tenant-{n:05}:clientInfo"), json!({ "n": n }).to_string()).ignore();
        pipeline.set(format!("tenant-{n:05}:key"), "1").ignore();
    }
    let mut connection = ::redis::Client::open(sandbox.url()).unwrap().get_connection().unwrap();
    pipeline.query::<()>(&mut connection).unwrap();
    let (mut seen, mut from) = (0, None);
    loop {
        let page = store.key_page(OwnerKind::Tenant, from.as_deref(), 997).await.unwrap();
        for (tenant, keys) in page.owners {
            assert_eq!((tenant, keys), (format!("tenant-{seen:05}"), vec![CLIENT_INFO.to_owned(), "key".to_owned()]));
            seen += 1;
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(seen, 5000);
    let page = store.tenants(Some("tenant-04997"), 1).await.unwrap();
    assert_eq!((page.tenants[0].1["n"].as_u64(), page.next.as_deref()), (Some(4998), Some("tenant-04998")));
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
async fn a_tenant_that_installs_again_is_not_purged() {
    let sandbox = Sandbox::redis();
    let store = sandbox.open().await;
    for round in 0..20 {
        let tenant = format!("tenant {round}");
        store.save_installation(&tenant, &installation(&tenant, "old"), Some(&tenant)).await.unwrap();
        store.uninstall(&tenant).await.unwrap();
        let new = installation(&tenant, "new");
        let (purged, installed) =
            join(store.purge(&tenant, now()), store.save_installation(&tenant, &new, Some(&tenant))).await;
        purged.unwrap();
        installed.unwrap();
        assert_eq!(store.installations(&tenant).await.unwrap(), [new]);
        assert_eq!(store.client_key_of_installation(&tenant).await.unwrap(), Some(tenant));
    }
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
async fn commands_that_only_look_make_nothing() {
    let sandbox = Sandbox::redis();
    assert_eq!(survey(&sandbox.config).await.unwrap().tables, TablesFound::NotNeeded);
    let store = open_existing(&sandbox.config).await.unwrap();
    assert!(store.tenants(None, 10).await.unwrap().tenants.is_empty());
    let report = migrate(&sandbox.config).await.unwrap().to_string();
    assert!(report.contains("no migrations") && !report.contains("word"), "{report}");
    assert_eq!(content(sandbox.url()), []);
}

async fn heard(changes: &mut Changes) -> Change {
    tokio::time::timeout(Duration::from_secs(10), changes.next()).await.unwrap().unwrap()
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
async fn other_nodes_hear_of_installs_and_uninstalls() {
    let sandbox = Sandbox::redis();
    let mut url = url::Url::parse(sandbox.url()).unwrap();
    let proxy = Proxy::to(url.as_str());
    url.set_port(Some(proxy.port)).unwrap();
    let (here, there) = (sandbox.open().await, open(&config(url.as_str())).await.unwrap());
    let mut changes = there.changes().unwrap();
    assert_eq!(heard(&mut changes).await, Change::Any, "earlier writes are not reported");

    let tenant = format!("heard {}", std::process::id());
    let notified = async |changes: &mut Changes| {
        // all databases of the server share the channel, and other tests write too
        while heard(changes).await != Change::Tenant(tenant.clone()) {}
    };
    here.save_installation(&tenant, &installation(&tenant, "secret"), None).await.unwrap();
    notified(&mut changes).await;
    here.uninstall(&tenant).await.unwrap();
    notified(&mut changes).await;
    here.remove(&tenant).await.unwrap();
    notified(&mut changes).await;

    proxy.cut();
    proxy.restore();
    while heard(&mut changes).await != Change::Any {}
    here.save_installation(&tenant, &installation(&tenant, "secret"), None).await.unwrap();
    notified(&mut changes).await;
}
