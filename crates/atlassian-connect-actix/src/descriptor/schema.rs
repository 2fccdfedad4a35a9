//! Validates a descriptor against Atlassian's JSON schema. Needs the Cargo feature `schema`.

#[cfg(feature = "schema")]
use std::time::Duration;

use super::{Descriptor, Finding};
use crate::config::Product;

/// The size of the schema is 250 kB.
#[cfg(feature = "schema")]
const LIMIT: usize = 4 * 1024 * 1024;
#[cfg(feature = "schema")]
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why the schema cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The crate was built without the feature.
    #[error("this build cannot check against a JSON schema: build it with --features schema")]
    NotBuilt,
    /// The server does not answer, or the file does not exist.
    #[error("the schema {0} cannot be loaded: {1}")]
    Unavailable(String, String),
    /// It is not a JSON schema.
    #[error("{0} is not a JSON schema: {1}")]
    Unusable(String, String),
}

/// The URL of Atlassian's schema; `None` for Bitbucket.
///
/// Source: atlassian-connect-express 11.5.3, `lib/internal/registration/register-jira-conf.js` (the address alone).
#[must_use]
pub fn official(product: Product) -> Option<String> {
    let name = match product {
        Product::Jira | Product::Confluence => product.as_str(),
        Product::Bitbucket => return None,
    };
    Some(format!("https://developer.atlassian.com/static/connect/docs/latest/schema/{name}-global-schema.json"))
}

/// Validates a descriptor against the schema at `place`, a file path or an http(s) URL. The default is draft 4, unless
/// the schema names another. Each violation is an error. Formats are not checked: Atlassian's schema calls `/installed`
/// a URI.
///
/// # Errors
/// [`SchemaError`].
#[cfg(not(feature = "schema"))]
#[allow(clippy::unused_async)]
pub async fn check(_: &Descriptor, _: &str) -> Result<Vec<Finding>, SchemaError> {
    Err(SchemaError::NotBuilt)
}

#[cfg(feature = "schema")]
pub use with_schema::check;

#[cfg(feature = "schema")]
mod with_schema {
    use jsonschema::error::ValidationErrorKind;
    use jsonschema::{Draft, ValidationError};
    use serde_json::Value;

    use super::super::source::{item, member};
    use super::super::{Severity, names};
    use super::{Descriptor, Finding, LIMIT, SchemaError, TIMEOUT};

    /// Validates a descriptor against the schema at `place`, a file path or an http(s) URL. The default is draft 4,
    /// unless the schema names another. Each violation is an error. Formats are not checked: Atlassian's schema calls
    /// `/installed` a URI.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub async fn check(descriptor: &Descriptor, place: &str) -> Result<Vec<Finding>, SchemaError> {
        let unavailable = |reason: String| SchemaError::Unavailable(place.to_owned(), reason);
        let unusable = |reason: String| SchemaError::Unusable(place.to_owned(), reason);
        let bytes = if place.starts_with("https://") || place.starts_with("http://") {
            fetch(place).await.map_err(unavailable)?
        } else {
            tokio::fs::read(place).await.map_err(|error| unavailable(error.to_string()))?
        };
        let schema = serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
        validate(descriptor, &schema).map_err(unusable)
    }

    async fn fetch(url: &str) -> Result<Vec<u8>, String> {
        let exchange = async {
            let mut response = crate::transport::client().get(url).send().await.map_err(|error| error.to_string())?;
            if !response.status().is_success() {
                return Err(format!("the server answered {}", response.status()));
            }
            let body = response.body().limit(LIMIT).await.map_err(|error| error.to_string())?;
            Ok(body.to_vec())
        };
        tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| Err("no answer in time".into()))
    }

    pub(super) fn validate(descriptor: &Descriptor, schema: &Value) -> Result<Vec<Finding>, String> {
        let options = jsonschema::options();
        let options = if schema.get("$schema").is_some() { options } else { options.with_draft(Draft::Draft4) };
        let validator = options.should_validate_formats(false).build(schema);
        let validator = validator.map_err(|error| error.masked().to_string())?;
        let errors = validator.iter_errors(descriptor.value()).filter(|error| !is_too_old(error));
        Ok(errors
            .map(|error| {
                let path = path(descriptor.value(), error.instance_path().as_str());
                // masked: otherwise a whole object of the descriptor would be printed
                descriptor.finding(Severity::Error, path, format!("is refused by the schema: {}", text(&error)))
            })
            .collect())
    }

    fn text(error: &ValidationError<'_>) -> String {
        error.masked_with("it").to_string()
    }

    /// The schema of 2022 allows only `gdpr` in `apiMigrations`; hosts have accepted others since.
    fn is_too_old(error: &ValidationError<'_>) -> bool {
        let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() else { return false };
        let known =
            names::OBJECTS.iter().find(|(name, _)| *name == "apiMigrations").map_or(&[][..], |(_, known)| known);
        error.instance_path().as_str() == "/apiMigrations"
            && unexpected.iter().all(|name| known.contains(&name.as_str()))
    }

    /// A JSON pointer in the notation of the other findings.
    fn path(root: &Value, pointer: &str) -> String {
        let (mut path, mut value) = ("$".to_owned(), Some(root));
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let index = value.filter(|value| value.is_array()).and_then(|_| token.parse().ok());
            (path, value) = match index {
                Some(index) => (item(&path, index), value.and_then(|value| value.get(index))),
                None => (member(&path, &token), value.and_then(|value| value.get(&token))),
            };
        }
        path
    }
}

#[cfg(test)]
#[cfg(feature = "schema")]
mod tests {
    use serde_json::json;

    use super::super::tests::parse;

    #[test]
    fn violations_are_errors_except_for_newer_members() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-04/schema#",
            "required": ["key", "authentication"],
            "properties": {
                "apiMigrations": {
                    "type": "object", "additionalProperties": false, "properties": { "gdpr": { "type": "boolean" } }
                },
                "lifecycle": { "properties": { "installed": { "type": "string", "format": "uri" } } },
                "modules": { "properties": { "pages": { "type": "array", "items": {
                    "properties": { "key": { "pattern": "^[a-zA-Z0-9-]+$" } }
                } } } }
            }
        });
        let text = "{\"key\": \"a\", \"baseUrl\": \"x\", \"lifecycle\": {\"installed\": \"/in\"},
            \"apiMigrations\": {\"signed-install\": true, \"context-qsh\": true, \"gdpr\": MIGRATION},
            \"modules\": {\"pages\": [{\"key\": \"a b\"}]}}";
        let findings = |migration: &str| {
            let descriptor = parse(&text.replace("MIGRATION", migration)).unwrap();
            let findings = super::with_schema::validate(&descriptor, &schema).unwrap();
            findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(findings("true"), @r#"
        atlassian-connect.json, line 1, column 1: $ is refused by the schema: "authentication" is a required property
        atlassian-connect.json, line 3, column 36: $.modules.pages[0].key is refused by the schema: it does not match "^[a-zA-Z0-9-]+$"
        "#);
        insta::assert_snapshot!(findings("true, \"gpdr\": 1"), @r#"
        atlassian-connect.json, line 1, column 1: $ is refused by the schema: "authentication" is a required property
        atlassian-connect.json, line 2, column 13: $.apiMigrations is refused by the schema: Additional properties are not allowed ('signed-install', 'context-qsh', 'gpdr' were unexpected)
        atlassian-connect.json, line 3, column 36: $.modules.pages[0].key is refused by the schema: it does not match "^[a-zA-Z0-9-]+$"
        "#);
    }
}
