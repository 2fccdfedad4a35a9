//! The servers of the fake host's sites.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::{self, Bytes, BytesMut};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::StreamExt as _;
use serde_json::json;

use super::call::HostCall;
use super::forge_tokens;
use super::journal::Journal;
use crate::fake_host::product_api::{GRAPHQL, below_api, site_info};
use crate::fake_host::{By, TestTenant, must};
use atlassian_connect_actix::internal::association::CLIENT_KEY_PROPERTY;
use atlassian_connect_actix::internal::jwt::qsh::relative_path;

/// How much of a body is kept, because a test may send large attachments.
const KEPT: usize = 1024 * 1024;

/// A tenant whose base URL is answered by `journal`.
pub(super) fn serve(journal: &Arc<Journal>) -> TestTenant {
    let mut tenant = TestTenant::new();
    let shared = (Arc::clone(journal), tenant.client_key.clone());
    let server = HttpServer::new(move || {
        let shared = shared.clone();
        App::new().default_service(web::to(move |request: HttpRequest, body: web::Payload| {
            let (journal, client_key) = shared.clone();
            async move { answer(&journal, client_key, &request, body).await }
        }))
    });
    let server = must(server.workers(1).disable_signals().bind(("127.0.0.1", 0)), "cannot bind a port for a site");
    let port = server.addrs().first().map_or(0, std::net::SocketAddr::port);
    actix_web::rt::spawn(server.run());
    tenant.base_url = format!("http://127.0.0.1:{port}");
    journal.ledger.know(&tenant);
    tenant
}

async fn answer(journal: &Journal, client_key: String, request: &HttpRequest, body: web::Payload) -> HttpResponse {
    let Some(tenant) = journal.ledger.tenant(&client_key) else { return HttpResponse::NotFound().finish() };
    let (method, path, query) = (request.method(), request.uri().path(), request.query_string());
    let below = url::Url::parse(&tenant.base_url).ok();
    let below = below.and_then(|base| relative_path(path, base.path().trim_end_matches('/')));
    let (path, by) = if let Some(path) = below_api(&tenant, path) {
        (path, journal.ledger.prove_forge(&tenant, request.headers()))
    } else {
        let path = below.unwrap_or(path);
        (path, journal.ledger.prove(&tenant, method, path, query, request.headers()))
    };
    let (body, length) = read(body).await;
    let call = HostCall {
        client_key,
        method: method.clone(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: request.headers().clone(),
        body,
        length,
        by,
    };
    let answer = journal.stubs.lock().iter().rev().find(|stub| stub.fits(&call)).map(|stub| Arc::clone(&stub.answer));
    if answer.is_none() && is_question_of_the_framework(&call) {
        return HttpResponse::NotFound().finish();
    }
    journal.write(&call);
    if let By::Refused(reason) = &call.by {
        return HttpResponse::Unauthorized().json(json!({ "message": reason }));
    }
    match answer {
        Some(answer) => answer(call).await,
        None if call.path == GRAPHQL => forge_tokens::offline_token(journal, &tenant, &call),
        None => match site_info(&tenant, &call.path) {
            Some(info) if call.method == Method::GET => HttpResponse::Ok().json(info),
            _ => {
                let message = format!("no stub for {} {}", call.method, call.path);
                HttpResponse::NotFound().json(json!({ "message": message }))
            }
        },
    }
}

/// Whether the framework asks, in the background, for the clientKey of a site. The app did not call, so the test does not
/// see it, unless it answers.
fn is_question_of_the_framework(call: &HostCall) -> bool {
    !matches!(call.by, By::Refused(_)) && call.method == Method::GET && call.path.ends_with(CLIENT_KEY_PROPERTY)
}

/// The beginning of the body, and its whole length.
async fn read(mut body: web::Payload) -> (Bytes, u64) {
    let (mut kept, mut length) = (BytesMut::new(), 0);
    while let Some(Ok(chunk)) = body.next().await {
        length += chunk.len() as u64;
        let room = KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    (kept.freeze(), length)
}
