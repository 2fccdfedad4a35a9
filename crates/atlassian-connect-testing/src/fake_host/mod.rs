//! The parts of a fake Atlassian host: its sites and their secrets, the key of its callbacks, what it asks of the add-on's
//! tokens. The test kit and the sandbox stand on them.

mod forge;
mod grant;
mod install_key;
mod ledger;
pub mod product_api;
mod tenant;

pub use forge::TestInvocation;
pub use grant::GrantForm;
pub use install_key::InstallKey;
pub use ledger::By;
pub use ledger::{Issued, Ledger};
pub use tenant::LIFETIME;
pub use tenant::{TestTenant, claims_for};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The lock, whether or not a thread that held it has panicked: what it guards is never half changed.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The value, or a failed test that says what could not be done. For the test kit alone.
#[track_caller]
#[allow(clippy::panic)]
pub(crate) fn must<T, E: std::fmt::Debug>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => std::panic::panic_any(format!("{what}: {error:?}")),
    }
}
