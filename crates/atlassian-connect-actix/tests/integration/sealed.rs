//! An add-on with an encrypted store.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::store::EncryptionKey;
use atlassian_connect_actix::store::internal::{CLIENT_INFO, SealedStore};
use atlassian_connect_actix::store::{MemoryStore, Place, Store};
use atlassian_connect_testing::{TestHost, TestTenant};

use crate::support::fixture;

const KEY: &str = "a2V5IG9uZSBrZXkgb25lIGtleSBvbmUga2V5IG9uZSE=";
const NEW: &str = "bmV3IGtleSBuZXcga2V5IG5ldyBrZXkgbmV3IGtleSE=";

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/token", web::get().to(|caller: SessionToken| async move { caller.tenant_key().to_owned() }));
}

async fn node(store: &Arc<MemoryStore>, keys: &str) -> TestHost {
    let store = store.clone();
    fixture::builder().var("AC_STORE_ENCRYPTION_KEYS", keys).addon(|addon| addon.store(store)).start(routes).await
}

async fn call(host: &TestHost, tenant: &TestTenant) -> u16 {
    host.call(Method::GET, "/token", &tenant.context_token(), None).await.status
}

#[actix_web::test]
async fn installs_and_pages_work_and_the_store_holds_no_plain_secret() {
    let store = Arc::new(MemoryStore::new());
    let (a, b) = (node(&store, KEY).await, node(&store, &format!("{NEW},{KEY}")).await);
    let tenant = a.tenant();
    a.install(&tenant).await;
    let stored = store.get(Place::of_tenant(&tenant.client_key, CLIENT_INFO)).await.unwrap().unwrap();
    assert!(stored.get("$sealed").is_some() && !stored.to_string().contains(&tenant.shared_secret), "{stored}");
    assert_eq!((call(&a, &tenant).await, call(&b, &tenant).await), (200, 200));
    a.uninstall(&tenant).await;
    assert_eq!(call(&a, &tenant).await, 401);
}

/// A node that was started before others began to encrypt, or with another key.
#[actix_web::test]
async fn a_node_without_the_key_neither_refuses_the_tenant_nor_overwrites_it() {
    for keys in ["", NEW] {
        let store = Arc::new(MemoryStore::new());
        let node = node(&store, keys).await;
        let tenant = node.tenant();
        let key: EncryptionKey = KEY.parse().unwrap();
        let sealed = SealedStore::new(store.clone(), &[key]);
        sealed.save_installation(&tenant.client_key, &tenant.payload("key", "installed"), None).await.unwrap();
        let before = store.get(Place::of_tenant(&tenant.client_key, CLIENT_INFO)).await.unwrap();

        assert_eq!(call(&node, &tenant).await, 500, "the tenant exists: 401 would be wrong");
        let mut renewed = tenant.clone();
        renewed.shared_secret = "another secret".to_owned();
        assert_eq!(node.try_install(&renewed).await.status, 500, "the host tries again");
        assert_eq!(store.get(Place::of_tenant(&tenant.client_key, CLIENT_INFO)).await.unwrap(), before);
    }
}

#[actix_web::test]
async fn an_add_on_does_not_start_with_the_wrong_key() {
    let store = Arc::new(MemoryStore::new());
    let host = node(&store, KEY).await;
    host.install(&host.tenant()).await;
    for keys in [None, Some(NEW)] {
        let builder = fixture::addon().store(store.clone());
        let vars = keys.map(|keys| ("AC_STORE_ENCRYPTION_KEYS", keys)).into_iter().collect();
        let config = atlassian_connect_actix::config::Config::from_parts(None, &vars).unwrap();
        let error = builder.config(config).build().await.err().unwrap().to_string();
        assert!(error.contains("is encrypted with key ") && error.contains("AC_STORE_ENCRYPTION_KEYS"), "{error}");
    }
}
