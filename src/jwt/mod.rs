//! JSON Web Tokens as Atlassian Connect uses them: pure functions, no web server, no database.
//!
//! A token is [`parsed`](Unverified::parse), the caller looks up whose secret or key signs it, then it is
//! [`verified`](Unverified::verify_hs256) with the algorithm that the *caller* names. Nothing of the token chooses how
//! it is checked.

mod claims;
mod encode;
mod forge;
mod forge_license;
mod forge_module;
mod kindly;
pub mod qsh;
mod token;

pub use claims::{Audience, Claims};
pub use encode::{AddonClaims, RsaSigner, SharedSecret, now};
pub use forge::{ForgeApp, ForgeClaims, ForgeContext, ForgeEnvironment, ForgeInstallation, InstallationContext};
pub use forge_license::ForgeLicense;
pub use forge_module::ForgeModule;
pub(crate) use qsh::to_hex;
pub use token::{PublicKey, Unverified};

/// The value of the `qsh` claim of a context JWT (`AP.context.getToken`), which is bound to no URL.
///
/// Source: Atlassian, "Understanding JWT for Connect apps".
pub const CONTEXT_QSH: &str = "context-qsh";

/// What is wrong with a token. Texts hold no part of the token but its algorithm, issuer and audience,
/// shortened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// Longer than the limit, in bytes.
    #[error("the token is longer than {0} bytes")]
    TooLong(usize),
    /// Not three base64url segments of which the first two are JSON objects with claims of the right types.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// Signed by another algorithm than this route takes.
    #[error("the token's algorithm is {found}, not {expected}")]
    Algorithm {
        /// What the header names, at most 12 characters.
        found: String,
        /// What the route takes.
        expected: &'static str,
    },
    /// The signature does not fit.
    #[error("the signature does not match")]
    Signature,
    /// `exp` is in the past, by more than the leeway.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future, by more than the leeway.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Issued by somebody else than the route takes tokens of.
    #[error("the token is issued by {0:?}")]
    Issuer(String),
    /// Meant for somebody else.
    #[error("the token is meant for {found:?}, not for {expected:?}")]
    Audience {
        /// The claim `aud`, cut.
        found: String,
        /// Whom the route takes tokens for.
        expected: String,
    },
    /// A key that cannot be used.
    #[error("the key cannot be used: {0}")]
    Key(&'static str),
    /// A token could not be made.
    #[error("the token could not be signed")]
    Signing,
}
