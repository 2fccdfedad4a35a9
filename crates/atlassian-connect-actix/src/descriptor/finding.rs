//! What a check has to say.

use std::fmt;

use super::position::Position;

/// How much a [`Finding`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// A host refuses it, or a part of the add-on does not work.
    Error,
    /// It works, and is probably not meant so.
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

/// Something about a descriptor. `Display`:
/// `atlassian-connect.json, line 12, column 9: $.modules.webPanels[0] has no url`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The file that the descriptor was read from.
    pub file: String,
    /// Where in it; `None` where code has made this part, or the text could not be indexed.
    pub position: Option<Position>,
    /// `$.modules.generalPages[0].url`.
    pub path: String,
    /// What there is to say of it, as it goes on after the path.
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
    /// Writes it to the log, where no finding is more than a warning: the add-on serves.
    pub fn log(&self) {
        match self.severity {
            Severity::Error | Severity::Warning => tracing::warn!("{self}"),
            Severity::Hint => tracing::info!("{self}"),
        }
    }
}

/// In the order of the file; what code has made comes last.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| finding.position.map_or((1, None), |position| (0, Some(position))));
}
