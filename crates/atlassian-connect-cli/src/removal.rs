//! Telling the app that what was stored for a tenant is gone, so that its own rows go too.

use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::event_names::{Emission, TENANT_REMOVED};
use atlassian_connect_actix::internal::state::State;
use atlassian_connect_actix::store::Store;
use atlassian_connect_actix::{Addon, AddonBuilder, StartError};
use serde_json::json;
use std::sync::Arc;

use super::failure::Failure;
use super::output::plain;

/// Who tells the listeners of the app.
pub(super) struct Removal(Addon);

impl Removal {
    /// The app with its listeners: made before anything is removed.
    pub(super) async fn prepare(
        builder: AddonBuilder,
        config: Config,
        store: Arc<dyn Store>,
        listen: impl FnOnce(&Addon),
    ) -> Result<Self, StartError> {
        let addon = builder.at_rest(config, store).await?;
        listen(&addon);
        Ok(Self(addon))
    }

    /// Tells of one tenant.
    pub(super) async fn tell(&self, client_key: &str) -> Result<(), Failure> {
        let emission = Emission::new(TENANT_REMOVED, None, json!({ "clientKey": client_key }));
        let limit = self.0.config().limits.listener;
        let told = State::emit(&self.0.shared_state(), emission, limit).await;
        // and what the listener has spawned
        self.0.drain(limit).await;
        told.map_err(|error| {
            Failure::Told(format!(
                "what is stored for {} was removed, but the app's own listener failed: {error}. Run `tenants remove` again \
                 for this clientKey",
                plain(client_key)
            ))
        })
    }
}
