//! What is checked before a body is read, and the cost of a body that is read.

use actix_web::http::{Method, header};
use atlassian_connect_testing::{KeyServer, claims_for};
use serde_json::json;

use super::{Client, beside, hasty, no_routes};

use crate::support::fixture;

/// A head that announces a body of this length, without the body.
fn head(path: &str, kind: &str, authorization: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nAuthorization: {authorization}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

#[actix_web::test]
async fn checks_without_the_body_come_before_the_body() {
    let host = hasty().start(no_routes()).await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    let json = "application/json";
    let claims = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut claims = claims_for(&tenant, host.base_url(), "/installed");
        change(&mut claims);
        format!("JWT {}", KeyServer::sign(&claims))
    };
    let forged = |path: &str| {
        let token = tenant.token("POST", path, "");
        let (signed, _) = token.rsplit_once('.').unwrap();
        format!("JWT {signed}.{}", "A".repeat(43))
    };
    let cases = [
        ("/installed", claims(&|c| c["aud"] = json!(["https://elsewhere.example"])), 401),
        ("/installed", claims(&|c| c["exp"] = json!(1)), 401),
        ("/installed", claims(&|c| c["qsh"] = json!("context-qsh")), 401),
        ("/installed", claims(&|c| c["iss"] = json!("")), 401),
        ("/installed", claims(&|_| {}), 413),
        ("/uninstalled", forged("/uninstalled"), 401),
        ("/enabled", forged("/enabled"), 401),
        ("/webhook/issue-created", forged("/webhook/issue-created"), 401),
        ("/json", forged("/json"), 401),
        ("/json", "JWT x.y.z".into(), 401),
        ("/forge/events", "Bearer x.y.z".into(), 401),
        ("/forge/body", "Bearer x.y.z".into(), 401),
    ];
    for (path, authorization, status) in cases {
        let bytes = head(path, json, &authorization, 70_000);
        let (came, took) = beside(host.base_url(), move |url| {
            let start = std::time::Instant::now();
            (Client::sending(url, &bytes).answer().0, start.elapsed())
        })
        .await;
        assert_eq!(came, status, "{path} {authorization}");
        assert!(took.as_millis() < 900, "{path}: the body was waited for, {took:?}");
    }
}

#[actix_web::test]
async fn a_large_form_is_authenticated_beside_the_event_loop() {
    let host = fixture::builder().workers(1).start(no_routes()).await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    // hundreds of thousands of parameters, all of which are hashed
    let form = "ab=%20&".repeat(290_000);
    let token = tenant.token("POST", "/form", "");
    let request = host.request(Method::POST, "/form").content_type("application/x-www-form-urlencoded");
    let request = request.insert_header((header::AUTHORIZATION, format!("JWT {token}")));
    let mut sent = std::pin::pin!(host.send(request, form.into_bytes()));
    let mut answered = 0;
    let reply = loop {
        tokio::select! {
            reply = &mut sent => break reply,
            health = host.get("/healthz") => {
                assert_eq!(health.status, 200);
                answered += 1;
            }
        }
    };
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(answered > 20, "{answered} other requests were answered meanwhile");
}
