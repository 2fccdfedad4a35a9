//! Our own checks of a descriptor: they need no network, and run at every start.

mod code;
mod events;
mod modules;
mod root;

pub use code::calls_of_as_user;

use super::source::member;
use super::{Descriptor, Finding, Severity};
use crate::config::{Config, nearest};

impl Descriptor {
    /// All findings, in the order of the file. Those about parts that code has added come last.
    ///
    /// It does not find URLs without a route, since routes are code: see [`crate::Addon::unanswered`].
    #[must_use]
    pub fn check(&self, config: &Config) -> Vec<Finding> {
        if self.is_of_forge() {
            return Vec::new();
        }
        let mut checker = Checker { descriptor: self, config, findings: Vec::new() };
        checker.text();
        checker.root();
        checker.modules();
        let mut findings = checker.findings;
        super::finding::sort(&mut findings);
        findings
    }

    /// Whether the descriptor requests a scope, such as `ACT_AS_USER`, in upper or lower case.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        let scopes = self.value.get("scopes").and_then(serde_json::Value::as_array);
        scopes.into_iter().flatten().filter_map(serde_json::Value::as_str).any(|one| one.eq_ignore_ascii_case(scope))
    }
}

/// One run of the checks.
struct Checker<'a> {
    descriptor: &'a Descriptor,
    config: &'a Config,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    fn error(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.findings.push(self.descriptor.finding(Severity::Error, path, text));
    }

    fn warn(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.findings.push(self.descriptor.finding(Severity::Warning, path, text));
    }

    fn hint(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.findings.push(self.descriptor.finding(Severity::Hint, path, text));
    }

    /// Checks what the value no longer shows.
    fn text(&mut self) {
        let source = &self.descriptor.source;
        for path in &source.twice {
            self.warn(path, "appears twice in its object: the last one counts");
        }
        if let Some(super::DescriptorError::Malformed { line, column, reason, .. }) = &source.lenient {
            let text = format!(
                "is not strict JSON ({reason}): read as JSON5, as atlassian-connect-express does, and served as JSON"
            );
            let mut finding = self.descriptor.finding(Severity::Warning, "$", text);
            finding.position = Some(super::Position { line: *line, column: *column });
            self.findings.push(finding);
        }
    }

    /// Warns about each member of the object at `path` that is not among `known`.
    fn unknown(&mut self, path: &str, object: &serde_json::Value, known: &[&str]) {
        for name in object.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if !known.contains(&name.as_str()) {
                let meant = match nearest(name, known) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("{path} has {}", known.join(", ")),
                };
                self.warn(member(path, name), format!("is not known; {meant}"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
