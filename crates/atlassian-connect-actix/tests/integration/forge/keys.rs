//! Forge's keys: fetched seldom, from the configured URL, and kept while their server is unavailable.

use atlassian_connect_testing::internal::{JwksAnswer, JwksServer};
use atlassian_connect_testing::{Reply, TestHost, TestInvocation};
use futures_util::StreamExt as _;
use serde_json::json;

use super::routes;

use crate::support::fixture;

#[actix_web::test]
async fn the_keys_are_fetched_once_and_outlive_their_server() {
    let host = fixture::start(routes).await;
    let invocation = TestInvocation::new();
    let calls = (0..50).map(|_| host.invoke("/remote", &invocation));
    let replies: Vec<_> = futures_util::future::join_all(calls).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert_eq!(host.forge_keys().fetches(), 1);
    host.forge_keys().stop().await;
    assert_eq!(host.invoke("/remote", &invocation).await.status, 200);
}

#[actix_web::test]
async fn a_rotated_key_is_accepted_at_once_and_the_old_one_no_longer() {
    let host = fixture::start(routes).await;
    let invocation = TestInvocation::new();
    assert_eq!(host.invoke("/remote", &invocation).await.status, 200);
    host.forge_keys().rotate();
    assert_eq!(host.invoke("/remote", &invocation).await.status, 200);
    let old = JwksServer::sign_as(JwksServer::KID, &invocation.claims(TestHost::APP_ID));
    assert_eq!(host.invoke_with("/remote", &old, &invocation).await.status, 401);
}

#[actix_web::test]
async fn made_up_key_ids_cause_few_fetches() {
    let host = fixture::builder().workers(1).start(routes).await;
    let invocation = TestInvocation::new();
    assert_eq!(host.invoke("/remote", &invocation).await.status, 200);
    let begun = std::time::Instant::now();
    let replies = flood(&host, &invocation, 0..10_000).await;
    let took = begun.elapsed();
    let refused = replies.iter().filter(|reply| reply.status == 401).count();
    assert!((1..=100).contains(&refused), "{refused} of a few fetches, which some requests shared");
    for reply in replies.iter().filter(|reply| reply.status != 401) {
        assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "no server was asked: {}", reply.body);
    }
    let fetches = host.forge_keys().fetches();
    let by_time = usize::try_from(took.as_secs() / 5).unwrap() + 1;
    assert!((2..=6 + by_time).contains(&fetches), "{fetches} in {took:?}");
    assert_eq!(host.invoke("/remote", &invocation).await.status, 200);
}

/// Requests whose tokens name unknown key ids. Signing them would take longer than refusing them, so only the header is
/// replaced and the signature does not match.
async fn flood(host: &TestHost, invocation: &TestInvocation, ids: std::ops::Range<usize>) -> Vec<Reply> {
    use base64::Engine as _;
    let token = host.forge_keys().sign(&invocation.claims(TestHost::APP_ID));
    let (_, rest) = token.split_once('.').unwrap();
    let requests = futures_util::stream::iter(ids.map(|i| {
        let header = json!({ "alg": "RS256", "kid": format!("made-up-{i}") }).to_string();
        let token = format!("{}.{rest}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header));
        async move { host.invoke_with("/remote", &token, invocation).await }
    }));
    requests.buffer_unordered(50).collect().await
}

#[actix_web::test]
async fn a_rotated_key_is_found_soon_and_never_refused_during_a_flood() {
    let host = fixture::builder().workers(1).start(routes).await;
    let invocation = TestInvocation::new();
    assert_eq!(host.invoke("/remote", &invocation).await.status, 200);
    flood(&host, &invocation, 0..200).await;
    host.forge_keys().rotate();
    let begun = std::time::Instant::now();
    let mut statuses = Vec::new();
    for round in 0..40 {
        flood(&host, &invocation, 1000 + 50 * round..1050 + 50 * round).await;
        let reply = host.invoke("/remote", &invocation).await;
        if reply.status == 503 {
            assert_eq!(reply.header("retry-after"), "5");
        }
        statuses.push(reply.status);
    }
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    let failed = statuses.iter().filter(|status| **status == 503).count();
    assert!(failed <= 1, "{statuses:?}: its second request repeats the id");
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
    assert!(host.forge_keys().fetches() < 30, "{}", host.forge_keys().fetches());
}

#[actix_web::test]
async fn an_isolated_cloud_counts_as_unknown_only_after_a_request() {
    let cloud = JwksServer::start();
    let template = format!("{}?cloud={{icLabel}}", cloud.url());
    let host = fixture::builder().var("AC_FORGE_ISOLATED_JWKS_URL", template).start(routes).await;
    for i in 0..40 {
        let made_up = TestInvocation::new().claim("/icLabel", format!("made-up-{i}"));
        let token = JwksServer::sign_as("no-key", &made_up.claims(TestHost::APP_ID));
        let reply = host.invoke_with("/remote", &token, &made_up).await;
        let expected = if i < 5 { (401, "") } else { (503, "5") };
        assert_eq!((reply.status, reply.header("retry-after")), expected, "{i}");
    }
    let inside = TestInvocation::new().claim("/icLabel", "ic-1");
    let token = cloud.sign(&inside.claims(TestHost::APP_ID));
    let first = host.invoke_with("/remote", &token, &inside).await;
    assert_eq!((first.status, first.header("retry-after")), (503, "5"));
    assert_eq!(host.invoke_with("/remote", &token, &inside).await.status, 200, "it is repeated");
    assert!(cloud.fetches() <= 7, "{}", cloud.fetches());
}

#[actix_web::test]
async fn a_server_without_keys_is_a_temporary_failure() {
    let host = fixture::start(routes).await;
    let invocation = TestInvocation::new();
    for answer in [JwksAnswer::Other(500, String::new()), JwksAnswer::Other(200, "{}".into())] {
        host.forge_keys().answer(answer);
        let reply = host.invoke("/remote", &invocation).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "{}", reply.body);
        assert!(!reply.body.contains("127.0.0.1"));
    }
    host.forge_keys().answer(JwksAnswer::Keys);
    assert_eq!(host.invoke("/remote", &invocation).await.status, 200);
}

#[actix_web::test]
async fn claims_do_not_choose_the_key_set() {
    let foreign = JwksServer::start();
    foreign.rotate();
    let host = fixture::start(routes).await;
    let token = |invocation: &TestInvocation| foreign.sign(&invocation.claims(TestHost::APP_ID));
    for invocation in [
        TestInvocation::new().claim("/app/apiBaseUrl", "https://api.stg.atlassian.com/ex/jira/c"),
        TestInvocation::new().claim("/icLabel", "ic-1"),
        TestInvocation::new().claim("/jku", foreign.url()),
    ] {
        assert_eq!(host.invoke_with("/remote", &token(&invocation), &invocation).await.status, 401);
    }
    assert_eq!(foreign.fetches(), 0);
}

#[actix_web::test]
async fn an_isolated_cloud_has_its_own_keys() {
    let cloud = JwksServer::start();
    cloud.rotate();
    let template = format!("{}?cloud={{icLabel}}", cloud.url());
    let host = fixture::builder().var("AC_FORGE_ISOLATED_JWKS_URL", template).start(routes).await;
    let inside = TestInvocation::new().claim("/icLabel", "ic-1");
    let token = cloud.sign(&inside.claims(TestHost::APP_ID));
    assert_eq!(host.invoke_with("/remote", &token, &inside).await.status, 200);
    assert_eq!(host.invoke("/remote", &inside).await.status, 401, "the key of the other platform is not accepted here");
    assert_eq!(host.invoke("/remote", &TestInvocation::new()).await.status, 200);
    let token = cloud.sign(&TestInvocation::new().claims(TestHost::APP_ID));
    assert_eq!(host.invoke_with("/remote", &token, &TestInvocation::new()).await.status, 401, "and vice versa");
}
