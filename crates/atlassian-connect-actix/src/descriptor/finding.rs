//! The findings of a check.

use std::fmt;

use super::position::Position;

/// How much a [`Finding`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// A host refuses it, or a part of the add-on does not work.
    Error,
    /// It works, but is probably a mistake.
    Warning,
    /// Worth a look.
    Hint,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
        })
    }
}

/// A finding about a descriptor. `Display`: `atlassian-connect.json, line 12, column 9: $.modules.webPanels[0] has no
/// url`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The file that the descriptor was read from.
    pub file: String,
    /// The position in the file; `None` if code has added this part, or the text could not be indexed.
    pub position: Option<Position>,
    /// `$.modules.generalPages[0].url`.
    pub path: String,
    /// The text that follows the path.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ", line {line}, column {column}")?;
        }
        write!(f, ": {} {}", self.path, self.text)
    }
}

impl Finding {
    /// Writes it to the log, as a warning at most, since the add-on is served.
    pub fn log(&self) {
        match self.severity {
            Severity::Error | Severity::Warning => tracing::warn!("{self}"),
            Severity::Hint => tracing::info!("{self}"),
        }
    }
}

/// Sorts by the order of the file; findings about parts that code has added come last.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| finding.position.map_or((1, None), |position| (0, Some(position))));
}
