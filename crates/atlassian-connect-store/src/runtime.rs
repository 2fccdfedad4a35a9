//! A small runtime of the stores' own, for connections that must not depend on the runtime that happened to open them:
//! the server's threads come and go with it.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

use super::StoreError;

static RUNTIME: LazyLock<std::io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).thread_name("store-net").enable_all().build());

/// The runtime, started by the first who needs it.
pub(super) fn runtime() -> Result<&'static Runtime, StoreError> {
    RUNTIME
        .as_ref()
        .map_err(|error| StoreError::Unavailable(format!("no thread for the connections of the store: {error}")))
}
