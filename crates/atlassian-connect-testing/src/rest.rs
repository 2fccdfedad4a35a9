//! Stubs of the REST API of the fake host's sites, and what was asked of it.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::Method;
use serde_json::Value;

use super::call::HostCall;
use super::host::TestHost;
use super::site::serve;
use super::stub::{Answer, Stub};
use crate::fake_host::{TestTenant, lock};

impl TestHost {
    /// Makes every site of this host answer `path`, which is below the base URL and has no query; one that ends in `*`
    /// stands for all that begin so. The newest stub that fits counts; what no stub fits is answered 404, but for Jira's
    /// `serverInfo` and Confluence's `api/v2/spaces`, which name the site's base URL. A request whose credentials do not hold is answered 401 and reaches no stub.
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
