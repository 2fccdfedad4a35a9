//! The REST API of the fake host's sites.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::{self, Bytes, BytesMut};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use super::journal::{HostCall, Journal};
use super::{TestHost, forge};
use crate::fake_host::product_api::{GRAPHQL, below_api, site_info};
use crate::fake_host::{By, TestTenant, lock, must};
use crate::jwt::qsh::relative_path;

/// What of a body is kept: a test may send an attachment of any size.
const KEPT: usize = 1024 * 1024;

type Answer = Arc<dyn Fn(HostCall) -> LocalBoxFuture<'static, HttpResponse> + Send + Sync>;

/// What a path is answered.
pub(super) struct Stub {
    method: Method,
    path: String,
    answer: Answer,
}

impl Stub {
    fn fits(&self, call: &HostCall) -> bool {
        let fits = match self.path.strip_suffix('*') {
            Some(start) => call.path.starts_with(start),
            None => call.path == self.path,
        };
        fits && self.method == call.method
    }
}

impl TestHost {
    /// Makes every site of this host answer `path`, which is below the base URL and has no query; one that ends in `*`
    /// stands for all that begin so. The newest stub that fits counts; what no stub fits is answered 404, but for Jira's
    /// `serverInfo` and Confluence's `api/v2/spaces`, which name the site's base URL. A request whose credentials do not hold is answered 401 and reaches no stub.
    ///
    /// ```
    /// use actix_web::{HttpResponse, http::Method};
    /// # use atlassian_connect_actix::testing::TestHost;
    /// # fn stubs(host: &TestHost) {
    /// host.stub(Method::POST, "/rest/api/3/issue", |call| async move {
    ///     let summary = call.json()["fields"]["summary"].clone();
    ///     HttpResponse::Created().json(serde_json::json!({ "key": "A-1", "summary": summary }))
    /// });
    /// # }
    /// ```
    pub fn stub<F, R>(&self, method: Method, path: &str, answer: F)
    where
        F: Fn(HostCall) -> R + Send + Sync + 'static,
        R: Future<Output = HttpResponse> + 'static,
    {
        assert!(path.starts_with('/') && !path.contains('?'), "a stub's path begins with / and has no query: {path}");
        let answer: Answer = Arc::new(move |call| Box::pin(answer(call)));
        lock(&self.journal.stubs).push(Stub { method, path: path.to_owned(), answer });
    }

    /// Answers a GET of `path` with JSON, see [`TestHost::stub`].
    pub fn stub_get(&self, path: &str, json: Value) {
        self.stub(Method::GET, path, move |_| std::future::ready(HttpResponse::Ok().json(&json)));
    }

    /// Answers a POST to `path` with JSON, see [`TestHost::stub`].
    pub fn stub_post(&self, path: &str, json: Value) {
        self.stub(Method::POST, path, move |_| std::future::ready(HttpResponse::Ok().json(&json)));
    }

    /// Every request that the sites of this host got, in the order of their arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<HostCall> {
        self.journal.calls()
    }

    /// What the host had to refuse: requests whose signature or token does not hold, assertions that are none.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.journal.problems()
    }

    /// A further site with a REST API of its own, on an origin of its own. [`TestHost::install`] installs there.
    #[must_use]
    pub fn new_tenant(&self) -> TestTenant {
        serve(&self.journal)
    }
}

/// A tenant whose base URL is answered from `journal`.
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
    let server = must(server.workers(1).disable_signals().bind(("127.0.0.1", 0)), "no port for a site");
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
    journal.write(&call);
    if let By::Refused(reason) = &call.by {
        return HttpResponse::Unauthorized().json(json!({ "message": reason }));
    }
    let answer = lock(&journal.stubs).iter().rev().find(|stub| stub.fits(&call)).map(|stub| Arc::clone(&stub.answer));
    match answer {
        Some(answer) => answer(call).await,
        None if call.path == GRAPHQL => forge::offline_token(journal, &tenant, &call),
        None => match site_info(&tenant, &call.path) {
            Some(info) if call.method == Method::GET => HttpResponse::Ok().json(info),
            _ => {
                let message = format!("no stub for {} {}", call.method, call.path);
                HttpResponse::NotFound().json(json!({ "message": message }))
            }
        },
    }
}

/// The start of the body, and its length.
async fn read(mut body: web::Payload) -> (Bytes, u64) {
    let (mut kept, mut length) = (BytesMut::new(), 0);
    while let Some(Ok(chunk)) = body.next().await {
        length += chunk.len() as u64;
        let room = KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    (kept.freeze(), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(url: String) -> (u16, String) {
        let mut response = awc::Client::new().get(url).send().await.unwrap();
        let body = response.body().await.unwrap();
        (response.status().as_u16(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn the_newest_stub_that_fits_answers() {
        let host = TestHost::start(|_| {}).await;
        let tenant = host.tenant();
        let url = |path: &str| format!("{}{path}", tenant.base_url);
        host.stub_get("/rest/*", json!("any"));
        host.stub_get("/rest/x", json!("first"));
        assert_eq!(ask(url("/rest/x?a=1")).await, (200, "\"first\"".into()));
        host.stub_get("/rest/x", json!("second"));
        assert_eq!(ask(url("/rest/x")).await, (200, "\"second\"".into()));
        assert_eq!(ask(url("/rest/x/y")).await, (200, "\"any\"".into()));
        assert_eq!(ask(url("/other")).await, (404, r#"{"message":"no stub for GET /other"}"#.into()));
        let calls: Vec<String> = host.calls().iter().map(|call| format!("{}?{}", call.path, call.query)).collect();
        assert_eq!(calls, ["/rest/x?a=1", "/rest/x?", "/rest/x/y?", "/other?"]);
    }

    #[actix_web::test]
    async fn credentials_that_do_not_hold_reach_no_stub() {
        let host = TestHost::start(|_| {}).await;
        host.stub_get("/x", json!(1));
        let url = format!("{}/x", host.tenant().base_url);
        let response = awc::Client::new().get(url).insert_header(("Authorization", "Bearer x")).send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(host.problems(), ["GET /x: nobody gave out its bearer token"]);
    }
}
