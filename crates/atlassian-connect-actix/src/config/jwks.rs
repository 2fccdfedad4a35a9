//! The URLs of the key sets of Isolated Clouds.

use std::str::FromStr;

use super::problems::Fault;
use super::urls;

/// The placeholder of the template for the label of the cloud.
const PLACEHOLDER: &str = "{icLabel}";

/// The URL of a key set that contains `{icLabel}`, as in `https://keys.{icLabel}.example.com/jwks.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksTemplate(String);

/// Why the text is not a valid template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadJwksTemplate(&'static str);

impl JwksTemplate {
    /// The URL for the cloud `label`; `None` if the label is not valid.
    ///
    /// Source: Atlassian, "Forge Remote essentials", on Isolated Cloud.
    #[must_use]
    pub fn url(&self, label: &str) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        let is_label = (1..=50).contains(&label.len()) && label.bytes().all(plain);
        is_label.then(|| self.0.replace(PLACEHOLDER, label))
    }
}

impl FromStr for JwksTemplate {
    type Err = BadJwksTemplate;

    fn from_str(text: &str) -> Result<Self, BadJwksTemplate> {
        if !text.contains(PLACEHOLDER) {
            return Err(BadJwksTemplate("has no {icLabel}"));
        }
        match urls::service(&text.replace(PLACEHOLDER, "a")) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(BadJwksTemplate("is not an https URL")),
        }
    }
}

pub(super) fn template(text: &str) -> Result<JwksTemplate, Fault> {
    let remedy = "Write an https URL with {icLabel} in it, as Atlassian has given it to you for the Isolated Cloud";
    text.parse().map_err(|error: BadJwksTemplate| Fault::new(error.to_string(), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_fills_a_template_of_https() {
        let template: JwksTemplate = "https://k.{icLabel}.example.com/{icLabel}.json".parse().unwrap();
        assert_eq!(template.url("a_b-1").as_deref(), Some("https://k.a_b-1.example.com/a_b-1.json"));
        for label in ["", "A", "a.b", "a/b", "a@b", "ä", &"a".repeat(51)] {
            assert_eq!(template.url(label), None, "{label}");
        }
        for text in ["https://example.com", "http://{icLabel}.example.com", "{icLabel}", "https://u:p@{icLabel}/"] {
            assert!(text.parse::<JwksTemplate>().is_err(), "{text}");
        }
    }
}
