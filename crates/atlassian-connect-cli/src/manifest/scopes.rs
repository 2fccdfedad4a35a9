//! The section `permissions.scopes`: the scopes of the Connect tokens, which stay in use, and of the Forge tokens.

use super::conversion::Conversion;
use super::exceptions::{NO_SCOPE, ODD_TYPE};
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::descriptor;

/// Scopes of both products. Source: npm `@forge/manifest` 13.7.0, `shipyard-scopes.json`.
const SCOPES: [&str; 6] = ["read", "write", "delete", "admin", "act-as-user", "access-email-addresses"];

/// A Forge scope, and the Connect scopes that need it (a wider Connect scope includes the narrower ones). Without
/// Connect scopes it is always added: Forge issues no token without a scope of the product.
pub(super) type Scope = (&'static str, &'static [&'static str]);

const JIRA: [Scope; 5] = [
    ("read:jira-work", &[]),
    ("read:jira-user", &["read", "write", "delete", "project-admin", "admin"]),
    ("write:jira-work", &["write", "delete", "project-admin", "admin"]),
    ("manage:jira-project", &["project-admin", "admin"]),
    ("manage:jira-configuration", &["admin"]),
];

const CONFLUENCE: [Scope; 6] = [
    ("read:confluence-content.all", &[]),
    ("read:confluence-space.summary", &["read", "write", "delete", "space-admin", "admin"]),
    ("read:confluence-user", &["read", "write", "delete", "space-admin", "admin"]),
    ("write:confluence-content", &["write", "delete", "space-admin", "admin"]),
    ("write:confluence-space", &["space-admin", "admin"]),
    ("manage:confluence-configuration", &["admin"]),
];

/// The Forge scopes that correspond to the Connect scopes of a product.
pub(super) fn of_forge(product: Product) -> &'static [Scope] {
    if product == Product::Confluence { &CONFLUENCE } else { &JIRA }
}

/// Whether the manifest's Connect scopes `stated` need this Forge scope.
pub(super) fn is_wanted((_, of_connect): &Scope, stated: &[String]) -> bool {
    let names = || stated.iter().filter_map(|scope| scope.split_once(':')).map(|(name, _)| name);
    of_connect.is_empty() || names().any(|name| of_connect.contains(&name))
}

impl Conversion<'_> {
    /// `read:connect-jira` …, without duplicates.
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
                // this scope grants nothing
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
