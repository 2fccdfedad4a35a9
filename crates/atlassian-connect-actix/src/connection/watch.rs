//! The outermost middleware: it records where requests and answers begin and end.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::Bytes;

use super::framing::{Chunks, Framing};
use super::{Connection, WatchedBody};

/// Records the progress of a request in its connection. It is the outermost middleware, so that it sees every answer.
///
/// # Errors
/// Passes on the errors of the service.
pub(crate) async fn watch<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<WatchedAnswer>, actix_web::Error> {
    let Some(connection) = Connection::of(request.request()) else {
        return Ok(watched(next.call(request).await?, None));
    };
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        connection.begin(None, request.headers().len());
    } else {
        connection.begin(Some(framing(&request)), request.headers().len());
        let body = WatchedBody::new(payload, Rc::clone(&connection));
        request.set_payload(Payload::Stream { payload: Box::pin(body) });
    }
    let answering = Answering(connection);
    Ok(watched(next.call(request).await?, Some(answering)))
}

fn watched<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    answering: Option<Answering>,
) -> ServiceResponse<WatchedAnswer> {
    response.map_into_boxed_body().map_body(|_, body| {
        if let (Some(Answering(connection)), BodySize::Sized(bytes)) = (&answering, body.size()) {
            connection.answers(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        WatchedAnswer { body, _answering: answering }
    })
}

fn framing(request: &ServiceRequest) -> Framing {
    let headers = request.headers();
    // if both headers are present, the chunks count (RFC 9112, 6.3)
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Framing::Chunks(Chunks::BEGIN);
    }
    declared_length(headers).map_or(Framing::UntilClose, Framing::of_length)
}

/// The length of the body by `Content-Length`; `None` if the header is missing or not a whole number.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The answer is being sent until this is dropped.
struct Answering(Rc<Connection>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answered();
    }
}

/// The body of an answer. The HTTP code drops it once it has taken all of it.
pub(crate) struct WatchedAnswer {
    body: BoxBody,
    _answering: Option<Answering>,
}

impl MessageBody for WatchedAnswer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
