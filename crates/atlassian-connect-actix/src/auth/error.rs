//! [`AuthError`]: why a caller is refused.

use crate::error::Error;
use crate::jwt::JwtError;

/// Which check failed. Texts are for the log: no token, no secret.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No token in the query, the form, the headers.
    #[error("there is no token in the query, the form or the headers")]
    Missing,
    /// More than one in a place where one is expected, or one in the query and one in the form.
    #[error("there is more than one token: {0}")]
    Ambiguous(&'static str),
    /// The token itself.
    #[error(transparent)]
    Token(#[from] JwtError),
    /// It names no tenant.
    #[error("the token names no tenant (aud, iss)")]
    NoTenant,
    /// Nobody has installed under this key.
    #[error("no tenant {0} is installed")]
    UnknownTenant(String),
    /// The token is signed with the tenant's secret, but not by the tenant.
    #[error("the token of tenant {tenant} is issued by {issuer:?}")]
    Issuer {
        /// The tenant's clientKey.
        tenant: String,
        /// The claim `iss`.
        issuer: String,
    },
    /// The signature is not that of the key or secret that is named.
    #[error("the signature does not match {0}")]
    Signature(String),
    /// A session token of ours, whose session cannot be continued.
    #[error("the session {0}")]
    Session(&'static str),
    /// Bound to another request, or to none where one is required.
    #[error("the query string hash {0}")]
    Qsh(String),
    /// A Forge invocation comes to an add-on that is no Forge app.
    #[error("Forge's invocations cannot be verified without appId (AC_APP_ID), the app's id in the Forge manifest")]
    NoForgeApp,
    /// No key for a Forge invocation.
    #[error("there is no key {kid:?} for the invocation token: {error}")]
    ForgeKey {
        /// The `kid` of the token; empty where it names none.
        kid: String,
        /// Why there is no key.
        error: crate::keys::KeyError,
    },
    /// A lifecycle callback whose payload or token does not fit.
    #[error("the lifecycle callback is not taken: {0}")]
    Lifecycle(String),
}

/// A text of a token or a request as a refusal names it: it comes from outside.
pub(super) fn shorten(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut chars = text.chars().map(|c| if c.is_control() { '?' } else { c });
    let mut short: String = chars.by_ref().take(LONGEST).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// Why a token that is bound to another request is refused: the text whose hash would have fitted.
pub(super) fn other_request(canonical: &str) -> AuthError {
    AuthError::Qsh(format!("is that of another request. This one reads {}", crate::redact::shown(canonical)))
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        let detail = error.to_string();
        match error {
            AuthError::Missing => {
                Self::unauthorized_because("Could not find authentication data on the request.", detail)
            }
            AuthError::Token(JwtError::Expired) | AuthError::Session(_) => {
                Self::unauthorized_because("The authentication has expired. Try reloading the page.", detail)
            }
            _ => Self::unauthorized(detail),
        }
    }
}
