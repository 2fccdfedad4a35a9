//! Which answers are compressed: JSON, styles, scripts and pages without a token, if the client accepts gzip.
//!
//! A page with a session token also contains texts that other people wrote. If it were compressed, its length would
//! reveal the token byte by byte to an attacker who watches the network and can write into the page (the BREACH
//! attack). So such pages are not compressed, unless `compressPages` is set.

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;

use super::headers::is_html;
use crate::auth::Granted;
use crate::config::Config;

/// A shorter answer fits into a packet or two, compressed or not; in bytes.
const SHORT: u64 = 1024;
/// The beginnings of the content types that compress well.
const TYPES: [&[u8]; 8] = [
    b"application/json",
    b"application/javascript",
    b"application/xml",
    b"image/svg+xml",
    b"text/css",
    b"text/html",
    b"text/javascript",
    b"text/plain",
];
/// Actix does not compress an answer that already names an encoding.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Marks an answer that must not be compressed. [`unmark`] removes the mark again, outside the compression.
pub(super) fn mark(response: &mut ServiceResponse<BoxBody>, config: &Config) {
    let headers = response.headers();
    if headers.contains_key(header::CONTENT_ENCODING) {
        return;
    }
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_worth_it = TYPES.iter().any(|known| content_type.starts_with(known))
        && !matches!(response.response().body().size(), BodySize::None | BodySize::Sized(..SHORT));
    let has_token = is_html(headers) && response.request().extensions().contains::<Granted>();
    if !is_worth_it || (has_token && !config.compress_pages) {
        response.headers_mut().insert(header::CONTENT_ENCODING, IDENTITY);
    }
}

/// The middleware outside the compression.
///
/// # Errors
/// Those of the request.
pub(crate) async fn unmark<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    if headers.get(header::CONTENT_ENCODING) == Some(&IDENTITY) {
        headers.remove(header::CONTENT_ENCODING);
    }
    Ok(response)
}
