//! A server that speaks MongoDB's protocol: databases for the tests, ACE's data, failures, TLS.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use ::mongodb::Database;
use ::mongodb::bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use ::mongodb::options::IndexOptions;
use ::mongodb::{Client, IndexModel};
use futures_util::TryStreamExt as _;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use super::process::{Process, eventually};
use super::proxy::Proxy;
use super::{Sandbox, config, shown, unique};
use crate::admin::migrate;
use crate::admin::{TablesFound, open_existing, survey};
use crate::config::StoreConfig;
use crate::mongodb::MongoStore;
use crate::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, OwnerKind, Place, Store,
    StoreError, now, open,
};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: .ci/servers start prints it"))
}

/// The URL of a new database.
pub(super) fn database() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    format!("{}/test_{}_{}", variable("TEST_MONGODB_URL"), since.as_micros(), unique())
}

/// The database without the store.
async fn raw(sandbox: &Sandbox) -> Database {
    Client::with_uri_str(sandbox.url()).await.unwrap().default_database().unwrap()
}

/// Every document of a collection without its id and the framework's own member, oldest first.
async fn documents(database: &Database, collection: &str) -> Vec<Document> {
    let cursor = database.collection::<Document>(collection).find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
    let mut documents: Vec<_> = cursor.try_collect().await.unwrap();
    for document in &mut documents {
        document.remove("_id");
        document.remove("at");
    }
    documents
}

async fn insert(database: &Database, collection: &str, document: Document) {
    database.collection(collection).insert_one(document).await.unwrap();
}

fn installation(client_key: &str, secret: &str) -> Value {
    json!({ "clientKey": client_key, "sharedSecret": secret, "baseUrl": "https://a.example.com" })
}

#[tokio::test]
#[ignore = "needs TEST_MONGODB_URL, see .ci/servers"]
async fn it_writes_what_ace_reads() {
    let sandbox = Sandbox::mongodb();
    let store = sandbox.open().await;
    let database = raw(&sandbox).await;
    store.save_installation("jira:1b6b", &json!({ "clientKey": "jira:1b6b", "n": 1 }), Some("ari:1")).await.unwrap();
    store.set(Place::of_forge("ari:1", "appToken"), &json!({ "appToken": "t" })).await.unwrap();
    let value = doc! { "clientKey": "jira:1b6b", "n": 1 };
    assert_eq!(
        documents(&database, "AddonSettings").await,
        [doc! { "key": CLIENT_INFO, "clientKey": "jira:1b6b", "val": value }]
    );
    assert_eq!(
        documents(&database, "InstallationClientKeys").await,
        [doc! { "installationId": "ari:1", "clientKey": "jira:1b6b" }]
    );
    assert_eq!(
        documents(&database, "ForgeSettings").await,
        [doc! { "key": "appToken", "val": { "appToken": "t" }, "installationId": "ari:1" }]
    );
    let names = database.collection::<Document>("AddonSettings").list_index_names().await.unwrap();
    assert!(names.contains(&"key_1_clientKey_1".to_owned()), "{names:?}");
    let twice = doc! { "key": CLIENT_INFO, "clientKey": "jira:1b6b", "val": 1 };
    assert!(database.collection("AddonSettings").insert_one(twice).await.is_err(), "the index is unique, like ACE's");
}

#[tokio::test]
#[ignore = "needs TEST_MONGODB_URL, see .ci/servers"]
async fn what_ace_wrote_opens_as_it_is() {
    let mut sandbox = Sandbox::mongodb();
    sandbox.config.collection = "MySettings".to_owned();
    sandbox.config.database = Some(format!("{}_elsewhere", sandbox.url().rsplit('/').next().unwrap()));
    let client = Client::with_uri_str(sandbox.url()).await.unwrap();
    let database = client.database(sandbox.config.database.as_ref().unwrap());
    let time = DateTime::from_millis(1_770_000_000_000);
    let payload = doc! { "clientKey": "t", "sharedSecret": "s", "installationId": "ari:1" };
    insert(&database, "MySettings", doc! { "key": CLIENT_INFO, "clientKey": "t", "val": payload.clone() }).await;
    let odd = doc! { "expires": 1_770_000_000_000.0, "date": time, "text": "x" };
    insert(&database, "MySettings", doc! { "key": "odd", "clientKey": "t", "val": odd }).await;
    insert(&database, "MySettings", doc! { "key": "none", "clientKey": "t" }).await;
    insert(&database, "InstallationClientKeys", doc! { "installationId": "ari:1", "clientKey": "t" }).await;
    insert(&database, "ForgeSettings", doc! { "key": "k", "val": "text", "installationId": "ari:1" }).await;
    let before = documents(&database, "MySettings").await;

    let store = sandbox.open().await;
    assert_eq!(documents(&database, "MySettings").await, before, "opening must change nothing");
    assert_eq!(store.installations("t").await.unwrap()[0]["sharedSecret"], "s");
    assert_eq!(store.tenants(None, 10).await.unwrap().tenants.len(), 1);
    let expected = json!({ "expires": 1_770_000_000_000_i64, "date": "2026-02-02T02:40:00.000Z", "text": "x" });
    assert_eq!(store.get(Place::of_tenant("t", "odd")).await.unwrap(), Some(expected.clone()));
    let without_value = Place::of_tenant("t", "none");
    assert_eq!(store.get(without_value).await.unwrap(), None);
    assert!(store.exchange(without_value, None, Some(&json!(1))).await.unwrap());
    assert!(!store.exchange(without_value, None, Some(&json!(2))).await.unwrap());
    assert_eq!(store.values(without_value).await.unwrap(), [json!(1)]);
    assert_eq!(store.client_key_of_installation("ari:1").await.unwrap().as_deref(), Some("t"));
    assert_eq!(store.get(Place::of_forge("ari:1", "k")).await.unwrap(), Some(json!("text")));
    // compare and swap works on values of types that JSON does not have, too
    assert!(store.exchange(Place::of_tenant("t", "odd"), Some(&expected), Some(&json!("new"))).await.unwrap());
    assert_eq!(store.get(Place::of_tenant("t", "odd")).await.unwrap(), Some(json!("new")));

    assert!(store.uninstall("t").await.unwrap());
    assert!(store.remove("t").await.unwrap());
    assert_eq!(documents(&database, "MySettings").await, [] as [Document; 0]);
}

#[tokio::test]
#[ignore = "needs TEST_MONGODB_URL, see .ci/servers"]
async fn no_value_and_no_name_is_an_operator() {
    let sandbox = Sandbox::mongodb();
    let store = sandbox.open().await;
    store.set(Place::of_tenant("victim", "key"), &json!("secret")).await.unwrap();
    let hostile = [
        json!({ "$gt": "" }),
        json!({ "$ne": null }),
        json!({ "$set": { "key": "x" }, "$unset": { "val": 1 } }),
        json!([{ "$where": "1" }]),
        json!({ "a.b": 1, "$eq": { "$regex": ".*" } }),
        json!({ "$oid": "0123456789abcdef01234567" }),
    ];
    for value in &hostile {
        let place = Place::of_tenant("tenant", "key");
        store.set(Place::of_tenant("tenant", "key"), value).await.unwrap();
        assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap().as_ref(), Some(value));
        assert!(!store.exchange(Place::of_tenant("victim", "key"), Some(value), Some(&json!("x"))).await.unwrap());
        assert!(!store.exchange(place, Some(&json!("other")), Some(&json!("x"))).await.unwrap());
        assert!(store.exchange(place, Some(value), Some(&json!({ "$inc": { "n": 1 } }))).await.unwrap(), "{value}");
        assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!({ "$inc": { "n": 1 } })));
        let id = value.to_string();
        store.save_installation("tenant", value, Some(&id)).await.unwrap();
        store.set(Place::of_tenant(&id, &id), value).await.unwrap();
        assert_eq!(store.get(Place::of_tenant(&id, &id)).await.unwrap().as_ref(), Some(value));
    }
    for name in ["$gt", "{\"$gt\":1}", "$where", "key.$", "val.sharedSecret"] {
        assert_eq!(store.get(Place::of_tenant(name, name)).await.unwrap(), None);
        assert!(!store.delete(Place::of_tenant(name, name)).await.unwrap() && !store.remove(name).await.unwrap());
    }
    assert_eq!(store.get(Place::of_tenant("victim", "key")).await.unwrap(), Some(json!("secret")));
}

#[tokio::test]
#[ignore = "needs TEST_MONGODB_URL, see .ci/servers"]
async fn values_that_mongodb_cannot_store_are_refused() {
    let sandbox = Sandbox::mongodb();
    let store = sandbox.open().await;
    for value in [json!({ "hu\0sh": 1 }), json!("hush".repeat(4 * 1024 * 1024 + 1))] {
        let error = store.set(Place::of_tenant("tenant", "key"), &value).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)) && !shown(&error).contains("hush"), "{}", shown(&error));
    }
    let large = json!("x".repeat(15 * 1024 * 1024));
    store.set(Place::of_tenant("tenant", "key"), &large).await.unwrap();
    assert!(store.get(Place::of_tenant("tenant", "key")).await.unwrap() == Some(large), "too long to print");
}

/// An old database whose duplicates prevent the unique index.
#[tokio::test]
#[ignore = "needs TEST_MONGODB_URL, see .ci/servers"]
async fn duplicates_are_tried_newest_first_until_an_install_settles_them() {
    let sandbox = Sandbox::mongodb();
    let database = raw(&sandbox).await;
    for (n, secret) in ["old", "older", "new"].into_iter().enumerate() {
        let id = ObjectId::from_bytes([u8::try_from([1, 0, 2][n]).unwrap(); 12]);
        let document = doc! { "_id": id, "key": CLIENT_INFO, "clientKey": "t", "val": { "sharedSecret": secret } };
        insert(&database, "AddonSettings", document).await;
    }
    // and another index with the same name as one of the store's
    let other = IndexModel::builder()
        .keys(doc! { "key": -1 })
        .options(IndexOptions::builder().name("key_1".to_owned()).build())
        .build();
    database.collection::<Document>("AddonSettings").create_index(other).await.unwrap();
    let store = sandbox.open().await;
    let secret = |secret: &str| json!({ "sharedSecret": secret });
    assert_eq!(store.installations("t").await.unwrap(), ["new", "old", "older"].map(secret));
    assert_eq!(store.tenants(None, 1).await.unwrap().tenants, [("t".to_owned(), secret("new"))]);
    assert_eq!(store.key_page(OwnerKind::Tenant, None, 1).await.unwrap().owners[0].1, [CLIENT_INFO; 3]);
    store.set(Place::of_tenant("t", CLIENT_INFO), &secret("newest")).await.unwrap();
    assert_eq!(
        store.get(Place::of_tenant("t", CLIENT_INFO)).await.unwrap(),
        Some(secret("newest")),
        "writes go to the newest"
    );

    store.save_installation("t", &secret("signed"), None).await.unwrap();
    assert_eq!(store.installations("t").await.unwrap(), [secret("signed")]);
    assert_eq!(store.values(Place::of_tenant("t", CLIENT_INFO_SUPERSEDED)).await.unwrap().len(), 2);
}

/// What a process leaves if it ends between two steps.
#[tokio::test]
#[ignore = "needs TEST_MONGODB_URL, see .ci/servers"]
async fn what_a_crash_has_left_is_cleared_away() {
    let sandbox = Sandbox::mongodb();
    let store = sandbox.open().await;
    let database = raw(&sandbox).await;
    let leave = async |key: &str, value: Bson| {
        insert(&database, "AddonSettings", doc! { "key": key, "clientKey": "t", "val": value }).await;
    };
    // an install that did not clean up: the tenant counts as installed
    store.save_installation("t", &installation("t", "new"), None).await.unwrap();
    leave(CLIENT_INFO_UNINSTALLED, doc! { "sharedSecret": "old" }.into()).await;
    leave(CLIENT_INFO_UNINSTALLED_AT, 7.into()).await;
    assert!(!store.purge("t", now()).await.unwrap());
    assert_eq!(store.installations("t").await.unwrap(), [installation("t", "new")]);
    // the next uninstall keeps the newer one
    assert!(store.uninstall("t").await.unwrap());
    assert_eq!(
        store.get(Place::of_tenant("t", CLIENT_INFO_UNINSTALLED)).await.unwrap(),
        Some(installation("t", "new"))
    );
    assert_eq!(
        store.get(Place::of_tenant("t", CLIENT_INFO_SUPERSEDED)).await.unwrap(),
        Some(json!({ "sharedSecret": "old" }))
    );
    assert!(store.get(Place::of_tenant("t", CLIENT_INFO_UNINSTALLED_AT)).await.unwrap().unwrap().as_u64() > Some(7));
    // an uninstall that only wrote the time
    store.save_installation("t", &installation("t", "newer"), None).await.unwrap();
    leave(CLIENT_INFO_UNINSTALLED_AT, 7.into()).await;
    assert!(!store.purge("t", now()).await.unwrap());
    store.save_installation("t", &installation("t", "newest"), None).await.unwrap();
    assert_eq!(store.get(Place::of_tenant("t", CLIENT_INFO_UNINSTALLED_AT)).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs TEST_MONGODB_URL, see .ci/servers"]
async fn installs_uninstalls_and_purges_at_once_lose_nothing() {
    let sandbox = Sandbox::mongodb();
    let store = sandbox.open().await;
    for round in 0..20 {
        let tenant = format!("tenant {round}");
        store.save_installation(&tenant, &installation(&tenant, "old"), Some(&tenant)).await.unwrap();
        let new = installation(&tenant, "new");
        let install = store.save_installation(&tenant, &new, Some(&tenant));
        let (uninstalled, installed) = join(join(store.uninstall(&tenant), store.uninstall(&tenant)), install).await;
        uninstalled.0.unwrap();
        uninstalled.1.unwrap();
        installed.unwrap();
        let in_use = store.installations(&tenant).await.unwrap();
        let put_aside = store.get(Place::of_tenant(&tenant, CLIENT_INFO_UNINSTALLED)).await.unwrap();
        assert!(in_use.contains(&new) || put_aside.as_ref() == Some(&new), "{in_use:?} {put_aside:?}");

        store.uninstall(&tenant).await.unwrap();
        let install = store.save_installation(&tenant, &new, Some(&tenant));
        let (purged, installed) = join(store.purge(&tenant, now()), install).await;
        purged.unwrap();
        installed.unwrap();
        assert_eq!(store.installations(&tenant).await.unwrap(), [new]);
        assert_eq!(store.client_key_of_installation(&tenant).await.unwrap(), Some(tenant));
    }
}

#[tokio::test]
#[ignore = "needs TEST_MONGODB_URL, see .ci/servers"]
async fn commands_that_only_look_make_nothing() {
    let sandbox = Sandbox::mongodb();
    assert_eq!(survey(&sandbox.config).await.unwrap().tables, TablesFound::NotNeeded);
    let store = open_existing(&sandbox.config).await.unwrap();
    assert!(store.tenants(None, 10).await.unwrap().tenants.is_empty());
    let database = raw(&sandbox).await;
    assert_eq!(database.list_collection_names().await.unwrap(), [] as [String; 0]);
    let report = migrate(&sandbox.config).await.unwrap().to_string();
    assert!(report.contains("no migrations"), "{report}");
    assert_eq!(database.list_collection_names().await.unwrap().len(), 4, "the indexes exist");
    assert!(store.changes().is_none());
}

#[tokio::test]
#[ignore = "needs TEST_MONGODB_URL, see .ci/servers"]
async fn a_server_that_goes_away_is_unavailable_until_it_is_back() {
    let sandbox = Sandbox::mongodb();
    let mut url = url::Url::parse(sandbox.url()).unwrap();
    let proxy = Proxy::to(url.as_str());
    url.set_port(Some(proxy.port)).unwrap();
    let store = open(&config(url.as_str())).await.unwrap();
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();

    proxy.cut();
    let started = Instant::now();
    let error = store.get(Place::of_tenant("tenant", "key")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());

    proxy.restore();
    assert_eq!(eventually(async || store.get(Place::of_tenant("tenant", "key")).await).await, Some(json!(1)));
}

fn command(port: u16, folder: &Path) -> Command {
    let mut command = Command::new(variable("TEST_MONGODB_SERVER"));
    command.args(["--standalone", "--sync-on-commit", "--port", &port.to_string(), "--storage-path", "store"]);
    command.current_dir(folder);
    command
}

#[tokio::test]
#[ignore = "needs TEST_MONGODB_SERVER, see .ci/servers"]
async fn a_restarted_server_is_used_again() {
    let mut server = Process::start(command);
    let config = config(&format!("mongodb://127.0.0.1:{}/test", server.port));
    let store = eventually(async || open(&config).await).await;
    store.save_installation("tenant", &json!({ "round": 1 }), None).await.unwrap();
    server.kill();
    let error = store.save_installation("tenant", &json!("lost"), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    server.restart();
    assert_eq!(eventually(async || store.installations("tenant").await).await, [json!({ "round": 1 })]);
    store.ping().await.unwrap();
}

#[tokio::test]
#[ignore = "needs TEST_MONGODB_SERVER, see .ci/servers"]
async fn all_requests_to_a_hanging_server_time_out() {
    let server = Process::start(command);
    let config = StoreConfig { pool_size: 2, ..config(&format!("mongodb://127.0.0.1:{}/test", server.port)) };
    let store = eventually(async || open(&config).await).await;
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
    server.hang();
    let started = Instant::now();
    // more than the pool has connections
    let answers = join_all((0..16).map(|_| store.get(Place::of_tenant("tenant", "key")))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))), "{answers:?}");
    assert!(
        answers.iter().any(|answer| format!("{answer:?}").contains("too many requests are waiting")),
        "{answers:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    server.go_on();
    assert_eq!(eventually(async || store.get(Place::of_tenant("tenant", "key")).await).await, Some(json!(1)));
}

#[tokio::test]
async fn a_server_that_is_not_there_or_says_nothing_is_unavailable_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().port();
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for port in [silent, absent] {
        let started = Instant::now();
        let error = open(&config(&format!("mongodb://u:hush@127.0.0.1:{port}/d"))).await.err().unwrap();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(error.to_string().contains(&format!("u:***@127.0.0.1:{port}/d")), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    }
}

async fn refused(url: &str, because: &str) {
    let error = MongoStore::open(&config(url)).await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains(because) && !error.to_string().contains("hush"), "{because}: {error}");
}

#[tokio::test]
async fn an_unusable_url_is_reported_without_its_password() {
    for (url, because) in [
        ("mongodb://u:hush@h:port/d", "port"),
        ("mongodb://u:hush@/d", "host"),
        ("mongodb://u:12hush34/b@h/d", "u:***@h/d"),
        ("mongodb://u:hush@h/d?tls=maybe", "boolean"),
    ] {
        refused(url, because).await;
    }
}

#[tokio::test]
#[ignore = "needs TEST_MONGODB_TLS_URL, see .ci/servers"]
async fn servers_and_passwords_are_verified() {
    let (url, ca) = (variable("TEST_MONGODB_TLS_URL"), variable("TEST_MONGODB_CA"));
    let good = format!("{url}&tlsCAFile={ca}");
    let store = open(&config(&good)).await.unwrap();
    store.save_installation("tenant", &json!({ "n": 1 }), Some("id")).await.unwrap();
    assert_eq!(store.installations("tenant").await.unwrap(), [json!({ "n": 1 })]);
    assert!(store.remove("tenant").await.unwrap());
    MongoStore::open(&config(&format!("{url}&tlsAllowInvalidCertificates=true"))).await.unwrap();

    refused(&url, "tlsCAFile=<file>").await;
    refused(&good.replace("localhost", "127.0.0.1"), "tlsCAFile=<file>").await;
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
    refused(&format!("{url}&tlsCAFile={other}"), "tlsCAFile=<file>").await;
    let mut wrong = url::Url::parse(&good).unwrap();
    wrong.set_password(Some("hush")).unwrap();
    refused(wrong.as_str(), "uthentication").await;
}
