//! The problems of a configuration, all reported at once.

use std::fmt;

/// The configuration is invalid.
///
/// Holds every problem, not only the first. `Display` shows one per line.
#[derive(Debug, Clone, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems, warnings: Vec::new() }
    }

    /// Adds the warnings: a missing key is often present under a mistyped name.
    pub(super) fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    /// The problems, in the order in which they were found.
    #[doc(hidden)]
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The warnings, as [`super::Config::warnings`].
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the configuration has a problem:")?,
            several => write!(f, "the configuration has {several} problems:")?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\n  {warning}"))
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem])
    }
}

/// One problem and its remedy. No field holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The dotted key, such as `jwt.validityInMinutes`, or the file's name.
    pub key: String,
    /// The value and its origin, safe to show: `"abc" (PORT)`; `None` if there is none.
    pub value: Option<String>,
    /// What is wrong with it.
    pub wrong: String,
    /// The remedy.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}. {}.", self.wrong, self.remedy)
    }
}

/// Why a value is refused, before its key is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) wrong: String,
    pub(super) remedy: String,
}

impl Fault {
    pub(super) fn new(wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), remedy: remedy.into() }
    }

    pub(super) fn at(self, key: &str, value: Option<String>) -> Problem {
        Problem { key: key.to_owned(), value, wrong: self.wrong, remedy: self.remedy }
    }
}

/// `text` for an error or the log: credentials of a URL are replaced by asterisks.
pub(super) fn redact(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("***@{rest}"));
    };
    // the last `@`, because a password that is not escaped may contain one, or a slash
    let rest = rest.rsplit_once('@').map_or_else(|| rest.to_owned(), |(_, rest)| format!("***@{rest}"));
    let Some((place, query)) = rest.split_once('?') else {
        return format!("{scheme}://{rest}");
    };
    let query: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if sounds_secret(name) => format!("{name}=***"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{scheme}://{place}?{}", query.join("&"))
}

/// Whether a key or parameter is named like a secret.
pub(super) fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "pwd", "secret", "token", "credential", "key"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_its_line() {
        let port =
            Fault::new("is not a whole number", "Write one from 0 to 65535").at("port", Some("\"x\" (PORT)".into()));
        let store = Fault::new("no store is configured", "Set DATABASE_URL").at("store.url", None);
        insta::assert_snapshot!(ConfigError::from(port.clone()), @r#"
        the configuration has a problem:
          port = "x" (PORT): is not a whole number. Write one from 0 to 65535.
        "#);
        insta::assert_snapshot!(ConfigError::new(vec![port, store]), @r#"
        the configuration has 2 problems:
          port = "x" (PORT): is not a whole number. Write one from 0 to 65535.
          store.url: no store is configured. Set DATABASE_URL.
        "#);
    }

    #[test]
    fn credentials_of_urls_are_starred_out() {
        for (text, shown) in [
            ("postgres://u:hunter2@db/x", "postgres://***@db/x"),
            ("postgres://u:hun/te@r2@db/x", "postgres://***@db/x"),
            (
                "postgres://db/x?user=u&password=hunter2&sslmode=require",
                "postgres://db/x?user=u&password=***&sslmode=require",
            ),
            ("https://hunter2@host", "https://***@host"),
            ("user:hunter2@host/x", "***@host/x"),
            ("sqlite:data/addon.db", "sqlite:data/addon.db"),
            ("sqlite:///data/a@b.db", "sqlite:///data/a@b.db"),
            ("memory:", "memory:"),
            ("plain", "plain"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }
}
