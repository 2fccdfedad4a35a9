//! Helpers for the tests of calls to the host, and the calls themselves: all of them signed and accepted.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::{HttpResponse, rt};
use atlassian_connect_actix::host::{HostClient, Multipart};
use atlassian_connect_testing::{By, TestHost, TestTenant};
use serde_json::json;

use crate::support::fixture;

/// A host whose first site has installed an add-on without routes.
pub(crate) async fn installed() -> TestHost {
    fixture::installed(|_| {}).await
}

/// The client that a handler or a job of the add-on uses for this site.
pub(crate) async fn client(host: &TestHost, tenant: &TestTenant) -> HostClient {
    host.addon().http_client(&tenant.client_key).await.unwrap()
}

/// Waits until `done`, and fails the test if that takes too long.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}: not within 10 seconds");
        rt::time::sleep(Duration::from_millis(5)).await;
    }
}

#[actix_web::test]
async fn every_method_and_every_body_is_signed_for_its_request() {
    let host = installed().await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD] {
        host.stub(method, "/rest/*", |_| async { HttpResponse::Ok().finish() });
    }
    let client = client(&host, &host.tenant()).await;
    let absolute = format!("{}/rest/absolute?z=1&a=%20", host.tenant().base_url);
    let requests = [
        client.get("/rest/a b/ü?x=1&x=0&=&y").query([("jql", "project = A & summary ~ \"x,y\""), ("x", "+")]),
        client.get(&absolute),
        client.get("rest/relative/%2F%26&/"),
        client.get("/rest/no-body").json(&json!({"a": 1})),
        client.head("/rest/head"),
        client.post("/rest/json").json(&json!({"a": "ü"})),
        client.put("/rest/form?a=1").form([("b", "2 3")]),
        client.patch("/rest/raw").body("text/plain", "raw"),
        client.delete("/rest/nothing"),
        client.post("/rest/file").multipart(Multipart::new().text("a", "1").bytes("f", "n.txt", "text/plain", "x")),
        client.post("/rest/credentials").header("Authorization", "Basic YTpi").header("X-Mine", "1"),
    ];
    let count = requests.len();
    for request in requests {
        let description = format!("{request:?}");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{description}");
    }
    assert_eq!(host.problems(), [""; 0]);
    let calls = host.calls();
    assert_eq!(calls.len(), count);
    assert!(calls.iter().all(|call| call.by == By::Addon && call.client_key == host.tenant().client_key));
    let query = "x=1&x=0&=&y&jql=project%20%3D%20A%20%26%20summary%20~%20%22x%2Cy%22&x=%2B";
    assert_eq!((calls[0].path.as_str(), calls[0].query.as_str()), ("/rest/a%20b/%C3%BC", query));
    assert_eq!(calls[2].path, "/rest/relative/%2F%26&/");
    assert_eq!((calls[3].length, calls[3].header("content-type")), (0, ""), "a GET has no body");
    assert_eq!((calls[5].json(), calls[5].header("content-type")), (json!({"a": "ü"}), "application/json"));
    assert_eq!((&calls[6].body[..], calls[6].query.as_str()), (&b"b=2+3"[..], "a=1"));
    assert_eq!((&calls[7].body[..], calls[7].header("content-type")), (&b"raw"[..], "text/plain"));
    assert!(calls[9].header("content-type").starts_with("multipart/form-data; boundary="));
    assert_eq!(calls[9].header("x-atlassian-token"), "no-check");
    assert_eq!(calls[10].header("x-mine"), "1");
    let key = host.addon().state().descriptor().key().to_owned();
    let agent = format!("{key} atlassian-connect-actix/{}", env!("CARGO_PKG_VERSION"));
    assert!(calls.iter().all(|call| call.header("user-agent") == agent), "{}", calls[0].header("user-agent"));
}

#[actix_web::test]
async fn confluence_is_signed_below_its_context_path() {
    let host = fixture::start(|_| {}).await;
    let mut tenant = host.tenant();
    tenant.base_url.push_str("/wiki");
    host.install(&tenant).await;
    host.stub_get("/rest/api/content", json!({}));
    let client = client(&host, &tenant).await;
    let absolute = format!("{}/rest/api/content", tenant.base_url);
    for url in [
        "/rest/api/content",
        "rest/api/content?a=1",
        "/wiki/rest/api/content",
        "wiki/rest/api/content?a=1",
        absolute.as_str(),
    ] {
        let response = client.get(url).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.url().path()), (200, "/wiki/rest/api/content"), "{url}");
    }
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn the_key_of_the_installation_signs() {
    let host = fixture::start(|_| {}).await;
    let mut tenant = host.tenant();
    tenant.key = Some("the-old-key".into());
    host.install(&tenant).await;
    host.stub_get("/x", json!(1));
    assert_eq!(client(&host, &tenant).await.get("/x").send().await.unwrap().status(), 200);
}

#[actix_web::test]
async fn an_anonymous_request_has_only_its_own_credentials() {
    let host = installed().await;
    host.stub_get("/x", json!(1));
    let client = client(&host, &host.tenant()).await;
    client.anonymous().get("/x").send().await.unwrap();
    client.get("/x").anonymous().send().await.unwrap();
    assert!(host.calls().iter().all(|call| call.by == By::Nobody), "{:?}", host.calls());
    client.get("/x").anonymous().header("Authorization", "Bearer mine").send().await.unwrap();
    assert_eq!(host.calls()[2].header("authorization"), "Bearer mine");
}

#[actix_web::test]
async fn a_prepared_request_matches_the_sent_one_and_does_not_print_its_token() {
    let host = installed().await;
    let client = client(&host, &host.tenant()).await;
    let prepared = client.get("/rest/x?a=1").query([("b", "c d")]).prepare().await.unwrap();
    assert_eq!(prepared.url.as_str(), format!("{}/rest/x?a=1&b=c%20d", host.tenant().base_url));
    let token = prepared.headers.get("authorization").unwrap().to_str().unwrap().to_owned();
    assert!(token.starts_with("JWT eyJ"), "{token}");
    assert!(!format!("{prepared:?}").contains("eyJ"));
    assert!(host.calls().is_empty());

    // the host accepts the request
    let mut request = awc::Client::new().get(prepared.url.as_str());
    for (name, value) in prepared.headers {
        request = request.insert_header((name, value));
    }
    host.stub_get("/rest/x", json!(1));
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(host.calls()[0].by, By::Addon);

    let anonymous = client.anonymous().get("/rest/x").prepare().await.unwrap();
    assert!(!anonymous.headers.contains_key("authorization"));
}
