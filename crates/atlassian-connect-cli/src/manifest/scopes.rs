//! `permissions.scopes`: what the app may do with the Connect tokens that it goes on having.

use super::conversion::Conversion;
use super::exceptions::{NO_SCOPE, ODD_TYPE};
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::descriptor;

/// Of both products. Source: npm `@forge/manifest` 13.7.0, `shipyard-scopes.json`.
const SCOPES: [&str; 6] = ["read", "write", "delete", "admin", "act-as-user", "access-email-addresses"];

impl Conversion<'_> {
    /// `read:connect-jira` …, each once.
    pub(super) fn scopes(&mut self) -> Vec<String> {
        let Some(stated) = self.member("scopes") else { return Vec::new() };
        let Some(stated) = stated.as_array() else {
            self.report_with(&ODD_TYPE, "$.scopes", "a list");
            return Vec::new();
        };
        let mut scopes: Vec<String> = Vec::new();
        for (index, scope) in stated.iter().enumerate() {
            let name = scope.as_str().map(|name| name.to_ascii_lowercase().replace('_', "-"));
            match name {
                // it grants nothing
                Some(name) if name == "none" => {}
                Some(name) if self.is_known(&name) => {
                    let scope = format!("{name}:connect-{}", self.product.as_str());
                    if !scopes.contains(&scope) {
                        scopes.push(scope);
                    }
                }
                _ => self.report_with(&NO_SCOPE, descriptor::item("$.scopes", index), self.product.as_str()),
            }
        }
        scopes
    }

    fn is_known(&self, name: &str) -> bool {
        let own = if self.product == Product::Confluence { "space-admin" } else { "project-admin" };
        name == own || SCOPES.contains(&name)
    }
}
