//! Panics while the body of an answer is streamed. Its head has already been sent: all that is left is to close the
//! connection, so that the caller sees an incomplete body, and to log it.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

use crate::error::Error;
use crate::panics;

/// Turns the panics of `body` into errors, if it is a stream.
pub(super) fn watched(body: BoxBody) -> BoxBody {
    if body.size() == BodySize::None {
        return body;
    }
    match body.try_into_bytes() {
        Ok(bytes) => BoxBody::new(bytes),
        Err(stream) => BoxBody::new(Watched(Some(stream))),
    }
}

/// A stream, until it panics.
struct Watched(Option<BoxBody>);

impl MessageBody for Watched {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.0.as_ref().map_or(BodySize::Stream, BoxBody::size)
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Some(stream) = &mut self.0 else { return Poll::Ready(None) };
        match panics::caught_now(|| Pin::new(stream).poll_next(context)) {
            Ok(polled) => polled,
            Err(panic) => {
                // a stream that has panicked must not be polled again
                drop(panics::caught_now(|| self.0 = None));
                let error = Error::internal(format!("the stream of the body {panic}"));
                tracing::error!(%error, "the answer was cut off");
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }
}
