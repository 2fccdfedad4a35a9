//! One span and one log line per request, with the target `http`. Tokens are masked, long values are shortened.

use std::borrow::Cow;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::{Error, HttpMessage as _};
use tracing::Span;
use tracing_actix_web::{RequestId, RootSpanBuilder};

use crate::{redact, trace};

/// When a request arrived.
#[derive(Clone, Copy)]
pub(super) struct Arrival(Instant);

/// The span of a request: its id, method, path, and the id of its trace, which is that of Forge's headers if the add-on
/// records none.
#[derive(Debug)]
pub(crate) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request.extensions().get::<RequestId>().map(ToString::to_string);
        request.extensions_mut().insert(Arrival(Instant::now()));
        let trace = trace::id().map(Cow::from).or_else(|| callers_trace(request.headers()).map(Cow::from));
        let trace = trace.as_deref();
        tracing::info_span!(
            target: "http",
            "request",
            id,
            trace,
            method = redact::shown(request.method().as_str()),
            path = redact::shown(request.path())
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        if !tracing::enabled!(target: "http", tracing::Level::INFO) {
            return;
        }
        span.in_scope(|| match outcome {
            Ok(response) => {
                let request = response.request();
                let arrival = request.extensions().get::<Arrival>().copied();
                let ms = arrival.map(|Arrival(at)| (at.elapsed().as_secs_f64() * 1e5).round() / 100.0);
                let url = redact::url(request.path(), request.query_string());
                tracing::info!(target: "http", direction = "in", url, status = response.status().as_u16(), ms, "answered");
            }
            Err(error) => {
                let status = error.as_response_error().status_code().as_u16();
                tracing::info!(target: "http", direction = "in", status, "answered");
            }
        });
    }
}

/// A trace id: 16 or 32 hexadecimal digits. Anything else is not logged.
///
/// Source: Atlassian, "Forge Remote essentials"; the B3 propagation format.
fn callers_trace(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get("x-b3-traceid")?.to_str().ok()?;
    (matches!(id.len(), 16 | 32) && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    #[test]
    fn a_trace_is_hexadecimal() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static("x-b3-traceid"), HeaderValue::from_static(value));
            callers_trace(&headers).map(str::to_owned)
        };
        assert_eq!(of("463ac35c9f6413ad").as_deref(), Some("463ac35c9f6413ad"));
        assert_eq!(of("463ac35c9f6413ad48485a3953bb6124").as_deref(), Some("463ac35c9f6413ad48485a3953bb6124"));
        for bad in ["", "463ac35c9f6413a", "463ac35c9f6413ag", "463ac35c9f6413ad 1", "level=error id=123"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(callers_trace(&HeaderMap::new()), None);
    }
}
