//! The errors of a request to a host.

use actix_web::http::StatusCode;

use crate::config::Product;
use crate::error::Error;
use crate::outbound::TokenError;

/// Why a request to a host failed. The texts hold no token and no query.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The URL is not valid, or not an http(s) one.
    #[error("the URL cannot be requested: {0}")]
    Url(String),
    /// The installation does not have the product, see [`HostClient::jira`](crate::host::HostClient::jira).
    #[error("the app has no {wanted} here: it is installed in {found}")]
    Product {
        /// The product: `Jira`.
        wanted: &'static str,
        /// The products that there are: `confluence`.
        found: String,
    },
    /// The request could not be built: a header, a query, JSON that does not serialise, a missing file.
    #[error("the request cannot be built: {0}")]
    Request(String),
    /// The address is not public, and the whitelist does not name the host.
    #[error("{0} is not a public host, and the whitelist does not name it")]
    PrivateAddress(String),
    /// The host cannot be reached, or closed the connection.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The host's name.
        host: String,
        /// The error of the connection.
        reason: String,
    },
    /// It did not answer in time.
    #[error("{0} did not answer in time")]
    Timeout(String),
    /// It redirects too often, or from https to http.
    #[error("{host} redirects {how}")]
    Redirect {
        /// The host's name.
        host: String,
        /// What is wrong with the redirect.
        how: &'static str,
    },
    /// The answer is larger than the limit, in bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The answer does not have the expected form.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    /// A paged list cannot be read to its end, see [`crate::host::HostRequest::items`].
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

impl HostError {
    pub(super) fn product(wanted: Product, found: &[&str]) -> Self {
        let wanted = match wanted {
            Product::Jira => "Jira",
            Product::Confluence => "Confluence",
            Product::Bitbucket => "Bitbucket",
        };
        let found = if found.is_empty() { "no product that is known".to_owned() } else { found.join(", ") };
        Self::Product { wanted, found: found.chars().take(200).collect() }
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        let detail = error.to_string();
        match error {
            HostError::Product { wanted, .. } => {
                Self::Conflict { public: format!("The app is not installed in {wanted} on this site.").into(), detail }
            }
            HostError::Timeout(_) => Self::GatewayTimeout { detail },
            HostError::Token(TokenError::NoUser) => Self::no_user(detail),
            HostError::Token(TokenError::Expired) => {
                Self::unauthorized_because("The authentication has expired. Try reloading the page.", detail)
            }
            HostError::Url(_) | HostError::Request(_) => Self::Internal { detail },
            _ => Self::BadGateway { detail },
        }
    }
}
