//! What a request consists of besides its URL.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;

use super::Multipart;
use super::actor::Actor;

/// A whole request, its retries and its answer's body included, has this long.
const TIMEOUT: Duration = Duration::from_secs(30);
/// An answer that is read whole has this many bytes at most.
const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// A request, but for its URL.
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
}

/// What is sent.
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
        }
    }

    /// A GET with the same headers and limits.
    pub(super) fn to_get(&self) -> Self {
        Self {
            actor: self.actor.clone(),
            method: Method::GET,
            headers: self.headers.clone(),
            body: Body::Empty,
            ..*self
        }
    }

    pub(super) fn may_repeat(&self) -> bool {
        let idempotent = matches!(self.method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE);
        !matches!(self.body, Body::Multipart(_)) && self.retry.unwrap_or(idempotent)
    }
}
