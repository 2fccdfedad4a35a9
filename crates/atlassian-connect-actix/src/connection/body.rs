//! The body of a request, on its way to the handler.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpRequest};
use futures_util::Stream;

use super::{Connection, Cut};
use crate::error::Error;

/// A body that tells its connection when the handler waits for it and what the handler has read.
pub(crate) struct WatchedBody {
    body: Payload,
    connection: Rc<Connection>,
}

impl WatchedBody {
    pub(super) fn new(body: Payload, connection: Rc<Connection>) -> Self {
        Self { body, connection }
    }
}

impl Stream for WatchedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(cut) = self.connection.cut_off() {
            self.connection.body_over();
            return Poll::Ready(Some(Err(refusal(cut))));
        }
        let next = Pin::new(&mut self.body).poll_next(cx);
        match &next {
            Poll::Pending => self.connection.wants_body(cx.waker()),
            Poll::Ready(Some(Ok(bytes))) => self.connection.consumed(bytes.len()),
            Poll::Ready(Some(Err(_)) | None) => self.connection.body_over(),
        }
        next
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.connection.body_over();
    }
}

/// The error that a handler reads instead of the rest of a body. [`Error::of_payload`] finds ours in it.
fn refusal(cut: Cut) -> PayloadError {
    let error = match cut {
        Cut::Slow => Error::BodyTimeout,
        Cut::Overload => Error::Unavailable {
            detail: "too much memory is used by unauthenticated clients, and this body is among the slowest".into(),
        },
    };
    error.into_payload_error()
}

/// A body that is read as it arrives, for example a large upload that is passed on to the host. It has no size limit
/// and no minimum rate. A pause of `limits.stalled` (30 s) ends it.
///
/// It does not authenticate the caller: add an authenticated extractor. No byte is read before that one has finished.
///
/// ```
/// use actix_web::{HttpResponse, post};
/// use atlassian_connect_actix::{Error, StreamedBody, auth::SessionToken};
/// use futures_util::StreamExt as _;
///
/// #[post("/upload")]
/// async fn upload(_session: SessionToken, mut body: StreamedBody) -> Result<HttpResponse, Error> {
///     let mut size = 0;
///     while let Some(bytes) = body.next().await {
///         size += bytes?.len();
///     }
///     Ok(HttpResponse::Ok().body(size.to_string()))
/// }
/// ```
pub struct StreamedBody {
    body: web::Payload,
    connection: Option<Rc<Connection>>,
}

impl std::fmt::Debug for StreamedBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StreamedBody")
    }
}

impl Stream for StreamedBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // not before it is read: until then another extractor may still fail, or look for a token in the form
        if let Some(connection) = self.connection.take() {
            connection.streams();
        }
        Pin::new(&mut self.body).poll_next(cx).map_err(|error| Error::of_payload(&error))
    }
}

impl FromRequest for StreamedBody {
    type Error = actix_web::Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let connection = Connection::of(request);
        let body = web::Payload::from_request(request, payload).into_inner();
        std::future::ready(body.map(|body| Self { body, connection }))
    }
}

impl Error {
    /// Turns an error of a body into the error of its request.
    pub(crate) fn of_payload(error: &PayloadError) -> Self {
        match error {
            PayloadError::Io(inner) => match inner.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
                Some(ours) => ours.clone(),
                None => Self::Body { detail: error.to_string() },
            },
            _ => Self::Body { detail: error.to_string() },
        }
    }

    /// The same for an error that actix has wrapped.
    pub(crate) fn of_body(error: &actix_web::Error) -> Self {
        match error.as_error::<PayloadError>() {
            Some(error) => Self::of_payload(error),
            None => Self::Body { detail: error.to_string() },
        }
    }

    /// Turns the error into one of a body, for handlers that read the body through actix.
    pub(crate) fn into_payload_error(self) -> PayloadError {
        PayloadError::Io(io::Error::other(self))
    }
}
