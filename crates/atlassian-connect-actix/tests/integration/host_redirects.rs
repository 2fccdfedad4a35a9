//! Redirects never carry credentials away from the tenant's origin. The cases that need TLS (https to http) are in the
//! unit tests of `host/target.rs`.

use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use atlassian_connect_actix::host::{HostError, HostRequest};
use atlassian_connect_testing::{By, HostCall, TestHost};
use futures_util::TryStreamExt as _;
use serde_json::json;

use crate::host_calls::{client, installed};

use crate::support::fixture;

/// Answers `?to=URL&status=302` with that redirect.
async fn redirect(call: HostCall) -> HttpResponse {
    let query = web::Query::<Vec<(String, String)>>::from_query(&call.query).unwrap().into_inner();
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap();
    let status: u16 = value("status").parse().unwrap();
    HttpResponse::build(status.try_into().unwrap()).insert_header(("Location", value("to"))).finish()
}

fn stub(host: &TestHost) {
    for method in [Method::GET, Method::POST] {
        host.stub(method.clone(), "/redirect", redirect);
        host.stub(method, "/landing", |_| async { HttpResponse::Ok().json(json!("landed")) });
    }
}

#[actix_web::test]
async fn the_redirect_matrix() {
    // localhost is another origin than 127.0.0.1, and both may be called
    let builder = fixture::builder().var("AC_HOST_WHITELIST", "127.0.0.1,localhost");
    let host = builder.start(|_| {}).await;
    let (own, other) = (host.tenant(), host.new_tenant());
    host.install(&own).await;
    stub(&host);
    let base = &own.base_url;
    let port = base.rsplit(':').next().unwrap();
    let back = format!("{}/redirect?status=302&to={base}/landing", other.base_url);
    // the target, and whether credentials are sent there
    let destinations = [
        ("the same origin", format!("{base}/landing"), true),
        ("a path", "/landing".into(), true),
        ("protocol-relative to the same origin", format!("//127.0.0.1:{port}/landing"), true),
        ("with user info", format!("http://user:password@127.0.0.1:{port}/landing"), true),
        ("another port", format!("{}/landing", other.base_url), false),
        ("another name", format!("http://localhost:{port}/landing"), false),
        ("protocol-relative to another name", format!("//localhost:{port}/landing"), false),
        ("there and back", back, false),
    ];
    let addon = client(&host, &own).await;
    let identities = [(addon.as_user("mia"), By::User("mia".into())), (addon, By::Addon)];
    for (what, to, keeps) in &destinations {
        for status in [301, 302, 303, 307, 308] {
            for method in [Method::GET, Method::POST] {
                for (client, by) in &identities {
                    let case = format!("{method} {status} to {what} as {by:?}");
                    let seen = host.calls().len();
                    let mut request = client.request(method.clone(), "/redirect");
                    request = request.query([("to", to.as_str()), ("status", &status.to_string())]);
                    request = request.header("X-Secret", "s").header("Cookie", "c=1").header("Accept-Language", "de");
                    if method == Method::POST {
                        request = request.json(&json!({"secret": 1}));
                    }
                    let response = request.send().await.unwrap();
                    let calls = host.calls().split_off(seen);
                    assert_eq!(calls[0].by, *by, "{case}");
                    if method == Method::POST {
                        assert_eq!((response.status().as_u16(), calls.len()), (status, 1), "{case}: not followed");
                        continue;
                    }
                    let landed = calls.last().unwrap();
                    assert_eq!((response.status().as_u16(), landed.path.as_str()), (200, "/landing"), "{case}");
                    assert_eq!(landed.header("accept-language"), "de", "{case}");
                    if *keeps {
                        assert_eq!((&landed.by, landed.header("x-secret")), (by, "s"), "{case}");
                        continue;
                    }
                    for call in &calls[1..] {
                        assert_eq!(call.by, By::Nobody, "{case}");
                        for name in ["authorization", "x-secret", "cookie", "referer", "proxy-authorization"] {
                            assert_eq!(call.header(name), "", "{case}: {name}");
                        }
                    }
                }
            }
        }
    }
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn an_absolute_url_elsewhere_gets_no_credentials() {
    let host = installed().await;
    stub(&host);
    let other = host.new_tenant();
    let client = client(&host, &host.tenant()).await;
    for url in [format!("{}/landing", other.base_url), format!("//{}/landing", &other.base_url["http://".len()..])] {
        for client in [client.clone(), client.as_user("mia")] {
            let request = client.post(&url).header("X-Secret", "s").json(&json!({"a": 1}));
            assert_eq!(request.send().await.unwrap().status(), 200, "{url}");
        }
    }
    let calls = host.calls();
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call.by == By::Nobody && call.header("x-secret").is_empty()), "{calls:?}");
    assert_eq!(host.tokens().requests(), 0, "and no token is requested");
}

#[actix_web::test]
async fn a_location_is_parsed_as_in_browsers() {
    let host = installed().await;
    let client = client(&host, &host.tenant()).await;
    host.stub(Method::GET, "/landed/*", |_| async { HttpResponse::Ok().json(json!("landed")) });
    for (location, path, query) in [
        ("/landed/gr\u{fc}\u{df}e.txt".as_bytes(), "/landed/gr%C3%BC%C3%9Fe.txt", ""),
        ("/landed/\u{1f600}?q=\u{fc}#f\u{fc}".as_bytes(), "/landed/%F0%9F%98%80", "q=%C3%BC"),
        ("landed/a b".as_bytes(), "/landed/a%20b", ""),
        ("/landed/%C3%BC%2F".as_bytes(), "/landed/%C3%BC%2F", ""),
        // Latin-1, not UTF-8
        (b"/landed/\xfc".as_slice(), "/landed/%FC", ""),
    ] {
        host.stub(Method::GET, "/away", move |_| async move {
            let value = actix_web::http::header::HeaderValue::from_bytes(location).unwrap();
            HttpResponse::Found().insert_header(("Location", value)).finish()
        });
        let response = client.get("/away").send().await.unwrap();
        assert_eq!(response.status(), 200, "{location:?}");
        let landed = host.calls().pop().unwrap();
        assert_eq!((landed.path.as_str(), landed.query.as_str(), &landed.by), (path, query, &By::Addon));
        let url = response.url();
        assert_eq!((url.path(), url.query().unwrap_or_default()), (path, query), "the final URL");
    }
    assert_eq!(host.problems(), [""; 0], "what is signed is what is sent");
}

#[actix_web::test]
async fn a_request_can_keep_its_redirect() {
    let host = installed().await;
    let client = client(&host, &host.tenant()).await;
    stub(&host);
    for status in ["301", "302", "303", "307", "308"] {
        let redirect = || client.get("/redirect").query([("to", "/landing"), ("status", status)]);
        let seen = host.calls().len();
        let response = redirect().follow_redirects(false).send().await.unwrap();
        assert_eq!((response.status().as_str(), response.url().path()), (status, "/redirect"));
        assert_eq!(response.headers().get("location").unwrap(), "/landing");
        assert_eq!(host.calls().len(), seen + 1, "{status}");
        let response = redirect().follow_redirects(true).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.url().path()), (200, "/landing"));
    }
}

#[actix_web::test]
async fn the_number_of_redirects_is_limited() {
    let host = installed().await;
    stub(&host);
    host.stub(Method::GET, "/loop", |_| async { HttpResponse::Found().insert_header(("Location", "/loop")).finish() });
    host.stub(Method::GET, "/nowhere", |_| async {
        HttpResponse::Found().insert_header(("Location", "file:///etc/passwd")).finish()
    });
    host.stub(Method::GET, "/bare", |_| async { HttpResponse::Found().finish() });
    let client = client(&host, &host.tenant()).await;
    let error = client.get("/loop").send().await.unwrap_err();
    assert!(matches!(&error, HostError::Redirect { how: "too often", .. }), "{error}");
    assert_eq!(host.calls().len(), 6, "the request and five redirects");
    assert!(matches!(client.get("/nowhere").send().await, Err(HostError::Url(_))));
    assert_eq!(client.get("/bare").send().await.unwrap().status(), 302);
}

#[actix_web::test]
async fn an_anonymous_requests_headers_are_sent_only_to_the_origin_that_the_app_names() {
    let builder = fixture::builder().var("AC_HOST_WHITELIST", "127.0.0.1,localhost");
    let host = builder.start(|_| {}).await;
    let (own, service) = (host.tenant(), host.new_tenant());
    host.install(&own).await;
    stub(&host);
    host.stub_post("/services/hook", json!("thank you"));
    let client = client(&host, &own).await;
    let secrets = |request: HostRequest| request.header("Cookie", "s").header("X-Secret", "s");
    let seen = |call: &HostCall| [call.header("cookie").to_owned(), call.header("x-secret").to_owned()];
    let (all, none) = (["s", "s"].map(str::to_owned), ["", ""].map(str::to_owned));

    let hook = format!("{}/services/hook", service.base_url);
    let sent = secrets(client.anonymous().post(&hook)).json(&json!({"text": "a note"})).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    assert_eq!(seen(&host.calls()[0]), all);
    assert_eq!(host.calls()[0].header("content-type"), "application/json");
    // a request with the tenant's credentials is for the site, and its headers are sent nowhere else
    client.post(&hook).header("X-Secret", "s").json(&json!(1)).send().await.unwrap();
    assert_eq!(seen(&host.calls()[1]), none);

    for to in [
        format!("{}/landing", own.base_url),
        format!("{}/redirect?status=302&to={}/landing", own.base_url, service.base_url),
    ] {
        let before = host.calls().len();
        let redirect = client.anonymous().get(format!("{}/redirect", service.base_url));
        let landed = secrets(redirect).query([("status", "302"), ("to", &to)]).send().await.unwrap();
        assert_eq!(landed.status(), 200, "{to}");
        let calls = host.calls().split_off(before);
        assert_eq!(seen(&calls[0]), all, "{to}");
        assert_eq!(seen(calls.last().unwrap()), none, "{to}");
    }
}

#[actix_web::test]
async fn a_list_of_another_service_keeps_its_headers_on_that_origin() {
    let builder = fixture::builder().var("AC_HOST_WHITELIST", "127.0.0.1,localhost");
    let host = builder.start(|_| {}).await;
    let (own, service) = (host.tenant(), host.new_tenant());
    host.install(&own).await;
    let pages = [
        ("/first", format!("{}/second", service.base_url)),
        ("/second", format!("{}/elsewhere", own.base_url)),
        ("/elsewhere", format!("{}/last", service.base_url)),
    ];
    for (path, next) in pages {
        host.stub_get(path, json!({"values": [path], "next": next}));
    }
    host.stub_get("/last", json!({"values": ["/last"]}));
    let list = client(&host, &own).await.anonymous().get(format!("{}/first", service.base_url));
    let items: Vec<_> = list.header("X-Secret", "s").items("values").try_collect().await.unwrap();
    assert_eq!(items, ["/first", "/second", "/elsewhere", "/last"]);
    let secrets: Vec<_> = host.calls().iter().map(|call| call.header("x-secret").to_owned()).collect();
    assert_eq!(secrets, ["s", "s", "", ""]);
}
