//! Public keys of others: those that sign lifecycle callbacks, and those that sign Forge's invocations.

mod forge;
mod install;
mod jwks;
mod permits;
mod recent;
mod servers;
mod source;

pub use forge::ForgeKeys;
pub use install::InstallKeys;
pub use servers::Domain;
pub use source::{Authority, ForgeKeySource, InstallKeySource, KeyFuture};

/// Why no key was found. The texts are for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The id must not be put into a URL.
    #[error("the key id is not made of segments of letters, digits, '.', '_', '-' and '+', joined by '/'")]
    Id,
    /// The servers answered that they do not have the key, or with something that is not a key.
    #[error("the key server has no such key: {0}")]
    Unknown(String),
    /// No server could be asked.
    #[error("the key server is not available: {0}")]
    Unavailable(String),
    /// The server was not asked, since too many unknown ids were requested. This says nothing about the key.
    #[error("the key server was not asked: {0}")]
    NotAsked(&'static str),
}

/// How a request to a key server ended, in a word for metrics.
fn outcome<T>(fetched: &Result<T, KeyError>) -> &'static str {
    match fetched {
        Ok(_) => "fetched",
        Err(KeyError::Unavailable(_)) => "unavailable",
        Err(_) => "refused",
    }
}

impl KeyError {
    /// Whether the same request may succeed later: no server has said that the key does not exist.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::NotAsked(_))
    }
}
