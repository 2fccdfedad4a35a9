//! Stores the app's token that an invocation brings, see [`AppToken`].

use actix_web::web;
use secrecy::{ExposeSecret as _, SecretString};

use crate::installation::Apis;
use crate::outbound::AppToken;
use crate::panics;
use crate::state::State;

/// Keeps the token of an invocation. `is_sure`: Forge itself sent it, not a page. The store is written in the
/// background: the invocation does not wait for it.
pub(super) fn keep(state: &web::Data<State>, installation_id: &str, token: &SecretString, apis: Apis, is_sure: bool) {
    let token = AppToken::read(token.expose_secret(), apis, is_sure, state.config.limits.token);
    if !state.outbound.app_tokens.offer(installation_id, &token) || !is_sure {
        return;
    }
    let (state, installation_id) = (state.clone(), installation_id.to_owned());
    panics::spawn("storing the token of the Forge app", async move {
        let store = state.tenants.store();
        if let Err(error) = state.outbound.app_tokens.save(store.as_ref(), &installation_id, &token).await {
            tracing::warn!(%error, installation_id, "the token of the Forge app could not be stored");
        }
    });
}
