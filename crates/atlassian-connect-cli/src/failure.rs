//! How a command ends, and why it fails.

use atlassian_connect_actix::StartError;
use atlassian_connect_actix::config::ConfigError;
use atlassian_connect_actix::store::StoreError;

/// How a command ended. The number is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    Done = 0,
    Failed = 1,
    /// clap's own exit code for wrong arguments.
    Usage = 2,
}

/// Why a command failed. `Display` is for the user and contains no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The command's own message.
    #[error("{0}")]
    Message(String),
    /// The arguments are incomplete or contradictory.
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
