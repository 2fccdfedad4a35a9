//! Several nodes on one store, without notifications.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::store::Store as _;
use atlassian_connect_testing::{TestHost, TestTenant};
use futures_util::future::{join, join_all};

use crate::support::store::FakeStore;
use crate::support::{eventually, fixture};

/// The shortest time between two reads of a tenant.
const INTERVAL: Duration = Duration::from_millis(200);

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/token", web::get().to(|caller: SessionToken| async move { caller.tenant_key().to_owned() }));
}

async fn node(store: &Arc<FakeStore>, config: &str) -> TestHost {
    let store = store.clone();
    fixture::builder().config(config).addon(|addon| addon.store(store)).start(routes).await
}

/// Two nodes, of which the second has the first one's tenant in its cache.
async fn nodes(store: &Arc<FakeStore>, config: &str) -> (TestHost, TestHost, TestTenant) {
    let (a, b) = (node(store, config).await, node(store, config).await);
    let tenant = a.tenant();
    a.install(&tenant).await;
    assert_eq!(call(&b, &tenant).await, 200);
    (a, b, tenant)
}

/// The status of a call with the tenant's token.
pub(crate) async fn call(host: &TestHost, tenant: &TestTenant) -> u16 {
    host.call(Method::GET, "/token", &tenant.context_token(), None).await.status
}

/// The same tenant with another secret.
pub(crate) fn with_secret(tenant: &TestTenant, secret: &str) -> TestTenant {
    let mut tenant = tenant.clone();
    secret.clone_into(&mut tenant.shared_secret);
    tenant
}

#[actix_web::test]
async fn while_the_cache_is_warm_the_store_is_not_read() {
    let store = FakeStore::new();
    let (_, b, tenant) = nodes(&store, "{}").await;
    let before = store.reads().len();
    for _ in 0..20 {
        assert_eq!(call(&b, &tenant).await, 200);
    }
    assert_eq!(store.reads().len(), before);
}

#[actix_web::test]
async fn requests_that_come_during_a_read_use_what_it_finds() {
    let store = FakeStore::new();
    let (_, _, tenant) = nodes(&store, "{}").await;
    let cold = node(&store, "{}").await;
    let before = store.reads().len();
    store.delay(INTERVAL / 2);
    let answers = join_all((0..20).map(|_| call(&cold, &tenant))).await;
    assert_eq!((answers, store.reads().len() - before), (vec![200; 20], 1));
}

#[actix_web::test]
async fn a_token_that_comes_during_a_read_is_refused_only_by_a_later_one() {
    let store = FakeStore::new();
    let (a, _, old) = nodes(&store, "{}").await;
    let (cold, new) = (node(&store, "{}").await, with_secret(&old, "the new secret"));
    let before = store.reads().len();
    store.hold(true);
    let first = call(&cold, &old);
    let later = async {
        eventually("the read has begun", async || store.reads().len() > before).await;
        a.install(&new).await;
        let released = async { store.hold(false) };
        join(call(&cold, &new), released).await.0
    };
    assert_eq!(join(first, later).await, (200, 200));
    assert_eq!(call(&cold, &old).await, 401, "the later read removed the old secret");
}

#[actix_web::test]
async fn a_secret_that_one_node_rotates_counts_on_the_others_at_once() {
    let store = FakeStore::new();
    let (a, b, old) = nodes(&store, "{}").await;
    let new = with_secret(&old, "the new secret");
    a.install(&new).await;
    assert_eq!(call(&a, &old).await, 401, "the node that stored it forgets the old one");
    assert_eq!(call(&b, &new).await, 200);
    assert_eq!(call(&b, &old).await, 401, "the read that found the new secret removed the old one");
}

#[actix_web::test]
async fn any_failed_token_refreshes_the_cache() {
    let store = FakeStore::new();
    let (a, b, old) = nodes(&store, "{}").await;
    a.install(&with_secret(&old, "the new secret")).await;
    assert_eq!(call(&b, &with_secret(&old, "a guess")).await, 401);
    assert_eq!(call(&b, &old).await, 401);

    // the same holds for an uninstall
    let (a, b, tenant) = nodes(&store, "{}").await;
    a.uninstall(&tenant).await;
    assert_eq!(call(&b, &with_secret(&tenant, "a guess")).await, 401);
    assert_eq!(call(&b, &tenant).await, 401);
}

#[actix_web::test]
async fn an_old_secret_is_accepted_for_the_cache_lifetime_at_most() {
    let store = FakeStore::new();
    let (a, b, old) = nodes(&store, r#"{ "cache": { "ttl": 1 } }"#).await;
    a.uninstall(&old).await;
    let begun = Instant::now();
    while call(&b, &old).await == 200 {
        assert!(begun.elapsed() < Duration::from_secs(5), "an uninstalled tenant still opens another node");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[actix_web::test]
async fn many_bad_signatures_cause_few_reads_and_are_refused_by_a_fresh_read() {
    let store = FakeStore::new();
    let (_, b, tenant) = nodes(&store, "{}").await;
    let guess = with_secret(&tenant, "a guess");
    let first = store.reads().len();
    let begun = Instant::now();
    let lane = async || {
        let mut refused = Vec::new();
        while begun.elapsed() < 4 * INTERVAL {
            let sent = Instant::now();
            assert_eq!(call(&b, &guess).await, 401);
            refused.push((sent, Instant::now()));
        }
        refused
    };
    let refused = join_all((0..20).map(|_| lane())).await.concat();

    let reads = store.reads()[first..].to_vec();
    let span = *reads.last().unwrap() - reads[0];
    let most = usize::try_from(span.as_millis() / INTERVAL.as_millis()).unwrap() + 2;
    assert!(reads.len() <= most, "{} reads within {span:?}", reads.len());
    assert!(refused.len() >= 20 && reads.len() * 4 <= refused.len(), "{} of {}", reads.len(), refused.len());
    for (sent, answered) in refused {
        assert!(reads.iter().any(|read| sent <= *read && *read <= answered), "refused by an older read");
    }
}

#[actix_web::test]
async fn a_slow_read_does_not_bring_an_old_secret_back() {
    let store = FakeStore::new();
    let (a, _, old) = nodes(&store, "{}").await;
    let new = with_secret(&old, "the new secret");
    let before = store.reads().len();

    store.hold(true);
    let late = async {
        // a read finds the old secret and is slow to return
        call(&a, &old).await
    };
    let rotation = async {
        while store.reads().len() == before {
            tokio::task::yield_now().await;
        }
        a.install(&new).await;
        store.hold(false);
    };
    join(late, rotation).await;
    assert_eq!(call(&a, &old).await, 401);
    assert_eq!(call(&a, &new).await, 200);
}

#[actix_web::test]
async fn an_unknown_tenant_is_not_cached() {
    let store = FakeStore::new();
    let (a, b, tenant) = nodes(&store, r#"{ "cache": { "capacity": 20 } }"#).await;
    let stranger = TestTenant::new();
    let before = store.reads().len();
    for _ in 0..3 {
        assert_eq!(call(&b, &stranger).await, 401);
    }
    assert_eq!(store.reads().len(), before + 3, "an unknown key is not cached");
    let strangers: Vec<TestTenant> = (0..200).map(|_| TestTenant::new()).collect();
    for refused in join_all(strangers.iter().map(|stranger| call(&b, stranger))).await {
        assert_eq!(refused, 401);
    }
    let before = store.reads().len();
    assert_eq!(call(&b, &tenant).await, 200);
    assert_eq!(store.reads().len(), before, "and displaces no tenant");

    a.install(&stranger).await;
    assert_eq!(call(&b, &stranger).await, 200);
}

#[actix_web::test]
async fn both_of_two_secrets_are_tried_and_keys_are_compared_exactly() {
    let store = FakeStore::new();
    let host = node(&store, "{}").await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    // a row that names another tenant is ignored
    let payload = tenant.payload("key", "installed");
    store.save_installation("somebody-else", &payload, None).await.unwrap();
    let mut other = tenant.clone();
    other.client_key = "somebody-else".into();
    assert_eq!(call(&host, &other).await, 401);
    for client_key in
        [tenant.client_key.to_uppercase(), format!("{} ", tenant.client_key), format!("{}\u{301}", tenant.client_key)]
    {
        let mut other = tenant.clone();
        other.client_key = client_key;
        assert_eq!(call(&host, &other).await, 401, "{}", other.client_key);
    }
    assert_eq!(call(&host, &tenant).await, 200);
}
