//! [`DescriptorError`].

use super::position::Position;

/// What is wrong with a descriptor. Texts say where.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The file is not there or cannot be read.
    #[error("{file} cannot be read: {reason}. It belongs into the directory that the add-on is started in.")]
    Unreadable {
        /// The path.
        file: String,
        /// The system's words.
        reason: String,
    },
    /// The file is no JSON.
    #[error("{file}, line {line}, column {column}: {reason}")]
    Malformed {
        /// The path.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What the reader expected.
        reason: String,
    },
    /// A required member is missing or of the wrong type.
    #[error("{file}{}: {path} {reason}", at(.position.as_ref()))]
    #[non_exhaustive]
    Invalid {
        /// The path of the file.
        file: String,
        /// Where the member stands; `None` where it is missing, or code has made it.
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
