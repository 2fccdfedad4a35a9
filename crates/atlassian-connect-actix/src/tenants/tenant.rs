//! A tenant: one site that has the add-on installed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::HeaderValue;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::Url;

use crate::config::{Product, has_usable_host};
use crate::jwt::{JwtError, SharedSecret};

/// Fields of `installed` that only describe the site. One that is not a string is dropped; any other field of a wrong
/// type makes the whole install malformed.
const DESCRIBING: [&str; 3] = ["displayUrl", "displayUrlServicedeskHelpCenter", "productType"];

/// The fields of the `installed` payload that the framework reads. Unknown fields are tolerated and stored.
///
/// Source: Atlassian, "Lifecycle"; list of fields in the type definitions of several clients.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Installation {
    /// Identifies the tenant; it changes only with a site import.
    pub client_key: String,
    /// The key under which the add-on was installed; a renamed add-on keeps its old key for old tenants.
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    shared_secret: Option<String>,
    /// The base URL of the host's REST API: `https://site.atlassian.net`, for Confluence with `/wiki`.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The URL that people see, if it is not `base_url`.
    #[serde(default, deserialize_with = "text_or_none")]
    pub display_url: Option<String>,
    /// The URL of the help center, if it has its own.
    #[serde(default, deserialize_with = "text_or_none")]
    pub display_url_servicedesk_help_center: Option<String>,
    /// `jira`, `confluence` …
    #[serde(default, deserialize_with = "text_or_none")]
    pub product_type: Option<String>,
    /// The OAuth client id, needed to act as a user.
    #[serde(default)]
    pub oauth_client_id: Option<String>,
    /// The ARI of the tenant's Forge installation.
    #[serde(default)]
    pub installation_id: Option<String>,
}

/// A string; `None` for a value of any other type.
fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(Some(text)),
        _ => Ok(None),
    }
}

impl Installation {
    /// Removes the descriptive fields that are not strings from a payload. Returns their names.
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

    /// Reads a stored value or a payload. `None` if it has no usable clientKey, or if a field that is not merely
    /// descriptive has the wrong type.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let usable = |installation: &Self| {
            is_key(&installation.client_key)
                && installation.installation_id.as_deref().is_none_or(|id| id.is_empty() || is_key(id))
        };
        Self::deserialize(value).ok().filter(usable)
    }

    /// Whether there is a secret with which a token can be verified.
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

/// An installation and the values that every request needs, computed once when it is read from the store.
#[derive(Debug)]
pub struct Tenant {
    installation: Installation,
    secret: SharedSecret,
    origin: Option<String>,
    frame_origins: Vec<String>,
    content_security_policy: HeaderValue,
    page_fingerprint: OnceLock<String>,
    is_seen: AtomicBool,
}

impl Tenant {
    /// `None` if the installation has no usable secret. `further_ancestors` are the configured origins that may frame a
    /// page besides the tenant's own.
    #[must_use]
    pub fn new(installation: Installation, further_ancestors: &[String]) -> Option<Self> {
        let secret =
            SharedSecret::new(installation.shared_secret.as_deref().filter(|secret| !secret.trim().is_empty())?);
        let origin = installation.base_url.as_deref().and_then(origin_of);
        let frame_origins = frame_origins(&installation);
        let content_security_policy = frame_ancestors(frame_origins.iter().chain(further_ancestors));
        let page_fingerprint = OnceLock::new();
        let is_seen = AtomicBool::new(false);
        Some(Self { installation, secret, origin, frame_origins, content_security_policy, page_fingerprint, is_seen })
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

    /// Marks the tenant as seen. Returns whether it was before, in this state from the store.
    pub(super) fn is_seen_now(&self) -> bool {
        // read first: a write would take the cache line from the other threads at each request
        self.is_seen.load(Ordering::Relaxed) || self.is_seen.swap(true, Ordering::Relaxed)
    }

    /// The product whose site it is; Jira if nothing says another one.
    pub(crate) fn product(&self) -> Product {
        product_of(self.installation.product_type.as_deref(), self.base_url()).unwrap_or_default()
    }

    /// Whether it is a tenant of Bitbucket, where all customers have the same base URL.
    pub(crate) fn is_of_bitbucket(&self) -> bool {
        self.product() == Product::Bitbucket || self.client_key().starts_with(OF_BITBUCKET)
    }

    /// The id of the workspace that a tenant of Bitbucket is for, without braces. Its clientKey names it.
    pub(crate) fn workspace_id(&self) -> Option<&str> {
        let (id, _) = self.client_key().strip_prefix(OF_BITBUCKET)?.split_once('/')?;
        Some(id.strip_prefix('{').and_then(|id| id.strip_suffix('}')).unwrap_or(id))
    }

    /// What the tokens of pages on Forge carry for the secret: another install, another fingerprint.
    ///
    /// # Errors
    /// [`JwtError::Signing`].
    pub(crate) fn page_fingerprint(&self) -> Result<&str, JwtError> {
        if let Some(known) = self.page_fingerprint.get() {
            return Ok(known);
        }
        let fingerprint = self.secret.fingerprint("atlassian-connect page session")?;
        Ok(self.page_fingerprint.get_or_init(|| fingerprint))
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

    /// The origin of the base URL, if it has one.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The origins that may frame this tenant's pages.
    #[must_use]
    pub fn frame_origins(&self) -> &[String] {
        &self.frame_origins
    }

    /// The header `Content-Security-Policy` with `frame-ancestors …`.
    #[must_use]
    pub fn content_security_policy(&self) -> &HeaderValue {
        &self.content_security_policy
    }
}

/// A `Content-Security-Policy` that lets these origins frame a page.
pub(crate) fn frame_ancestors<'a>(origins: impl Iterator<Item = &'a String>) -> HeaderValue {
    let mut policy = String::from("frame-ancestors");
    for origin in origins {
        policy.push(' ');
        policy.push_str(origin);
    }
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("frame-ancestors 'none'"))
}

/// Whether a text can be a clientKey (or an installationId): ACE's columns hold 255 characters, and PostgreSQL stores
/// no NUL.
#[must_use]
pub fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= 255 && !text.contains('\0')
}

/// The product of a tenant: as its install says, else by its base URL, which ends in `/wiki` for Confluence. `None`:
/// neither says it. An old installation may not name it.
#[must_use]
pub fn product_of(product_type: Option<&str>, base_url: &str) -> Option<Product> {
    let named = product_type.and_then(|product| product.parse().ok());
    named.or_else(|| base_url.trim_end_matches('/').ends_with("/wiki").then_some(Product::Confluence))
}

/// How the clientKeys of Bitbucket begin: `ari:cloud:bitbucket::app/{uuid of the workspace}/key-of-the-app`.
///
/// Source: tokens and installs of Bitbucket in the tests of several of its apps.
const OF_BITBUCKET: &str = "ari:cloud:bitbucket::app/";

/// Whether this name is not that of a Connect tenant, but of a Forge-only site or of the framework.
#[must_use]
pub(crate) fn is_reserved(name: &str) -> bool {
    let is_ari = name.starts_with("ari:cloud:") && !name.starts_with(OF_BITBUCKET);
    is_ari || name.starts_with("atlassian-connect:")
}

/// The origin of an http(s) URL: `https://site.atlassian.net`. `None` for any other URL, and for a host that would have
/// another meaning in a header (`https://*`, `https://a;script-src`).
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
    fn the_product_is_named_or_seen_from_the_path() {
        for (product_type, base_url, product) in [
            (Some("jira"), "https://a.example/wiki", Product::Jira),
            (Some("Confluence"), "https://a.example", Product::Confluence),
            (Some("bitbucket"), "https://api.bitbucket.org", Product::Bitbucket),
            (Some("servicedesk"), "https://a.example", Product::Jira),
            (None, "https://a.example/wiki", Product::Confluence),
            (None, "https://a.example/wiki/", Product::Confluence),
            (None, "https://a.example/wikis", Product::Jira),
            (None, "https://a.example", Product::Jira),
            (None, "", Product::Jira),
        ] {
            assert_eq!(product_of(product_type, base_url).unwrap_or_default(), product, "{product_type:?} {base_url}");
        }
    }

    #[test]
    fn a_client_key_of_bitbucket_names_its_workspace() {
        for (client_key, workspace) in [
            ("ari:cloud:bitbucket::app/{1b6b-7a}/my-app", Some("1b6b-7a")),
            ("ari:cloud:bitbucket::app/1b6b-7a/my-app", Some("1b6b-7a")),
            ("ari:cloud:bitbucket::app/{1b6b-7a}", None),
            ("c", None),
        ] {
            let tenant = Tenant::new(installation(&json!({"clientKey": client_key})).unwrap(), &[]).unwrap();
            assert_eq!(tenant.workspace_id(), workspace, "{client_key}");
            assert_eq!(tenant.is_of_bitbucket(), client_key != "c", "{client_key}");
            assert!(!is_reserved(client_key), "{client_key}");
        }
        for reserved in ["ari:cloud:bitbucket::workspace/w", "ari:cloud:jira::site/c", "atlassian-connect:pages"] {
            assert!(is_reserved(reserved), "{reserved}");
        }
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
    fn the_secret_is_not_printed() {
        let installation = installation(&json!({})).unwrap();
        assert!(!format!("{installation:?}").contains("s3cret"));
        assert!(!format!("{:?}", Tenant::new(installation, &[])).contains("s3cret"));
    }
}
