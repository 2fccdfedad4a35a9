//! The keys that prove lifecycle callbacks: fetched seldom, from where they belong, and never waited for without end.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use atlassian_connect_actix::jwt::now;
use atlassian_connect_actix::testing::{KeyAnswer, KeyServer, TestHost, TestTenant, claims_for};
use futures_util::future::join_all;
use serde_json::json;

use crate::install::{ADDON_KEY, stored};

fn routes(_: &mut ServiceConfig) {}

fn tenants(count: usize) -> Vec<TestTenant> {
    (0..count).map(|_| TestTenant::new()).collect()
}

#[actix_web::test]
async fn a_key_is_fetched_once_for_many_installs() {
    let host = TestHost::start(routes).await;
    host.keys().answer(KeyAnswer::Late(Duration::from_millis(200)));
    let tenants = tenants(50);
    let replies = join_all(tenants.iter().map(|tenant| host.try_install(tenant))).await;
    assert!(replies.iter().all(|reply| reply.status == 204));
    assert_eq!((host.keys().fetches(), stored(&host).await), (1, 50));

    host.keys().stop().await;
    host.install(&TestTenant::new()).await;
    assert_eq!(host.keys().fetches(), 1, "the key is kept");
}

#[actix_web::test]
async fn a_key_server_that_is_away_is_waited_for() {
    let host = TestHost::start(routes).await;
    for status in [500, 502, 503, 429] {
        host.keys().answer(KeyAnswer::Other(status, KeyServer::public_pem()));
        let reply = host.try_install(&host.tenant()).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "{status}");
        assert!(!reply.body.contains("127.0.0.1"), "{}", reply.body);
    }
    assert_eq!(stored(&host).await, 0);
    host.keys().answer(KeyAnswer::Key);
    host.install(&host.tenant()).await;

    let host = TestHost::start(routes).await;
    host.keys().stop().await;
    assert_eq!((host.try_install(&host.tenant()).await.status, stored(&host).await), (503, 0));
}

#[actix_web::test]
async fn what_is_no_key_proves_nothing() {
    let elsewhere = KeyServer::start();
    let keys = format!("{}/{}", elsewhere.url(), KeyServer::KID);
    for answer in [
        KeyAnswer::Other(404, KeyServer::public_pem()),
        KeyAnswer::Other(403, String::new()),
        KeyAnswer::Other(200, String::new()),
        KeyAnswer::Other(200, "<!DOCTYPE html><title>Sign in</title>".into()),
        KeyAnswer::Other(200, "-----BEGIN PUBLIC KEY-----\nnot a key\n-----END PUBLIC KEY-----".into()),
        KeyAnswer::Other(200, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----".into()),
        KeyAnswer::Other(201, KeyServer::public_pem()),
        KeyAnswer::Elsewhere(keys),
    ] {
        let host = TestHost::start(routes).await;
        host.keys().answer(answer.clone());
        let reply = host.try_install(&host.tenant()).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "JWT"), "{answer:?}");
        assert_eq!(stored(&host).await, 0, "{answer:?}");
        // nor is the server asked again at once
        host.keys().answer(KeyAnswer::Key);
        assert_eq!((host.try_install(&host.tenant()).await.status, host.keys().fetches()), (401, 1), "{answer:?}");
    }
    assert_eq!(elsewhere.fetches(), 0, "no redirect is followed");

    let host = TestHost::start(routes).await;
    host.keys().answer(KeyAnswer::Other(200, "x".repeat(1 << 20)));
    assert_eq!(host.try_install(&host.tenant()).await.status, 503, "an endless answer is not read");
}

#[actix_web::test]
async fn a_key_server_has_a_time_limit() {
    let host = TestHost::start(routes).await;
    host.keys().answer(KeyAnswer::Late(Duration::from_secs(60)));
    let begun = Instant::now();
    let tenants = tenants(10);
    let replies = join_all(tenants.iter().map(|tenant| host.try_install(tenant))).await;
    assert!(replies.iter().all(|reply| reply.status == 503));
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    assert_eq!((host.keys().fetches(), stored(&host).await), (1, 0));
}

#[actix_web::test]
async fn a_key_id_that_is_no_plain_segment_is_never_asked_for() {
    let host = TestHost::start(routes).await;
    let tenant = host.tenant();
    for kid in [
        "",
        ".",
        "..",
        "../keys/install-key-1",
        "install-key-1/",
        "/install-key-1",
        "install-key-1?a",
        "install-key-1#a",
        "install%2Dkey-1",
        "install-key-1\0",
        "install-key-1\r\nHost: x",
        "\\install-key-1",
        "//evil.example/k",
        "http://evil.example/k",
        "@evil.example/k",
        "é",
        " ",
        &"k".repeat(200),
    ] {
        let token = KeyServer::sign_as(kid, &claims_for(&tenant, host.base_url(), "/installed"));
        let payload = tenant.payload(ADDON_KEY, "installed");
        assert_eq!(host.call(Method::POST, "/installed", &token, Some(&payload)).await.status, 401, "{kid:?}");
    }
    assert_eq!(host.keys().fetches(), 0);
}

#[actix_web::test]
async fn nothing_is_fetched_for_what_is_refused_anyway() {
    let host = TestHost::start(routes).await;
    let tenant = host.tenant();
    let payload = tenant.payload(ADDON_KEY, "installed");
    let good = claims_for(&tenant, host.base_url(), "/installed");
    for (claim, value) in [
        ("iss", json!("another")),
        ("aud", json!(["https://another.example"])),
        ("exp", json!(now() - 60)),
        ("nbf", json!(now() + 600)),
        ("qsh", json!("context-qsh")),
        ("qsh", json!(null)),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        let reply = host.call(Method::POST, "/installed", &KeyServer::sign(&claims), Some(&payload)).await;
        assert_eq!(reply.status, 401, "{claim}");
    }
    assert_eq!(host.keys().fetches(), 0);
}
