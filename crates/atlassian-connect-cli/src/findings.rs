//! What is odd about the descriptor beyond its own text: what the code below `src` needs, and what Atlassian's schema
//! says.

use std::path::Path;

use atlassian_connect_actix::Addon;
use atlassian_connect_actix::internal::descriptor::{self, Descriptor, Finding, Severity, schema};

/// Where an add-on has its code, in the directory that it is started in.
const CODE: &str = "src";

/// A hint where the code calls `as_user` and the descriptor does not ask for the scope. It reads files, see
/// [`descriptor::calls_of_as_user`]; where they are missing it says nothing.
pub(super) fn missing_scopes(descriptor: &Descriptor) -> Option<Finding> {
    if descriptor.has_scope("ACT_AS_USER") {
        return None;
    }
    let (file, line) = descriptor::calls_of_as_user(Path::new(CODE)).into_iter().next()?;
    let path = if descriptor.value().get("scopes").is_some() { "$.scopes" } else { "$" };
    let text = format!("lacks the scope ACT_AS_USER, and {}, line {line} calls as_user", file.display());
    Some(descriptor.finding(Severity::Hint, path, text))
}

/// Logs what [`Descriptor::check`] cannot see. The routes are not asked: their handlers would run at each start, and the
/// sandbox would show requests that nobody has sent.
pub(super) async fn log(addon: &Addon) {
    let (descriptor, config) = (addon.state().descriptor(), addon.config());
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
