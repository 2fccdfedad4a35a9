//! Stubs of the REST API of the fake host's sites, and the requests that they received.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::Method;
use serde_json::Value;

use super::call::HostCall;
use super::host::TestHost;
use super::site::serve;
use super::stub::{Answer, Stub};
use crate::fake_host::TestTenant;

impl TestHost {
    /// Makes every site of this host answer requests for `path`, which is relative to the base URL and has no query. A
    /// path that ends in `*` matches all that begin with it. The newest matching stub answers; without one the answer
    /// is 404, except for Jira's `serverInfo` and Confluence's `api/v2/spaces`, which return the site's base URL. A
    /// request with invalid credentials is answered with 401 and reaches no stub.
    ///
    /// ```
    /// use actix_web::{HttpResponse, http::Method};
    /// # use atlassian_connect_testing::TestHost;
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
        assert!(
            path.starts_with('/') && !path.contains('?'),
            "a stub's path must begin with / and have no query: {path}"
        );
        let answer: Answer = Arc::new(move |call| Box::pin(answer(call)));
        self.journal.stubs.lock().push(Stub { method, path: path.to_owned(), answer });
    }

    /// Answers a GET of `path` with JSON, see [`TestHost::stub`].
    pub fn stub_get(&self, path: &str, json: Value) {
        self.stub(Method::GET, path, move |_| std::future::ready(HttpResponse::Ok().json(&json)));
    }

    /// Answers a POST to `path` with JSON, see [`TestHost::stub`].
    pub fn stub_post(&self, path: &str, json: Value) {
        self.stub(Method::POST, path, move |_| std::future::ready(HttpResponse::Ok().json(&json)));
    }

    /// All requests that the sites of this host received, in order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<HostCall> {
        self.journal.calls()
    }

    /// What the host refused: requests with an invalid signature or token, and invalid assertions.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.journal.problems()
    }

    /// Another site with its own REST API on its own origin. Install it with [`TestHost::install`].
    #[must_use]
    pub fn new_tenant(&self) -> TestTenant {
        serve(&self.journal)
    }

    /// The same with another product: `confluence`.
    #[must_use]
    pub fn new_tenant_of(&self, product: &str) -> TestTenant {
        let mut tenant = serve(&self.journal);
        product.clone_into(&mut tenant.product);
        if product == "confluence" {
            tenant.base_url += "/wiki";
        }
        self.journal.ledger.know(&tenant);
        tenant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn ask(url: String) -> (u16, String) {
        let mut response = awc::Client::new().get(url).send().await.unwrap();
        let body = response.body().await.unwrap();
        (response.status().as_u16(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn the_newest_matching_stub_answers() {
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
    async fn invalid_credentials_reach_no_stub() {
        let host = TestHost::start(|_| {}).await;
        host.stub_get("/x", json!(1));
        let url = format!("{}/x", host.tenant().base_url);
        let response = awc::Client::new().get(url).insert_header(("Authorization", "Bearer x")).send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(host.problems(), ["GET /x: its bearer token was not issued"]);
    }
}
