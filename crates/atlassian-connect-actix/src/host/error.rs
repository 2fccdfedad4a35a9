//! What can go wrong with a request to a host.

use actix_web::http::StatusCode;

use crate::error::Error;
use crate::outbound::TokenError;

/// Why a request to a host has no answer, or none that will do. Texts hold no token and no query.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The URL is none, or not an http(s) one.
    #[error("the URL cannot be requested: {0}")]
    Url(String),
    /// The request could not be put together: a header, a query, JSON that does not serialise, a file that is not there.
    #[error("the request cannot be built: {0}")]
    Request(String),
    /// The address is not a public one, and the whitelist does not name the host.
    #[error("{0} is not a public host, and the whitelist does not name it")]
    PrivateAddress(String),
    /// The host cannot be reached, or broke off.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The name.
        host: String,
        /// What the connection says.
        reason: String,
    },
    /// It did not answer in time.
    #[error("{0} did not answer in time")]
    Timeout(String),
    /// It redirects too often, or from https to http.
    #[error("{host} redirects {how}")]
    Redirect {
        /// The name.
        host: String,
        /// How.
        how: &'static str,
    },
    /// The answer is larger than the limit, in bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The answer is not what was asked for.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    /// A list that comes page by page cannot be read to its end, see [`crate::host::HostRequest::items`].
    #[error("the list cannot be read to its end: {0}")]
    List(String),
    /// The host answered an error, see [`crate::host::HostResponse::error_for_status`].
    #[error("the host answered {status}: {body}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// The start of its body.
        body: String,
    },
    /// There is no token to act as the user.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        let detail = error.to_string();
        match error {
            HostError::Timeout(_) => Self::GatewayTimeout { detail },
            HostError::Token(TokenError::NoUser) => Self::no_user(detail),
            HostError::Url(_) | HostError::Request(_) => Self::Internal { detail },
            _ => Self::BadGateway { detail },
        }
    }
}
