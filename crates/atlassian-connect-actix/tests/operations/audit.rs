//! The audit log, as the documented filter selects it.

use actix_web::web::ServiceConfig;
use atlassian_connect_testing::TestHost;
use serde_json::Value;

use crate::log;

/// Starts the log of the process: all tests share it, and the first one would start another.
pub(crate) fn start_log() {
    log::start("off,audit=info");
}

/// The events about `client_key` so far, and those about no tenant.
fn events(client_key: &str) -> Vec<Value> {
    let text = log::text();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or(Value::Null));
    events.filter(|event| event.get("client_key").is_none_or(|key| key == client_key)).collect()
}

fn routes(_: &mut ServiceConfig) {}

#[actix_web::test]
async fn each_change_of_a_tenant_is_one_event_without_secrets() {
    start_log();
    let host = TestHost::builder().start(routes).await;
    let mut tenant = host.tenant();
    tenant.client_key = "audited".to_owned();
    let mut rotated = tenant.clone();
    rotated.shared_secret = "another-secret-of-32-characters!".to_owned();
    for install in [&tenant, &tenant, &rotated] {
        assert_eq!(host.install(install).await.status, 204);
    }
    host.addon().rotate_page_key().await.unwrap();
    let tenants = &host.addon().state().tenants;
    assert!(tenants.associate("ari:cloud:ecosystem::installation/audited", "audited").await.unwrap());
    assert!(!tenants.associate("ari:cloud:ecosystem::installation/audited", "unknown").await.unwrap());
    assert_eq!(host.uninstall(&rotated).await.status, 204);
    assert_eq!(host.uninstall(&rotated).await.status, 204, "the second one changes nothing");

    let events = events("audited");
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected =
        ["installed", "reinstalled", "reinstalled", "secret_rotated", "page_key_rotated", "associated", "uninstalled"];
    assert_eq!(names, expected);
    for event in &events {
        assert_eq!((event["target"].as_str(), event["level"].as_str()), (Some("audit"), Some("INFO")));
    }
    assert_eq!(events[0]["base_url"], tenant.base_url);
    assert_eq!(events[5]["installation"], "ari:cloud:ecosystem::installation/audited");
    let text = log::text();
    for secret in [&tenant.shared_secret, &rotated.shared_secret] {
        assert!(!text.contains(secret.as_str()), "{text}");
    }
}
