//! The keys that sign lifecycle callbacks: fetched seldom, from the right server, and never waited for without end.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use atlassian_connect_actix::internal::jwt::now;
use atlassian_connect_testing::internal::KeyAnswer;
use atlassian_connect_testing::{KeyServer, Reply, TestHost, TestTenant, claims_for};
use futures_util::future::join_all;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::json;

use crate::install::{ADDON_KEY, stored};

use crate::support::fixture;

fn routes(_: &mut ServiceConfig) {}

fn tenants(count: usize) -> Vec<TestTenant> {
    (0..count).map(|_| TestTenant::new()).collect()
}

#[actix_web::test]
async fn a_key_is_fetched_once_for_many_installs() {
    let host = fixture::start(routes).await;
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
async fn a_key_server_that_is_away_is_a_temporary_failure() {
    let host = fixture::start(routes).await;
    for status in [500, 502, 503, 429] {
        host.keys().answer(KeyAnswer::Other(status, KeyServer::public_pem()));
        let reply = host.try_install(&host.tenant()).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "{status}");
        assert!(!reply.body.contains("127.0.0.1"), "{}", reply.body);
    }
    assert_eq!(stored(&host).await, 0);
    host.keys().answer(KeyAnswer::Key);
    host.install(&host.tenant()).await;

    let host = fixture::start(routes).await;
    host.keys().stop().await;
    assert_eq!((host.try_install(&host.tenant()).await.status, stored(&host).await), (503, 0));
}

#[actix_web::test]
async fn an_answer_that_is_not_a_key_is_refused() {
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
        let host = fixture::start(routes).await;
        host.keys().answer(answer.clone());
        let reply = host.try_install(&host.tenant()).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "JWT"), "{answer:?}");
        assert_eq!(stored(&host).await, 0, "{answer:?}");
        // and the server is not asked again at once
        host.keys().answer(KeyAnswer::Key);
        assert_eq!((host.try_install(&host.tenant()).await.status, host.keys().fetches()), (401, 1), "{answer:?}");
    }
    assert_eq!(elsewhere.fetches(), 0, "no redirect is followed");

    let host = fixture::start(routes).await;
    host.keys().answer(KeyAnswer::Other(200, "x".repeat(1 << 20)));
    assert_eq!(host.try_install(&host.tenant()).await.status, 503, "an endless answer is not read");
}

#[actix_web::test]
async fn a_key_server_has_a_time_limit() {
    let host = fixture::start(routes).await;
    host.keys().answer(KeyAnswer::Late(Duration::from_secs(60)));
    let begun = Instant::now();
    let tenants = tenants(10);
    let replies = join_all(tenants.iter().map(|tenant| host.try_install(tenant))).await;
    assert!(replies.iter().all(|reply| reply.status == 503));
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    assert_eq!((host.keys().fetches(), stored(&host).await), (1, 0));
}

#[actix_web::test]
async fn a_key_id_may_have_segments() {
    for kid in ["connect-install/a1b2c3.pem", "a/b+c/d_e-f", "..a/b.."] {
        let host = fixture::start(routes).await;
        host.keys().answer(KeyAnswer::KeyAt(kid.to_owned()));
        let tenant = host.tenant();
        let token = KeyServer::sign_as(kid, &claims_for(&tenant, host.base_url(), "/installed"));
        let payload = tenant.payload(ADDON_KEY, "installed");
        assert_eq!(host.call(Method::POST, "/installed", &token, Some(&payload)).await.status, 204, "{kid}");
        assert_eq!(host.keys().fetches(), 1, "{kid}");
    }
}

#[actix_web::test]
async fn a_key_file_may_begin_with_a_byte_order_mark() {
    let host = fixture::start(routes).await;
    host.keys().answer(KeyAnswer::Other(200, format!("\u{feff}{}", KeyServer::public_pem())));
    host.install(&host.tenant()).await;
}

#[actix_web::test]
async fn a_key_id_with_other_than_plain_segments_is_never_requested() {
    let host = fixture::start(routes).await;
    let tenant = host.tenant();
    for kid in [
        "",
        ".",
        "..",
        "../keys/install-key-1",
        "a/../install-key-1",
        "a/..",
        "./install-key-1",
        "a//install-key-1",
        "a;b",
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
async fn nothing_is_fetched_for_a_request_that_is_refused_anyway() {
    let host = fixture::start(routes).await;
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

/// Installs whose tokens name unknown key ids, as if each came from another site. Signing them would take longer than
/// refusing them, so only the header is replaced and the signature does not match.
fn made_up(host: &TestHost, ids: std::ops::Range<usize>) -> Vec<(String, serde_json::Value)> {
    use base64::Engine as _;
    let tenant = TestTenant::new();
    let token = KeyServer::sign(&claims_for(&tenant, host.base_url(), "/installed"));
    let (_, rest) = token.split_once('.').unwrap();
    let with = |kid: String| {
        let header = json!({ "alg": "RS256", "kid": kid }).to_string();
        format!("{}.{rest}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header))
    };
    ids.map(|i| (with(format!("made-up-{i}")), tenant.payload(ADDON_KEY, "installed"))).collect()
}

async fn flood(host: &TestHost, requests: &[(String, serde_json::Value)], at_once: usize) -> Vec<Reply> {
    let requests = requests.iter().map(|(token, payload)| host.call(Method::POST, "/installed", token, Some(payload)));
    futures_util::stream::iter(requests).buffer_unordered(at_once).collect().await
}

#[actix_web::test]
async fn made_up_key_ids_cause_few_fetches_and_leave_room() {
    for at_once in [1, 10, 100] {
        let host = fixture::start(routes).await;
        let requests = made_up(&host, 0..2000);
        let begun = Instant::now();
        let replies = flood(&host, &requests, at_once).await;
        let took = begun.elapsed();
        // 20 at once, five per second, and one for the clocks
        let allowed = 21 + usize::try_from(took.as_millis() / 200).unwrap();
        let fetches = host.keys().fetches();
        assert!((20..=allowed).contains(&fetches), "{fetches} in {took:?}");
        let refused = replies.iter().filter(|reply| reply.status == 401).count();
        assert_eq!(refused, fetches, "the requested keys do not exist");
        for reply in replies.iter().filter(|reply| reply.status != 401) {
            assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "no server was asked: {}", reply.body);
        }
        let (begun, genuine) = (Instant::now(), TestTenant::new());
        let mut statuses = vec![host.try_install(&genuine).await.status];
        if statuses == [503] {
            statuses.push(host.try_install(&genuine).await.status);
        }
        println!("{at_once} at once: {fetches} fetches in {took:?}; then {statuses:?} in {:?}", begun.elapsed());
        assert_eq!(statuses.last(), Some(&204), "at the latest when its id is repeated");
        assert!(statuses.len() == 1 || at_once == 1, "{at_once}: the newest waiting caller is served first");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        // an id that does not exist is not requested again
        let deadline = Instant::now() + Duration::from_secs(20);
        while flood(&host, &requests[..1], 1).await[0].status != 401 {
            assert!(Instant::now() < deadline, "its first request had no permit, and gets none");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let before = host.keys().fetches();
        flood(&host, &requests[..1], 1).await;
        assert_eq!(host.keys().fetches(), before);
    }
}

#[actix_web::test]
async fn fetches_that_hang_do_not_delay_a_first_install() {
    let host = fixture::start(routes).await;
    host.keys().answer(KeyAnswer::KeyOrSilence);
    let requests = made_up(&host, 0..500);
    let hanging = flood(&host, &requests, 500).fuse();
    let genuine = async {
        // the flood has used up the permits, and its fetches hang
        let deadline = Instant::now() + Duration::from_secs(20);
        while host.keys().fetches() < 20 {
            assert!(Instant::now() < deadline, "{} fetches", host.keys().fetches());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let begun = Instant::now();
        let mut tries = 1;
        while host.try_install(&host.tenant()).await.status != 204 {
            tries += 1;
        }
        let first = (tries, begun.elapsed());
        host.install(&TestTenant::new()).await;
        first
    };
    let (replies, (tries, took)) = futures_util::future::join(hanging, genuine).await;
    println!("a first install among 500 that hang: {tries} tries, {took:?}; {} fetches", host.keys().fetches());
    assert!(tries <= 2 && took < Duration::from_secs(4), "{tries} tries, {took:?}");
    assert!(replies.iter().all(|reply| reply.status == 503));
    assert!(host.keys().fetches() < 100, "{}", host.keys().fetches());
}

#[actix_web::test]
async fn a_first_install_gets_through_during_a_flood() {
    let host = fixture::start(routes).await;
    let requests = made_up(&host, 0..4000);
    let mut flood = std::pin::pin!(flood(&host, &requests, 100).fuse());
    let tries = async {
        while host.keys().fetches() < 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut statuses = Vec::new();
        while statuses.last() != Some(&204) {
            statuses.push(host.try_install(&host.tenant()).await.status);
        }
        // from now on the key is known
        for _ in 0..20 {
            statuses.push(host.try_install(&TestTenant::new()).await.status);
        }
        statuses
    };
    let mut tries = std::pin::pin!(tries.fuse());
    let statuses = tokio::select! {
        statuses = &mut tries => statuses,
        _ = &mut flood => tries.await,
    };
    println!("tries while ids are made up: {statuses:?}");
    assert!(statuses.len() <= 22, "{statuses:?}: its second try repeats the id");
    assert!(statuses[statuses.len() - 21..].iter().all(|status| *status == 204), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 204 | 503)), "{statuses:?}");
}
