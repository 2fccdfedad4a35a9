//! Calls from pages on Forge, directly from the browser.

use actix_web::http::Method;
use atlassian_connect_testing::{Reply, TestHost, TestInvocation};

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};

use crate::support::fixture;

fn routes(cfg: &mut ServiceConfig) {
    let limited = || async { HttpResponse::TooManyRequests().insert_header(("retry-after", "3")).finish() };
    let named =
        || async { HttpResponse::Ok().insert_header(("x-total", "7")).insert_header(("etag", "\"a\"")).body("7") };
    cfg.configure(super::routes).route("/limited", web::get().to(limited)).route("/named", web::get().to(named));
}

const PAGE: &str = "https://page.cdn.example.com";

async fn host(origins: &str) -> TestHost {
    fixture::builder().var("AC_FORGE_ORIGINS", origins).start(routes).await
}

async fn preflight(host: &TestHost, origin: &str) -> Reply {
    ask(host, origin, "POST", "authorization,content-type").await
}

async fn ask(host: &TestHost, origin: &str, method: &str, headers: &str) -> Reply {
    let request = host.request(Method::OPTIONS, "/remote");
    let request = request.insert_header(("origin", origin)).insert_header(("access-control-request-method", method));
    let request = request.insert_header(("access-control-request-headers", headers));
    host.send(request, Vec::new()).await
}

/// A list of a header, in lower case.
fn names(reply: &Reply, header: &str) -> Vec<String> {
    reply.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
}

async fn call(host: &TestHost, origin: &str, token: &str) -> Reply {
    let request = host.request(Method::POST, "/remote").insert_header(("origin", origin));
    host.send(request.insert_header(("authorization", format!("Bearer {token}"))), Vec::new()).await
}

fn allowed(reply: &Reply) -> &str {
    reply.header("access-control-allow-origin")
}

#[actix_web::test]
async fn without_configured_origins_there_is_no_cors() {
    let host = host("").await;
    let token = host.forge_keys().sign(&TestInvocation::new().claims(TestHost::APP_ID));
    assert_eq!(allowed(&preflight(&host, PAGE).await), "");
    let reply = call(&host, PAGE, &token).await;
    assert_eq!((reply.status, allowed(&reply)), (200, ""), "it is the browser that keeps the answer from the page");
}

#[actix_web::test]
async fn pages_of_the_configured_origins_can_call() {
    let host = host("https://*.cdn.example.com,https://other.example").await;
    let token = host.forge_keys().sign(&TestInvocation::new().claims(TestHost::APP_ID));
    let reply = preflight(&host, PAGE).await;
    assert_eq!((reply.status, allowed(&reply)), (200, PAGE));
    assert!(reply.header("access-control-allow-headers").to_ascii_lowercase().contains("authorization"));
    assert_eq!(reply.header("access-control-allow-credentials"), "");
    let reply = call(&host, PAGE, &token).await;
    assert_eq!((reply.status, allowed(&reply)), (200, PAGE));
    // a page can read why it was refused
    let refused = call(&host, PAGE, "a.b.c").await;
    assert_eq!((refused.status, allowed(&refused)), (401, PAGE));
    assert!(refused.header("vary").to_ascii_lowercase().contains("origin"));
    for origin in ["https://evil.example", "https://cdn.example.com", "http://page.cdn.example.com", "null"] {
        assert_eq!(allowed(&preflight(&host, origin).await), "", "{origin}");
        assert_eq!(allowed(&call(&host, origin, &token).await), "", "{origin}");
    }
}

#[actix_web::test]
async fn a_page_may_send_any_header_and_read_those_of_the_answer() {
    let host = host("https://*.cdn.example.com").await;
    for headers in [
        "authorization,custom-header",
        "Custom-Header, X-Trace",
        "x-forge-anything,accept-language,cache-control,if-none-match,traceparent",
    ] {
        let reply = ask(&host, PAGE, "POST", headers).await;
        assert_eq!((reply.status, allowed(&reply)), (200, PAGE), "{headers}");
        let let_through = names(&reply, "access-control-allow-headers");
        for asked in headers.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            assert!(let_through.contains(&asked), "{asked} of {headers}: {let_through:?}");
        }
    }
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        let reply = ask(&host, PAGE, method, "authorization").await;
        assert!(reply.header("access-control-allow-methods").contains(method), "{method}");
    }
    let token = host.forge_keys().sign(&TestInvocation::new().claims(TestHost::APP_ID));
    for (path, status, expected) in [
        ("/named", 200, vec!["x-total", "etag", "x-request-id"]),
        ("/limited", 429, vec!["retry-after", "x-request-id"]),
        ("/no/such", 404, vec!["content-type", "x-request-id"]),
    ] {
        let request = host.request(Method::GET, path).insert_header(("origin", PAGE)).bearer_auth(&token);
        let reply = host.send(request.insert_header(("custom-header", "1")), Vec::new()).await;
        assert_eq!((reply.status, allowed(&reply)), (status, PAGE), "{path}");
        let exposed = names(&reply, "access-control-expose-headers");
        assert!(expected.iter().all(|name| exposed.iter().any(|other| other == name)), "{path}: {exposed:?}");
    }
}

#[actix_web::test]
async fn custom_headers_do_not_let_another_origin_in() {
    let host = host("https://*.cdn.example.com").await;
    let reply = ask(&host, "https://evil.example", "POST", "custom-header").await;
    assert_eq!((allowed(&reply), reply.header("access-control-allow-headers")), ("", ""));
}
