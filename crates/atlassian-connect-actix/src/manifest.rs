//! What the add-on reads of its Forge app's manifest, `forge/manifest.yml`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::jwt::ForgeClaims;

/// Where a manifest is, below the folder of the app.
const FILES: [&str; 2] = ["forge/manifest.yml", "manifest.yml"];
/// The id until `forge register` has written one, as in Atlassian's converter: without an id `forge register` refuses.
pub const NO_ID: &str = "invalid-run-forge-register";

/// A manifest.
#[derive(Debug, Clone)]
pub struct Manifest(Value);

/// A module of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The type: `jira:issuePanel`.
    pub kind: String,
    /// Its key.
    pub key: String,
    /// Its title, or the name of a workflow rule.
    pub title: Option<String>,
}

impl Manifest {
    /// The file in the folder of the app, where there is one.
    #[must_use]
    pub fn file(folder: &Path) -> Option<PathBuf> {
        FILES.iter().map(|file| folder.join(file)).find(|file| file.is_file())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        Self::parse(&text)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        if value.is_object() { Ok(Self(value)) } else { Err("it must be a mapping: app, modules, …".to_owned()) }
    }

    /// `app.id` without the beginning that all have. `None`: the app has not been registered.
    #[must_use]
    pub fn app_id(&self) -> Option<&str> {
        let id = self.0.pointer("/app/id")?.as_str()?;
        Some(id.strip_prefix(ForgeClaims::APP_ARI)?).filter(|id| *id != NO_ID)
    }

    /// `app.connect.key`: the key of the Connect app that it was.
    #[must_use]
    pub fn connect_key(&self) -> Option<&str> {
        self.0.pointer("/app/connect/key")?.as_str()
    }

    /// Whether it has `connectModules`.
    #[must_use]
    pub fn has_connect_modules(&self) -> bool {
        self.0.get("connectModules").and_then(Value::as_object).is_some_and(|modules| !modules.is_empty())
    }

    /// `permissions.scopes`, a list or a map.
    #[must_use]
    pub fn scopes(&self) -> Vec<String> {
        match self.0.pointer("/permissions/scopes") {
            Some(Value::Array(scopes)) => scopes.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::Object(scopes)) => scopes.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// `modules` that have a key, in the order of the file.
    #[must_use]
    pub fn modules(&self) -> Vec<Module> {
        let modules = self.0.get("modules").and_then(Value::as_object);
        let mut found = Vec::new();
        for (kind, of_kind) in modules.into_iter().flatten() {
            for module in of_kind.as_array().into_iter().flatten() {
                let text = |name: &str| module.get(name).and_then(Value::as_str).map(str::to_owned);
                if let Some(key) = text("key") {
                    found.push(Module { kind: kind.clone(), key, title: text("title").or_else(|| text("name")) });
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_of_a_manifest_is_read() {
        let text = r#"
app:
  id: ari:cloud:ecosystem::app/11111111-1111-4111-8111-111111111111 # of forge register
  connect: { key: com.example.app, remote: connect }
modules:
  jira:issuePanel:
    - key: panel
      title: "A: panel"
      resolver:
        endpoint: open
  jira:workflowCondition: [{ key: rule, name: Rule }]
  endpoint:
    - key: open
  broken: text
permissions:
  scopes:
    - read:jira-work
    - 'write:jira-work'
"#;
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.app_id(), Some("11111111-1111-4111-8111-111111111111"));
        assert_eq!(manifest.connect_key(), Some("com.example.app"));
        assert_eq!(manifest.scopes(), ["read:jira-work", "write:jira-work"]);
        let modules: Vec<String> = manifest
            .modules()
            .into_iter()
            .map(|module| format!("{} {} {}", module.kind, module.key, module.title.unwrap_or_default()))
            .collect();
        assert_eq!(modules, ["jira:issuePanel panel A: panel", "jira:workflowCondition rule Rule", "endpoint open "]);
    }

    #[test]
    fn scopes_are_read_in_every_form() {
        for (text, expected) in [
            (
                "permissions:\n  scopes: [read:jira-work, \"write:jira-work\"]\n",
                &["read:jira-work", "write:jira-work"][..],
            ),
            ("permissions:\n  scopes:\n  - read:jira-work\n", &["read:jira-work"]),
            (
                "permissions:\n  scopes:\n    read:jira-work: {}\n    # delete:jira\n    \"write:jira-work\":\n      allowImpersonation: true\n",
                &["read:jira-work", "write:jira-work"],
            ),
            ("app: {}\n", &[]),
            ("permissions:\n", &[]),
            ("permissions:\n  scopes:\n", &[]),
            ("permissions:\n  scopes:\n  external: {}\n", &[]),
            ("permissions:\nscopes:\n  - read:jira-work\n", &[]),
        ] {
            assert_eq!(Manifest::parse(text).unwrap().scopes(), expected, "{text}");
        }
    }

    #[test]
    fn an_app_that_is_not_registered_has_no_id() {
        for id in ["ari:cloud:ecosystem::app/invalid-run-forge-register", "other", ""] {
            assert_eq!(Manifest::parse(&format!("app:\n  id: \"{id}\"\n")).unwrap().app_id(), None, "{id}");
        }
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for text in ["", "text", "- a", "a: [", "a: b: c"] {
            assert!(Manifest::parse(text).is_err(), "{text}");
        }
    }
}
