//! The members that Forge's schema requires of each Connect module.

/// In addition to `key`, and to `name` and `url` where [`atlassian_connect_actix::descriptor`] requires them.
///
/// Source: npm `@forge/manifest` 13.7.0, its definitions of `connect-jira:…` and `connect-confluence:…`.
const MEMBERS: &[(&str, &[&str])] = &[
    ("automationActions", &["webhook"]),
    ("blueprints", &["template"]),
    ("customContent", &["apiSupport", "uiSupport"]),
    ("jiraBackgroundScripts", &["location"]),
    ("jiraBuildInfoProvider", &["homeUrl"]),
    ("jiraDashboardItems", &["description", "thumbnailUrl"]),
    ("jiraDeploymentGating", &["callback"]),
    ("jiraDeploymentInfoProvider", &["homeUrl"]),
    ("jiraDevOpsComponentProvider", &["homeUrl"]),
    ("jiraDevelopmentTool", &["application", "capabilities", "logoUrl"]),
    ("jiraFeatureFlagInfoProvider", &["homeUrl"]),
    ("jiraGlobalPermissions", &["description"]),
    ("jiraIssueContents", &["icon", "target", "tooltip"]),
    ("jiraIssueContexts", &["content", "icon", "target"]),
    ("jiraIssueFields", &["description", "type"]),
    ("jiraIssueGlances", &["content", "icon", "target"]),
    ("jiraIssueTypes", &["description", "type"]),
    ("jiraJqlFunctions", &["arguments", "operators", "types"]),
    ("jiraOperationsInfoProvider", &["homeUrl"]),
    ("jiraProjectPermissions", &["description"]),
    ("jiraRemoteLinkInfoProvider", &["homeUrl"]),
    ("jiraReports", &["description"]),
    ("jiraWorkflowConditions", &["expression"]),
    ("jiraWorkflowPostFunctions", &["triggered"]),
    ("jiraWorkflowValidators", &["errorMessage", "expression"]),
    ("keyboardShortcuts", &["shortcut", "target"]),
    ("publishConditions", &["errorMessage"]),
    ("webItems", &["location"]),
    ("webPanels", &["location"]),
    ("webSections", &["location"]),
];

/// For a kind such as `webPanels`.
pub(super) fn members(kind: &str) -> &'static [&'static str] {
    MEMBERS.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, members)| members)
}
