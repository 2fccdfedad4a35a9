//! [`JwtError`].

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
