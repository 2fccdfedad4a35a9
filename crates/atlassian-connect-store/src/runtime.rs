//! A small runtime for the stores' connections. They must not depend on the runtime that opened them, because the
//! server's worker threads come and go.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

use super::StoreError;

static RUNTIME: LazyLock<Result<Runtime, StoreError>> = LazyLock::new(|| {
    let built = Builder::new_multi_thread().worker_threads(1).thread_name("store-net").enable_all().build();
    built.map_err(|error| {
        StoreError::unavailable(format!("cannot start a thread for the store's connections: {error}")).caused_by(error)
    })
});

/// The runtime. Starts at first use.
pub(super) fn runtime() -> Result<&'static Runtime, StoreError> {
    RUNTIME.as_ref().map_err(Clone::clone)
}
