//! One span and one line a request, under the target `http`. Tokens are left out of the URL.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage as _};
use tracing::Span;
use tracing_actix_web::{RequestId, RootSpanBuilder};

use crate::transport::shown;

/// When a request arrived.
#[derive(Clone, Copy)]
struct Arrival(Instant);

/// The span of a request: its id, method and path.
#[derive(Debug)]
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request.extensions().get::<RequestId>().map(ToString::to_string);
        request.extensions_mut().insert(Arrival(Instant::now()));
        tracing::info_span!(target: "http", "request", id, method = %request.method(), path = request.path())
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        span.in_scope(|| match outcome {
            Ok(response) => {
                let request = response.request();
                let arrival = request.extensions().get::<Arrival>().copied();
                let ms = arrival.map(|Arrival(at)| (at.elapsed().as_secs_f64() * 1e5).round() / 100.0);
                let url = shown(request.path(), request.query_string());
                tracing::info!(target: "http", direction = "in", url, status = response.status().as_u16(), ms, "answered");
            }
            Err(error) => {
                let status = error.as_response_error().status_code().as_u16();
                tracing::info!(target: "http", direction = "in", status, "answered");
            }
        });
    }
}
