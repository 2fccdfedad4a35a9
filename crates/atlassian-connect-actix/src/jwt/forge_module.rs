//! [`ForgeModule`]: which module of the manifest was invoked, and what its type tells.
//!
//! Source: Atlassian, "Forge Remote essentials": the type is that of the module of a front end, else `core:endpoint`.

use serde::Deserialize;

use super::kindly::kindly;

/// Types of modules that Forge invokes of itself: events, schedules, hooks. Without `core:`.
const FORGE_ITSELF: [&str; 6] =
    ["endpoint", "trigger", "scheduledTrigger", "preUninstall", "consumer", "migration:dataResidency"];
/// Types of modules of a back end that people or the app's own code invoke. Without `core:`.
const BACK_END: [&str; 4] = ["function", "webtrigger", "action", "resolver"];

/// The claim `app.module`.
#[derive(Debug, Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct ForgeModule {
    /// `core:endpoint`, `jira:issuePanel` …
    #[serde(default, rename = "type", deserialize_with = "kindly")]
    pub kind: Option<String>,
    /// Its key in the manifest.
    #[serde(default, deserialize_with = "kindly")]
    pub key: Option<String>,
}

/// A module's type without the prefix of those that no product has.
fn bare(kind: &str) -> &str {
    kind.strip_prefix("core:").unwrap_or(kind)
}

impl ForgeModule {
    /// Whether Forge invokes it of itself; a module that says no type may be such a one.
    pub(super) fn may_be_of_forge_itself(&self) -> bool {
        let kind = bare(self.kind.as_deref().unwrap_or_default());
        kind.is_empty() || FORGE_ITSELF.contains(&kind)
    }

    /// Whether it is a module that people look at: `jira:issuePanel`, `macro`. A type that nobody here knows counts as one.
    pub(super) fn is_of_a_front_end(&self) -> bool {
        let kind = bare(self.kind.as_deref().unwrap_or_default());
        !kind.is_empty() && !FORGE_ITSELF.contains(&kind) && !BACK_END.contains(&kind)
    }
}
