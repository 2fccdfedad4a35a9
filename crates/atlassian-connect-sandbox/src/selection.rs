//! Who looks at what and how: the choices of the sandbox's user, which stand in the query of its pages.

use std::fmt::Write as _;

use super::context::encoded;
use super::user::User;

/// The choices.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub(super) user: User,
    /// `light`, `dark`, or `system` until one of them is chosen.
    pub(super) theme: &'static str,
    /// `active` or `none`, the parameter `lic`.
    pub(super) license: String,
    /// Context parameters with other values than the sandbox's, and `ac.` parameters of the add-on's own.
    pub(super) overrides: Vec<(String, String)>,
}

/// Names in the query that are no context parameters.
const OWN: [&str; 4] = ["user", "theme", "license", "module"];

impl Selection {
    /// Reads a query; what is unknown counts as not chosen.
    pub(super) fn read(query: &str) -> Self {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        Self {
            user: User::of_key(value("user").unwrap_or_default()),
            theme: match value("theme") {
                Some("dark") => "dark",
                Some("light") => "light",
                _ => "system",
            },
            license: if value("license") == Some("none") { "none".into() } else { "active".into() },
            overrides: pairs.iter().filter(|(key, _)| !OWN.contains(&key.as_str())).cloned().collect(),
        }
    }

    /// As a query, without the `?`.
    pub(super) fn query(&self) -> String {
        let mut query = format!("user={}&theme={}&license={}", self.user.key, self.theme, self.license);
        for (name, value) in &self.overrides {
            let _ = write!(query, "&{}={}", encoded(name), encoded(value));
        }
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_and_written() {
        for (query, expected) in [
            ("", "user=ada&theme=system&license=active"),
            ("user=mia&theme=dark&license=none", "user=mia&theme=dark&license=none"),
            ("theme=light", "user=ada&theme=light&license=active"),
            ("user=eve&theme=<x>&license=y", "user=ada&theme=system&license=active"),
            ("issue.key=A%26B&ac.x=%C3%BC", "user=ada&theme=system&license=active&issue.key=A%26B&ac.x=%C3%BC"),
        ] {
            assert_eq!(Selection::read(query).query(), expected);
            assert_eq!(Selection::read(expected).query(), expected, "reading what is written changes nothing");
        }
    }
}
