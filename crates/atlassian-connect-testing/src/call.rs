//! [`HostCall`].

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use serde_json::Value;

use crate::fake_host::{By, must};

/// A request that a site of the fake host got.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HostCall {
    /// Whose site.
    pub client_key: String,
    /// The method.
    pub method: Method,
    /// The path below the site's base URL, as it was sent: `/rest/api/3/myself`.
    pub path: String,
    /// The query as it was sent, without the `?`.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The first mebibyte of the body.
    pub body: Bytes,
    /// How many bytes the whole body has.
    pub length: u64,
    /// In whose name.
    pub by: By,
}

impl HostCall {
    /// A header's value; empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        must(serde_json::from_slice(&self.body), "the body is no JSON")
    }
}
