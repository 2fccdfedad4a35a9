//! Which environment the add-on runs in.

use std::fmt;

use super::Vars;

/// The environment: its name, and whether it relaxes anything.
///
/// Only `development` and `test` do; any other name has production's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Development,
    Test,
    Production,
}

impl Environment {
    /// The environment that `APP_ENV` names, else `NODE_ENV`, else `production` where Heroku's `DYNO` is set, else
    /// `development`.
    ///
    /// Needs no file: logging can be set up by it before the configuration is read.
    #[must_use]
    pub fn from_vars(vars: &Vars) -> Self {
        let named = vars.get("APP_ENV").or_else(|| vars.get("NODE_ENV"));
        let name = named.unwrap_or(if vars.get("DYNO").is_some() { "production" } else { "development" }).trim();
        let kind = match name {
            "development" => Kind::Development,
            "test" => Kind::Test,
            _ => Kind::Production,
        };
        Self { name: name.to_owned(), kind }
    }

    /// Its name, which is also the name of its section in `config.json` and the descriptor's `{{environment}}`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether development's rules hold: in `development` and in `test`.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.kind != Kind::Production
    }

    /// Whether it is `development` itself: somebody works here. In `test` nobody looks.
    #[must_use]
    pub fn is_development_itself(&self) -> bool {
        self.kind == Kind::Development
    }

    /// Whether production's rules hold: everywhere else.
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.kind == Kind::Production
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Variables = &'static [(&'static str, &'static str)];

    #[test]
    fn the_name_and_the_rules() {
        let table: [(Variables, &str, bool); 9] = [
            (&[], "development", true),
            (&[("DYNO", "web.1")], "production", false),
            (&[("NODE_ENV", "development"), ("DYNO", "web.1")], "development", true),
            (&[("NODE_ENV", "production")], "production", false),
            (&[("APP_ENV", "test"), ("NODE_ENV", "production")], "test", true),
            (&[("APP_ENV", ""), ("NODE_ENV", "production")], "production", false),
            (&[("APP_ENV", ""), ("NODE_ENV", "")], "development", true),
            (&[("APP_ENV", "staging")], "staging", false),
            (&[("APP_ENV", "Development")], "Development", false),
        ];
        for (variables, name, relaxed) in table {
            let environment = Environment::from_vars(&variables.iter().copied().collect());
            assert_eq!(environment.name(), name, "{variables:?}");
            assert_eq!(environment.is_development(), relaxed, "{variables:?}");
            assert_eq!(environment.is_production(), !relaxed, "{variables:?}");
            assert_eq!(environment.is_development_itself(), name == "development", "{variables:?}");
        }
    }
}
