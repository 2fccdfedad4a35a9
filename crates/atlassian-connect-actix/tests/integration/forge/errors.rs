//! Errors that a Forge page can read: JSON whatever `Accept` says, and 401 only for a token that does not verify.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, error};
use atlassian_connect_actix::Error;
use atlassian_connect_actix::auth::ForgeInvocation;
use atlassian_connect_actix::forge::{AnyCaller, ForgeBody};
use atlassian_connect_testing::{Reply, TestHost, TestInvocation};
use serde_json::{Value, json};

use super::remote;

use crate::support::fixture;

/// `Accept` as a browser sends it, as a page's `fetch` does, and none.
const ACCEPTS: [&str; 4] = ["text/html,application/xhtml+xml,*/*;q=0.8", "text/plain", "*/*", ""];

async fn failing_middleware<B: MessageBody>(
    _: ServiceRequest,
    _: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    Err(error::ErrorForbidden("not on Sundays"))
}

async fn myself(invocation: ForgeInvocation, user: web::Path<String>) -> Result<Json<Value>, Error> {
    let user = invocation.host().as_user(user.trim_start_matches('-'));
    Ok(Json(user.get("/rest/api/3/myself").send().await?.json().await?))
}

fn routes(cfg: &mut ServiceConfig) {
    async fn me(invocation: ForgeInvocation) -> Result<String, Error> {
        Ok(invocation.require_account_id()?.to_owned())
    }
    async fn anybody(caller: AnyCaller) -> Result<String, Error> {
        Ok(caller.require_account_id()?.to_owned())
    }
    async fn refused(_: ForgeInvocation) -> Result<String, Error> {
        Err(Error::unauthorized("a refusal by a route"))
    }
    async fn internal(_: ForgeInvocation) -> Result<String, Error> {
        Err(Error::internal("secret-of-the-inside"))
    }
    async fn panics(invocation: ForgeInvocation) -> String {
        assert!(invocation.installation_id().is_empty(), "secret-of-the-inside");
        String::new()
    }
    async fn body(_: ForgeInvocation, body: ForgeBody<Vec<u8>>) -> String {
        body.0.len().to_string()
    }
    cfg.service(remote)
        .service(web::resource("/me").route(web::post().to(me)))
        .route("/any", web::post().to(anybody))
        .route("/as/{user}", web::post().to(myself))
        .route("/refused", web::post().to(refused))
        .route("/internal", web::post().to(internal))
        .route("/panics", web::post().to(panics))
        .route("/body", web::post().to(body))
        .route("/number/{n}", web::post().to(|n: web::Path<u8>| async move { n.to_string() }))
        .route("/actix", web::post().to(|| async { Err::<String, _>(error::ErrorConflict("taken")) }))
        .route(
            "/actix-fault",
            web::post().to(|| async { Err::<String, _>(error::ErrorBadGateway("secret-of-the-inside")) }),
        )
        .route("/own", web::post().to(|| async { HttpResponse::Gone().body("gone") }))
        .route("/empty", web::post().to(HttpResponse::Forbidden))
        .route("/html", web::post().to(|| async { HttpResponse::NotFound().content_type("text/html").body("<p>") }))
        .service(
            web::scope("/guarded").wrap(from_fn(failing_middleware)).route("/x", web::post().to(HttpResponse::Ok)),
        );
}

async fn invoke(host: &TestHost, method: Method, path: &str, accept: &str, invocation: &TestInvocation) -> Reply {
    let token = host.forge_keys().sign(&invocation.claims(TestHost::APP_ID));
    send(host, method, path, accept, &token).await
}

async fn send(host: &TestHost, method: Method, path: &str, accept: &str, token: &str) -> Reply {
    let mut request = host.request(method, path).content_type("application/json");
    if !accept.is_empty() {
        request = request.insert_header(("accept", accept));
    }
    host.send(request.insert_header(("authorization", format!("Bearer {token}"))), b"{}".to_vec()).await
}

/// The message; a body that is not JSON fails the test.
fn message(reply: &Reply) -> String {
    assert_eq!(reply.header("content-type"), "application/json", "{} {}", reply.status, reply.body);
    assert!(!reply.body.contains("secret-of-the-inside"), "{}", reply.body);
    reply.json()["message"].as_str().unwrap_or_else(|| panic!("no message: {}", reply.body)).to_owned()
}

#[actix_web::test]
async fn errors_are_json_whatever_accept_says() {
    let host = fixture::start(routes).await;
    for (method, path, status, words) in [
        (Method::POST, "/no/such/path", 404, "There is nothing at this address."),
        (Method::GET, "/", 404, "There is nothing at this address."),
        (Method::GET, "/remote", 404, "There is nothing at this address."),
        (Method::DELETE, "/me", 405, "This address does not support that method."),
        (Method::POST, "/number/many", 404, "There is nothing at this address."),
        (Method::POST, "/body", 400, ""),
        (Method::POST, "/internal", 500, "Something went wrong in the add-on."),
        (Method::POST, "/panics", 500, "Something went wrong in the add-on."),
        (Method::POST, "/actix", 409, "taken"),
        (Method::POST, "/actix-fault", 500, "Something went wrong in the add-on."),
        (Method::POST, "/own", 410, "gone"),
        (Method::POST, "/empty", 403, "Forbidden"),
        (Method::POST, "/html", 404, "Not Found"),
        (Method::POST, "/guarded/x", 403, "not on Sundays"),
        // Connect's own paths, too
        (Method::POST, "/installed", 401, ""),
    ] {
        for accept in ACCEPTS {
            let reply = invoke(&host, method.clone(), path, accept, &TestInvocation::new()).await;
            let told = message(&reply);
            assert_eq!(reply.status, status, "{path} {accept}: {told}");
            assert!(told.starts_with(words) && !told.is_empty(), "{path} {accept}: {told}");
        }
    }
    // a token that does not verify does not change the format
    let refused = send(&host, Method::POST, "/me", "text/html", "a.b.c").await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(message(&refused), "The request could not be authenticated.");
    let away = fixture::start(routes).await;
    away.forge_keys().stop().await;
    let reply = invoke(&away, Method::POST, "/me", "text/html", &TestInvocation::new()).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "5"));
    message(&reply);
}

#[actix_web::test]
async fn errors_of_other_requests_follow_accept() {
    let host = fixture::start(routes).await;
    let get = |path: &'static str| {
        let request = host.request(Method::GET, path).insert_header(("accept", "text/plain"));
        host.send(request, Vec::new())
    };
    let reply = get("/no/such/path").await;
    assert_eq!((reply.status, reply.header("content-type")), (404, "text/plain; charset=utf-8"));
    let reply = host.post("/own", &json!({})).await;
    assert_eq!((reply.status, reply.body.as_str()), (410, "gone"));
    let reply = host.post("/guarded/x", &json!({})).await;
    assert_eq!((reply.status, reply.body.as_str()), (403, "not on Sundays"));
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "a middleware's error has the headers of any answer");
}

#[actix_web::test]
async fn errors_outside_the_base_path_are_json_as_well() {
    let host = fixture::builder().base_path("/addon").start(routes).await;
    let origin = host.base_url().strip_suffix("/addon").unwrap().to_owned();
    for path in ["/", "/elsewhere", "/addonx"] {
        let request = || awc::Client::default().get(format!("{origin}{path}"));
        let forge = request().bearer_auth("a.b.c").insert_header(("accept", "text/html"));
        let reply = host.send(forge, Vec::new()).await;
        assert_eq!((reply.status, message(&reply).as_str()), (404, "There is nothing at this address."), "{path}");
        let reply = host.send(request().insert_header(("accept", "text/plain")), Vec::new()).await;
        assert_eq!((reply.status, reply.body.as_str()), (404, "There is nothing at this address."), "{path}");
    }
}

#[actix_web::test]
async fn a_missing_user_is_403_with_a_message_and_never_401() {
    let host = fixture::start(routes).await;
    let nobody = [
        TestInvocation::new().without("/principal"),
        TestInvocation::new().claim("/principal", ""),
        TestInvocation::new().claim("/principal", "unidentified"),
        TestInvocation::event(json!({})),
    ];
    for invocation in &nobody {
        for path in ["/me", "/any", "/as/-", "/as/unidentified"] {
            let reply = invoke(&host, Method::POST, path, "text/html", invocation).await;
            let told = message(&reply);
            assert_eq!(reply.status, 403, "{path}: {told}");
            assert_eq!(told, "You must be logged in to do this.", "{path}");
            assert_eq!(reply.header("www-authenticate"), "", "{path}");
        }
    }
    // any refusal by a route after the token has been verified
    let reply = invoke(&host, Method::POST, "/refused", "", &TestInvocation::new()).await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (403, ""), "{}", reply.body);
    for path in ["/me", "/any", "/as/-", "/refused"] {
        assert_eq!(send(&host, Method::POST, path, "", "a.b.c").await.status, 401, "{path}");
        let expired = TestInvocation::new().claim("/exp", 1);
        assert_eq!(invoke(&host, Method::POST, path, "", &expired).await.status, 401, "{path}");
    }
}
