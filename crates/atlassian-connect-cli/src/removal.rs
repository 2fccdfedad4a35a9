//! Reports to the app that a tenant's stored data was removed, so that it can delete its own.

use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::event_names::{Emission, TENANT_REMOVED};
use atlassian_connect_actix::internal::state::State;
use atlassian_connect_actix::store::Store;
use atlassian_connect_actix::{Addon, AddonBuilder, StartError};
use serde_json::json;
use std::sync::Arc;

use super::failure::Failure;
use super::output::plain;

/// Builds the app with its listeners, for a command that emits events.
pub(super) async fn at_rest(
    builder: AddonBuilder,
    config: Config,
    store: Arc<dyn Store>,
    listen: impl FnOnce(&Addon),
) -> Result<Addon, StartError> {
    let addon = builder.at_rest(config, store).await?;
    listen(&addon);
    Ok(addon)
}

/// Calls the app's listeners.
pub(super) struct Removal(Addon);

impl Removal {
    /// Builds the app with its listeners. Call this before anything is removed.
    pub(super) async fn prepare(
        builder: AddonBuilder,
        config: Config,
        store: Arc<dyn Store>,
        listen: impl FnOnce(&Addon),
    ) -> Result<Self, StartError> {
        at_rest(builder, config, store, listen).await.map(Self)
    }

    /// Reports one tenant.
    pub(super) async fn tell(&self, client_key: &str) -> Result<(), Failure> {
        let emission = Emission::new(TENANT_REMOVED, None, json!({ "clientKey": client_key }));
        let limit = self.0.config().limits.listener;
        let emitted = State::emit(&self.0.shared_state(), emission, limit).await;
        // waits for tasks that the listener has spawned, too
        self.0.drain(limit).await;
        emitted.map_err(|error| {
            Failure::Message(format!(
                "the data of {} was removed, but the app's own listener failed: {error}. Run `tenants remove` again \
                 for this clientKey",
                plain(client_key)
            ))
        })
    }
}
