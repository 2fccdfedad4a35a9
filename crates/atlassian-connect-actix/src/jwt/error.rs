//! [`JwtError`].

/// What is wrong with a token. The texts contain no part of the token except its algorithm, issuer and audience,
/// shortened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// It is longer than the limit, in bytes.
    #[error("the token is longer than {0} bytes")]
    TooLong(usize),
    /// It does not consist of three base64url segments, the first two of which are JSON objects with claims of the
    /// right types.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// It is signed with another algorithm than the route accepts.
    #[error("the token's algorithm is {found}, not {expected}")]
    Algorithm {
        /// The algorithm in the header, at most 12 characters.
        found: String,
        /// The algorithm that the route accepts.
        expected: &'static str,
    },
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
    /// `exp` is in the past, by more than the leeway.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future, by more than the leeway.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The issuer is not one that the route accepts.
    #[error("the token is issued by {0:?}")]
    Issuer(String),
    /// The audience is not one that the route accepts.
    #[error("the token is meant for {found:?}, not for {expected:?}")]
    Audience {
        /// The claim `aud`, shortened.
        found: String,
        /// The audience that the route accepts.
        expected: String,
    },
    /// The key cannot be used.
    #[error("the key cannot be used: {0}")]
    Key(&'static str),
    /// The token could not be signed.
    #[error("the token could not be signed")]
    Signing,
}
