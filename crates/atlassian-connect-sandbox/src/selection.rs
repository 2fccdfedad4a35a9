//! The choices of the sandbox's user (who, what, how), stored in the query of its pages.

use std::fmt::Write as _;

use super::context::encoded;
use super::user::User;

/// How the add-on's pages are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    /// In a frame of the product, with a token of the site.
    Connect,
    /// In a frame of the app's shell, inside a frame of the product.
    Forge,
}

/// The choices.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub(super) user: User,
    /// `light`, `dark`, or `system` if none of them is chosen.
    pub(super) theme: &'static str,
    /// `active` or `none`: the parameter `lic`.
    pub(super) license: String,
    pub(super) through: Through,
    /// Changed values of context parameters, and the add-on's own `ac.` parameters.
    pub(super) overrides: Vec<(String, String)>,
}

/// Names in the query that are not context parameters.
const OWN: [&str; 5] = ["user", "theme", "license", "through", "module"];

impl Selection {
    /// Reads a query. Unknown values count as not chosen.
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
            through: if value("through") == Some("forge") { Through::Forge } else { Through::Connect },
            overrides: pairs.iter().filter(|(key, _)| !OWN.contains(&key.as_str())).cloned().collect(),
        }
    }

    /// The same choices, shown another way.
    pub(super) fn shown_through(&self, through: Through) -> Self {
        Self { through, ..self.clone() }
    }

    /// For the templates.
    pub(super) fn is_through_forge(&self) -> bool {
        self.through == Through::Forge
    }

    /// The choices as a query, without the `?`.
    pub(super) fn query(&self) -> String {
        let mut query = format!("user={}&theme={}&license={}", self.user.key, self.theme, self.license);
        if self.through == Through::Forge {
            query.push_str("&through=forge");
        }
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
            ("through=forge&user=mia", "user=mia&theme=system&license=active&through=forge"),
            ("through=connect", "user=ada&theme=system&license=active"),
            ("theme=light", "user=ada&theme=light&license=active"),
            ("user=eve&theme=<x>&license=y", "user=ada&theme=system&license=active"),
            ("issue.key=A%26B&ac.x=%C3%BC", "user=ada&theme=system&license=active&issue.key=A%26B&ac.x=%C3%BC"),
        ] {
            assert_eq!(Selection::read(query).query(), expected);
            assert_eq!(Selection::read(expected).query(), expected, "reading what is written changes nothing");
        }
    }
}
