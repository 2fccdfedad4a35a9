//! A snapshot of the environment variables.

use std::collections::BTreeMap;
use std::fmt;

/// Environment variables, read once. All code of the crate takes them from here, so that tests need not change the
/// process.
///
/// A variable that is set but empty counts as unset, which is what shells and hosting platforms mean by it.
///
/// ```
/// use atlassian_connect_actix::config::Vars;
///
/// let vars = Vars::from([("PORT", "8080"), ("AC_APP_KEY", "")]).with_default("DATABASE_URL", "memory:");
/// assert_eq!(vars.get("PORT"), Some("8080"));
/// assert_eq!(vars.get("AC_APP_KEY"), None);
/// assert_eq!(vars.get("DATABASE_URL"), Some("memory:"));
/// ```
#[derive(Clone, Default)]
pub struct Vars(BTreeMap<String, String>);

impl Vars {
    /// The variables of this process, except those that are not UTF-8.
    #[must_use]
    pub fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of `name`; `None` if it is unset or blank.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// Sets `name` if it is unset: for a command or an example with its own default.
    #[must_use]
    pub fn with_default(mut self, name: &str, value: &str) -> Self {
        if self.get(name).is_none() {
            self.0.insert(name.to_owned(), value.to_owned());
        }
        self
    }
}

/// Shows names only: a value may be a secret.
impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Vars {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Vars {
    fn from(variables: [(&str, &str); N]) -> Self {
        variables.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_applies_to_unset_and_empty_variables() {
        let vars = Vars::from([("SET", "1"), ("EMPTY", ""), ("BLANK", " ")]);
        let vars = vars.with_default("SET", "2").with_default("EMPTY", "2").with_default("UNSET", "2");
        let values = ["SET", "EMPTY", "UNSET", "BLANK", "OTHER"].map(|name| vars.get(name));
        assert_eq!(values, [Some("1"), Some("2"), Some("2"), None, None]);
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let vars = Vars::from([("DATABASE_URL", "postgres://u:hunter2@h/d")]);
        assert_eq!(format!("{vars:?}"), r#"{"DATABASE_URL"}"#);
    }

    #[test]
    fn the_process_is_read() {
        assert!(std::env::var("PATH").is_ok_and(|path| Vars::from_process().get("PATH") == Some(&path)));
    }
}
