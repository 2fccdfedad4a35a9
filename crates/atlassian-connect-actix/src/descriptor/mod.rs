//! `atlassian-connect.json`: read, placeholders filled, transformed by the app's code, checked.
//!
//! If a descriptor cannot be served at all, that is a [`DescriptorError`]. Any other problem is a [`Finding`]:
//! [`Descriptor::check`] finds those that the text shows, [`schema`] those of Atlassian's JSON schema.

mod check;
mod error;
mod finding;
mod forge;
pub mod names;
mod position;
pub mod schema;
mod source;
mod urls;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::web::Bytes;
use serde_json::Value;

pub use check::calls_of_as_user;
pub use error::DescriptorError;
pub use finding::{Finding, Severity};
pub use position::Position;
pub use urls::Called;

pub use source::{item, member};

use crate::config::{Config, Product};
use crate::manifest::Manifest;
use source::Source;

/// The name of the file in the working directory, and the path of the route.
pub const FILE_NAME: &str = "atlassian-connect.json";

/// Code of the app that changes the filled descriptor before it is served: ACE's `descriptorTransformer`.
pub type Transformer = Arc<dyn Fn(Value, &Config) -> Value + Send + Sync>;

/// The source of a descriptor, from which it can be read again.
#[derive(Clone)]
pub struct DescriptorFile {
    /// The file.
    pub path: PathBuf,
    /// The app's transformer.
    pub transformer: Option<Transformer>,
    /// The text to use if the file does not exist.
    pub(crate) fallback: Option<&'static str>,
}

impl Default for DescriptorFile {
    /// [`FILE_NAME`] in the working directory, without a transformer.
    fn default() -> Self {
        Self { path: FILE_NAME.into(), transformer: None, fallback: None }
    }
}

impl std::fmt::Debug for DescriptorFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DescriptorFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl DescriptorFile {
    /// Reads the descriptor again.
    ///
    /// # Errors
    /// [`DescriptorError`].
    pub fn load(&self, config: &Config) -> Result<Descriptor, DescriptorError> {
        if let Some(manifest) = self.manifest() {
            return Descriptor::of_manifest(&manifest, config);
        }
        match self.fallback {
            Some(text) if !self.path.exists() => {
                Descriptor::parse("the descriptor of the test kit", text, config, self.transformer.as_ref())
            }
            _ => Descriptor::load(&self.path, config, self.transformer.as_ref()),
        }
    }

    /// The manifest of the Forge app, if that is all that there is. A link to nowhere and a file of another name are
    /// descriptors that are missing by mistake.
    fn manifest(&self) -> Option<PathBuf> {
        let is_missing =
            std::fs::symlink_metadata(&self.path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        if !is_missing || self.path.file_name() != Some(FILE_NAME.as_ref()) {
            return None;
        }
        let file = Manifest::file(self.path.parent().unwrap_or(Path::new("")))?;
        // other programs call their files manifest.yml, too
        let is_in_its_folder = file.parent().is_some_and(|folder| folder.ends_with("forge"));
        let is_forge = || Manifest::read(&file).is_ok_and(|manifest| manifest.app_id().is_some());
        (is_in_its_folder || is_forge()).then_some(file)
    }

    /// See [`Descriptor::inspect`].
    ///
    /// # Errors
    /// [`DescriptorError`].
    pub fn inspect(&self, config: &Config) -> Result<Vec<Finding>, DescriptorError> {
        Descriptor::inspect(&self.path, config, self.transformer.as_ref())
    }
}

/// A webhook of the descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Webhook {
    /// `jira:issue_created` …
    pub event: String,
    /// The URL as in the descriptor, below the base URL, with its query and `${…}`.
    pub url: String,
}

/// The lifecycle callbacks of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// Signed with RS256.
    Installed,
    /// Signed with RS256.
    Uninstalled,
    /// Signed with the tenant's secret.
    Enabled,
    /// Signed with the tenant's secret.
    Disabled,
}

impl Lifecycle {
    /// All callbacks.
    pub const ALL: [Self; 4] = [Self::Installed, Self::Uninstalled, Self::Enabled, Self::Disabled];

    /// The member of `lifecycle` in the descriptor, and the `eventType` of the payload.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Uninstalled => "uninstalled",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

/// A descriptor in the form in which it is served.
#[derive(Debug, Clone)]
pub struct Descriptor {
    value: Value,
    json: Bytes,
    key: String,
    name: String,
    base_url: String,
    webhooks: Vec<Webhook>,
    source: Source,
    is_of_forge: bool,
}

impl Descriptor {
    /// A finding at `path` of this descriptor.
    #[must_use]
    pub fn finding(&self, severity: Severity, path: impl Into<String>, text: impl Into<String>) -> Finding {
        let path = path.into();
        Finding {
            severity,
            file: self.source.file.clone(),
            position: self.source.position(&path),
            path,
            text: text.into(),
        }
    }

    /// Reads `file`, fills its placeholders and transforms it.
    ///
    /// # Errors
    /// [`DescriptorError`], with line and column if the file is not JSON.
    pub fn load(file: &Path, config: &Config, transformer: Option<&Transformer>) -> Result<Self, DescriptorError> {
        let (shown, text) = open(file)?;
        Self::parse(&shown, &text, config, transformer)
    }

    /// The same for a text; errors name `file` as its source.
    ///
    /// # Errors
    /// [`DescriptorError`].
    pub fn parse(
        file: &str,
        text: &str,
        config: &Config,
        transformer: Option<&Transformer>,
    ) -> Result<Self, DescriptorError> {
        let (value, source) = Self::read(file, text, config, transformer)?;
        match faults(&value).into_iter().next() {
            Some((path, reason)) => Err(source.refusal(path, reason)),
            None => Self::of(value, source),
        }
    }

    /// Why the descriptor cannot be served, if it cannot, and every other finding: a fault does not hide the findings
    /// after it.
    ///
    /// # Errors
    /// [`DescriptorError`] if the text is not a JSON object.
    pub fn inspect(
        file: &Path,
        config: &Config,
        transformer: Option<&Transformer>,
    ) -> Result<Vec<Finding>, DescriptorError> {
        let (shown, text) = open(file)?;
        let (value, source) = Self::read(&shown, &text, config, transformer)?;
        let faults = faults(&value);
        if let (false, Some((path, reason))) = (value.is_object(), faults.first()) {
            return Err(source.refusal(path.clone(), reason.clone()));
        }
        let descriptor = Self::of(value, source)?;
        let mut findings = descriptor.check(config);
        // the fault already says it
        findings.retain(|finding| faults.iter().all(|(path, _)| *path != finding.path));
        findings.extend(faults.into_iter().map(|(path, reason)| descriptor.finding(Severity::Error, path, reason)));
        finding::sort(&mut findings);
        Ok(findings)
    }

    /// Reads the descriptor, fills its placeholders and transforms it, without any check.
    fn read(
        file: &str,
        text: &str,
        config: &Config,
        transformer: Option<&Transformer>,
    ) -> Result<(Value, Source), DescriptorError> {
        let (mut value, mut source) = Source::read(file, text)?;
        fill(
            &mut value,
            &[
                ("{{localBaseUrl}}", config.local_base_url.as_str()),
                ("{{environment}}", config.environment.name()),
                ("{{appKey}}", config.app_key.as_deref().unwrap_or("{{appKey}}")),
            ],
        );
        if let (Product::Bitbucket, Some(members)) = (config.product, value.as_object_mut()) {
            // Bitbucket's schema does not have it
            members.shift_remove("apiMigrations");
        }
        if let Some(transform) = transformer {
            let before = value.clone();
            value = transform(value, config);
            source.changed(&before, &value);
        }
        Ok((value, source))
    }

    fn of(value: Value, source: Source) -> Result<Self, DescriptorError> {
        let member = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (key, base_url) = (member("key"), member("baseUrl"));
        let name = Some(member("name")).filter(|name| !name.is_empty()).unwrap_or_else(|| key.clone());
        let json = serde_json::to_vec(&value).map_err(|error| source.refusal("$".to_owned(), error.to_string()))?;
        let mut descriptor =
            Self { value, json: json.into(), key, name, base_url, webhooks: Vec::new(), source, is_of_forge: false };
        descriptor.webhooks = descriptor.webhooks_of_modules();
        Ok(descriptor)
    }

    /// The whole descriptor.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Whether there is no Connect descriptor: the app is on Forge alone.
    #[must_use]
    pub fn is_of_forge(&self) -> bool {
        self.is_of_forge
    }

    /// The bytes that are served.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The add-on's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The add-on's name, else its key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The member `baseUrl`. Hosts use it as `aud` of a lifecycle token.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The path of a lifecycle callback below the base URL, if the descriptor names one.
    #[must_use]
    pub fn lifecycle(&self, callback: Lifecycle) -> Option<&str> {
        self.value.get("lifecycle")?.get(callback.name())?.as_str()
    }

    /// The webhooks that are served.
    #[must_use]
    pub fn webhooks(&self) -> &[Webhook] {
        &self.webhooks
    }

    /// One webhook or a list. Those without an event, or without a URL below the base URL, are omitted; [`Self::check`]
    /// reports them.
    fn webhooks_of_modules(&self) -> Vec<Webhook> {
        let entries = match self.value.pointer("/modules/webhooks") {
            Some(Value::Array(entries)) => entries.as_slice(),
            Some(entry) => std::slice::from_ref(entry),
            None => &[],
        };
        let read = |entry: &Value| {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            let url = self.below(text("url")?)?;
            Some(Webhook { event: text("event")?.to_owned(), url: url.to_owned() })
        };
        entries.iter().filter_map(read).collect()
    }
}

/// The name of the file for errors, and its text.
fn open(file: &Path) -> Result<(String, String), DescriptorError> {
    let shown = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => Ok((shown, text)),
        Err(error) => Err(DescriptorError::Unreadable { file: shown, reason: error.to_string() }),
    }
}

/// Why the descriptor cannot be served at all: each fault with its path.
fn faults(value: &Value) -> Vec<(String, String)> {
    if !value.is_object() {
        return vec![("$".to_owned(), "must be an object: { \"key\": …, \"baseUrl\": … }".to_owned())];
    }
    let mut faults = Vec::new();
    let mut fault = |path: &str, reason: &str| faults.push((path.to_owned(), reason.to_owned()));
    let text = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match text("key") {
        None => fault("$.key", "must be a non-empty string"),
        Some("{{appKey}}") => {
            fault("$.key", "is {{appKey}}, but neither appKey in config.json nor AC_APP_KEY is set");
        }
        Some(key) if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) => {
            fault("$.key", "may contain only letters, digits, '-', '.' and '_'");
        }
        Some(_) => {}
    }
    if text("baseUrl").is_none() {
        fault("$.baseUrl", "must be a non-empty string");
    }
    for lifecycle in Lifecycle::ALL {
        match value.get("lifecycle").and_then(|paths| paths.get(lifecycle.name())) {
            None | Some(Value::Null) => {}
            Some(Value::String(path)) if path.starts_with('/') => {}
            Some(_) => fault(&member("$.lifecycle", lifecycle.name()), "must be a path that starts with /"),
        }
    }
    faults
}

/// Replaces every occurrence in every string value; the names of members are not changed.
fn fill(value: &mut Value, placeholders: &[(&str, &str)]) {
    match value {
        Value::String(text) => {
            for (placeholder, replacement) in placeholders {
                if text.contains(placeholder) {
                    *text = text.replace(placeholder, replacement);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, placeholders)),
        Value::Object(members) => members.values_mut().for_each(|member| fill(member, placeholders)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Vars;

    pub(super) fn config(vars: &[(&str, &str)]) -> Config {
        let vars = vars.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vars>();
        Config::from_parts(None, &vars).unwrap()
    }

    pub(super) fn parse(text: &str) -> Result<Descriptor, DescriptorError> {
        Descriptor::parse("atlassian-connect.json", text, &config(&[("AC_APP_KEY", "com.example.app")]), None)
    }

    #[test]
    fn placeholders_are_filled_everywhere() {
        let descriptor = parse(
            r#"{"key": "{{appKey}}", "baseUrl": "{{localBaseUrl}}", "name": "{{environment}}, {{environment}}",
                "modules": {"x": [{"url": "/a?{{other}}&k={{appKey}}"}]}}"#,
        );
        insta::assert_snapshot!(String::from_utf8_lossy(descriptor.unwrap().json()), @r#"{"key":"com.example.app","baseUrl":"http://localhost:3000","name":"development, development","modules":{"x":[{"url":"/a?{{other}}&k=com.example.app"}]}}"#);
    }

    #[test]
    fn errors_say_where() {
        let error = |text| parse(text).unwrap_err().to_string();
        insta::assert_snapshot!(error("{\n  \"key\": \"a\"\n  \"name\": 1}"), @"atlassian-connect.json, line 3, column 3: expected `,` or `}`");
        insta::assert_snapshot!(error("[]"), @r#"atlassian-connect.json, line 1, column 1: $ must be an object: { "key": …, "baseUrl": … }"#);
        insta::assert_snapshot!(error("{}"), @"atlassian-connect.json: $.key must be a non-empty string");
        insta::assert_snapshot!(error(r#"{"key": "a b", "baseUrl": "x"}"#), @"atlassian-connect.json, line 1, column 2: $.key may contain only letters, digits, '-', '.' and '_'");
        insta::assert_snapshot!(error(r#"{"key": "a"}"#), @"atlassian-connect.json: $.baseUrl must be a non-empty string");
        insta::assert_snapshot!(error(r#"{"key": "a", "baseUrl": "x", "lifecycle": {"installed": "installed"}}"#), @"atlassian-connect.json, line 1, column 44: $.lifecycle.installed must be a path that starts with /");
        let missing = Descriptor::load(Path::new("nowhere/atlassian-connect.json"), &config(&[]), None).unwrap_err();
        assert!(missing.to_string().starts_with("nowhere/atlassian-connect.json cannot be read: "), "{missing}");
    }

    #[test]
    fn an_unset_app_key_is_an_error() {
        let text = r#"{"key": "{{appKey}}", "baseUrl": "x"}"#;
        let error = Descriptor::parse("d.json", text, &config(&[]), None).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"d.json, line 1, column 2: $.key is {{appKey}}, but neither appKey in config.json nor AC_APP_KEY is set");
    }

    #[test]
    fn what_ace_reads_is_read() {
        let descriptor = parse("{\"key\": \"a\", // comment\n \"baseUrl\": \"x\", \"z\": 1, \"b\": [1,],}").unwrap();
        assert_eq!(descriptor.json().as_ref(), br#"{"key":"a","baseUrl":"x","z":1,"b":[1]}"#);
    }

    #[test]
    fn a_transformer_has_the_last_word() {
        let transformer: Transformer = Arc::new(|mut value, config| {
            value["name"] = format!("on {}", config.local_base_url.as_str()).into();
            value
        });
        let text = r#"{"key": "a", "baseUrl": "{{localBaseUrl}}"}"#;
        let descriptor = Descriptor::parse("d", text, &config(&[]), Some(&transformer)).unwrap();
        assert_eq!(descriptor.name(), "on http://localhost:3000");
    }

    #[test]
    fn one_webhook_or_many() {
        let webhooks = |text: &str| {
            let text = format!(r#"{{"key": "a", "baseUrl": "x", "modules": {{"webhooks": {text}}}}}"#);
            parse(&text).unwrap().webhooks().iter().map(|w| format!("{} {}", w.event, w.url)).collect::<Vec<_>>()
        };
        assert_eq!(webhooks(r#"{"event": "e", "url": "/w"}"#), ["e /w"]);
        assert_eq!(
            webhooks(r#"[{"event": "e", "url": "x/w"}, {"event": "e", "url": "https://other.example/w"}]"#),
            ["e /w"]
        );
        assert_eq!(webhooks(r#"[{"event": "e", "url": "/w"}, {"event": "f"}, {"url": "/x"}, 1]"#), ["e /w"]);
    }

    #[test]
    fn bitbucket_gets_no_api_migrations() {
        let text = r#"{"key": "a", "baseUrl": "x", "apiMigrations": {"gdpr": true}}"#;
        let descriptor = |product| Descriptor::parse("d", text, &config(&[("AC_PRODUCT", product)]), None).unwrap();
        assert!(descriptor("bitbucket").value().get("apiMigrations").is_none());
        assert!(descriptor("jira").value().get("apiMigrations").is_some());
    }
}
