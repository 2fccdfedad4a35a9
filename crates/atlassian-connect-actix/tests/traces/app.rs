//! The app under test, and its log.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, get};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use atlassian_connect_actix::opentelemetry::{KeyValue, global};
use atlassian_connect_actix::{Addon, Error, PublicPage, forge};
use atlassian_connect_testing::{Reply, TestHost};
use futures_util::TryStreamExt as _;
use serde_json::json;

use crate::collector::Collector;
use crate::log;

pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const SPAN: &str = "00f067aa0ba902b7";
pub(crate) const PRIVATE: &str = "a-private-word";
/// How many tenants the periodic job has seen.
pub(crate) static JOBS: AtomicUsize = AtomicUsize::new(0);

#[get("/notes/{id}")]
async fn note(session: SessionToken, _: web::Path<String>) -> Result<String, Error> {
    session.settings().set("note", &json!(PRIVATE)).await?;
    let answer = session.host().get(format!("/rest/api/3/issue/{PRIVATE}")).query([("q", PRIVATE)]).send().await?;
    Ok(answer.status().to_string())
}

/// Asks another server than the site.
#[get("/elsewhere/{port}")]
async fn elsewhere(session: SessionToken, port: web::Path<u16>) -> Result<String, Error> {
    let answer = session.host().get(format!("http://127.0.0.1:{port}/rest/x?private={PRIVATE}")).send().await?;
    Ok(answer.status().to_string())
}

#[get("/fails")]
async fn fails(_: PublicPage) -> Result<HttpResponse, Error> {
    Err(Error::internal(PRIVATE))
}

/// A span of the app, whose author was careless.
#[get("/own")]
async fn own_work(_: PublicPage) -> HttpResponse {
    global::tracer("app").in_span("the app's work", |context| {
        context.span().set_attribute(KeyValue::new("url", format!("/x?jwt={PRIVATE}")));
    });
    HttpResponse::Ok().finish()
}

/// Work that goes on after the answer.
#[get("/later")]
async fn answer_first(addon: Addon, _: PublicPage) -> HttpResponse {
    addon.spawn(|addon| async move {
        let tenants: Vec<_> = addon.tenants().try_collect().await?;
        addon.http_client(tenants[0].client_key()).await?.get("/rest/later").send().await?;
        Ok(())
    });
    HttpResponse::Accepted().finish()
}

#[get("/open")]
async fn open(_: PublicPage) -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(note)
        .service(elsewhere)
        .service(fails)
        .service(open)
        .service(own_work)
        .service(answer_first)
        .configure(forge::events("/forge/events"));
}

/// How many warnings of the log have this text.
pub(crate) fn warnings(text: &str) -> usize {
    let log = log::text();
    log.lines().filter(|line| line.contains(r#""level":"WARN""#) && line.contains(text)).count()
}

/// The traces in the log's lines about a path.
pub(crate) fn logged_traces(path: &str) -> Vec<String> {
    let text = log::text();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let lines = lines.filter(|line| line["span"]["path"] == path);
    lines.map(|line| line["span"]["trace"].as_str().unwrap_or_default().to_owned()).collect()
}

/// An installed app with these variables of OpenTelemetry.
pub(crate) async fn start(variables: &[(&str, &str)]) -> TestHost {
    log::start("warn,http=info");
    let descriptor = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture/atlassian-connect.json");
    let mut builder = TestHost::builder().addon(|addon| addon.descriptor_file(descriptor).app("notes", "1.2.3"));
    for (name, value) in variables {
        builder = builder.var(name, *value);
    }
    let prepare = |addon: &Addon| {
        addon.on("avi:jira:created:issue", |_| async { Ok(()) });
        addon.every(Duration::from_secs(1), "clean up", |addon| async move {
            let tenants: Vec<_> = addon.tenants().try_collect().await?;
            JOBS.fetch_add(tenants.len(), SeqCst);
            Ok(())
        });
    };
    let host = builder.workers(1).prepare(prepare).start(routes).await;
    host.install(&host.tenant()).await;
    host.stub_get("/rest/*", json!({}));
    host
}

pub(crate) async fn traced(collector: &Collector, variables: &[(&str, &str)]) -> TestHost {
    start(&[&[("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url)], variables].concat()).await
}

/// Calls a route with a session token, a query and these headers.
pub(crate) async fn call(host: &TestHost, path: &str, headers: &[(&str, &str)]) -> Reply {
    let token = host.session_token(&host.tenant()).await;
    let mut request = host.request(Method::GET, &format!("{path}?private={PRIVATE}"));
    request = request.insert_header(("authorization", format!("JWT {token}")));
    for (name, value) in headers {
        request = request.append_header((*name, *value));
    }
    host.send(request, Vec::new()).await
}

/// Ends the add-on, which exports what is left.
pub(crate) async fn end(host: &TestHost) {
    host.stop().await;
    host.addon().drain(Duration::from_secs(10)).await;
}
