//! The body of a request that is not authenticated yet. A form may carry the token, so it is read once and shared by
//! all extractors. Any other body is read only after the extractors of the route have authenticated the caller.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{HttpMessage as _, HttpRequest};
use futures_util::future::{LocalBoxFuture, Shared};
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};

use crate::connection::declared_length;
use crate::error::Error;

const FORM: &str = "application/x-www-form-urlencoded";

/// Whether the request says that its body is a form.
fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(FORM)
}

/// Prepares the body for the extractors. Nothing is read before one of them asks, so that a form for an unknown path
/// costs nothing.
pub(crate) fn prepare(request: &mut ServiceRequest, limit: usize) {
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return;
    }
    let payload: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = if is_form(request.headers()) {
        let form = FormBody::new(payload, request.headers(), limit);
        request.extensions_mut().insert(form.clone());
        let read = async move { form.read().await.map_err(Error::into_payload_error) };
        Box::pin(stream::once(read))
    } else {
        let gate = BodyGate::default();
        request.extensions_mut().insert(gate.clone());
        Box::pin(GatedBody { gate: Some(gate), body: payload })
    };
    request.set_payload(Payload::Stream { payload });
}

/// The body of a form, read once. Clones share the result.
#[derive(Clone)]
pub(crate) struct FormBody(Shared<LocalBoxFuture<'static, Result<Bytes, Error>>>);

impl FormBody {
    fn new(mut payload: Payload, headers: &HeaderMap, limit: usize) -> Self {
        let is_too_large = declared_length(headers).is_some_and(|length| length > limit);
        let read = async move {
            if is_too_large {
                return Err(Error::TooLarge { limit });
            }
            read_body(&mut payload, limit).await.map(BytesMut::freeze)
        };
        Self(read.boxed_local().shared())
    }

    /// The form of `request`, if its body is one.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Reads the form, or waits for the reading that is under way.
    pub(crate) async fn read(self) -> Result<Bytes, Error> {
        self.0.await
    }

    /// The form, if it has been read.
    pub(crate) fn already_read(&self) -> Option<Bytes> {
        self.0.peek()?.as_ref().ok().cloned()
    }
}

/// What the body waits for: the authentication of its sender, if the route asks for it. The extractors register it when
/// they are created, before any of them is polled.
#[derive(Clone, Default)]
pub(crate) struct BodyGate(Rc<RefCell<Option<LocalBoxFuture<'static, ()>>>>);

impl BodyGate {
    /// Reads no byte of the body of `request` before `proof` has ended.
    pub(crate) fn wait_for(request: &HttpRequest, proof: impl Future + 'static) {
        if let Some(Self(gate)) = request.extensions().get::<Self>() {
            *gate.borrow_mut() = Some(proof.map(drop).boxed_local());
        }
    }
}

/// A body that is read only after its gate opens.
struct GatedBody {
    gate: Option<BodyGate>,
    body: Payload,
}

impl Stream for GatedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(BodyGate(gate)) = &self.gate {
            let mut proof = gate.borrow_mut();
            let is_awaited = proof.is_some();
            if let Some(proof) = &mut *proof {
                ready!(proof.poll_unpin(cx));
            }
            drop(proof);
            self.gate = None;
            if is_awaited {
                // actix polls all extractors of a handler in turn: the one that refuses the caller comes first
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// Refuses a body that announces more than `limit` bytes, before any of them is read.
pub(super) fn check_length(headers: &HeaderMap, limit: usize) -> Result<(), Error> {
    match declared_length(headers) {
        Some(length) if length > limit => Err(Error::TooLarge { limit }),
        _ => Ok(()),
    }
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read_body(payload: &mut Payload, limit: usize) -> Result<BytesMut, Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Error::of_payload(&error))?;
        if body.len() + chunk.len() > limit {
            return Err(Error::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A body without the byte order mark that some senders put in front of JSON (RFC 8259, 8.1).
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// A body that must be JSON, or empty.
pub(crate) fn json_body(body: &[u8]) -> Result<serde_json::Value, Error> {
    let body = without_mark(body);
    if body.is_empty() {
        return Ok(serde_json::Value::Null);
    }
    serde_json::from_slice(body).map_err(|_| Error::bad_request("The body is not valid JSON."))
}
