//! How commands end, and why one is not done.

use atlassian_connect_actix::StartError;
use atlassian_connect_actix::config::ConfigError;
use atlassian_connect_actix::store::StoreError;

/// How a command ended. The number is the exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    Done = 0,
    Failed = 1,
    /// The code of clap's own refusals.
    Usage = 2,
}

/// Why a command is not done. `Display` is for whoever started it, and holds no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// In the command's own words.
    #[error("{0}")]
    Told(String),
    /// The arguments do not say enough, or not what can be done.
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}
