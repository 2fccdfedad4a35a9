//! The add-on's answers.

use actix_web::http::header::HeaderMap;
use serde_json::Value;

use crate::fake_host::must;

/// A complete answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl Reply {
    pub(super) fn new(status: u16, headers: HeaderMap, body: &[u8]) -> Self {
        Self { status, headers, body: String::from_utf8_lossy(body).into_owned() }
    }

    /// A header's value. Empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        must(serde_json::from_str(&self.body), "the body is not valid JSON")
    }

    /// The session token in the page's `<meta name="token">`. Empty if there is none.
    #[must_use]
    pub fn session_token(&self) -> &str {
        let content = self.body.split_once(r#"<meta name="token" content=""#).map_or("", |(_, rest)| rest);
        content.split('"').next().unwrap_or_default()
    }

    /// The variables in the page's `#connect-context`.
    #[must_use]
    pub fn connect_context(&self) -> Value {
        let block = self.body.split_once("id=\"connect-context\">").and_then(|(_, rest)| rest.split_once('<'));
        // a value cannot contain `<`, because the page escapes it
        let (json, _) = must(block.ok_or(&self.body), "the page has no #connect-context");
        must(serde_json::from_str(json), "#connect-context is not valid JSON")
    }
}
