//! The store is away for a while: known tenants go on being served, for a bounded time, and nobody else is let in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::auth::{ForgeInvocation, SessionToken};
use atlassian_connect_actix::store::MemoryStore;
use atlassian_connect_actix::{Error, PageContext};
use atlassian_connect_testing::{TestHost, TestTenant};
use futures_util::future::join_all;

use crate::support::store::{Failure, FakeStore};
use crate::support::{eventually, fixture};
use crate::tenants::{call, with_secret};

/// A short lifetime of entries, in seconds, and a long one.
const SHORT: &str = r#"{ "cache": { "ttl": 1 } }"#;
const BOUNDED: &str = r#"{ "cache": { "ttl": 1, "stale": 4 } }"#;
const OFF: &str = r#"{ "cache": { "ttl": 1, "stale": 0 } }"#;

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/token", web::get().to(|caller: SessionToken| async move { caller.tenant_key().to_owned() }))
        .route("/page", web::get().to(|page: PageContext| async move { page.client_key.clone() }))
        .route("/invoked", web::post().to(invoked));
}

async fn invoked(invocation: ForgeInvocation) -> Result<String, Error> {
    let tenant = invocation.connect_tenant().await?;
    Ok(tenant.map_or_else(String::new, |tenant| tenant.client_key().to_owned()))
}

async fn node(store: &Arc<FakeStore>, config: &str) -> TestHost {
    let store = store.clone();
    fixture::builder().config(config).addon(|addon| addon.store(store)).start(routes).await
}

/// A node with a tenant in its cache, and when it was read at the latest.
async fn warm(config: &str) -> (Arc<FakeStore>, TestHost, TestTenant, Instant) {
    let store = FakeStore::new();
    let host = node(&store, config).await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    assert_eq!(call(&host, &tenant).await, 200);
    (store, host, tenant, Instant::now())
}

/// Calls until the entry's lifetime is over and the store was asked. Each answer must be 200.
async fn until_asked(store: &FakeStore, host: &TestHost, tenant: &TestTenant) {
    let before = store.asked();
    eventually("the store is asked", async || {
        assert_eq!(call(host, tenant).await, 200, "a known tenant");
        store.asked() > before
    })
    .await;
}

#[actix_web::test]
async fn known_tenants_are_served_and_others_are_told_to_come_back() {
    let (store, host, tenant, _) = warm(SHORT).await;
    let (cold, forger) = (host.new_tenant(), with_secret(&tenant, "a guess"));
    host.install(&cold).await;
    store.fail(Failure::Everything);
    until_asked(&store, &host, &tenant).await;

    let (begun, before) = (Instant::now(), store.asked());
    for _ in 0..200 {
        assert_eq!(host.open_iframe_as(&tenant, "/page").await.status, 200);
    }
    let asked = store.asked() - before;
    let most = usize::try_from(begun.elapsed().as_secs()).unwrap() + 2;
    assert!(asked <= most, "the store was asked {asked} times in {:?}", begun.elapsed());

    // a 401 would be wrong: the secret may have been rotated, or the tenant may be installed
    for stranger in [&forger, &cold, &TestTenant::new()] {
        let answer = host.call(Method::GET, "/token", &stranger.context_token(), None).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
    }
    assert_eq!(host.try_install(&tenant).await.status, 503, "an install is not lost");

    store.fail(Failure::Nothing);
    eventually("a cold tenant is served again", async || call(&host, &cold).await == 200).await;
    eventually("the known tenant is served", async || call(&host, &tenant).await == 200).await;
    assert_eq!(call(&host, &forger).await, 401);
    let before = store.reads().len();
    eventually("the store is asked again", async || {
        assert_eq!(call(&host, &tenant).await, 200);
        store.reads().len() > before
    })
    .await;
}

#[actix_web::test]
async fn an_entry_counts_only_until_the_bound() {
    let (store, host, tenant, read) = warm(BOUNDED).await;
    store.fail(Failure::Everything);
    until_asked(&store, &host, &tenant).await;
    eventually("the entry no longer counts", async || {
        let age = read.elapsed();
        match call(&host, &tenant).await {
            200 => {
                assert!(age < Duration::from_secs(4), "the entry counts too long: {age:?}");
                false
            }
            status => {
                assert_eq!(status, 503);
                true
            }
        }
    })
    .await;
    assert!(read.elapsed() > Duration::from_secs(3), "the entry ended too early: {:?}", read.elapsed());
    store.fail(Failure::Nothing);
    eventually("it is served again", async || call(&host, &tenant).await == 200).await;
}

#[actix_web::test]
async fn without_the_setting_an_entry_ends_with_its_lifetime() {
    let (store, host, tenant, _) = warm(OFF).await;
    store.fail(Failure::Everything);
    eventually("the entry no longer counts", async || call(&host, &tenant).await == 503).await;
}

#[actix_web::test]
async fn a_store_that_refuses_is_not_away() {
    let (store, host, tenant, _) = warm(SHORT).await;
    store.fail(Failure::Refused);
    eventually("the entry does not count, since the store answers", async || call(&host, &tenant).await == 500).await;
}

#[actix_web::test]
async fn an_uninstalled_tenant_is_not_served() {
    let (store, host, tenant, _) = warm(SHORT).await;
    store.fail(Failure::Everything);
    until_asked(&store, &host, &tenant).await;
    assert_eq!(host.uninstall(&tenant).await.status, 503, "the host tries again");
    assert_eq!(call(&host, &tenant).await, 503);

    // the store said so before it went away
    let (store, host, tenant, _) = warm(SHORT).await;
    assert_eq!(host.uninstall(&tenant).await.status, 204);
    store.fail(Failure::Everything);
    assert_eq!(call(&host, &tenant).await, 503);
}

#[actix_web::test]
async fn a_secret_that_another_node_rotates_counts_when_the_store_is_back() {
    let shared = Arc::new(MemoryStore::new());
    let (near, far) = (FakeStore::on(Arc::clone(&shared)), FakeStore::on(shared));
    let (other, host) = (node(&near, SHORT).await, node(&far, SHORT).await);
    let old = other.tenant();
    other.install(&old).await;
    assert_eq!(call(&host, &old).await, 200);
    far.fail(Failure::Everything);
    until_asked(&far, &host, &old).await;
    let new = with_secret(&old, "the new secret");
    other.install(&new).await;
    assert_eq!(call(&host, &new).await, 503, "it is not refused for good");
    far.fail(Failure::Nothing);
    eventually("the new secret counts", async || call(&host, &new).await == 200).await;
    assert_eq!(call(&host, &old).await, 401);
}

#[actix_web::test]
async fn a_store_that_does_not_answer_delays_few_requests() {
    let (store, host, tenant, _) = warm(SHORT).await;
    store.hold(true);
    until_asked(&store, &host, &tenant).await;
    let slow = Duration::from_millis(1500);
    let lane = async || {
        let mut late = 0;
        for _ in 0..20 {
            let begun = Instant::now();
            assert_eq!(call(&host, &tenant).await, 200);
            late += usize::from(begun.elapsed() > slow);
        }
        late
    };
    let late: usize = join_all((0..10).map(|_| lane())).await.into_iter().sum();
    // `ping` answers here, and still no request waits for a read every time
    assert!(late <= 20, "{late} of 200 requests waited for the store");
    store.hold(false);
}

#[actix_web::test]
async fn what_is_known_of_a_forge_installation_stays_known() {
    let (store, host, tenant, _) = warm(SHORT).await;
    let begun = Instant::now();
    let invocation = host.invocation_of(&tenant);
    let before = host.invoke("/invoked", &invocation).await;
    assert_eq!(before.status, 200);
    store.fail(Failure::Everything);
    eventually("time passes", async || {
        let reply = host.invoke("/invoked", &invocation).await;
        assert_eq!((reply.status, &reply.body), (200, &before.body));
        begun.elapsed() > Duration::from_secs(3)
    })
    .await;
    let unknown = host.invocation_of(&tenant).installation("ari:cloud:ecosystem::installation/other");
    assert_eq!(host.invoke("/invoked", &unknown).await.status, 503);
}
