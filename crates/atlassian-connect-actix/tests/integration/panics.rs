//! Panics in the app's code: answered like any other error, without affecting other requests.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{App, FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, Responder, guard};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::forge;
use atlassian_connect_actix::internal::state::State;
use atlassian_connect_actix::store::{MemoryStore, Place, Store};
use atlassian_connect_testing::{Reply, TestHost, TestInvocation};
use futures_util::future::select;
use futures_util::stream;
use serde_json::{Value, json};

use crate::host_calls::until;
use crate::support::blocking;
use crate::support::fixture;
use crate::support::log::captured;
use crate::support::store::{Failure, FakeStore};
use crate::support::wire::Connection;

const SECRET: &str = "hunter2 of db-7";

/// An extractor that panics when it is created, or when it is polled.
struct Hostile<const LATE: bool>;

impl<const LATE: bool> FromRequest for Hostile<LATE> {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        assert!(LATE, "{SECRET}");
        Box::pin(async {
            tokio::task::yield_now().await;
            panic!("{SECRET}")
        })
    }
}

/// A responder that panics.
struct Unspeakable;

impl Responder for Unspeakable {
    type Body = String;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse<String> {
        panic!("{SECRET}")
    }
}

/// An error that panics when it is formatted.
#[derive(Debug)]
struct Mute;

impl std::fmt::Display for Mute {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("{SECRET}")
    }
}

impl actix_web::ResponseError for Mute {
    fn error_response(&self) -> HttpResponse {
        HttpResponse::InternalServerError().finish()
    }
}

fn chunks(mut response: HttpResponseBuilder) -> HttpResponse {
    let chunks = stream::unfold(0, |number| async move {
        tokio::task::yield_now().await;
        assert!(number < 2, "{SECRET}");
        Some((Ok::<_, actix_web::Error>(Bytes::from_static(b"chunk ")), number + 1))
    });
    response.streaming(chunks)
}

fn routes(cfg: &mut ServiceConfig) {
    async fn never() -> HttpResponse {
        HttpResponse::Ok().finish()
    }
    async fn late() -> HttpResponse {
        tokio::time::sleep(Duration::from_millis(1)).await;
        panic!("{SECRET}")
    }
    cfg.route("/hello-world", web::get().to(never))
        .route("/handler", web::to(|| async { if true { panic!("{SECRET}") } else { "" } }))
        .route("/late", web::to(late))
        .route("/value", web::to(|| async { if true { std::panic::panic_any(7) } else { "" } }))
        .route("/extractor", web::to(|_: Hostile<false>| never()))
        .route("/late-extractor", web::to(|_: Hostile<true>| never()))
        .route("/responder", web::to(|| async { Unspeakable }))
        .route("/error", web::to(|| async { Err::<HttpResponse, _>(Mute) }))
        .route("/proven", web::to(|_: SessionToken| async { if true { panic!("{SECRET}") } else { "" } }))
        .route("/stream", web::get().to(|| async { chunks(HttpResponse::Ok()) }))
        .route(
            "/sized-stream",
            web::get().to(|| async {
                let mut response = HttpResponse::Ok();
                response.no_chunking(1000);
                chunks(response)
            }),
        )
        .service(web::resource("/guard").guard(guard::fn_guard(|_| panic!("{SECRET}"))).route(web::to(never)))
        .service(
            web::scope("/middleware")
                .wrap(from_fn(|_, _: actix_web::middleware::Next<actix_web::body::BoxBody>| async {
                    assert!(SECRET.is_empty(), "{SECRET}");
                    Err::<actix_web::dev::ServiceResponse, _>(actix_web::error::ErrorNotFound(""))
                }))
                .route("", web::to(never)),
        )
        .configure(forge::events("/forge/events"))
        .configure(forge::pre_uninstall("/forge/leave"));
}

const PANICKING: [&str; 9] =
    ["/handler", "/late", "/value", "/extractor", "/late-extractor", "/responder", "/error", "/guard", "/middleware"];

async fn accepting(host: &TestHost, method: Method, path: &str, accept: &str, body: &[u8]) -> Reply {
    host.send(host.request(method, path).insert_header((header::ACCEPT, accept)), body.to_vec()).await
}

#[actix_web::test]
async fn a_panic_is_answered_like_any_other_error() {
    let host = fixture::builder().workers(1).start(routes).await;
    for path in PANICKING {
        for (accept, kind) in [
            ("text/html,*/*;q=0.8", "text/html; charset=utf-8"),
            ("application/json", "application/json"),
            ("image/png", "text/plain; charset=utf-8"),
        ] {
            let reply = accepting(&host, Method::GET, path, accept, b"").await;
            assert_eq!((reply.status, reply.header("content-type")), (500, kind), "{path}");
            assert!(reply.body.contains("Something went wrong in the add-on."), "{path}: {}", reply.body);
            assert!(!reply.body.contains("hunter2"), "{path}: {}", reply.body);
            assert_eq!(reply.header("cache-control"), "no-store", "{path}");
            assert_eq!(reply.header("x-request-id").len(), 36, "{path}");
            assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        }
        // an unread body is not a problem
        let reply = accepting(&host, Method::POST, path, "application/json", &vec![b'x'; 100_000]).await;
        assert_eq!((reply.status, reply.body.as_str()), (500, r#"{"message":"Something went wrong in the add-on."}"#));
        assert_eq!(host.get("/hello-world").await.status, 200, "{path}: the thread goes on");
    }
}

#[actix_web::test]
async fn a_page_of_an_allowed_origin_can_read_that_its_call_failed() {
    let host = fixture::builder().var("AC_FORGE_ORIGINS", "https://app.example").start(routes).await;
    let request = host.request(Method::GET, "/handler").insert_header((header::ORIGIN, "https://app.example"));
    let reply = host.send(request, vec![]).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (500, "https://app.example"));
}

#[actix_web::test]
async fn the_connection_and_the_session_go_on() {
    let host = fixture::builder().workers(1).start(routes).await;
    let base_url = host.base_url().to_owned();
    blocking(move || {
        let mut connection = Connection::to(&base_url);
        for path in ["/handler", "/hello-world", "/handler", "/hello-world"] {
            let answer = connection.send(format!("GET {path} HTTP/1.1\r\nHost: addon\r\n\r\n").as_bytes()).unwrap();
            assert_eq!(answer.status, if path == "/handler" { 500 } else { 200 });
            assert_eq!(answer.header("connection"), None);
        }
    })
    .await;
    host.install(&host.tenant()).await;
    let token = host.tenant().context_token();
    assert_eq!(host.call(Method::GET, "/proven", &token, None).await.status, 500);
    assert_eq!(host.get("/proven").await.status, 401, "an unauthenticated request does not get that far");
}

#[actix_web::test]
async fn a_panic_in_a_streamed_body_closes_the_connection() {
    let host = fixture::builder().workers(1).start(routes).await;
    let base_url = host.base_url().to_owned();
    blocking(move || {
        for path in ["/stream", "/sized-stream"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: addon\r\n\r\n");
            let begun = Instant::now();
            let read = Connection::to(&base_url).converse(request.as_bytes(), Duration::from_secs(20));
            let read = String::from_utf8_lossy(&read).into_owned();
            assert!(begun.elapsed() < Duration::from_secs(10), "{path}: the connection stays open");
            assert!(read.starts_with("HTTP/1.1 200"), "{path}: {read}");
            // a complete one would end in an empty chunk, or have a thousand bytes
            assert!(
                read.len() < 1000 && !read.ends_with("\r\n0\r\n\r\n") && !read.contains("hunter2"),
                "{path}: {read}"
            );
        }
        let mut connection = Connection::to(&base_url);
        assert_eq!(connection.send(b"GET /hello-world HTTP/1.1\r\nHost: addon\r\n\r\n").unwrap().status, 200);
    })
    .await;
}

#[actix_web::test]
async fn the_log_line_of_a_panic_names_the_request() {
    let host = fixture::start(routes).await;
    let app = actix_web::test::init_service(App::new().configure(host.addon().configure(routes))).await;
    let log = captured();
    for path in PANICKING {
        let request = actix_web::test::TestRequest::with_uri(path).to_request();
        let response = actix_web::test::call_service(&app, request).await;
        assert_eq!(response.status(), 500, "{path}");
        let id = response.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        let log = log.text();
        let line = log.lines().find(|line| line.contains("ERROR") && line.contains(&id)).unwrap_or_default();
        assert!(line.contains("the request failed") && line.contains("status=500"), "{path}: {line}");
        let message = if path == "/value" { "with a value that is not a string" } else { SECRET };
        assert!(line.contains(&format!("panicked: {message}")), "{path}: {line}");
        let answered = log.lines().find(|line| line.contains("answered") && line.contains(&id)).unwrap_or_default();
        assert!(answered.contains(&format!("url=\"{path}\"")) && answered.contains(" ms="), "{path}: {answered}");
    }
    let request = actix_web::test::TestRequest::with_uri("/stream").to_request();
    let response = actix_web::test::call_service(&app, request).await;
    let id = response.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let body = actix_web::body::to_bytes(response.into_body()).await;
    assert!(body.is_err(), "{body:?}");
    let log = log.text();
    let line = log.lines().find(|line| line.contains("cut off")).unwrap_or_default();
    assert!(line.contains("ERROR") && line.contains(&id) && line.contains(SECRET), "{line}");
}

#[actix_web::test]
async fn an_error_handler_sees_the_request_that_panicked_and_may_panic_itself() {
    let host = fixture::builder()
        .config(r#"{ "expressErrorHandling": true }"#)
        .addon(|addon| {
            addon.error_handler(|request, error| {
                assert!(!request.path().ends_with("/late"), "{SECRET}");
                let state = State::of(request).unwrap();
                let agent = request.headers().get("user-agent").unwrap().to_str().unwrap();
                let peer = request.peer_addr().is_some();
                let (method, uri, key) = (request.method(), request.uri(), state.descriptor().key().to_owned());
                HttpResponse::BadGateway().body(format!("{method} {uri} {agent} {peer} {key} {error}"))
            })
        })
        .base_path("/addon")
        .start(routes)
        .await;
    let key = host.addon().state().descriptor().key().to_owned();
    let request = host.request(Method::PUT, "/handler?a=b").insert_header((header::USER_AGENT, "mia"));
    let reply = host.send(request, vec![]).await;
    let error = format!("internal error: the handler panicked: {SECRET}");
    assert_eq!((reply.status, reply.body), (502, format!("PUT /addon/handler?a=b mia true {key} {error}")));
    let reply = host.get("/late").await;
    assert_eq!((reply.status, reply.body.as_str()), (500, "Something went wrong in the add-on."));

    let host = fixture::builder()
        .config(r#"{ "errorTemplateName": "mine" }"#)
        .addon(|addon| addon.error_renderer("mine", |_| panic!("{SECRET}")));
    let host = host.start(routes).await;
    for (path, status, body) in [
        ("/handler", 500, "Something went wrong in the add-on."),
        ("/nowhere", 404, "There is nothing at this address."),
    ] {
        let reply = accepting(&host, Method::GET, path, "text/html", b"").await;
        assert_eq!((reply.status, reply.body.as_str()), (status, body));
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    }
}

#[actix_web::test]
async fn a_panic_in_a_listener_is_a_failure() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&heard);
    let builder = fixture::builder().addon(|addon| {
        addon.descriptor_transformer(|mut descriptor, _| {
            descriptor["modules"] = json!({ "webhooks": [{ "event": "updated", "url": "/hook" }] });
            descriptor
        })
    });
    let builder = builder.prepare(move |addon| {
        for event in ["updated", "host_settings_saved", "uninstalled", "enabled", "forge:preUninstall"] {
            addon.on(event, |occurrence| {
                assert!(occurrence.body["panic"] != true && occurrence.event != "enabled", "{SECRET}");
                async { Ok(()) }
            });
            let written = Arc::clone(&written);
            addon.on(event, move |occurrence| {
                written.lock().unwrap().push(occurrence.event.clone());
                async move { if occurrence.body["panic"] == "late" { panic!("{SECRET}") } else { Ok(()) } }
            });
        }
    });
    let host = builder.start(routes).await;
    host.install(&host.tenant()).await;
    let heard = || std::mem::take(&mut *heard.lock().unwrap());
    assert_eq!(heard(), ["host_settings_saved"]);
    for (panic, status) in [(json!(true), 500), (json!("late"), 500), (json!(false), 204), (json!(true), 500)] {
        let reply = host.webhook("/hook", &json!({ "panic": panic })).await;
        assert_eq!(reply.status, status, "{panic}: {}", reply.body);
        assert!(!reply.body.contains("hunter2"), "{}", reply.body);
        assert_eq!(heard(), ["updated"], "{panic}: the others are called");
    }
    let enabled = host.tenant().token("POST", "/enabled", "");
    assert_eq!(host.call(Method::POST, "/enabled", &enabled, Some(&json!({}))).await.status, 500);
    assert_eq!(heard(), ["enabled"]);
    for (panic, status) in [(true, 500), (false, 204)] {
        let leaving = TestInvocation::event(json!({ "panic": panic }));
        assert_eq!(host.invoke("/forge/leave", &leaving).await.status, status);
        assert_eq!(heard(), ["forge:preUninstall"]);
    }
    assert_eq!(host.uninstall(&host.tenant()).await.status, 204);
}

/// Rows of the store, as a node leaves them behind.
const OWNER: &str = "atlassian-connect:deliveries";

#[actix_web::test]
async fn an_event_whose_listener_panics_is_tried_again() {
    let tries = Arc::new(Mutex::new(0));
    let count = Arc::clone(&tries);
    let host = fixture::builder()
        .prepare(move |addon| {
            addon.on("field:panic", move |_| {
                let count = Arc::clone(&count);
                async move {
                    let mut tries = count.lock().unwrap();
                    *tries += 1;
                    // a poisoned lock would make the next try panic too, so it is released first
                    let is_first = *tries == 1;
                    drop(tries);
                    assert!(!is_first, "{SECRET}");
                    Ok(())
                }
            });
        })
        .start(routes)
        .await;
    let event = TestInvocation::event(json!({ "eventType": "field:panic" }));
    assert_eq!(host.invoke("/forge/events", &event).await.status, 204);
    assert!(host.addon().state().deliveries.drained(Duration::from_secs(20)).await);
    assert_eq!(*tries.lock().unwrap(), 2);
}

#[actix_web::test]
async fn a_panicking_store_and_a_dropped_request_keep_no_place() {
    let (store, heard) = (FakeStore::new(), Arc::new(Mutex::new(0)));
    let (shared, breaking, count) = (store.clone(), store.clone(), Arc::clone(&heard));
    let builder = fixture::builder().addon(|addon| addon.store(shared)).prepare(move |addon| {
        addon.on("field:fine", move |occurrence| {
            *count.lock().unwrap() += 1;
            if occurrence.body["break"] == true {
                // the next write marks the event as done
                breaking.fail(Failure::Panic);
            }
            async { Ok(()) }
        });
    });
    let host = builder.start(routes).await;
    let deliveries = &host.addon().state().deliveries;
    let event = TestInvocation::event(json!({ "eventType": "field:fine" }));

    store.fail(Failure::Panic);
    assert_eq!(host.invoke("/forge/events", &event).await.status, 500);
    assert!(deliveries.is_empty(), "it was not accepted");

    // as at the end of a connection, whose request is dropped
    store.fail(Failure::Hang);
    let app = actix_web::test::init_service(App::new().configure(host.addon().configure(routes))).await;
    let token = host.forge_keys().sign(&event.claims(TestHost::APP_ID));
    let request = actix_web::test::TestRequest::post().uri("/forge/events");
    let request = request.insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
    let request = request.set_json(json!({ "eventType": "field:fine" })).to_request();
    let hung = Box::pin(actix_web::test::call_service(&app, request));
    let taken = Box::pin(until("it is not accepted", || deliveries.len() == 1));
    drop(select(hung, taken).await);
    assert!(deliveries.is_empty(), "a dropped request keeps its place");

    store.fail(Failure::Nothing);
    assert_eq!(host.invoke("/forge/events", &event).await.status, 204);
    assert!(deliveries.drained(Duration::from_secs(20)).await);
    assert_eq!(*heard.lock().unwrap(), 1, "it is processed when it is sent again");

    let breaking = TestInvocation::event(json!({ "eventType": "field:fine", "break": true }));
    assert_eq!(host.invoke("/forge/events", &breaking).await.status, 204);
    assert!(deliveries.drained(Duration::from_secs(20)).await, "the write that panicked keeps a place");
    assert_eq!(*heard.lock().unwrap(), 2);
}

#[actix_web::test]
async fn a_stop_does_not_wait_for_a_retry() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let builder = |panics: bool| {
        let tries = Arc::new(Mutex::new(0));
        let (store, count) = (Arc::clone(&store), Arc::clone(&tries));
        let builder = fixture::builder().addon(|addon| addon.store(store)).prepare(move |addon| {
            addon.on("field:panic", move |_| {
                *count.lock().unwrap() += 1;
                async move { if panics { panic!("{SECRET}") } else { Ok(()) } }
            });
        });
        (builder, tries)
    };
    let (first, tries) = builder(true);
    let first = first.start(routes).await;
    let event = TestInvocation::event(json!({ "eventType": "field:panic" }));
    assert_eq!(first.invoke("/forge/events", &event).await.status, 204);
    let begun = Instant::now();
    first.stop().await;
    first.addon().drain(Duration::from_secs(28)).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(*tries.lock().unwrap(), 1, "an event that has not been tried is waited for");
    assert!(first.addon().state().deliveries.is_empty());

    let (next, tries) = builder(false);
    let next = next.start(routes).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while *tries.lock().unwrap() == 0 {
        assert!(Instant::now() < deadline, "it is not taken over");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(next.addon().state().deliveries.drained(Duration::from_secs(20)).await);
}

#[actix_web::test]
async fn an_event_whose_listener_always_panics_fails_for_good_and_frees_its_place() {
    const EVENTS: usize = 300;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    for number in 0..EVENTS {
        // the third try is the last one
        let delivery = json!({
            "event": "field:panic", "failures": 2, "body": format!("{{\"number\":{number}}}"),
            "origin": { "installationId": "ari:cloud:ecosystem::installation/1", "apiBaseUrl": null, "cloudId": null,
                "accountId": null },
        });
        let row = json!({ "delivery": delivery, "lease": 0 });
        store.set(Place::of_forge(OWNER, &number.to_string()), &row).await.unwrap();
    }
    // a row whose counter is at its maximum fails for good as well
    let last = json!({ "delivery": {
        "event": "field:panic", "failures": u32::MAX, "body": "null", "origin": { "installationId": "i" },
    }, "lease": 0 });
    store.set(Place::of_forge(OWNER, "last"), &last).await.unwrap();
    let done_for_ever = json!({ "done": u64::MAX });
    store.set(Place::of_forge(OWNER, "for ever"), &done_for_ever).await.unwrap();
    let fine = Arc::new(Mutex::new(0));
    let count = Arc::clone(&fine);
    let shared = Arc::clone(&store);
    let host = fixture::builder()
        .addon(|addon| addon.store(shared))
        .prepare(move |addon| {
            addon.on("field:panic", |_| async { panic!("{SECRET}") });
            addon.on("field:fine", move |_| {
                *count.lock().unwrap() += 1;
                async { Ok(()) }
            });
        })
        .start(routes)
        .await;
    let deadline = Instant::now() + Duration::from_secs(20);
    let is_done = async |id: String| {
        let row: Value = store.get(Place::of_forge(OWNER, &id)).await.unwrap().unwrap();
        row["done"].is_u64()
    };
    for id in (0..EVENTS).map(|number| number.to_string()).chain(["last".to_owned()]) {
        while !is_done(id.clone()).await {
            assert!(Instant::now() < deadline, "{id} has not failed for good");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let event = TestInvocation::event(json!({ "eventType": "field:fine" }));
    assert_eq!(host.invoke("/forge/events", &event).await.status, 204);
    assert!(host.addon().state().deliveries.drained(Duration::from_secs(20)).await, "a place is kept");
    assert_eq!(*fine.lock().unwrap(), 1);
}
