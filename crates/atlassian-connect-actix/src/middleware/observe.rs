//! Calls an observer for each request. Mounted only if the add-on has an observer.

use std::time::Instant;

use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use super::Answered;
use crate::observer::{Exchange, Observer};

/// The middleware around [`super::around`] that calls the observer.
pub(crate) async fn observed<B: MessageBody + 'static>(
    observer: Option<Observer>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let begun = Instant::now();
    let response = next.call(request).await?;
    if let Some(observer) = observer {
        let extensions = response.request().extensions();
        let error = extensions.get().map(|Answered(error)| error.clone());
        drop(extensions);
        let (request, status) = (response.request(), response.status().as_u16());
        observer(&Exchange { request, status, error: error.as_ref(), took: begun.elapsed() });
    }
    Ok(response)
}
