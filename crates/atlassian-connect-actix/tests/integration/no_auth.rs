//! `AC_OPTS=no-auth`: only for developers, on their own machine, in development.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse};
use atlassian_connect_actix::PageContext;
use atlassian_connect_actix::auth::{ContextJwt, SessionToken};
use atlassian_connect_testing::{TestHost, TestTenant};

use crate::support::fixture;

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/hello-world", web::get().to(|page: PageContext| async move { page.client_key.clone() }))
        .route("/token", web::get().to(|caller: SessionToken| async move { caller.tenant_key().to_owned() }))
        .route("/context", web::get().to(|caller: ContextJwt| async move { caller.tenant_key().to_owned() }))
        .route("/open", web::get().to(HttpResponse::Ok));
}

async fn host(environment: &str) -> TestHost {
    let host = fixture::builder().var("NODE_ENV", environment).var("AC_OPTS", "no-auth").start(routes).await;
    host.install(&host.tenant()).await;
    host
}

#[actix_web::test]
async fn the_tenant_comes_from_the_token_the_parameter_or_is_the_only_one() {
    let host = host("development").await;
    let first = host.tenant();
    for path in ["/hello-world", "/token", "/context"] {
        let reply = host.get(path).await;
        assert_eq!((reply.status, &reply.body), (200, &first.client_key), "{path}: the only one");
        assert!(!reply.header("x-acpt").is_empty());
    }
    let (second, stranger) = (TestTenant::new(), TestTenant::new());
    host.install(&second).await;
    let named = format!("/token?clientKey={}", second.client_key);
    let expired = {
        let mut claims = first.claims("GET", "/elsewhere", "");
        claims["exp"] = 1.into();
        let mut forger = first.clone();
        forger.shared_secret = "no secret of anybody".into();
        forger.sign(&claims)
    };
    for (what, path, token, expected) in [
        ("two, and none is named", "/token", "", None),
        ("the parameter", &named, "", Some(&second)),
        ("a token that is neither signed nor valid", "/token", &expired, Some(&first)),
        ("the token before the parameter", &named, &expired, Some(&first)),
        ("no token at all before the parameter", &named, "no.token.at-all", Some(&second)),
        ("a stranger's token", &named, &stranger.token("GET", "/token", ""), None),
        ("a stranger as parameter", &format!("/token?clientKey={}", stranger.client_key), "", None),
        ("an empty parameter", "/token?clientKey=", "", None),
        ("a NUL", "/token?clientKey=%00", "", None),
    ] {
        let reply = host.call(Method::GET, path, token, None).await;
        let expected = expected.map_or((401, None), |tenant| (200, Some(tenant.client_key.as_str())));
        assert_eq!((reply.status, Some(reply.body.as_str()).filter(|_| reply.status == 200)), expected, "{what}");
    }
    host.uninstall(&second).await;
    assert_eq!(host.get(&named).await.status, 401, "an uninstalled tenant is refused");
}

#[actix_web::test]
async fn installs_must_still_be_signed() {
    let host = host("development").await;
    let tenant = TestTenant::new();
    let payload = tenant.payload("com.example.fixture-app", "installed");
    for path in ["/installed", "/uninstalled"] {
        assert_eq!(host.post(path, &payload).await.status, 401, "{path}");
        let token = tenant.token("POST", path, "");
        assert_eq!(host.call(Method::POST, path, &token, Some(&payload)).await.status, 401, "{path}");
    }
    assert_eq!(host.get(&format!("/token?clientKey={}", tenant.client_key)).await.status, 401);
    assert_eq!(host.get("/token").await.body, host.tenant().client_key, "nothing has changed");
}

#[actix_web::test]
async fn only_direct_peers_on_this_machine_are_let_in() {
    let host = host("development").await;
    let app = init_service(App::new().configure(host.addon().configure(routes))).await;
    let client_key = host.tenant().client_key;
    let forwarded = |name: &'static str| Some((name, "203.0.113.7"));
    let asked_for = |host: &'static str| Some(("Host", host));
    for (peer, header, opens) in [
        ("127.0.0.1:4000", None, true),
        ("127.9.9.9:4000", None, true),
        ("[::1]:4000", None, true),
        ("[::ffff:127.0.0.1]:4000", None, true),
        ("10.0.0.1:4000", None, false),
        ("203.0.113.7:4000", None, false),
        ("[2001:db8::1]:4000", None, false),
        ("[::ffff:10.0.0.1]:4000", None, false),
        ("0.0.0.0:4000", None, false),
        ("127.0.0.1:4000", forwarded("X-Forwarded-For"), false),
        ("127.0.0.1:4000", forwarded("Forwarded"), false),
        ("127.0.0.1:4000", forwarded("X-Real-IP"), false),
        ("127.0.0.1:4000", forwarded("CF-Connecting-IP"), false),
        ("127.0.0.1:4000", forwarded("Via"), false),
        ("127.0.0.1:4000", forwarded("X-Forwarded-Host"), false),
        ("127.0.0.1:4000", forwarded("X-Forwarded-Proto"), false),
        ("127.0.0.1:4000", asked_for("127.0.0.1"), true),
        ("127.0.0.1:4000", asked_for("[::1]:3000"), true),
        ("127.0.0.1:4000", asked_for("evil.example:3000"), false),
        ("127.0.0.1:4000", asked_for("localhost.evil.example"), false),
        ("127.0.0.1:4000", asked_for("my-addon.tunnel.example"), false),
        ("127.0.0.1:4000", Some(("Sec-Fetch-Site", "none")), true),
        ("127.0.0.1:4000", Some(("Sec-Fetch-Site", "same-origin")), true),
        ("127.0.0.1:4000", Some(("Sec-Fetch-Site", "same-site")), true),
        ("127.0.0.1:4000", Some(("Sec-Fetch-Site", "cross-site")), false),
        ("127.0.0.1:4000", Some(("Origin", "http://localhost:3001")), true),
        ("127.0.0.1:4000", Some(("Origin", "https://evil.example")), false),
        ("127.0.0.1:4000", Some(("Origin", "null")), false),
    ] {
        let request = TestRequest::with_uri("/token").peer_addr(peer.parse::<SocketAddr>().unwrap());
        let mut request = request.insert_header(("Host", "localhost:3000"));
        if let Some(header) = header {
            request = request.insert_header(header);
        }
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status() == 200, opens, "{peer} {header:?}");
        if opens {
            assert_eq!(read_body(response).await, client_key);
        }
    }
    let nobody = call_service(&app, TestRequest::with_uri("/token").to_request()).await;
    assert_eq!(nobody.status(), 401, "an unknown peer is not on this machine");
}

#[actix_web::test]
async fn webhooks_and_callbacks_are_always_authenticated() {
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    let host = fixture::builder()
        .var("NODE_ENV", "development")
        .var("AC_OPTS", "no-auth")
        .prepare(move |addon| {
            for event in ["enabled", "disabled", "jira:issue_created"] {
                let counter = Arc::clone(&counter);
                addon.on(event, move |_| {
                    counter.fetch_add(1, Ordering::SeqCst);
                    std::future::ready(Ok(()))
                });
            }
        })
        .start(routes)
        .await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    let body = serde_json::json!({ "clientKey": tenant.client_key, "webhookEvent": "jira:issue_created" });
    let paths = ["/enabled", "/disabled", "/webhook/issue-created"];
    for path in paths {
        // a simple request, which a browser sends for any page without a preflight
        for headers in [
            vec![("content-type", "text/plain"), ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
            vec![("content-type", "text/plain")],
            vec![("content-type", "application/json"), ("sec-fetch-site", "same-origin")],
        ] {
            for path in [path.to_owned(), format!("{path}?clientKey={}", tenant.client_key)] {
                let mut request = host.request(Method::POST, &path);
                for header in &headers {
                    request = request.insert_header(*header);
                }
                let reply = host.send(request, body.to_string().into_bytes()).await;
                assert_eq!(reply.status, 401, "{path} {headers:?}");
            }
        }
        let mut forger = tenant.clone();
        forger.shared_secret = "no secret of anybody".into();
        let forged = forger.token("POST", path, "");
        assert_eq!(host.call(Method::POST, path, &forged, Some(&body)).await.status, 401, "{path}");
    }
    assert_eq!(heard.load(Ordering::SeqCst), 0, "no listener was called");
    for path in paths {
        let token = tenant.token("POST", path, "");
        assert_eq!(host.call(Method::POST, path, &token, Some(&body)).await.status, 204, "{path}");
    }
    assert_eq!(heard.load(Ordering::SeqCst), paths.len());
    assert_eq!(host.post("/forge/events", &body).await.status, 404, "and Forge's routes are not mounted automatically");
}

#[actix_web::test]
async fn forge_is_always_authenticated() {
    let host = fixture::builder()
        .var("NODE_ENV", "development")
        .var("AC_OPTS", "no-auth")
        .start(|cfg| {
            cfg.route("/remote", web::post().to(|_: atlassian_connect_actix::auth::ForgeInvocation| async { "in" }));
        })
        .await;
    host.install(&host.tenant()).await;
    assert_eq!(host.post("/remote", &serde_json::Value::Null).await.status, 401);
}

#[actix_web::test]
async fn in_production_it_has_no_effect() {
    for environment in ["production"] {
        let host = host(environment).await;
        for path in ["/hello-world", "/token", "/context", "/token?clientKey=client-key-1"] {
            assert_eq!(host.get(path).await.status, 401, "{environment} {path}");
        }
        assert_eq!(host.get("/open").await.status, 200);
    }
}
