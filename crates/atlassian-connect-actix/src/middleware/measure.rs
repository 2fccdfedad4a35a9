//! Measures each request. Mounted only if metrics are recorded.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use crate::measure;

/// The middleware around [`super::around`] that counts and times the request.
pub(crate) async fn measured<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let begun = Instant::now();
    let response = next.call(request).await?;
    measure::request(response.request(), response.status().as_u16(), begun.elapsed());
    Ok(response)
}
