//! A tenant: one site that has the add-on installed.

use actix_web::http::header::HeaderValue;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::Url;

use crate::config::has_usable_host;
use crate::jwt::SharedSecret;

/// Members of `installed` that describe the site and nothing depends on. One that is not a string is left out; any other
/// member of a wrong type makes the whole install malformed.
const DESCRIBING: [&str; 3] = ["displayUrl", "displayUrlServicedeskHelpCenter", "productType"];

/// The payload of `installed`, as far as the framework reads it. Unknown fields are tolerated and stored.
///
/// Source: Atlassian, "Lifecycle"; field list in the type definitions of several clients.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Installation {
    /// Identifies the tenant, for ever but for a site import.
    pub client_key: String,
    /// The key under which the add-on was installed; a renamed add-on keeps its old key at old tenants.
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    shared_secret: Option<String>,
    /// Where the host's REST API is: `https://site.atlassian.net`, for Confluence with `/wiki`.
    #[serde(default)]
    pub base_url: Option<String>,
    /// What people see in the address bar, if it is not `base_url`.
    #[serde(default, deserialize_with = "text_or_none")]
    pub display_url: Option<String>,
    /// The portal's address, if it has its own.
    #[serde(default, deserialize_with = "text_or_none")]
    pub display_url_servicedesk_help_center: Option<String>,
    /// `jira`, `confluence` …
    #[serde(default, deserialize_with = "text_or_none")]
    pub product_type: Option<String>,
    /// Needed to act as a user.
    #[serde(default)]
    pub oauth_client_id: Option<String>,
    /// The Forge installation that this tenant is, as an ARI.
    #[serde(default)]
    pub installation_id: Option<String>,
}

/// A text, or nothing where the value is something else.
fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(Some(text)),
        _ => Ok(None),
    }
}

impl Installation {
    /// Removes what describes the site and is not a string from a payload. Returns the names of what was removed.
    pub(crate) fn leave_out_malformed(payload: &mut Value) -> Vec<&'static str> {
        let Some(members) = payload.as_object_mut() else { return Vec::new() };
        let is_malformed = |value: &Value| !value.is_string() && !value.is_null();
        let malformed: Vec<_> =
            DESCRIBING.into_iter().filter(|name| members.get(*name).is_some_and(is_malformed)).collect();
        for name in &malformed {
            members.shift_remove(*name);
        }
        malformed
    }

    /// Reads a stored value or a payload; `None` when it has no usable clientKey, or when a field is of
    /// the wrong type that is more than a description.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let usable = |installation: &Self| {
            is_key(&installation.client_key)
                && installation.installation_id.as_deref().is_none_or(|id| id.is_empty() || is_key(id))
        };
        Self::deserialize(value).ok().filter(usable)
    }

    /// Whether there is a secret that a token can be checked with.
    #[must_use]
    pub fn has_usable_secret(&self) -> bool {
        self.shared_secret.as_deref().is_some_and(|secret| !secret.trim().is_empty())
    }
}

impl std::fmt::Debug for Installation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Installation")
            .field("client_key", &self.client_key)
            .field("key", &self.key)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

/// An installation with what every request needs of it, computed once when it is read from the store.
#[derive(Debug)]
pub struct Tenant {
    installation: Installation,
    secret: SharedSecret,
    frame_origins: Vec<String>,
    content_security_policy: HeaderValue,
}

impl Tenant {
    /// `None` when the installation has no usable secret: such a tenant can prove nothing.
    /// `further_ancestors` are the origins of the configuration that may frame a page besides the tenant's own.
    #[must_use]
    pub fn new(installation: Installation, further_ancestors: &[String]) -> Option<Self> {
        let secret =
            SharedSecret::new(installation.shared_secret.as_deref().filter(|secret| !secret.trim().is_empty())?);
        let frame_origins = frame_origins(&installation);
        let content_security_policy = {
            let mut policy = String::from("frame-ancestors");
            for origin in frame_origins.iter().chain(further_ancestors) {
                policy.push(' ');
                policy.push_str(origin);
            }
            HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("frame-ancestors 'none'"))
        };
        Some(Self { installation, secret, frame_origins, content_security_policy })
    }

    /// Identifies the tenant.
    #[must_use]
    pub fn client_key(&self) -> &str {
        &self.installation.client_key
    }

    /// The stored payload of `installed`.
    #[must_use]
    #[doc(hidden)]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The secret that signs in both directions.
    #[must_use]
    #[doc(hidden)]
    pub fn secret(&self) -> &SharedSecret {
        &self.secret
    }

    /// The key that signs for this tenant: the stored one, else `addon_key`.
    #[must_use]
    pub fn signing_key<'a>(&'a self, addon_key: &'a str) -> &'a str {
        self.installation.key.as_deref().filter(|key| !key.is_empty()).unwrap_or(addon_key)
    }

    /// The stored base URL without a trailing slash; empty when an old installation has none.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.installation.base_url.as_deref().unwrap_or_default().trim_end_matches('/')
    }

    /// The origins that may frame this tenant's pages.
    #[must_use]
    pub fn frame_origins(&self) -> &[String] {
        &self.frame_origins
    }

    /// `frame-ancestors …`, ready to send.
    #[must_use]
    pub fn content_security_policy(&self) -> &HeaderValue {
        &self.content_security_policy
    }
}

/// Whether a text can be a clientKey (or an installationId): ACE's columns take 255 characters, PostgreSQL no NUL.
#[must_use]
pub fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= 255 && !text.contains('\0')
}

/// The origin of an http(s) URL: `https://site.atlassian.net`; `None` for anything else, and for a host that would say
/// something else in a header (`https://*`, `https://a;script-src`).
#[must_use]
pub fn origin_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    has_usable_host(&url).then(|| url.origin().ascii_serialization())
}

fn frame_origins(installation: &Installation) -> Vec<String> {
    let urls = [&installation.base_url, &installation.display_url, &installation.display_url_servicedesk_help_center];
    let mut origins: Vec<String> = urls.into_iter().flatten().filter_map(|url| origin_of(url)).collect();
    origins.dedup();
    origins
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn installation(extra: &Value) -> Option<Installation> {
        let mut value = json!({"clientKey": "c", "sharedSecret": "s3cret-value", "baseUrl": "https://a.example/wiki/"});
        value.as_object_mut()?.extend(extra.as_object()?.clone());
        Installation::read(&value)
    }

    #[test]
    fn a_tenant_needs_a_client_key_and_a_secret() {
        assert!(installation(&json!({"clientKey": ""})).is_none());
        assert!(installation(&json!({"clientKey": ["c"]})).is_none());
        assert!(installation(&json!({"clientKey": "c\0"})).is_none());
        assert!(installation(&json!({"clientKey": "é".repeat(256)})).is_none());
        assert!(installation(&json!({"clientKey": "é".repeat(255)})).is_some());
        assert!(installation(&json!({"sharedSecret": 1})).is_none());
        for secret in [json!(null), json!(""), json!("  ")] {
            let installation = installation(&json!({"sharedSecret": secret})).unwrap();
            assert!(!installation.has_usable_secret());
            assert!(Tenant::new(installation, &[]).is_none());
        }
        assert!(Tenant::new(installation(&json!({"future": {"a": 1}})).unwrap(), &[]).is_some());
    }

    #[test]
    fn the_stored_key_signs() {
        let tenant = |extra| Tenant::new(installation(&extra).unwrap(), &[]).unwrap();
        assert_eq!(tenant(json!({"key": "old"})).signing_key("new"), "old");
        assert_eq!(tenant(json!({"key": ""})).signing_key("new"), "new");
        assert_eq!(tenant(json!({})).signing_key("new"), "new");
    }

    #[test]
    fn the_tenants_own_origins_may_frame_it() {
        let extra =
            json!({"displayUrl": "https://jira.a.example", "displayUrlServicedeskHelpCenter": "javascript:alert(1)"});
        let tenant = Tenant::new(installation(&extra).unwrap(), &["https://more.example".into()]).unwrap();
        assert_eq!(
            tenant.content_security_policy(),
            "frame-ancestors https://a.example https://jira.a.example https://more.example"
        );
        assert_eq!(tenant.base_url(), "https://a.example/wiki");
    }

    #[test]
    fn the_secret_does_not_print() {
        let installation = installation(&json!({})).unwrap();
        assert!(!format!("{installation:?}").contains("s3cret"));
        assert!(!format!("{:?}", Tenant::new(installation, &[])).contains("s3cret"));
    }
}
