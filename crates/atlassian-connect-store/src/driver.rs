//! What the drivers of database servers share: they are asynchronous, diesel's connections are not.
//!
//! The connections live on a [small runtime](super::runtime) of their own, and a thread of the blocking pool waits for it: nothing of it
//! depends on the runtime that happened to open the store.

use std::error::Error as StdError;
use std::future::Future;

use diesel_async::async_connection_wrapper::BlockOn;
use tokio::runtime::Handle;

/// Waits for the connections' runtime.
#[derive(Debug)]
pub struct Driver(Handle);

impl BlockOn for Driver {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    /// Called within the [runtime](super::runtime) only: the managers make the connections there.
    fn get_runtime() -> Self {
        Self(Handle::current())
    }
}

/// An error with its causes: the drivers keep what matters in there. None of them holds the password.
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

/// What TLS says of a connection that it did not let be.
pub(super) fn rejected<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    let mut io = None;
    while let Some(error) = cause {
        io = io.or(error.downcast_ref::<std::io::Error>());
        cause = error.source();
    }
    io?.get_ref()?.downcast_ref()
}
