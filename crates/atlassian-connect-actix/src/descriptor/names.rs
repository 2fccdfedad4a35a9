//! The names in descriptors of Jira and Confluence. A name that is not here may be newer than this file.
//!
//! Source: Atlassian, "Jira global schema" (2022); npm `@forge/manifest` 13.7.0 for the module types, which it calls
//! `connect-jira:…` and `connect-confluence:…`; Atlassian's documentation of Connect for the rest, such as
//! `profilePages`.

use crate::config::Product;

/// The members of the root. The last three are Bitbucket's.
pub const ROOT: &[&str] = &[
    "key",
    "baseUrl",
    "name",
    "version",
    "description",
    "vendor",
    "links",
    "authentication",
    "lifecycle",
    "modules",
    "scopes",
    "apiVersion",
    "apiMigrations",
    "enableLicensing",
    "translations",
    "regionBaseUrls",
    "cloudAppMigration",
    "editionsEnabled",
    "dataResidency",
    "lastUpdated",
    "installedDate",
    "contexts",
    "forgeAppId",
    "forgeAppLink",
];

/// The members of those objects in the root that have a fixed set.
pub const OBJECTS: &[(&str, &[&str])] = &[
    ("lifecycle", &["installed", "uninstalled", "enabled", "disabled", "dare-migration"]),
    ("apiMigrations", &["signed-install", "context-qsh", "gdpr"]),
    ("authentication", &["type", "publicKey"]),
    ("vendor", &["name", "url"]),
    ("translations", &["paths"]),
];

/// The members of `links` that have a meaning; others are allowed.
pub const LINKS: &[&str] = &["self", "homepage", "documentation"];

/// In Atlassian's spelling; lower case works too.
pub const SCOPES: &[&str] = &[
    "NONE",
    "READ",
    "WRITE",
    "DELETE",
    "PROJECT_ADMIN",
    "SPACE_ADMIN",
    "ADMIN",
    "ACT_AS_USER",
    "ACCESS_EMAIL_ADDRESSES",
];

/// A module type.
#[derive(Debug)]
pub struct Kind {
    /// Its key in `modules`.
    pub name: &'static str,
    /// The products that have it.
    pub product: Of,
    /// What such a module requires.
    pub needs: Needs,
}

/// The products that have a module type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Both products.
    Both,
    /// Jira.
    Jira,
    /// Confluence.
    Confluence,
}

impl Of {
    /// Whether `product` has it.
    #[must_use]
    pub fn includes(self, product: Product) -> bool {
        match self {
            Self::Both => true,
            Self::Jira => product == Product::Jira,
            Self::Confluence => product == Product::Confluence,
        }
    }
}

/// The members that a module of a type requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// `event`, `url`.
    Webhook,
    /// `key`.
    Key,
    /// `key`, `name`.
    Name,
    /// `key`, `url`.
    Url,
    /// `key`, `name`, `url`.
    Page,
}

impl Needs {
    /// The names of the required members.
    #[must_use]
    pub fn members(self) -> &'static [&'static str] {
        match self {
            Self::Webhook => &["event", "url"],
            Self::Key => &["key"],
            Self::Name => &["key", "name"],
            Self::Url => &["key", "url"],
            Self::Page => &["key", "name", "url"],
        }
    }
}

/// The module type of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

const fn of(product: Of, needs: Needs, name: &'static str) -> Kind {
    Kind { name, product, needs }
}

/// All known module types.
pub const KINDS: &[Kind] = &[
    of(Of::Both, Needs::Page, "adminPages"),
    of(Of::Both, Needs::Page, "configurePage"),
    of(Of::Both, Needs::Url, "dialogs"),
    of(Of::Both, Needs::Page, "generalPages"),
    of(Of::Both, Needs::Name, "keyboardShortcuts"),
    of(Of::Both, Needs::Page, "postInstallPage"),
    of(Of::Both, Needs::Page, "profilePages"),
    of(Of::Both, Needs::Webhook, "webhooks"),
    of(Of::Both, Needs::Name, "webItems"),
    of(Of::Both, Needs::Page, "webPanels"),
    of(Of::Both, Needs::Name, "webSections"),
    of(Of::Confluence, Needs::Name, "blueprints"),
    of(Of::Confluence, Needs::Name, "confluenceContentProperties"),
    of(Of::Confluence, Needs::Name, "confluenceThemes"),
    of(Of::Confluence, Needs::Name, "contentBylineItems"),
    of(Of::Confluence, Needs::Name, "customContent"),
    of(Of::Confluence, Needs::Page, "dynamicContentMacros"),
    of(Of::Confluence, Needs::Name, "publishConditions"),
    of(Of::Confluence, Needs::Page, "spaceToolsTabs"),
    of(Of::Confluence, Needs::Page, "staticContentMacros"),
    of(Of::Jira, Needs::Page, "assetPanels"),
    of(Of::Jira, Needs::Name, "automationActions"),
    of(Of::Jira, Needs::Url, "jiraBackgroundScripts"),
    of(Of::Jira, Needs::Name, "jiraBuildInfoProvider"),
    of(Of::Jira, Needs::Page, "jiraDashboardItems"),
    of(Of::Jira, Needs::Name, "jiraDeploymentGating"),
    of(Of::Jira, Needs::Name, "jiraDeploymentInfoProvider"),
    of(Of::Jira, Needs::Name, "jiraDevOpsComponentProvider"),
    of(Of::Jira, Needs::Page, "jiraDevelopmentTool"),
    of(Of::Jira, Needs::Name, "jiraEntityProperties"),
    of(Of::Jira, Needs::Name, "jiraFeatureFlagInfoProvider"),
    of(Of::Jira, Needs::Name, "jiraGlobalPermissions"),
    of(Of::Jira, Needs::Name, "jiraIssueContents"),
    of(Of::Jira, Needs::Name, "jiraIssueContexts"),
    of(Of::Jira, Needs::Name, "jiraIssueFields"),
    of(Of::Jira, Needs::Name, "jiraIssueGlances"),
    of(Of::Jira, Needs::Page, "jiraIssueTabPanels"),
    of(Of::Jira, Needs::Name, "jiraIssueTypes"),
    of(Of::Jira, Needs::Page, "jiraJqlFunctions"),
    of(Of::Jira, Needs::Name, "jiraOperationsInfoProvider"),
    of(Of::Jira, Needs::Page, "jiraProjectAdminTabPanels"),
    of(Of::Jira, Needs::Page, "jiraProjectPages"),
    of(Of::Jira, Needs::Name, "jiraProjectPermissions"),
    of(Of::Jira, Needs::Page, "jiraProjectTabPanels"),
    of(Of::Jira, Needs::Name, "jiraRemoteLinkInfoProvider"),
    of(Of::Jira, Needs::Page, "jiraReports"),
    of(Of::Jira, Needs::Page, "jiraSearchRequestViews"),
    of(Of::Jira, Needs::Key, "jiraSecurityInfoProvider"),
    of(Of::Jira, Needs::Name, "jiraTimeTrackingProviders"),
    of(Of::Jira, Needs::Name, "jiraWorkflowConditions"),
    of(Of::Jira, Needs::Name, "jiraWorkflowPostFunctions"),
    of(Of::Jira, Needs::Name, "jiraWorkflowValidators"),
    of(Of::Jira, Needs::Name, "serviceDeskOrganizationActions"),
    of(Of::Jira, Needs::Url, "serviceDeskOrganizationPanels"),
    of(Of::Jira, Needs::Url, "serviceDeskPortalFooters"),
    of(Of::Jira, Needs::Url, "serviceDeskPortalHeaders"),
    of(Of::Jira, Needs::Page, "serviceDeskPortalProfileActions"),
    of(Of::Jira, Needs::Url, "serviceDeskPortalProfilePanels"),
    of(Of::Jira, Needs::Url, "serviceDeskPortalRequestCreatePropertyPanels"),
    of(Of::Jira, Needs::Page, "serviceDeskPortalRequestViewActions"),
    of(Of::Jira, Needs::Url, "serviceDeskPortalRequestViewDetailsPanels"),
    of(Of::Jira, Needs::Url, "serviceDeskPortalRequestViewPanels"),
    of(Of::Jira, Needs::Url, "serviceDeskPortalSubHeaders"),
    of(Of::Jira, Needs::Page, "serviceDeskPortalUserMenuActions"),
    of(Of::Jira, Needs::Name, "serviceDeskQueueGroups"),
    of(Of::Jira, Needs::Name, "serviceDeskQueues"),
    of(Of::Jira, Needs::Name, "serviceDeskReportGroups"),
    of(Of::Jira, Needs::Name, "serviceDeskReports"),
];
