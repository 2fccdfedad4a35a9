//! Calls of Forge's pages straight from the browser.

use actix_web::http::Method;
use atlassian_connect_actix::testing::{Reply, TestHost, TestInvocation};

use super::routes;

const PAGE: &str = "https://page.cdn.example.com";

async fn host(origins: &str) -> TestHost {
    TestHost::builder().var("AC_FORGE_ORIGINS", origins).start(routes).await
}

async fn preflight(host: &TestHost, origin: &str) -> Reply {
    let request = host.request(Method::OPTIONS, "/remote");
    let request = request.insert_header(("origin", origin)).insert_header(("access-control-request-method", "POST"));
    let request = request.insert_header(("access-control-request-headers", "authorization,content-type"));
    host.send(request, Vec::new()).await
}

async fn call(host: &TestHost, origin: &str, token: &str) -> Reply {
    let request = host.request(Method::POST, "/remote").insert_header(("origin", origin));
    host.send(request.insert_header(("authorization", format!("Bearer {token}"))), Vec::new()).await
}

fn allowed(reply: &Reply) -> &str {
    reply.header("access-control-allow-origin")
}

#[actix_web::test]
async fn nobody_is_let_in_unless_the_operator_says_so() {
    let host = host("").await;
    let token = host.forge_keys().sign(&TestInvocation::new().claims(TestHost::APP_ID));
    assert_eq!(allowed(&preflight(&host, PAGE).await), "");
    let reply = call(&host, PAGE, &token).await;
    assert_eq!((reply.status, allowed(&reply)), (200, ""), "it is the browser that keeps the answer from the page");
}

#[actix_web::test]
async fn pages_of_the_named_origins_call_with_their_token() {
    let host = host("https://*.cdn.example.com,https://other.example").await;
    let token = host.forge_keys().sign(&TestInvocation::new().claims(TestHost::APP_ID));
    let reply = preflight(&host, PAGE).await;
    assert_eq!((reply.status, allowed(&reply)), (200, PAGE));
    assert!(reply.header("access-control-allow-headers").to_ascii_lowercase().contains("authorization"));
    assert_eq!(reply.header("access-control-allow-credentials"), "");
    let reply = call(&host, PAGE, &token).await;
    assert_eq!((reply.status, allowed(&reply)), (200, PAGE));
    // a page reads why it was refused
    let refused = call(&host, PAGE, "a.b.c").await;
    assert_eq!((refused.status, allowed(&refused)), (401, PAGE));
    assert!(refused.header("vary").to_ascii_lowercase().contains("origin"));
    for origin in ["https://evil.example", "https://cdn.example.com", "http://page.cdn.example.com", "null"] {
        assert_eq!(allowed(&preflight(&host, origin).await), "", "{origin}");
        assert_eq!(allowed(&call(&host, origin, &token).await), "", "{origin}");
    }
}
