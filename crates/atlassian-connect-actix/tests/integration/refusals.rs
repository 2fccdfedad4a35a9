//! What the log says about a refused token: the compared values, so that a vendor sees which one is wrong.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, ResponseError as _};
use atlassian_connect_actix::auth::{ConnectJwt, ForgeInvocation};
use atlassian_connect_testing::internal::JwksServer;
use atlassian_connect_testing::{KeyServer, TestHost, TestInvocation, TestTenant, claims_for};
use serde_json::json;

use crate::install::ADDON_KEY;

use crate::support::fixture;

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/page", web::get().to(|_: ConnectJwt| async { "in" }))
        .route("/form", web::post().to(|_: ConnectJwt| async { "in" }))
        .route("/forge", web::post().to(|_: ForgeInvocation| async { "in" }));
}

/// An add-on, and the reasons in its log.
async fn host() -> (TestHost, Arc<Mutex<Vec<String>>>) {
    let reasons = Arc::<Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&reasons);
    let builder = fixture::builder().addon(move |addon| {
        addon.error_handler(move |_, error| {
            heard.lock().unwrap().push(error.to_string());
            HttpResponse::build(error.status_code()).body(error.public_message().into_owned())
        })
    });
    let host = builder.var("AC_ALLOWED_BASE_URLS", "https://other.example").start(routes).await;
    host.install(&host.tenant()).await;
    (host, reasons)
}

fn last(reasons: &Mutex<Vec<String>>) -> String {
    reasons.lock().unwrap().drain(..).next_back().unwrap()
}

#[track_caller]
fn names(reason: &str, parts: &[&str]) {
    for part in parts {
        assert!(reason.contains(part), "{part:?} in {reason:?}");
    }
    assert!(!reason.contains("eyJ"), "no token: {reason:?}");
}

#[actix_web::test]
async fn an_install_names_audience_issuer_and_key() {
    let (host, reasons) = host().await;
    let tenant = host.tenant();
    let payload = tenant.payload(ADDON_KEY, "installed");
    let good = claims_for(&tenant, host.base_url(), "/installed");
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    for (token, parts) in [
        (
            KeyServer::sign(&with("aud", json!(["https://wrong.example", "second"]))),
            vec!["https://wrong.example, second", host.base_url(), "https://other.example"],
        ),
        (KeyServer::sign(&with("aud", json!(null))), vec!["is for \"\"", host.base_url()]),
        (KeyServer::sign(&with("iss", json!("somebody"))), vec!["somebody", &tenant.client_key]),
        (KeyServer::sign_as("connect/unknown.pem", &good), vec!["connect/unknown.pem", "127.0.0.1"]),
        (KeyServer::sign_as("a/../b", &good), vec!["a/../b"]),
        (KeyServer::sign(&with("qsh", json!("00"))), vec!["POST&/installed&"]),
        (
            KeyServer::sign(&good).rsplit_once('.').map(|(message, _)| format!("{message}.AAAA")).unwrap(),
            vec!["signature does not match", KeyServer::KID],
        ),
        (KeyServer::sign(&with("aud", json!("x".repeat(9000)))), vec![host.base_url(), "xxx…"]),
    ] {
        let reply = host.call(Method::POST, "/installed", &token, Some(&payload)).await;
        let reason = last(&reasons);
        assert_eq!(reply.status, 401, "{reason}");
        names(&reason, &parts);
        assert!(!reply.body.contains("&/installed") && !reply.body.contains("other.example"), "{}", reply.body);
        assert!(!reason.contains(&tenant.shared_secret) && reason.len() < 1000, "{reason}");
    }
}

#[actix_web::test]
async fn a_refused_page_names_the_canonical_text() {
    let (host, reasons) = host().await;
    let tenant = host.tenant();
    let token = tenant.token("GET", "/page", "a=1");
    let secret = tenant.context_token();
    let path = format!("/page?b=two%20words&a=2&acpt=opaque-acpt&x={secret}&password=hunter2");
    assert_eq!(host.call(Method::GET, &path, &token, None).await.status, 401);
    let reason = last(&reasons);
    names(&reason, &["GET&/page&a=2&acpt=***&b=two%20words&password=***&x=***"]);

    let token = tenant.token("POST", "/form", "a=1");
    let request = host.request(Method::POST, "/form").insert_header(("Authorization", format!("JWT {token}")));
    let request = request.content_type("application/x-www-form-urlencoded");
    assert_eq!(host.send(request, b"pin=1234".to_vec()).await.status, 401);
    let reason = last(&reasons);
    names(&reason, &["POST&/form&"]);
    assert!(!reason.contains("1234"), "{reason}");
}

#[actix_web::test]
async fn a_refusal_names_the_secret_or_key_of_the_check() {
    let (host, reasons) = host().await;
    let mut wrong = host.tenant();
    wrong.shared_secret = "another secret".to_owned();
    assert_eq!(host.open_iframe_as(&wrong, "/page").await.status, 401);
    names(&last(&reasons), &["signature does not match", &wrong.client_key]);
    let tenant = host.tenant();
    let mut claims = tenant.claims("GET", "/page", "");
    claims["iss"] = json!("somebody");
    claims["aud"] = json!(tenant.client_key);
    assert_eq!(host.call(Method::GET, "/page", &tenant.sign(&claims), None).await.status, 401);
    names(&last(&reasons), &["somebody", &tenant.client_key]);
    assert_eq!(host.open_iframe_as(&TestTenant::new(), "/page").await.status, 401);
    names(&last(&reasons), &["no tenant "]);

    let invocation = TestInvocation::new();
    let claims = invocation.claims("another-app");
    assert_eq!(host.invoke_with("/forge", &host.forge_keys().sign(&claims), &invocation).await.status, 401);
    names(&last(&reasons), &["another-app", TestHost::APP_ID]);
    let unknown = JwksServer::sign_as("unknown-kid", &invocation.claims(TestHost::APP_ID));
    assert_eq!(host.invoke_with("/forge", &unknown, &invocation).await.status, 401);
    names(&last(&reasons), &["unknown-kid"]);
    let mut claims = invocation.claims(TestHost::APP_ID);
    claims["iss"] = json!("forge/other");
    assert_eq!(host.invoke_with("/forge", &host.forge_keys().sign(&claims), &invocation).await.status, 401);
    names(&last(&reasons), &["forge/other"]);
}
