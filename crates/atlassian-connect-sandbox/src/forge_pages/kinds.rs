//! What Forge shows a module of the descriptor as.

use crate::modules::{ModulePlace, PageModule};
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::forge_pages::places::{self, ForgeModule, Frame, Thing};

/// What the sandbox shows through Forge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// The type of the module on Forge.
    pub(super) name: &'static str,
    pub(super) frame: Frame,
    pub(super) has_history: bool,
    /// What its context is about.
    pub(super) things: &'static [Thing],
    /// Forge has no module of this kind: it is shown as a page.
    pub(super) is_stand_in: bool,
}

impl Kind {
    pub(super) fn of(module: &PageModule, product: Product) -> Self {
        let forge = if module.is_of_forge() {
            ForgeModule::named(&module.kind)
        } else {
            places::fate(product, &module.kind, &module.location).and_then(places::Fate::module)
        };
        let kind = match forge {
            Some(module) => module.into(),
            None => Self::stand_in(module.place, product),
        };
        // Confluence opens it in a dialog
        if module.page == Some("editor") { Self { frame: Frame::Dialog, has_history: false, ..kind } } else { kind }
    }

    /// A page that is about what the module is about in Connect.
    fn stand_in(place: ModulePlace, product: Product) -> Self {
        let name = if product == Product::Confluence { "confluence:globalPage" } else { "jira:globalPage" };
        let things: &[Thing] = match place {
            ModulePlace::Issue => &[Thing::Issue, Thing::Project],
            ModulePlace::Project => &[Thing::Project, Thing::Board],
            ModulePlace::Dashboard => &[Thing::Gadget],
            ModulePlace::Content => &[Thing::Content, Thing::Space],
            ModulePlace::Space => &[Thing::Space],
            ModulePlace::Nowhere => &[],
        };
        Self { name, frame: Frame::Page, has_history: true, things, is_stand_in: true }
    }
}

impl From<&'static ForgeModule> for Kind {
    fn from(module: &'static ForgeModule) -> Self {
        Self {
            name: module.name,
            frame: module.frame,
            has_history: module.has_history(),
            things: module.context,
            is_stand_in: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::pages;
    use serde_json::json;

    #[test]
    fn what_forge_does_not_have_is_shown_as_a_page() {
        for (kind, location, product, expected) in [
            ("webPanels", "atl.jira.view.issue.right.context", Product::Jira, ("jira:issueContext", false)),
            ("jiraWorkflowPostFunctions", "", Product::Jira, ("jira:workflowPostFunction", false)),
            ("webPanels", "atl.jira.view.issue.elsewhere", Product::Jira, ("jira:globalPage", true)),
            ("dialogs", "", Product::Confluence, ("confluence:globalPage", true)),
            ("somethingNew", "", Product::Jira, ("jira:globalPage", true)),
        ] {
            let modules = json!({ "modules": { kind: [{ "key": "k", "url": "/k", "location": location }] } });
            let shown = Kind::of(&pages(&modules)[0], product);
            assert_eq!((shown.name, shown.is_stand_in), expected, "{kind} at {location}");
        }
        let modules =
            json!({ "modules": { "webPanels": [{ "key": "k", "url": "/k", "location": "atl.jira.view.issue.x" }] } });
        assert_eq!(Kind::of(&pages(&modules)[0], Product::Jira).things, [Thing::Issue, Thing::Project]);
    }
}
