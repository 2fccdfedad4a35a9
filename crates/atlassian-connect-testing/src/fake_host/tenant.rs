//! A site of a fake host, and the tokens that it signs.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::must;
use atlassian_connect_actix::internal::claims_of_site;
use atlassian_connect_actix::internal::jwt::{CONTEXT_QSH, JwtError, SharedSecret, now, qsh};

/// The lifetime of a host's token in seconds, as at Atlassian.
pub const LIFETIME: i64 = 180;

/// A site: the data that it sends when it installs the add-on, and the secret that it signs with.
#[derive(Clone)]
#[non_exhaustive]
pub struct TestTenant {
    /// Identifies the site.
    pub client_key: String,
    /// To rotate it, change it and install again.
    pub shared_secret: String,
    /// `https://site-1.atlassian.net`, or `http://127.0.0.1:…` if the fake host answers there. Ends in `/wiki` for
    /// Confluence.
    pub base_url: String,
    /// The URL in the user's address bar, if it differs.
    pub display_url: Option<String>,
    /// `jira` or `confluence`.
    pub product: String,
    /// The site's description of itself.
    pub description: String,
    /// The user who views the pages.
    pub account_id: String,
    /// The key that it installs the add-on under. `None`: the descriptor's.
    pub key: Option<String>,
    /// The Forge installation of the site.
    pub installation_id: Option<String>,
    /// The site's id for Atlassian's own services.
    pub cloud_id: String,
    /// What the user looks at, as in tokens: `{"jira": {"issue": {"id": "10001", "key": "JRA-1"}}}`. The user is added
    /// to it.
    pub context: Value,
}

impl TestTenant {
    /// A unique site. Nothing answers at its base URL; [`crate::TestHost::new_tenant`] creates one with a REST API.
    #[must_use]
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            client_key: format!("client-key-{number}"),
            shared_secret: format!("shared-secret-{number}-{}", now()),
            base_url: format!("https://site-{number}.atlassian.net"),
            display_url: None,
            product: "jira".to_owned(),
            description: "A site of the tests".to_owned(),
            account_id: format!("557058:user-{number}"),
            key: None,
            installation_id: None,
            cloud_id: format!("cloud-{number}"),
            context: json!({}),
        }
    }

    /// The payload of `installed`, or by `event_type` of another callback, which has no secret.
    #[must_use]
    pub fn payload(&self, addon_key: &str, event_type: &str) -> Value {
        let mut payload = json!({
            "key": self.key.as_deref().unwrap_or(addon_key),
            "clientKey": self.client_key,
            "oauthClientId": self.oauth_client_id(),
            "baseUrl": self.base_url,
            "displayUrl": self.display_url.as_deref().unwrap_or(&self.base_url),
            "productType": self.product,
            "description": self.description,
            "eventType": event_type,
        });
        if event_type == "installed" {
            payload["sharedSecret"] = self.shared_secret.as_str().into();
        }
        if let Some(id) = &self.installation_id {
            payload["installationId"] = id.as_str().into();
        }
        payload
    }

    /// The installation's id for the authorization server.
    #[must_use]
    pub fn oauth_client_id(&self) -> String {
        format!("oauth-{}", self.client_key)
    }

    /// The claims of a token for one request to `path` (relative to the add-on's base URL) with `query` as sent. Change
    /// them and [`TestTenant::sign`] them to simulate a faulty host.
    #[must_use]
    pub fn claims(&self, method: &str, path: &str, query: &str) -> Value {
        let hash = qsh::hash(method, path, query);
        let mut claims = claims_of_site(&self.client_key, Some(&self.account_id), &hash, LIFETIME);
        claims["context"] = self.context.clone();
        claims["context"]["user"] = json!({ "accountId": self.account_id, "displayName": "Mia" });
        claims
    }

    /// A token for one request.
    #[must_use]
    pub fn token(&self, method: &str, path: &str, query: &str) -> String {
        self.sign(&self.claims(method, path, query))
    }

    /// A context JWT, as a page gets it from `AP.context.getToken`.
    #[must_use]
    pub fn context_token(&self) -> String {
        let mut claims = self.claims("GET", "/", "");
        claims["qsh"] = CONTEXT_QSH.into();
        self.sign(&claims)
    }

    /// Signs any claims with the site's secret.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        must(self.try_sign(claims), "the token cannot be signed")
    }

    /// Like [`TestTenant::sign`], for callers that must not panic.
    ///
    /// # Errors
    /// [`JwtError::Signing`].
    #[doc(hidden)]
    pub fn try_sign(&self, claims: &Value) -> Result<String, JwtError> {
        SharedSecret::new(&self.shared_secret).sign(claims)
    }
}

impl Default for TestTenant {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for TestTenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestTenant").field("client_key", &self.client_key).finish_non_exhaustive()
    }
}

/// The claims of a lifecycle callback: a `POST` to `path` (with its query) for the base URL `audience`.
#[must_use]
pub fn claims_for(tenant: &TestTenant, audience: &str, path: &str) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut claims = claims_of_site(&tenant.client_key, None, &qsh::hash("POST", path, query), LIFETIME);
    claims["aud"] = json!([audience]);
    claims
}
