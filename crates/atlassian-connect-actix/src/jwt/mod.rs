//! JSON Web Tokens as Atlassian Connect uses them: pure functions, no web server, no database.
//!
//! A token is [`parsed`](Unverified::parse), the caller looks up whose secret or key signs it, then it is
//! [`verified`](Unverified::verify_hs256) with the algorithm that the *caller* names. Nothing of the token chooses how
//! it is checked.

mod claims;
mod encode;
mod error;
mod forge;
mod forge_license;
mod forge_module;
mod kindly;
pub mod qsh;
mod site;
mod token;

pub use claims::{Audience, Claims};
pub use encode::{AddonClaims, RsaSigner, SharedSecret, now};
pub use error::JwtError;
pub use forge::{ForgeApp, ForgeClaims, ForgeContext, ForgeEnvironment, ForgeInstallation, InstallationContext};
pub use forge_license::ForgeLicense;
pub use forge_module::ForgeModule;
pub(crate) use qsh::to_hex;
pub use site::claims_of_site;
pub use token::{PublicKey, Unverified};

/// The value of the `qsh` claim of a context JWT (`AP.context.getToken`), which is bound to no URL.
///
/// Source: Atlassian, "Understanding JWT for Connect apps".
pub const CONTEXT_QSH: &str = "context-qsh";
