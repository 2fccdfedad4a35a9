//! The parts of a fake Atlassian host: its sites and their secrets, the key of its callbacks, and the verification of
//! the add-on's tokens. The test kit and the sandbox use them.

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

/// The value, or a failed test that says what went wrong. Only for the test kit.
#[track_caller]
#[allow(clippy::panic)]
pub(crate) fn must<T, E: std::fmt::Debug>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => std::panic::panic_any(format!("{what}: {error:?}")),
    }
}
