//! [`HostCall`].

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use serde_json::Value;

use crate::fake_host::{By, must};

/// A request that a site of the fake host received.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HostCall {
    /// The site's clientKey.
    pub client_key: String,
    /// The method.
    pub method: Method,
    /// The path relative to the site's base URL, as sent: `/rest/api/3/myself`.
    pub path: String,
    /// The query as sent, without the `?`.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The first mebibyte of the body.
    pub body: Bytes,
    /// The length of the whole body in bytes.
    pub length: u64,
    /// Who sent it.
    pub by: By,
}

impl HostCall {
    /// A header's value. Empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        must(serde_json::from_slice(&self.body), "the body is not valid JSON")
    }
}
