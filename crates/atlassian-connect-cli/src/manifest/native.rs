//! Connect modules that Forge adopts as its own: Jira's permissions, which keep their identifiers.
//!
//! Source: Atlassian, "Jira Global Permission module and Jira Project Permission module" (Adopting Forge from Connect);
//! npm `@forge/manifest` 13.7.0 for what the modules may hold.

use serde_json::{Map, Value};

const GLOBAL: &str = "jiraGlobalPermissions";
const PROJECT: &str = "jiraProjectPermissions";

/// Forge's name for a kind of modules; empty for all others.
pub(super) fn name(kind: &str) -> &'static str {
    match kind {
        GLOBAL => "jira:globalPermission",
        PROJECT => "jira:projectPermission",
        _ => "",
    }
}

/// The module in Forge's form, if that loses nothing: Forge has no translated names or conditions there, so a module
/// with those stays a Connect module.
pub(super) fn of(kind: &str, module: &Value) -> Option<Value> {
    if name(kind).is_empty() {
        return None;
    }
    let mut native = Map::new();
    for (name, value) in module.as_object()? {
        let value = match (name.as_str(), value) {
            ("key", key) => key.clone(),
            ("name", Value::Object(text)) => plain(text, 255)?,
            ("description", Value::Object(text)) => plain(text, 1000)?,
            ("anonymousAllowed", Value::Bool(_)) if kind == GLOBAL => value.clone(),
            ("defaultGrants", Value::Array(grants)) if kind == GLOBAL => {
                grants.iter().map(lower).collect::<Option<Vec<_>>>()?.into()
            }
            ("category", category) if kind == PROJECT => lower(category)?,
            _ => return None,
        };
        native.insert(name.clone(), value);
    }
    if !native.contains_key("name") || !native.contains_key("description") {
        return None;
    }
    if kind == GLOBAL {
        // Forge requires this; true is Connect's default
        native.entry("anonymousAllowed").or_insert(Value::Bool(true));
    }
    native.insert("migratedFromConnect".to_owned(), Value::Bool(true));
    Some(native.into())
}

/// Converts `{ "value": … }` to Forge's form.
fn plain(text: &Map<String, Value>, most: usize) -> Option<Value> {
    let value = text.get("value")?.as_str()?;
    (text.len() == 1 && (1..=most).contains(&value.chars().count())).then(|| value.into())
}

/// Connect accepts both cases.
fn lower(value: &Value) -> Option<Value> {
    value.as_str().map(|text| text.to_ascii_lowercase().into())
}
