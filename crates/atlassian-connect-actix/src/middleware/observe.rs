//! Telling somebody about each request. It is mounted only where an observer was handed to the add-on.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest};

use super::Answered;
use crate::error::Error;

/// A request to the add-on, once it has been answered.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exchange<'a> {
    /// The request.
    pub request: &'a HttpRequest,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Why the request was refused, or what failed.
    pub error: Option<&'a Error>,
    /// From the first look at the request to its answer.
    pub took: Duration,
}

/// Called with each request to the add-on once it has been answered. It must not wait: the answer does.
pub type Observer = Arc<dyn Fn(&Exchange<'_>) + Send + Sync>;

/// The observer, once it has been decided whether there is one.
#[derive(Default)]
pub(crate) struct ObserverSlot(pub OnceLock<Option<Observer>>);

impl fmt::Debug for ObserverSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObserverSlot")
    }
}

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
