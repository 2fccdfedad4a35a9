//! What happens, on its way to the listeners.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tenants::Tenant;

/// Where an event that Forge sent comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ForgeOrigin {
    /// The installation's ARI.
    pub installation_id: String,
    /// Where the product's API is for it.
    pub api_base_url: Option<String>,
    /// The site.
    pub cloud_id: Option<String>,
    /// Who did it, where the token says so.
    pub account_id: Option<String>,
}

/// Something that happened. What listeners get of it is an `Occurrence`.
#[derive(Debug, Clone)]
pub struct Emission {
    /// Its name.
    pub event: String,
    /// The tenant that proved itself.
    pub tenant: Option<Arc<Tenant>>,
    /// Where it comes from, if Forge has sent it.
    pub forge: Option<Arc<ForgeOrigin>>,
    /// What was sent.
    pub body: Arc<Value>,
}

impl Emission {
    /// Secrets of the body are left out: what listeners get is often logged.
    #[must_use]
    pub fn new(event: impl Into<String>, tenant: Option<Arc<Tenant>>, mut body: Value) -> Self {
        if let Some(fields) = body.as_object_mut() {
            fields.shift_remove("sharedSecret");
        }
        Self { event: event.into(), tenant, forge: None, body: Arc::new(body) }
    }

    /// An event that Forge sent.
    pub(crate) fn of_forge(
        event: impl Into<String>,
        tenant: Option<Arc<Tenant>>,
        origin: Arc<ForgeOrigin>,
        body: Arc<Value>,
    ) -> Self {
        Self { event: event.into(), tenant, forge: Some(origin), body }
    }
}

/// Names of the events that the framework emits besides webhooks.
pub(crate) mod names {
    /// A tunnel leads to the add-on, and its URL is the base URL.
    pub const LOCALTUNNEL_STARTED: &str = "localtunnel_started";
    /// A site of `credentials.json` has taken the add-on.
    pub const ADDON_REGISTERED: &str = "addon_registered";
    /// The sites of `credentials.json` have been asked to let the add-on go.
    pub const ADDON_DEREGISTERED: &str = "addon_deregistered";
    /// A signed install could not be stored.
    pub const HOST_SETTINGS_NOT_SAVED: &str = "host_settings_not_saved";
    /// All that was stored for a tenant has been removed.
    pub const TENANT_REMOVED: &str = "tenant_removed";
    /// A webhook has arrived and is about to be verified.
    pub const WEBHOOK_AUTH_VERIFICATION_TRIGGERED: &str = "webhook_auth_verification_triggered";
    /// A webhook has been verified.
    pub const WEBHOOK_AUTH_VERIFICATION_SUCCESSFUL: &str = "webhook_auth_verification_successful";
}

/// Names of events that every Forge app has to do with.
///
/// Source: Atlassian, "Forge life cycle events".
pub(crate) mod forge_names {
    /// The app was installed.
    pub(crate) const INSTALLED: &str = "avi:forge:installed:app";
    /// An installation was upgraded to another major version.
    pub(crate) const UPGRADED: &str = "avi:forge:upgraded:app";
    /// The app is about to be uninstalled; Forge's own events do not name it.
    pub(crate) const PRE_UNINSTALL: &str = "forge:preUninstall";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_of_an_install_does_not_reach_listeners() {
        let body = serde_json::json!({"clientKey": "c", "sharedSecret": "s"});
        assert_eq!(*Emission::new("e", None, body).body, serde_json::json!({"clientKey": "c"}));
    }
}
