//! [`Diagnosis`].

use serde::Serialize;

use crate::messages::{Message, fill};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warning,
    Problem,
}

/// The result of a check. No text contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Diagnosis {
    pub(super) level: Level,
    /// `base URL`, `store` …
    pub(super) check: &'static str,
    pub(super) message: String,
    /// What to do. `None` if all is well.
    pub(super) remedy: Option<String>,
}

impl Diagnosis {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, message: message.into(), remedy: None }
    }

    pub(super) fn warning(message: &Message, values: &[(&str, &str)]) -> Self {
        Self::of(Level::Warning, message, values)
    }

    pub(super) fn problem(message: &Message, values: &[(&str, &str)]) -> Self {
        Self::of(Level::Problem, message, values)
    }

    pub(super) fn of(level: Level, message: &Message, values: &[(&str, &str)]) -> Self {
        let (text, remedy) = (fill(message.text, values), fill(message.remedy, values));
        Self { level, check: message.check, message: text, remedy: Some(remedy) }
    }
}
