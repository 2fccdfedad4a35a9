//! Shared by the drivers of database servers: they are asynchronous, diesel's connections are not.
//!
//! The connections live on a separate [small runtime](super::runtime), and a thread of the blocking pool waits for it.
//! So they do not depend on the runtime that opened the store.

use std::error::Error as StdError;
use std::future::Future;

use diesel_async::async_connection_wrapper::BlockOn;
use tokio::runtime::Handle;

use super::StoreError;
use super::lifeline::Lifeline;

/// Waits for the connections' runtime.
#[derive(Debug)]
pub struct Driver {
    runtime: Handle,
    lifeline: Option<Lifeline>,
}

impl BlockOn for Driver {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        match &self.lifeline {
            Some(lifeline) => self.runtime.block_on(lifeline.watch(future)),
            None => self.runtime.block_on(future),
        }
    }

    /// Only called inside the [runtime](super::runtime): the connectors create the connections there.
    fn get_runtime() -> Self {
        Self { runtime: Handle::current(), lifeline: Lifeline::current() }
    }
}

/// The error with its causes: that is where the drivers put the details. None of them contains the password.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The error of a connection that was made, but cannot be used yet.
pub(super) fn setting_up(server: &str, error: impl StdError + Send + Sync + 'static) -> StoreError {
    StoreError::unavailable(format!("{server}: {}", chain(&error))).caused_by(error)
}

/// The TLS error that ended a connection, if there is one.
pub(super) fn rejected<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    let mut io = None;
    while let Some(error) = cause {
        io = io.or(error.downcast_ref::<std::io::Error>());
        cause = error.source();
    }
    io?.get_ref()?.downcast_ref()
}
