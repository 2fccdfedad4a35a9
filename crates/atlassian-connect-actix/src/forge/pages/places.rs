//! Which module of Forge takes the place of a Connect module that shows a page, and what Forge tells each of its modules.
//! `forge manifest --pages` and the sandbox both go by this table.
//!
//! Source: npm `@forge/manifest` 13.7.0 for the names; Atlassian, "Issue view UI locations", "User profile menu" and
//! "Extension point locations", for the locations; Forge's page of each module, "Extension context". Atlassian names few of
//! the pairs itself: the others have the same place in the product and the same context.

use crate::config::Product;
use crate::config::Product::{Confluence, Jira};

/// A module of Forge that shows a page.
#[derive(Debug, PartialEq, Eq)]
pub struct ForgeModule {
    /// `jira:issuePanel`.
    pub name: &'static str,
    /// How the product frames it.
    pub frame: Frame,
    /// What the extension context says of the place.
    pub context: &'static [Thing],
}

/// How a product frames a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// The product's main area.
    Page,
    /// A part of a page of the product. Its frame follows the height of its content.
    Panel,
    /// A dialog with a fixed size.
    Dialog,
}

/// A thing of the product that a module stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// `issue`: id, key, type, typeId.
    Issue,
    /// `project`: id, key, type.
    Project,
    /// `board`: id, type.
    Board,
    /// `dashboard` and `gadget`: id.
    Gadget,
    /// `portal`: id.
    Portal,
    /// `request`: key, typeId.
    Request,
    /// `content`: id, type.
    Content,
    /// `space`: id, key.
    Space,
}

/// Why a module of Connect has no counterpart on Forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// Forge has no such module.
    NoCounterpart,
    /// On Forge a dialog needs no module.
    Dialog,
    /// Forge's module cannot call an endpoint, and so not the shell's.
    NoEndpoint,
    /// Its page has a place. But Forge's callback after a transition is another one than Connect's.
    OtherCallback(&'static ForgeModule),
}

/// What becomes of a module of Connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It becomes this module.
    Moves(&'static ForgeModule),
    /// It stays a Connect module.
    Stays(Obstacle),
}

impl Fate {
    /// The module of Forge that shows its page.
    #[must_use]
    pub fn module(self) -> Option<&'static ForgeModule> {
        match self {
            Self::Moves(module) | Self::Stays(Obstacle::OtherCallback(module)) => Some(module),
            Self::Stays(_) => None,
        }
    }
}

impl ForgeModule {
    /// The module of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        modules().find(|module| module.name == name)
    }

    /// Whether the product shows the app's history in the address.
    ///
    /// Source: Atlassian, "view.createHistory".
    #[must_use]
    pub fn has_history(&self) -> bool {
        self.frame == Frame::Page && *self != QUEUE_PAGE
    }

    /// The product that has the module.
    #[must_use]
    pub fn product(&self) -> Product {
        if self.name.starts_with("jira") { Jira } else { Confluence }
    }
}

const fn module(name: &'static str, frame: Frame, context: &'static [Thing]) -> ForgeModule {
    ForgeModule { name, frame, context }
}

use Frame::{Dialog, Page, Panel};
use Thing::{Board, Content, Gadget, Issue, Portal, Project, Request, Space};

static ADMIN_PAGE: ForgeModule = module("jira:adminPage", Page, &[]);
static GLOBAL_PAGE: ForgeModule = module("jira:globalPage", Page, &[]);
static PERSONAL_SETTINGS_PAGE: ForgeModule = module("jira:personalSettingsPage", Page, &[]);
static PROJECT_PAGE: ForgeModule = module("jira:projectPage", Page, &[Project, Board]);
static PROJECT_SETTINGS_PAGE: ForgeModule = module("jira:projectSettingsPage", Page, &[Project]);
static ISSUE_PANEL: ForgeModule = module("jira:issuePanel", Panel, &[Issue, Project]);
static ISSUE_CONTEXT: ForgeModule = module("jira:issueContext", Panel, &[Issue, Project]);
static ISSUE_ACTIVITY: ForgeModule = module("jira:issueActivity", Panel, &[Issue, Project]);
static ISSUE_ACTION: ForgeModule = module("jira:issueAction", Dialog, &[Issue, Project]);
static BOARD_ACTION: ForgeModule = module("jira:boardAction", Dialog, &[Project, Board]);
static DASHBOARD_GADGET: ForgeModule = module("jira:dashboardGadget", Panel, &[Gadget]);
static WORKFLOW_CONDITION: ForgeModule = module("jira:workflowCondition", Panel, &[]);
static WORKFLOW_VALIDATOR: ForgeModule = module("jira:workflowValidator", Panel, &[]);
static WORKFLOW_POST_FUNCTION: ForgeModule = module("jira:workflowPostFunction", Panel, &[]);
static QUEUE_PAGE: ForgeModule = module("jiraServiceManagement:queuePage", Page, &[Project]);
static PORTAL_HEADER: ForgeModule = module("jiraServiceManagement:portalHeader", Panel, &[Portal]);
static PORTAL_SUBHEADER: ForgeModule = module("jiraServiceManagement:portalSubheader", Panel, &[Portal]);
static PORTAL_FOOTER: ForgeModule = module("jiraServiceManagement:portalFooter", Panel, &[Portal]);
static PORTAL_PROFILE_PANEL: ForgeModule = module("jiraServiceManagement:portalProfilePanel", Panel, &[]);
static PORTAL_USER_MENU_ACTION: ForgeModule = module("jiraServiceManagement:portalUserMenuAction", Dialog, &[Portal]);
static PORTAL_REQUEST_DETAIL: ForgeModule =
    module("jiraServiceManagement:portalRequestDetail", Panel, &[Portal, Request]);
static PORTAL_REQUEST_DETAIL_PANEL: ForgeModule =
    module("jiraServiceManagement:portalRequestDetailPanel", Panel, &[Portal, Request]);
static PORTAL_REQUEST_VIEW_ACTION: ForgeModule =
    module("jiraServiceManagement:portalRequestViewAction", Dialog, &[Portal, Request]);
static PORTAL_REQUEST_CREATE_PROPERTY_PANEL: ForgeModule =
    module("jiraServiceManagement:portalRequestCreatePropertyPanel", Panel, &[Portal, Request]);
static ORGANIZATION_PANEL: ForgeModule = module("jiraServiceManagement:organizationPanel", Panel, &[]);
static GLOBAL_SETTINGS: ForgeModule = module("confluence:globalSettings", Page, &[]);
static CONFLUENCE_GLOBAL_PAGE: ForgeModule = module("confluence:globalPage", Page, &[]);
static CONTENT_BYLINE_ITEM: ForgeModule = module("confluence:contentBylineItem", Panel, &[Content, Space]);
static CONTENT_ACTION: ForgeModule = module("confluence:contentAction", Dialog, &[Content, Space]);
static PAGE_BANNER: ForgeModule = module("confluence:pageBanner", Panel, &[Content, Space]);
static SPACE_PAGE: ForgeModule = module("confluence:spacePage", Page, &[Space]);
static SPACE_SETTINGS: ForgeModule = module("confluence:spaceSettings", Page, &[Space]);
static MACRO: ForgeModule = module("macro", Panel, &[Content, Space]);

/// Further modules of Forge that show a page, for an app's own manifest.
static OF_FORGE_ALONE: &[ForgeModule] = &[
    module("jira:fullPage", Page, &[]),
    module("jira:issueGlance", Panel, &[Issue, Project]),
    module("jira:backlogAction", Dialog, &[Project, Board]),
    module("jira:sprintAction", Dialog, &[Project, Board]),
    module("jira:issueNavigatorAction", Dialog, &[]),
    module("confluence:fullPage", Page, &[]),
    module("confluence:contextMenu", Dialog, &[Content, Space]),
    module("confluence:homepageFeed", Panel, &[]),
];

/// A row of the table.
struct Row {
    /// `None`: both.
    product: Option<Product>,
    /// Connect's kind.
    kind: &'static str,
    location: Location,
    fate: Fate,
}

/// Where in the product a module stands, for kinds that leave it open.
enum Location {
    Any,
    /// One of these, or what is below it after a slash.
    At(&'static [&'static str]),
}

use Location::{Any, At};

const ISSUE_MENUS: Location = At(&[
    "jira.issue.tools",
    "operations-top-level",
    "operations-work",
    "operations-attachments",
    "operations-voteswatchers",
    "operations-subtasks",
    "operations-operations",
    "operations-delete",
    "opsbar-operations",
]);

const fn moves(product: Product, kind: &'static str, location: Location, module: &'static ForgeModule) -> Row {
    Row { product: Some(product), kind, location, fate: Fate::Moves(module) }
}

const fn stays(kind: &'static str, obstacle: Obstacle) -> Row {
    Row { product: None, kind, location: Any, fate: Fate::Stays(obstacle) }
}

/// The first row that fits counts.
static ROWS: &[Row] = &[
    moves(Jira, "adminPages", Any, &ADMIN_PAGE),
    moves(Jira, "configurePage", Any, &ADMIN_PAGE),
    moves(Jira, "postInstallPage", Any, &ADMIN_PAGE),
    moves(Jira, "generalPages", Any, &GLOBAL_PAGE),
    moves(Jira, "profilePages", Any, &PERSONAL_SETTINGS_PAGE),
    moves(Jira, "jiraProjectPages", Any, &PROJECT_PAGE),
    moves(Jira, "jiraProjectTabPanels", Any, &PROJECT_PAGE),
    moves(Jira, "jiraProjectAdminTabPanels", Any, &PROJECT_SETTINGS_PAGE),
    moves(Jira, "jiraIssueContents", Any, &ISSUE_PANEL),
    moves(Jira, "webPanels", At(&["atl.jira.view.issue.left.context"]), &ISSUE_PANEL),
    moves(Jira, "jiraIssueGlances", Any, &ISSUE_CONTEXT),
    moves(Jira, "jiraIssueContexts", Any, &ISSUE_CONTEXT),
    moves(Jira, "webPanels", At(&["atl.jira.view.issue.right.context"]), &ISSUE_CONTEXT),
    moves(Jira, "jiraIssueTabPanels", Any, &ISSUE_ACTIVITY),
    moves(Jira, "webItems", ISSUE_MENUS, &ISSUE_ACTION),
    moves(Jira, "webItems", At(&["jira.agile.board.tools"]), &BOARD_ACTION),
    moves(Jira, "webItems", At(&["system.user.options"]), &PERSONAL_SETTINGS_PAGE),
    moves(Jira, "jiraDashboardItems", Any, &DASHBOARD_GADGET),
    moves(Jira, "jiraWorkflowConditions", Any, &WORKFLOW_CONDITION),
    moves(Jira, "jiraWorkflowValidators", Any, &WORKFLOW_VALIDATOR),
    moves(Jira, "serviceDeskQueues", Any, &QUEUE_PAGE),
    moves(Jira, "serviceDeskPortalHeaders", Any, &PORTAL_HEADER),
    moves(Jira, "serviceDeskPortalSubHeaders", Any, &PORTAL_SUBHEADER),
    moves(Jira, "serviceDeskPortalFooters", Any, &PORTAL_FOOTER),
    moves(Jira, "serviceDeskPortalProfilePanels", Any, &PORTAL_PROFILE_PANEL),
    moves(Jira, "serviceDeskPortalProfileActions", Any, &PORTAL_USER_MENU_ACTION),
    moves(Jira, "serviceDeskPortalUserMenuActions", Any, &PORTAL_USER_MENU_ACTION),
    moves(Jira, "serviceDeskPortalRequestViewPanels", Any, &PORTAL_REQUEST_DETAIL_PANEL),
    moves(Jira, "serviceDeskPortalRequestViewDetailsPanels", Any, &PORTAL_REQUEST_DETAIL),
    moves(Jira, "serviceDeskPortalRequestViewActions", Any, &PORTAL_REQUEST_VIEW_ACTION),
    moves(Jira, "serviceDeskPortalRequestCreatePropertyPanels", Any, &PORTAL_REQUEST_CREATE_PROPERTY_PANEL),
    moves(Jira, "serviceDeskOrganizationPanels", Any, &ORGANIZATION_PANEL),
    moves(Confluence, "adminPages", Any, &GLOBAL_SETTINGS),
    moves(Confluence, "configurePage", Any, &GLOBAL_SETTINGS),
    moves(Confluence, "postInstallPage", Any, &GLOBAL_SETTINGS),
    moves(Confluence, "generalPages", Any, &CONFLUENCE_GLOBAL_PAGE),
    moves(Confluence, "contentBylineItems", Any, &CONTENT_BYLINE_ITEM),
    moves(Confluence, "webItems", At(&["system.content.action", "system.content.button"]), &CONTENT_ACTION),
    moves(Confluence, "webItems", At(&["system.space.sidebar"]), &SPACE_PAGE),
    moves(Confluence, "webPanels", At(&["atl.page.metadata.banner"]), &PAGE_BANNER),
    moves(Confluence, "spaceToolsTabs", Any, &SPACE_SETTINGS),
    moves(Confluence, "dynamicContentMacros", Any, &MACRO),
    stays("dialogs", Obstacle::Dialog),
    stays("customContent", Obstacle::NoEndpoint),
    stays("jiraWorkflowPostFunctions", Obstacle::OtherCallback(&WORKFLOW_POST_FUNCTION)),
    stays("assetPanels", Obstacle::NoCounterpart),
    stays("blueprints", Obstacle::NoCounterpart),
    stays("confluenceThemes", Obstacle::NoCounterpart),
    stays("jiraBackgroundScripts", Obstacle::NoCounterpart),
    stays("jiraReports", Obstacle::NoCounterpart),
    stays("jiraSearchRequestViews", Obstacle::NoCounterpart),
    stays("keyboardShortcuts", Obstacle::NoCounterpart),
    stays("profilePages", Obstacle::NoCounterpart),
    stays("serviceDeskOrganizationActions", Obstacle::NoCounterpart),
    stays("serviceDeskReports", Obstacle::NoCounterpart),
    stays("staticContentMacros", Obstacle::NoCounterpart),
    stays("webItems", Obstacle::NoCounterpart),
    stays("webPanels", Obstacle::NoCounterpart),
];

/// Every module: those that a Connect module can become, as often as rows name them, then Forge's further ones.
fn modules() -> impl Iterator<Item = &'static ForgeModule> {
    ROWS.iter().filter_map(|row| row.fate.module()).chain(OF_FORGE_ALONE)
}

/// What becomes of a module of this kind, at this location of this product. `None`: the kind shows no page, or is not known.
#[must_use]
pub fn fate(product: Product, kind: &str, location: &str) -> Option<Fate> {
    let fits =
        |row: &&Row| row.kind == kind && row.product.is_none_or(|of| of == product) && row.location.includes(location);
    ROWS.iter().find(fits).map(|row| row.fate)
}

/// Forge's name of the size that a dialog of Connect has.
#[must_use]
pub fn dialog_size(connect: &str) -> Option<&'static str> {
    Some(match connect.to_ascii_lowercase().as_str() {
        "small" => "small",
        "medium" => "medium",
        "large" => "large",
        "x-large" | "xlarge" => "xlarge",
        "maximum" | "fullscreen" | "max" => "max",
        _ => return None,
    })
}

impl Location {
    fn includes(&self, location: &str) -> bool {
        match self {
            Any => true,
            At(places) => places
                .iter()
                .any(|place| location.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::names;

    #[test]
    fn a_row_names_a_kind_of_its_product() {
        for Row { product, kind, fate, .. } in ROWS {
            let known = names::kind(kind).unwrap_or_else(|| panic!("{kind}"));
            assert!(product.is_none_or(|product| known.product.includes(product)), "{kind}");
            if let (Some(product), Fate::Moves(module)) = (product, fate) {
                assert_eq!(module.product(), *product, "{kind}");
            }
        }
    }

    #[test]
    fn no_two_modules_have_the_same_name() {
        for module in modules() {
            assert_eq!(ForgeModule::named(module.name), Some(module));
        }
    }

    /// The shell knows the name alone: `isFullPage` and `hasButtons` of forge/shell/host.ts.
    #[test]
    fn the_name_says_how_a_module_is_framed() {
        for module in modules() {
            let ends = |endings: [&str; 2]| endings.iter().any(|ending| module.name.ends_with(ending));
            assert_eq!(module.frame == Page, ends(["Page", "Settings"]), "{}", module.name);
            assert_eq!(module.frame == Dialog, ends(["Action", ":contextMenu"]), "{}", module.name);
        }
    }

    #[test]
    fn kind_and_location_decide() {
        for (product, kind, location, expected) in [
            (Jira, "generalPages", "", "jira:globalPage"),
            (Confluence, "generalPages", "", "confluence:globalPage"),
            (Confluence, "adminPages", "admin_plugins_menu", "confluence:globalSettings"),
            (Jira, "profilePages", "", "jira:personalSettingsPage"),
            (Confluence, "profilePages", "", "-"),
            (Jira, "webPanels", "atl.jira.view.issue.right.context", "jira:issueContext"),
            (Jira, "webPanels", "atl.jira.view.issue.left.context", "jira:issuePanel"),
            (Jira, "webPanels", "atl.jira.view.project.right.context", "-"),
            (Confluence, "webPanels", "atl.page.metadata.banner", "confluence:pageBanner"),
            (Confluence, "webPanels", "atl.page.header", "-"),
            (Jira, "webItems", "operations-work", "jira:issueAction"),
            (Jira, "webItems", "operations", "-"),
            (Jira, "webItems", "system.user.options/personal", "jira:personalSettingsPage"),
            (Jira, "webItems", "system.user.profile.links", "-"),
            (Confluence, "webItems", "system.content.action/primary", "confluence:contentAction"),
            (Confluence, "webItems", "system.content.actions", "-"),
            (Confluence, "webItems", "system.content.metadata", "-"),
            (Confluence, "dynamicContentMacros", "", "macro"),
            (Jira, "jiraWorkflowPostFunctions", "", "jira:workflowPostFunction"),
            (Jira, "jiraReports", "", "-"),
            (Jira, "dialogs", "", "-"),
            (Jira, "webhooks", "", "none"),
            (Jira, "spaceToolsTabs", "", "none"),
            (Jira, "somethingNew", "", "none"),
        ] {
            let fate = fate(product, kind, location);
            let found = fate.map_or("none", |fate| fate.module().map_or("-", |module| module.name));
            assert_eq!(found, expected, "{kind} at {location:?} of {product:?}");
        }
    }
}
