//! The span of each request for OpenTelemetry, with the Cargo feature `otel`.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use crate::trace::Traces;

/// The outermost middleware: the log's span has the id of the trace.
pub(crate) async fn traced<B: MessageBody + 'static>(
    traces: Traces,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let Some(span) = traces.request(request.method(), request.headers()) else { return next.call(request).await };
    let outcome = span.around(async move { next.call(request).await }).await;
    match &outcome {
        Ok(response) => span.answered(response.request().match_pattern(), response.status().as_u16()),
        Err(error) => span.answered(None, error.as_response_error().status_code().as_u16()),
    }
    outcome
}
