//! The environment that the add-on runs in.

use std::fmt;

use super::Vars;

/// The environment: its name, and whether it relaxes rules.
///
/// Only `development` and `test` relax rules; any other name has production's rules.
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
    /// The environment named by `APP_ENV`, else by `NODE_ENV`. If neither is set, it is `production` if Heroku's `DYNO`
    /// is set, else `development`.
    ///
    /// Does not read the file, so that logging can be set up before the configuration is read.
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

    /// Its name, which is also that of its section in `config.json` and the descriptor's `{{environment}}`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether development's rules apply: in `development` and `test`.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.kind != Kind::Production
    }

    /// Whether it is `development` itself, where a developer is watching. It is false in `test`.
    #[must_use]
    pub fn is_development_itself(&self) -> bool {
        self.kind == Kind::Development
    }

    /// Whether production's rules apply: in every other environment.
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
