//! [`AuthError`]: why a caller is refused.

use crate::error::Error;
use crate::jwt::JwtError;

/// Which check failed. The texts are for the log and hold no token and no secret.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// There is no token in the query, the form or the headers.
    #[error("there is no token in the query, the form or the headers")]
    Missing,
    /// A place holds more than one token, or both the query and the form hold one.
    #[error("there is more than one token: {0}")]
    Ambiguous(&'static str),
    /// The token itself is invalid.
    #[error(transparent)]
    Token(#[from] JwtError),
    /// The token names no tenant.
    #[error("the token names no tenant (aud, iss)")]
    NoTenant,
    /// No tenant is installed under this key.
    #[error("no tenant {0} is installed")]
    UnknownTenant(String),
    /// The token is signed with the tenant's secret, but is not issued by the tenant.
    #[error("the token of tenant {tenant} is issued by {issuer:?}")]
    Issuer {
        /// The tenant's clientKey.
        tenant: String,
        /// The claim `iss`.
        issuer: String,
    },
    /// The signature does not match the key or secret.
    #[error("the signature does not match {0}")]
    Signature(String),
    /// One of our session tokens, whose session cannot be continued.
    #[error("the session {0}")]
    Session(&'static str),
    /// The token is bound to another request, or to none although the route requires it.
    #[error("the query string hash {0}")]
    Qsh(String),
    /// A Forge invocation reached an add-on without a Forge app id.
    #[error("Forge invocations cannot be verified without appId (AC_APP_ID), the app's id in the Forge manifest")]
    NoForgeApp,
    /// No key is known for a Forge invocation.
    #[error("no key {kid:?} is known for the invocation token: {error}")]
    ForgeKey {
        /// The `kid` of the token; empty if the token has none.
        kid: String,
        /// Why no key is known.
        error: crate::keys::KeyError,
    },
    /// A lifecycle callback whose payload or token is wrong.
    #[error("the lifecycle callback is refused: {0}")]
    Lifecycle(String),
}

impl AuthError {
    /// A word for the check that failed, for metrics.
    fn word(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ambiguous(_) => "ambiguous",
            Self::Token(JwtError::Expired) => "expired",
            Self::Token(_) => "token",
            Self::NoTenant | Self::UnknownTenant(_) => "unknown_tenant",
            Self::Issuer { .. } => "issuer",
            Self::Signature(_) => "signature",
            Self::Session(_) => "session",
            Self::Qsh(_) => "qsh",
            Self::NoForgeApp | Self::ForgeKey { .. } => "forge_key",
            Self::Lifecycle(_) => "lifecycle",
        }
    }
}

/// Shortens a text from outside, such as a key id, for an error.
pub(super) fn shorten(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut chars = text.chars().map(|c| if c.is_control() { '?' } else { c });
    let mut short: String = chars.by_ref().take(LONGEST).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// The error for a token that is bound to another request. It names the canonical text that was expected.
pub(super) fn other_request(canonical: &str) -> AuthError {
    AuthError::Qsh(format!(
        "is that of another request. The canonical text of this request is {}",
        crate::redact::shown(canonical)
    ))
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        let (detail, reason) = (error.to_string(), error.word());
        let error = match error {
            AuthError::Missing => {
                Self::unauthorized_because("Could not find authentication data on the request.", detail)
            }
            AuthError::Token(JwtError::Expired) | AuthError::Session(_) => {
                Self::unauthorized_because("The authentication has expired. Try reloading the page.", detail)
            }
            _ => Self::unauthorized(detail),
        };
        error.with_reason(reason)
    }
}
