//! `/metrics` over HTTP. The recorder is that of the process, so these tests take turns.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, get};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::{Error, PublicPage, forge, metrics};
use atlassian_connect_testing::{TestHost, TestHostBuilder, TestInvocation};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

const TOKEN: &str = "0123456789abcdef";
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[get("/items/{id}")]
async fn item(_: web::Path<String>, _: PublicPage) -> HttpResponse {
    metrics::counter!("notes_saved_total").increment(1);
    HttpResponse::Ok().finish()
}

#[get("/ask")]
async fn ask(session: SessionToken) -> Result<String, Error> {
    Ok(session.host().get("/rest/api/3/myself").send().await?.status().to_string())
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(item).service(ask).configure(forge::events("/forge/events"));
}

fn builder() -> TestHostBuilder {
    crate::audit::start_log();
    let descriptor = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture/atlassian-connect.json");
    TestHost::builder().addon(|addon| addon.descriptor_file(descriptor))
}

/// An app that shows its metrics, with a listener for one Forge event.
async fn start() -> TestHost {
    let prepare = |addon: &atlassian_connect_actix::Addon| addon.on("avi:jira:created:issue", |_| async { Ok(()) });
    builder().var("AC_METRICS_TOKEN", TOKEN).workers(1).prepare(prepare).start(routes).await
}

async fn scrape(host: &TestHost) -> String {
    let request = host.request(Method::GET, "/metrics").insert_header(("authorization", format!("Bearer {TOKEN}")));
    let reply = host.send(request, Vec::new()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    reply.body
}

/// The value of a series, as it is written in the text; 0 if it is not there.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap_or(f64::NAN))
}

/// By how much a series has grown.
fn growth(before: &str, after: &str, series: &str) -> f64 {
    value(after, series) - value(before, series)
}

#[actix_web::test]
async fn each_action_is_counted_in_its_family() {
    let _turn = TURN.lock().await;
    let host = start().await;
    let before = scrape(&host).await;
    assert_eq!(host.install(&host.tenant()).await.status, 204);
    for id in 0..3 {
        assert_eq!(host.get(&format!("/items/{id}")).await.status, 200);
    }
    assert_eq!(host.call_with_session("/ask").await.status, 200);
    assert_eq!(host.get("/ask").await.status, 401);
    assert_eq!(host.webhook("/webhook/issue-created", &json!({})).await.status, 204);
    for event in ["avi:jira:created:issue", "avi:jira:made:up"] {
        let event = TestInvocation::event(json!({ "eventType": event }));
        assert_eq!(host.invoke("/forge/events", &event).await.status, 204);
    }
    assert!(host.addon().state().deliveries.drained(Duration::from_secs(20)).await);
    let after = scrape(&host).await;
    for (series, expected) in [
        (r#"connect_http_requests_total{route="/items/{id}",method="GET",status="200"}"#, 3.0),
        (r#"connect_http_request_duration_seconds_count{route="/items/{id}"}"#, 3.0),
        (r#"connect_http_request_duration_seconds_bucket{route="/items/{id}",le="+Inf"}"#, 3.0),
        (r#"connect_http_requests_total{route="/ask",method="GET",status="401"}"#, 1.0),
        (r#"connect_authentications_total{extractor="InstallJwt",outcome="accepted",reason="none"}"#, 1.0),
        (r#"connect_authentications_total{extractor="SessionToken",outcome="accepted",reason="none"}"#, 1.0),
        (r#"connect_authentications_total{extractor="SessionToken",outcome="refused",reason="missing"}"#, 1.0),
        (r#"connect_authentications_total{extractor="ForgeInvocation",outcome="accepted",reason="none"}"#, 2.0),
        (r#"connect_tenant_cache_reads_total{outcome="stale"}"#, 0.0),
        (r#"connect_store_operation_duration_seconds_count{operation="save_installation"}"#, 1.0),
        (r#"connect_outbound_requests_total{product="jira",status="404"}"#, 1.0),
        (r#"connect_key_fetches_total{keys="install",outcome="fetched"}"#, 1.0),
        (r#"connect_key_fetches_total{keys="forge",outcome="fetched"}"#, 1.0),
        (r#"connect_webhooks_total{event="jira:issue_created",outcome="processed"}"#, 1.0),
        (r#"connect_forge_events_total{event="avi:jira:created:issue",outcome="accepted"}"#, 1.0),
        (r#"connect_forge_events_total{event="avi:jira:created:issue",outcome="processed"}"#, 1.0),
        (r#"connect_forge_events_total{event="other",outcome="processed"}"#, 1.0),
        ("notes_saved_total", 3.0),
    ] {
        assert!((growth(&before, &after, series) - expected).abs() < 0.1, "{series}\n{after}");
    }
    for series in [
        r#"connect_tenant_cache_reads_total{outcome="hit"}"#,
        r#"connect_tenant_cache_reads_total{outcome="miss"}"#,
        r#"connect_store_operation_duration_seconds_count{operation="add_event"}"#,
    ] {
        let is_there = growth(&before, &after, series) > 0.0 || series.contains("add_event");
        assert!(is_there, "{series}\n{after}");
    }
    assert!(value(&after, "connect_connections") >= 1.0 && value(&after, "connect_tenant_cache_entries") >= 0.0);
    assert!((value(&after, "connect_forge_queue_capacity_events") - 1000.0).abs() < 0.1);
    assert!((value(&after, "connect_forge_queue_events")).abs() < 0.1);
    for family in ["connect_days_until_connect_ends", "connect_connections_without_room_total"] {
        assert!(after.contains(&format!("# HELP {family} ")), "{after}");
    }
}

#[actix_web::test]
async fn connections_for_which_there_is_no_room_are_counted() {
    let _turn = TURN.lock().await;
    let gate = tokio::sync::watch::Sender::new(false);
    let (held, entered) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&entered);
    let wait = move |cfg: &mut ServiceConfig| {
        let (held, count) = (held.clone(), Arc::clone(&count));
        let handler = move |_: SessionToken| {
            count.fetch_add(1, Ordering::Relaxed);
            let mut held = held.subscribe();
            async move { held.wait_for(|is_open| *is_open).await.map_or("gone", |_| "done") }
        };
        cfg.route("/wait", web::get().to(handler));
    };
    let limited = builder().var("AC_METRICS_TOKEN", TOKEN).config(r#"{ "limits": { "connections": 16 } }"#).workers(1);
    let host = limited.start(wait).await;
    host.install(&host.tenant()).await;
    let before = scrape(&host).await;
    let request =
        format!("GET /wait HTTP/1.1\r\nHost: a\r\nAuthorization: JWT {}\r\n\r\n", host.tenant().context_token());
    let address = host.base_url().strip_prefix("http://").unwrap_or_default().to_owned();
    let mut open = Vec::new();
    // authenticated requests that wait for their answer cannot make room; those not yet read could
    for number in 1..=18 {
        let mut connection = tokio::net::TcpStream::connect(&address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        open.push(connection);
        let deadline = Instant::now() + Duration::from_secs(20);
        while entered.load(Ordering::Relaxed) < number {
            assert!(Instant::now() < deadline, "only {entered:?} are served");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    gate.send_replace(true);
    drop(open);
    let after = scrape(&host).await;
    assert!(growth(&before, &after, "connect_connections_without_room_total") >= 1.0, "{after}");
}

#[actix_web::test]
async fn tenants_are_counted_in_the_background() {
    let _turn = TURN.lock().await;
    let host = start().await;
    host.install(&host.tenant()).await;
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        let text = scrape(&host).await;
        let runs =
            value(&text, r#"connect_job_runs_total{name="atlassian-connect: count the tenants",outcome="succeeded"}"#);
        if runs >= 1.0 && (value(&text, "connect_tenants") - 1.0).abs() < 0.1 {
            assert!(value(&text, "connect_tenants_counted_timestamp_seconds") > 1.7e9, "{text}");
            return;
        }
        assert!(Instant::now() < deadline, "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[actix_web::test]
async fn only_the_token_opens_the_metrics() {
    let _turn = TURN.lock().await;
    let host = start().await;
    for sent in ["", "Bearer", "Bearer 0123456789abcdeg", "Bearer 0123456789abcdef0", "Basic 0123456789abcdef"] {
        let request = host.request(Method::GET, "/metrics").insert_header(("authorization", sent));
        let reply = host.send(request, Vec::new()).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"), "{sent:?}");
        assert!(!reply.body.contains("connect_"), "{}", reply.body);
    }
    let off = builder().start(routes).await;
    let request = off.request(Method::GET, "/metrics").insert_header(("authorization", format!("Bearer {TOKEN}")));
    assert_eq!(off.send(request, Vec::new()).await.status, 404);
}

#[actix_web::test]
async fn metrics_have_their_own_port() {
    let _turn = TURN.lock().await;
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let host = builder().var("AC_METRICS_PORT", free.port().to_string()).workers(1).start(routes).await;
    assert_eq!(host.get("/metrics").await.status, 404, "not at the app's own port");
    let client = awc::Client::default();
    let mut reply = client.get(format!("http://{free}/metrics")).send().await.unwrap();
    let body = String::from_utf8(reply.body().await.unwrap().to_vec()).unwrap();
    assert!(reply.status() == 200 && body.contains("connect_connections"), "{body}");
    assert_eq!(client.get(format!("http://{free}/items/1")).send().await.unwrap().status(), 404);
}

#[actix_web::test]
async fn clients_cannot_make_series() {
    let _turn = TURN.lock().await;
    let host = start().await;
    host.install(&host.tenant()).await;
    let attack = async |name: &str| {
        host.get(&format!("/{name}")).await;
        host.get(&format!("/items/{name}")).await;
        let method = Method::from_bytes(name.to_ascii_uppercase().as_bytes()).unwrap();
        host.send(host.request(method, &format!("/x/{name}")), Vec::new()).await;
        let token = format!("e30.{name}.e30");
        host.call(Method::GET, "/ask", &token, None).await;
        host.invoke("/forge/events", &TestInvocation::event(json!({ "eventType": name }))).await;
    };
    attack("first").await;
    assert!(host.addon().state().deliveries.drained(Duration::from_secs(20)).await);
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    let before = series(&scrape(&host).await);
    for number in 0..2000 {
        attack(&format!("n{number}")).await;
    }
    assert!(host.addon().state().deliveries.drained(Duration::from_secs(60)).await);
    let text = scrape(&host).await;
    // what the background does meanwhile has series too, but a fixed number of them
    assert!(series(&text) <= before + 120, "{before} series, then {}", series(&text));
    assert!(!text.contains("n1999") && !text.contains("N1999"), "{text}");
}
