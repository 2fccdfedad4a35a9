//! What Forge's modules hold, and how many of each an app may have.
//!
//! Source: npm `@forge/manifest` 13.7.0.

/// A member of a Forge module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Title,
    /// What the button of an issue context says.
    Label,
    Tooltip,
    Description,
    Icon,
    /// One that has to be there.
    NeededIcon,
    Thumbnail,
    /// The page has the product's main area for itself.
    BlankLayout,
    /// The end of the page's address.
    Route,
    /// The size of a dialog: those that Forge knows there.
    Size(&'static [&'static str]),
    /// Copied as it is.
    Same(&'static str),
    /// What a gadget has beyond its page.
    Gadget,
    /// What an item of the byline has beyond its page.
    Byline,
    /// What a macro has beyond its page.
    Macro,
    /// What a rule of a workflow has: a name in place of a title, and a page for each of three moments.
    Rule,
}

use Member::{
    BlankLayout, Byline, Description, Gadget, Icon, Label, Macro, NeededIcon, Route, Rule, Same, Size, Thumbnail,
    Title, Tooltip,
};

const DIALOG_SIZES: Member = Size(&["small", "medium", "large", "xlarge", "max"]);
const PORTAL_SIZES: Member = Size(&["small", "medium", "large", "xlarge"]);

/// What a module of this name holds besides key, resource and resolver.
pub(super) fn members(forge: &str) -> &'static [Member] {
    match forge {
        "jira:issuePanel" => &[Title, NeededIcon],
        "jira:issueContext" => &[Title, Label, Icon],
        "jira:issueAction" | "confluence:contentAction" => &[Title, DIALOG_SIZES],
        "jira:boardAction" => &[Title, Tooltip, Icon, DIALOG_SIZES],
        "jira:dashboardGadget" => &[Title, Description, Thumbnail, Gadget],
        "jira:workflowCondition" | "jira:workflowValidator" => &[Rule],
        "jiraServiceManagement:portalHeader"
        | "jiraServiceManagement:portalSubheader"
        | "jiraServiceManagement:portalFooter"
        | "jiraServiceManagement:portalRequestCreatePropertyPanel"
        | "confluence:pageBanner" => &[],
        "jiraServiceManagement:portalUserMenuAction" | "jiraServiceManagement:portalRequestViewAction" => {
            &[Title, PORTAL_SIZES]
        }
        "confluence:globalPage" | "confluence:spacePage" => &[Title, Icon, Route],
        "confluence:contentBylineItem" => &[Title, Tooltip, Icon, Byline],
        "confluence:spaceSettings" => &[Title, Route],
        "macro" => &[Title, Description, Icon, Same("hidden"), Macro],
        "jira:adminPage"
        | "jira:globalPage"
        | "jira:personalSettingsPage"
        | "jira:projectPage"
        | "jira:projectSettingsPage"
        | "jiraServiceManagement:queuePage" => &[Title, Icon, BlankLayout],
        _ => &[Title],
    }
}

/// The member that says what a page is for, where that is more than a page: true for pages of this Connect kind.
pub(super) fn purpose(kind: &str) -> Option<&'static str> {
    match kind {
        "configurePage" => Some("useAsConfig"),
        "postInstallPage" => Some("useAsGetStarted"),
        _ => None,
    }
}

/// Whether an app may have but one module of this name and purpose: Forge's lint refuses a second one.
pub(super) fn is_single(forge: &str, purpose: Option<&str>) -> bool {
    purpose.is_some()
        || ["jira:adminPage", "jira:globalPage", "jira:projectPage", "jira:projectSettingsPage"].contains(&forge)
}
