//! Where a Forge app is installed, and where it is shown: descriptive claims, typed leniently.
//!
//! Source: Atlassian, "Forge Remote essentials", "The Forge Invocation Token".

use serde::Deserialize;
use serde_json::Value;

use super::lenient::{LenientObject, lenient};

/// The claim `app.installation`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ForgeInstallation {
    /// The products that it covers.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) contexts: Vec<InstallationContext>,
}

/// A product that an installation covers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstallationContext {
    /// `jira`, `confluence` …
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) name: Option<String>,
    /// The base URL of its API.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) api_base_url: Option<String>,
    /// The site, for products that have one.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) cloud_id: Option<String>,
    /// The workspace, for products that have one.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) workspace_id: Option<String>,
}

/// The claim `context`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ForgeContext {
    /// The site.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) cloud_id: Option<String>,
    /// The workspace.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) workspace_id: Option<String>,
    /// The URL of the site that people see: `https://site.atlassian.net`.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) site_url: Option<String>,
    /// The ARI of this place of the module.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) local_id: Option<String>,
    /// The module's key.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) module_key: Option<String>,
    /// Where the module is shown: `{"type": "jira:issuePanel", "issue": {"key": …}, "project": {…}}`; null if absent.
    #[serde(default)]
    pub(crate) extension: Value,
}

impl LenientObject for ForgeInstallation {}
impl LenientObject for InstallationContext {}
impl LenientObject for ForgeContext {}
