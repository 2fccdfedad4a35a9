//! Traces, as a collector receives them from the real server. `cargo test --features otel --test traces`
// a failing helper is a failed test
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// a scenario is most readable as a whole
#![allow(clippy::too_many_lines)]

mod app;
mod collector;
#[path = "../shared/log.rs"]
mod log;
mod otlp;

use std::net::TcpListener;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::Method;
use atlassian_connect_testing::TestInvocation;
use serde_json::json;

use app::{JOBS, PRIVATE, SPAN, TRACE, call, end, logged_traces, start, traced, warnings};
use collector::Collector;
use otlp::Span;

/// The threads that export. Only Linux tells.
fn exporting_threads() -> usize {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("OpenTelemetry")).count()
}

/// The app's own spans go through the provider of the process, so the tests take turns.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn of_trace<'a>(spans: &'a [Span], trace: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.trace == trace).collect()
}

fn named<'a>(spans: &[&'a Span], name: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    let [span] = found.as_slice() else { panic!("not one span {name} in {spans:#?}") };
    span
}

#[actix_web::test]
async fn a_trace_goes_on_from_the_caller_to_the_host() {
    let _turn = TURN.lock().await;
    let collector = Collector::start();
    let host = traced(&collector, &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2")]).await;
    assert!(exporting_threads() > 0 || cfg!(not(target_os = "linux")));
    let (single, parent) = (format!("{}-{SPAN}-1", "b".repeat(32)), format!("00-{TRACE}-{SPAN}-01"));
    let several = "c".repeat(32);
    for headers in [
        vec![("traceparent", &*parent), ("tracestate", "vendor=1")],
        vec![("b3", &*single)],
        vec![("x-b3-traceid", &*several), ("x-b3-spanid", SPAN)],
    ] {
        assert_eq!(call(&host, &format!("/notes/{PRIVATE}"), &headers).await.status, 200);
    }
    let sent = host.calls();
    assert_eq!(host.problems(), [""; 0]);
    let token = host.session_token(&host.tenant()).await;
    end(&host).await;

    let spans = collector.spans();
    for (trace, state) in [(TRACE, "vendor=1"), (&single[..32], ""), (&several, "")] {
        let trace = of_trace(&spans, trace);
        let request = named(&trace, "GET /notes/{id}");
        assert_eq!((&*request.parent, request.kind, &*request.state), (SPAN, 2, state));
        assert_eq!(request.attribute("http.route"), "/notes/{id}");
        assert_eq!(request.attribute("http.request.method"), "GET");
        assert_eq!(request.attribute("http.response.status_code"), "200");
        assert_eq!(request.attribute("url.scheme"), "http");
        let verification = named(&trace, "verify SessionToken");
        assert_eq!((&verification.parent, verification.kind), (&request.id, 1));
        assert_eq!(verification.attribute("connect.outcome"), "accepted");
        let store = named(&trace, "store set");
        assert_eq!((&store.parent, store.kind), (&request.id, 3));
        assert_eq!((store.attribute("db.system.name"), store.attribute("db.operation.name")), ("memory", "set"));
        let outbound = named(&trace, "GET");
        assert_eq!((&outbound.parent, outbound.kind), (&request.id, 3));
        assert_eq!(outbound.attribute("server.address"), "127.0.0.1");
        assert_eq!(outbound.attribute("connect.product"), "jira");
        assert_eq!(outbound.attribute("http.response.status_code"), "200");
        assert!(trace.iter().all(|span| !span.is_error), "{trace:#?}");
        assert_eq!(request.resource["service.name"], "notes");
        assert_eq!(request.resource["service.version"], "1.2.3");
    }
    let outbound = |trace: &str| named(&of_trace(&spans, trace), "GET").id.clone();
    let headers = |at: usize| {
        let names = ["traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled"];
        names.map(|name| sent[at].header(name).to_owned())
    };
    let (first, second, third) = (outbound(TRACE), outbound(&single[..32]), outbound(&several));
    let none = String::new;
    assert_eq!(headers(0), [format!("00-{TRACE}-{first}-01"), "vendor=1".into(), none(), none(), none(), none()]);
    let b3 = format!("{}-{second}-1", &single[..32]);
    assert_eq!(headers(1), [format!("00-{}-{second}-01", &single[..32]), none(), b3, none(), none(), none()]);
    assert_eq!(headers(2), [format!("00-{several}-{third}-01"), none(), none(), several.clone(), third, "1".into()]);

    // the log's lines of a request name its trace
    assert_eq!(logged_traces(&format!("/notes/{PRIVATE}")), [TRACE, &single[..32], &several]);
    // what a request is about stays here
    let text = collector.text();
    let tenant = host.tenant();
    for secret in [PRIVATE, "private", "jwt", "JWT", "eyJ", &token, &tenant.shared_secret, &tenant.client_key] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(!text.contains(&tenant.account_id) && !text.contains("hunter2"), "{text}");
    let keys = collector.keys();
    assert!(!keys.is_empty() && keys.iter().all(|key| key == "hunter2"), "{keys:?}");
}

#[actix_web::test]
async fn another_server_does_not_learn_of_the_trace() {
    let _turn = TURN.lock().await;
    let collector = Collector::start();
    let host = traced(&collector, &[]).await;
    let other = host.new_tenant();
    let (_, port) = other.base_url.rsplit_once(':').unwrap();
    let b3 = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)];
    assert_eq!(call(&host, &format!("/elsewhere/{port}"), &b3).await.status, 200);
    let sent = host.calls().pop().unwrap();
    assert_eq!(sent.client_key, other.client_key);
    for name in ["traceparent", "b3", "x-b3-traceid", "x-b3-spanid"] {
        assert_eq!(sent.header(name), "", "{name}");
    }
    end(&host).await;
    let spans = collector.spans();
    let outbound = named(&of_trace(&spans, TRACE), "GET").clone();
    assert_eq!((outbound.attribute("connect.product"), outbound.attribute("server.port")), ("other", port));
    assert!(!collector.text().contains(PRIVATE));
}

#[actix_web::test]
async fn headers_that_name_no_trace_are_ignored() {
    let _turn = TURN.lock().await;
    let collector = Collector::start();
    let host = traced(&collector, &[]).await;
    let long = format!("00-{TRACE}-{SPAN}-01-{}", "x".repeat(4000));
    let good = format!("00-{TRACE}-{SPAN}-01");
    let cases = [
        vec![("traceparent", &*long)],
        vec![("traceparent", "00-"), ("b3", "0"), ("x-b3-traceid", PRIVATE), ("x-b3-spanid", SPAN)],
        vec![("traceparent", &*good), ("traceparent", &*good)],
        vec![("tracestate", PRIVATE)],
        vec![],
    ];
    let count = cases.len();
    for headers in cases {
        assert_eq!(call(&host, "/notes/1", &headers).await.status, 200, "{headers:?}");
    }
    end(&host).await;
    let spans = collector.spans();
    let requests: Vec<_> = spans.iter().filter(|span| span.name == "GET /notes/{id}").collect();
    assert_eq!(requests.len(), count);
    for request in requests {
        assert!(request.parent.is_empty() && request.trace != TRACE && request.state.is_empty(), "{request:?}");
    }
    assert!(!collector.text().contains(PRIVATE));
}

#[actix_web::test]
async fn nothing_is_exported_that_is_not_sampled() {
    let _turn = TURN.lock().await;
    let parent = |sampled: u8| format!("00-{TRACE}-{SPAN}-0{sampled}");
    for (sampler, argument, sampled, is_exported) in [
        ("parentbased_always_on", "", 0, false),
        ("parentbased_always_on", "", 1, true),
        ("parentbased_traceidratio", "0", 1, false),
        ("always_off", "", 1, false),
        ("always_on", "", 0, true),
    ] {
        let collector = Collector::start();
        let host = traced(&collector, &[("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)]).await;
        let (parent, reply) = (parent(sampled), call(&host, "/notes/1", &[("traceparent", &parent(sampled))]).await);
        assert_eq!(reply.status, 200);
        let sent = host.calls().pop().unwrap().header("traceparent").to_owned();
        end(&host).await;
        let spans = collector.spans();
        assert_eq!(!of_trace(&spans, TRACE).is_empty(), is_exported, "{sampler} {parent}: {spans:#?}");
        // the host learns the decision, in the same trace
        assert!(sent.starts_with(&format!("00-{TRACE}-")), "{sent}");
        assert!(sent.ends_with(if is_exported { "-01" } else { "-00" }), "{sampler} {parent}: {sent}");
    }
}

#[actix_web::test]
async fn failures_retries_and_work_in_the_background_are_seen() {
    let _turn = TURN.lock().await;
    JOBS.store(0, SeqCst);
    let collector = Collector::start();
    let host = traced(&collector, &[]).await;
    let left = AtomicUsize::new(1);
    host.stub(Method::GET, "/rest/*", move |_| {
        let is_busy = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        async move {
            match is_busy {
                Ok(_) => HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "0")).finish(),
                Err(_) => HttpResponse::Ok().finish(),
            }
        }
    });
    assert_eq!(call(&host, "/notes/1", &[]).await.status, 200);
    assert_eq!(host.get("/notes/1").await.status, 401);
    assert_eq!(host.get("/fails").await.status, 500);
    assert_eq!(host.get(&format!("/{PRIVATE}")).await.status, 404);
    for event in ["avi:jira:created:issue", "avi:made:up"] {
        let event = TestInvocation::event(json!({ "eventType": event }));
        assert_eq!(host.invoke("/forge/events", &event).await.status, 204);
    }
    assert!(host.addon().state().deliveries.drained(Duration::from_secs(20)).await);
    assert_eq!(host.get("/later").await.status, 202);
    let deadline = Instant::now() + Duration::from_secs(20);
    while JOBS.load(SeqCst) == 0 {
        assert!(Instant::now() < deadline, "the job has not run");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    end(&host).await;

    let spans = collector.spans();
    let all: Vec<_> = spans.iter().collect();
    let later = named(&all, "GET /later");
    let mut tries: Vec<_> = spans.iter().filter(|span| span.name == "GET" && span.kind == 3).collect();
    let spawned = tries.extract_if(.., |span| span.parent == later.id).count();
    assert_eq!(spawned, 1, "{spans:#?}");
    tries.sort_by_key(|span| span.attribute("http.request.resend_count"));
    let [first, second] = tries.as_slice() else { panic!("two tries in {spans:#?}") };
    assert_eq!((first.attribute("error.type"), first.is_error), ("503", true));
    assert_eq!((second.attribute("http.request.resend_count"), second.is_error), ("1", false));
    assert_eq!((&first.trace, &first.parent), (&second.trace, &second.parent));
    let refused = spans.iter().find(|span| span.attribute("connect.outcome") == "refused").unwrap();
    assert_eq!((&*refused.name, refused.attribute("connect.reason")), ("verify SessionToken", "missing"));
    let failed = named(&all, "GET /fails");
    assert_eq!((failed.attribute("error.type"), failed.is_error), ("500", true));
    let unknown = spans.iter().find(|span| span.attribute("http.response.status_code") == "404").unwrap();
    assert_eq!((&*unknown.name, unknown.attribute("http.route")), ("GET", ""));
    assert_eq!(named(&all, "event avi:jira:created:issue").kind, 5);
    assert_eq!(named(&all, "event other").kind, 5);
    let job = all.iter().find(|span| span.name == "job clean up").unwrap();
    let read = all.iter().find(|span| span.trace == job.trace && span.name == "store tenants").unwrap();
    assert_eq!((&*job.parent, &read.parent), ("", &job.id));
    let text = collector.text();
    assert!(!text.contains(PRIVATE) && !text.contains("made:up"), "{text}");
}

#[actix_web::test]
async fn a_span_of_the_app_is_part_of_the_trace_and_loses_its_tokens() {
    let _turn = TURN.lock().await;
    let collector = Collector::start();
    let host = traced(&collector, &[]).await;
    assert_eq!(host.get("/own").await.status, 200);
    end(&host).await;
    let spans = collector.spans();
    let all: Vec<_> = spans.iter().collect();
    let own = named(&all, "the app's work");
    assert_eq!(own.parent, named(&all, "GET /own").id);
    assert_eq!(own.attribute("url"), "/x?jwt=***");
}

#[actix_web::test]
async fn nothing_is_recorded_without_an_endpoint() {
    let _turn = TURN.lock().await;
    let collector = Collector::start();
    for off in [&[] as &[_], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url), ("OTEL_SDK_DISABLED", "true")]] {
        let before = exporting_threads();
        let host = start(off).await;
        assert!(exporting_threads() <= before, "{off:?}");
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let b3 = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)];
        assert_eq!(call(&host, "/notes/1", &[("traceparent", &parent), b3[0], b3[1]]).await.status, 200);
        let sent = host.calls();
        for name in ["traceparent", "tracestate", "b3", "x-b3-traceid"] {
            assert_eq!(sent[0].header(name), "", "{name}");
        }
        end(&host).await;
    }
    assert!(collector.keys().is_empty());
}

#[actix_web::test]
async fn an_endpoint_that_is_down_disturbs_nothing() {
    let _turn = TURN.lock().await;
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), closed] {
        let host = start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))]).await;
        // more spans than the queue has room for
        for _ in 0..2500 {
            assert_eq!(host.get("/open").await.status, 200);
        }
        let begun = Instant::now();
        assert_eq!(call(&host, "/notes/1", &[]).await.status, 200);
        host.stop().await;
        host.addon().drain(Duration::from_secs(28)).await;
        assert!(begun.elapsed() < Duration::from_secs(9), "{address}: {:?}", begun.elapsed());
    }
    // each endpoint is reported once at most, and the closed one at once
    let reports = warnings("traces cannot be exported");
    assert!((1..=2).contains(&reports), "{reports}");
}
