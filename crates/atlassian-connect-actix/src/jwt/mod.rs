//! JSON Web Tokens as Atlassian Connect uses them: pure functions, no web server, no database.
//!
//! A token is first [`parsed`](Unverified::parse). The caller then looks up the secret or key, and
//! [`verifies`](Unverified::verify_hs256) the token with the algorithm that the *caller* names. Nothing in the token
//! chooses how it is checked.

mod claims;
mod encode;
mod error;
mod forge;
mod forge_context;
mod forge_license;
mod forge_module;
mod lenient;
pub mod qsh;
mod site;
mod token;

pub use claims::Claims;
pub(crate) use claims::check_time;
pub use encode::{AddonClaims, RsaSigner, SharedSecret, now};
pub use error::JwtError;
pub use forge::ForgeClaims;
pub(crate) use forge::ForgeEnvironment;
pub(crate) use forge_context::{ForgeContext, InstallationContext};
pub use forge_license::ForgeLicense;
pub(crate) use qsh::to_hex;
pub use site::claims_of_site;
pub use token::{Envelope, PublicKey, Unverified};

/// The value of the `qsh` claim of a context JWT (`AP.context.getToken`), which is not bound to a URL.
///
/// Source: Atlassian, "Understanding JWT for Connect apps".
pub const CONTEXT_QSH: &str = "context-qsh";
