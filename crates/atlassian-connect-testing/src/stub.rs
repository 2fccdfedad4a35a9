//! Stubbed answers of the fake host's sites.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::Method;
use futures_util::future::LocalBoxFuture;

use super::call::HostCall;

pub(super) type Answer = Arc<dyn Fn(HostCall) -> LocalBoxFuture<'static, HttpResponse> + Send + Sync>;

/// The answer to a path.
pub(super) struct Stub {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) answer: Answer,
}

impl Stub {
    pub(super) fn fits(&self, call: &HostCall) -> bool {
        let fits = match self.path.strip_suffix('*') {
            Some(start) => call.path.starts_with(start),
            None => call.path == self.path,
        };
        fits && self.method == call.method
    }
}
