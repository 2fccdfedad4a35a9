//! [`DescriptorError`].

use super::position::Position;

/// Why a descriptor cannot be served. The texts say where the problem is.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The file does not exist or cannot be read.
    #[error("{file} cannot be read: {reason}. It must be in the directory in which the add-on is started.")]
    Unreadable {
        /// The path.
        file: String,
        /// The system's error.
        reason: String,
    },
    /// There is no descriptor, and the manifest of the Forge app cannot take its place.
    #[error("{file} cannot take the place of atlassian-connect.json: {reason}")]
    Manifest {
        /// The path.
        file: String,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// The file is not JSON.
    #[error("{file}, line {line}, column {column}: {reason}")]
    Malformed {
        /// The path.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What the parser expected.
        reason: String,
    },
    /// A required member is missing or of the wrong type.
    #[error("{file}{}: {path} {reason}", at(.position.as_ref()))]
    #[non_exhaustive]
    Invalid {
        /// The path of the file.
        file: String,
        /// The position of the member; `None` if it is missing, or code has added it.
        position: Option<Position>,
        /// `$.key`, `$.modules.webhooks[0].url` …
        path: String,
        /// What is expected there.
        reason: String,
    },
}

fn at(position: Option<&Position>) -> String {
    position.map_or_else(String::new, |Position { line, column }| format!(", line {line}, column {column}"))
}
