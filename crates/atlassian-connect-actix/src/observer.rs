//! The observer of requests.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::HttpRequest;

use crate::error::Error;

/// A request to the add-on, once it has been answered.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exchange<'a> {
    /// The request.
    pub request: &'a HttpRequest,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Why the request was refused or failed.
    pub error: Option<&'a Error>,
    /// The time from the start of the request to its answer.
    pub took: Duration,
}

/// Called for each request to the add-on once it has been answered. It must not block: the answer waits for it.
pub type Observer = Arc<dyn Fn(&Exchange<'_>) + Send + Sync>;

/// The observer, once it is decided whether there is one.
#[derive(Default)]
pub(crate) struct ObserverSlot(pub OnceLock<Option<Observer>>);

impl fmt::Debug for ObserverSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObserverSlot")
    }
}
