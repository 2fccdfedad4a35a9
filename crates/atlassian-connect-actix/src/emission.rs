//! Events on their way to the listeners.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::installation::{Apis, site_ari};
use crate::tenants::Tenant;

/// The origin of an event that Forge sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ForgeOrigin {
    /// The installation's ARI.
    pub installation_id: String,
    /// The base URL of the product's API for it.
    pub api_base_url: Option<String>,
    /// The site.
    pub cloud_id: Option<String>,
    /// The account id of the user who caused it, if the token names one.
    pub account_id: Option<String>,
    /// The keys of its products, see [`ForgeOrigin::site_keys`]. They are stored with the event, since only the token
    /// has what they are made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<String>,
    /// Its products. The first one is the one that the event comes from.
    #[serde(default)]
    pub(crate) apis: Apis,
}

impl ForgeOrigin {
    /// The keys of all products of the installation. The first one is the key of the tenant.
    pub(crate) fn site_keys(&self) -> Vec<String> {
        if !self.keys.is_empty() {
            return self.keys.clone();
        }
        // an event that an older version stored
        let site = self.api_base_url.as_deref().and_then(site_ari);
        vec![site.unwrap_or_else(|| self.installation_id.clone())]
    }
}

/// An event that occurred. Listeners get it as an `Occurrence`.
#[derive(Debug, Clone)]
pub struct Emission {
    /// Its name.
    pub event: String,
    /// The authenticated tenant.
    pub tenant: Option<Arc<Tenant>>,
    /// The key under which the app stores data of the tenant; `None` if no tenant is known.
    pub tenant_key: Option<String>,
    /// Its origin, if Forge sent it.
    pub forge: Option<Arc<ForgeOrigin>>,
    /// The body.
    pub body: Arc<Value>,
}

impl Emission {
    /// Removes secrets from the body: listeners often log it.
    #[must_use]
    pub fn new(event: impl Into<String>, tenant: Option<Arc<Tenant>>, mut body: Value) -> Self {
        if let Some(fields) = body.as_object_mut() {
            fields.shift_remove("sharedSecret");
        }
        let tenant_key = tenant.as_ref().map(|tenant| tenant.client_key().to_owned());
        Self { event: event.into(), tenant, tenant_key, forge: None, body: Arc::new(body) }
    }

    /// An event that Forge sent. The key of the tenant is known even if no Connect tenant is.
    pub(crate) fn of_forge(
        event: impl Into<String>,
        (tenant, tenant_key): (Option<Arc<Tenant>>, String),
        origin: Arc<ForgeOrigin>,
        body: Arc<Value>,
    ) -> Self {
        Self { event: event.into(), tenant, tenant_key: Some(tenant_key), forge: Some(origin), body }
    }
}

/// The names of the events that the framework emits besides webhooks.
pub(crate) mod names {
    /// A tunnel is open, and its URL is the base URL.
    pub const LOCALTUNNEL_STARTED: &str = "localtunnel_started";
    /// A site of `credentials.json` has installed the add-on.
    pub const ADDON_REGISTERED: &str = "addon_registered";
    /// The add-on has been deregistered from the sites of `credentials.json`.
    pub const ADDON_DEREGISTERED: &str = "addon_deregistered";
    /// A signed install could not be stored.
    pub const HOST_SETTINGS_NOT_SAVED: &str = "host_settings_not_saved";
    /// All stored data of a tenant has been deleted.
    pub const TENANT_REMOVED: &str = "tenant_removed";
    /// A site that used the app only through Forge is known as a Connect tenant.
    pub const TENANT_ASSOCIATED: &str = "tenant_associated";
    /// A webhook has arrived and is about to be verified.
    pub const WEBHOOK_AUTH_VERIFICATION_TRIGGERED: &str = "webhook_auth_verification_triggered";
    /// A webhook has been verified.
    pub const WEBHOOK_AUTH_VERIFICATION_SUCCESSFUL: &str = "webhook_auth_verification_successful";
}

/// The names of the lifecycle events of a Forge app.
///
/// Source: Atlassian, "Forge life cycle events".
pub(crate) mod forge_names {
    /// The app was installed.
    pub(crate) const INSTALLED: &str = "avi:forge:installed:app";
    /// The app was uninstalled. Forge's documentation does not promise this event, but it is handled if it comes.
    pub(crate) const UNINSTALLED: &str = "avi:forge:uninstalled:app";
    /// An installation was upgraded to another major version.
    pub(crate) const UPGRADED: &str = "avi:forge:upgraded:app";
    /// The app is about to be uninstalled. Forge's own events do not include it.
    pub(crate) const PRE_UNINSTALL: &str = "forge:preUninstall";
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_keys_of_an_installation_are_stored_with_its_event() {
        let keys = vec!["ari:cloud:jira::site/c/environment/s".to_owned(), "b".to_owned()];
        let api = "https://api.atlassian.com/ex/jira/c";
        let origin = ForgeOrigin { installation_id: "i".to_owned(), keys: keys.clone(), ..ForgeOrigin::default() };
        let stored = serde_json::to_value(&origin).unwrap();
        let read: ForgeOrigin = serde_json::from_value(stored).unwrap();
        assert_eq!(read.site_keys(), keys);
        assert_eq!(read, origin);
        // as an older version wrote them
        for (row, key) in [
            (json!({ "installationId": "i", "apiBaseUrl": api }), "ari:cloud:jira::site/c"),
            (json!({ "installationId": "i", "apiBaseUrl": null, "cloudId": "c", "accountId": null }), "i"),
        ] {
            let read: ForgeOrigin = serde_json::from_value(row).unwrap();
            assert_eq!(read.site_keys(), [key]);
        }
    }

    #[test]
    fn the_secret_of_an_install_does_not_reach_listeners() {
        let body = serde_json::json!({"clientKey": "c", "sharedSecret": "s"});
        assert_eq!(*Emission::new("e", None, body).body, serde_json::json!({"clientKey": "c"}));
    }
}
