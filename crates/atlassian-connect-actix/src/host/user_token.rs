//! What happens when a host refuses a user's token, through Connect or Forge.

use std::time::Instant;

use actix_web::http::header::HeaderValue;
use secrecy::ExposeSecret as _;

use super::actor::{Actor, Identity};
use super::site::HostSite;
use super::{forge, oauth2};

/// Drops a user's token to which a host has answered 401, in memory and in the store. Returns the key of this user's
/// tokens if another try may help. `None` if it cannot: the token was requested for this request (which began at
/// `since`), belongs to the invocation, or another one was refused a moment ago.
pub(super) async fn drop_refused(actor: &Actor, sent: &HeaderValue, since: Instant) -> Option<String> {
    let Identity::User { account_id, scopes } = &actor.identity else { return None };
    let (state, sent) = (&actor.state, sent.to_str().ok()?.strip_prefix("Bearer ")?);
    let id = match &actor.site {
        HostSite::Connect(tenant) => oauth2::TokenKeys::of(tenant, account_id, scopes).ok()?.id,
        HostSite::Forge(site) if site.is_own_user(account_id) => return None,
        HostSite::Forge(site) => forge::token_id(site, account_id),
    };
    if state.outbound.refused.contains_key(&id) {
        return None;
    }
    let is_sent = |token: &crate::outbound::UserToken| token.access_token.expose_secret() == sent;
    let Some(token) = state.outbound.tokens.get(&id).filter(is_sent) else {
        // another request has dropped it, or already has a newer one
        return Some(id);
    };
    if token.requested_at.is_some_and(|at| at >= since) {
        return None;
    }
    // the store first: a request that finds nothing in memory looks there
    match &actor.site {
        HostSite::Connect(tenant) => oauth2::forget(state, tenant, account_id, scopes, sent).await,
        HostSite::Forge(site) => forge::forget(state, site, account_id, sent).await,
    }
    if state.outbound.tokens.get(&id).is_some_and(|token| is_sent(&token)) {
        state.outbound.tokens.invalidate(&id);
    }
    tracing::debug!(account_id, "the host refused a cached user token: it is dropped");
    Some(id)
}
