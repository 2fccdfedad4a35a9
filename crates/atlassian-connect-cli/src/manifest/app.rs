//! The section `app`: the app's identity.

use serde_json::{Value, json};

use super::conversion::Conversion;
use super::exceptions::{LONG_DESCRIPTION, ODD_TYPE};
use super::yaml::{Item, Node, member};
use atlassian_connect_actix::internal::jwt::ForgeClaims;
use atlassian_connect_actix::internal::manifest::NO_ID;

/// The remote of the Connect modules.
pub(super) const REMOTE: &str = "connect";
/// Source: npm `@forge/manifest` 13.7.0.
const LONGEST_DESCRIPTION: usize = 1000;

impl Conversion<'_> {
    pub(super) fn app(&mut self, id: Option<&str>) -> Vec<Item> {
        let mut app = Vec::new();
        if id.is_none() {
            app.push(Item::Prose(
                "`forge register` puts the app's id here. Write it into config.json as well, as appId.",
            ));
        }
        app.push(member("id", format!("{}{}", ForgeClaims::APP_ARI, id.unwrap_or(NO_ID)).as_str()));
        if let Some(description) = self.description() {
            app.push(member("description", description));
        }
        app.push(member(
            "connect",
            vec![
                Item::Prose("Never change it: it identifies the app's installations and their stored data."),
                member("key", self.descriptor.key()),
                member("remote", REMOTE),
            ],
        ));
        if let Some(licensing) = self.licensing() {
            app.push(Item::Prose("Must be the same as for Connect: a paid app stays paid, a free one stays free."));
            app.push(member("licensing", licensing));
        }
        app.push(Item::Prose("Forge requires a runtime, even if no function uses it."));
        app.push(member("runtime", Node::from(&json!({ "name": "nodejs22.x" }))));
        vec![member("app", app)]
    }

    fn description(&mut self) -> Option<&str> {
        let stated = self.member("description")?;
        let Some(text) = stated.as_str() else {
            self.report_with(&ODD_TYPE, "$.description", "a text");
            return None;
        };
        if text.chars().count() > LONGEST_DESCRIPTION {
            self.report(&LONG_DESCRIPTION, "$.description");
            return None;
        }
        Some(text)
    }

    /// Only paid apps have editions.
    fn licensing(&mut self) -> Option<Node> {
        let enabled = self.switch("enableLicensing");
        let editions = self.switch("editionsEnabled").unwrap_or(false);
        let mut licensing = json!({ "enabled": enabled.or(editions.then_some(true))? });
        if editions {
            licensing["editionsEnabled"] = Value::Bool(true);
        }
        Some(Node::from(&licensing))
    }

    fn switch(&mut self, name: &str) -> Option<bool> {
        let stated = self.member(name)?;
        if !stated.is_boolean() {
            self.report_with(&ODD_TYPE, format!("$.{name}"), "true or false");
        }
        stated.as_bool()
    }
}
