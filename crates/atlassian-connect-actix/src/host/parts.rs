//! The parts of a request except its URL.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;

use super::Multipart;
use super::actor::Actor;

/// The default timeout of a request, including its retries and its answer's body.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The default limit of an answer that is read as a whole, in bytes.
const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// A request without its URL.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) actor: Actor,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) timeout: Duration,
    pub(super) body_limit: usize,
    pub(super) retry: Option<bool>,
    pub(super) follow_redirects: bool,
    /// How often it was sent.
    pub(super) sent: u32,
}

/// The body of a request.
#[derive(Debug)]
pub(super) enum Body {
    Empty,
    Bytes(Bytes),
    Multipart(Multipart),
}

impl Parts {
    pub(super) fn new(actor: Actor, method: Method) -> Self {
        Self {
            actor,
            method,
            headers: HeaderMap::new(),
            body: Body::Empty,
            timeout: TIMEOUT,
            body_limit: BODY_LIMIT,
            retry: None,
            follow_redirects: true,
            sent: 0,
        }
    }

    /// A GET with the same headers and limits.
    pub(super) fn to_get(&self) -> Self {
        Self {
            actor: self.actor.clone(),
            method: Method::GET,
            headers: self.headers.clone(),
            body: Body::Empty,
            sent: 0,
            ..*self
        }
    }

    pub(super) fn may_repeat(&self) -> bool {
        let idempotent = matches!(self.method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE);
        !matches!(self.body, Body::Multipart(_)) && self.retry.unwrap_or(idempotent)
    }
}
