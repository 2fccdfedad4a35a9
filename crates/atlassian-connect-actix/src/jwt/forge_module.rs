//! [`ForgeModule`]: the module of the manifest that was invoked, and what its type says about the caller.
//!
//! Source: Atlassian, "Forge Remote essentials": the type is that of a front end's module, else `core:endpoint`.

use serde::Deserialize;

use super::lenient::{LenientObject, lenient};

/// The module types that Forge itself invokes: events, schedules, hooks. Without `core:`.
const FORGE_ITSELF: [&str; 6] =
    ["endpoint", "trigger", "scheduledTrigger", "preUninstall", "consumer", "migration:dataResidency"];
/// The module types of a back end that people or the app's own code invoke. Without `core:`.
const BACK_END: [&str; 4] = ["function", "webtrigger", "action", "resolver"];

/// The claim `app.module`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ForgeModule {
    /// `core:endpoint`, `jira:issuePanel` …
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub(crate) kind: Option<String>,
    /// Its key in the manifest.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) key: Option<String>,
}

impl LenientObject for ForgeModule {}

/// A module type without the prefix `core:`.
fn bare(kind: &str) -> &str {
    kind.strip_prefix("core:").unwrap_or(kind)
}

impl ForgeModule {
    /// Whether Forge itself may have invoked it; a module without a type counts as such.
    pub(super) fn may_be_of_forge_itself(&self) -> bool {
        let kind = bare(self.kind.as_deref().unwrap_or_default());
        kind.is_empty() || FORGE_ITSELF.contains(&kind)
    }

    /// Whether it is a module of a page: `jira:issuePanel`, `macro`. An unknown type counts as one.
    pub(super) fn is_of_a_front_end(&self) -> bool {
        let kind = bare(self.kind.as_deref().unwrap_or_default());
        !kind.is_empty() && !FORGE_ITSELF.contains(&kind) && !BACK_END.contains(&kind)
    }
}
