//! Findings about the descriptor that need more than the descriptor itself: the code below `src`, and Atlassian's
//! schema.

use std::path::Path;

use atlassian_connect_actix::Addon;
use atlassian_connect_actix::internal::descriptor::{self, Descriptor, Finding, Severity, schema};

/// The folder of an add-on's code, relative to the working directory.
const CODE: &str = "src";

/// A hint if the code calls `as_user` and the descriptor does not request the scope. Reads source files, see
/// [`descriptor::calls_of_as_user`]; without them there is no hint.
pub(super) fn missing_scopes(descriptor: &Descriptor) -> Option<Finding> {
    if descriptor.has_scope("ACT_AS_USER") {
        return None;
    }
    let (file, line) = descriptor::calls_of_as_user(Path::new(CODE)).into_iter().next()?;
    let path = if descriptor.value().get("scopes").is_some() { "$.scopes" } else { "$" };
    let text = format!("lacks the scope ACT_AS_USER, but {}, line {line} calls as_user", file.display());
    Some(descriptor.finding(Severity::Hint, path, text))
}

/// Logs the findings that [`Descriptor::check`] cannot make. The routes are not tested: that would run their handlers
/// at each start, and the sandbox would show requests that nobody sent.
pub(super) async fn log(addon: &Addon) {
    let (descriptor, config) = (addon.state().descriptor(), addon.config());
    if descriptor.is_of_forge() {
        return;
    }
    if config.environment.is_development() {
        missing_scopes(&descriptor).iter().for_each(Finding::log);
    }
    if !config.validate_descriptor {
        return;
    }
    let Some(official) = schema::official(config.product) else { return };
    match schema::check(&descriptor, &official).await {
        Ok(findings) => findings.iter().for_each(Finding::log),
        Err(error) => tracing::warn!("validateDescriptor: {error}"),
    }
}
