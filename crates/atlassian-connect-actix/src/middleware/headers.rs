//! The headers of every answer.
//!
//! Source: Atlassian, "Security requirements for cloud apps" (HSTS of a year, no caching of sensitive pages, no tokens
//! in `Referer`). There is no X-Frame-Options: pages are meant to be framed, and `frame-ancestors` says by whom.

use actix_web::HttpMessage as _;
use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::auth::{Granted, Proven};
use crate::error::Error;

/// The refreshed session token.
const X_ACPT: HeaderName = HeaderName::from_static("x-acpt");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const ALWAYS: [(HeaderName, HeaderValue); 3] = [
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// `error`: the error that replaces the answer of the route.
pub(super) fn add(response: &mut ServiceResponse<BoxBody>, error: Option<&Error>) {
    let granted = response.request().extensions().get::<Granted>().cloned();
    let is_proven = granted.is_some() || response.request().extensions().contains::<Proven>();
    let request_id = response.request().extensions().get::<tracing_actix_web::RequestId>().copied();
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        add_missing(headers, name, || value);
    }
    if let Some(id) = request_id.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
        headers.insert(X_REQUEST_ID, id);
    }
    if is_error || is_proven {
        add_missing(headers, header::CACHE_CONTROL, || NO_STORE);
    }
    let Some(Granted(caller)) = granted else { return };
    if is_html(headers) {
        add_missing(headers, header::CONTENT_SECURITY_POLICY, || caller.content_security_policy());
    }
    let is_refusal =
        matches!(error, Some(Error::Unauthorized { .. } | Error::Forbidden { .. } | Error::BadRequest { .. }));
    if !is_refusal {
        if let Ok(Ok(token)) = caller.session_token().map(HeaderValue::from_str) {
            headers.insert(X_ACPT, token);
        } else {
            tracing::error!("no session token could be signed for the answer");
        }
    }
}

fn add_missing(headers: &mut HeaderMap, name: HeaderName, value: impl FnOnce() -> HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value());
    }
}

pub(super) fn is_html(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}
