//! Forms are read before the route is reached: their `jwt` authenticates, their fields may be signed, and the handler
//! still gets them. Other bodies are left to stream.

use actix_web::HttpMessage as _;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::Bytes;
use futures_util::stream;

use crate::auth::{BufferedBody, is_form, read_body};
use crate::error::Error;

/// Buffers a form of at most `limit` bytes and puts it back.
pub(super) async fn buffer(request: &mut ServiceRequest, limit: usize) -> Result<(), Error> {
    if !is_form(request.headers()) {
        return Ok(());
    }
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(Error::TooLarge { limit });
    }
    let body = read_body(&mut request.take_payload(), limit).await?.freeze();
    request.extensions_mut().insert(BufferedBody(body.clone()));
    request.set_payload(payload(body));
    Ok(())
}

fn payload(body: Bytes) -> Payload {
    Payload::Stream { payload: Box::pin(stream::once(async { Ok::<_, PayloadError>(body) })) }
}
