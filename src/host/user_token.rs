//! What the two kinds of user tokens have in common: how long they live, and what happens when a host refuses one.

use std::time::Instant;

use actix_web::http::header::HeaderValue;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::site::Site;
use super::{HostClient, Identity, forge, oauth2};

/// A lifetime in seconds. Some servers write it as text, or with a fraction. What cannot be read is `None`.
pub(super) fn lifetime(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(seconds)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse().ok().and_then(seconds))
        }
        _ => None,
    }
}

#[allow(clippy::cast_possible_truncation)] // more than an i64 holds is its largest
fn seconds(value: f64) -> Option<i64> {
    value.is_finite().then(|| value.floor() as i64)
}

/// Forgets the user's token that a host has answered 401 to, in memory and in the store. `None`: another try is no use,
/// since the token was requested for this very request (which began at `since`), is the invocation's own, or was
/// refused a moment ago, too. Else the name under which tokens of this user are kept.
pub(super) async fn drop_refused(client: &HostClient, sent: &HeaderValue, since: Instant) -> Option<String> {
    let Identity::User { account_id, scopes } = &client.identity else { return None };
    let (state, sent) = (&client.state, sent.to_str().ok()?.strip_prefix("Bearer ")?);
    let id = match &client.site {
        Site::Connect(tenant) => oauth2::Place::of(tenant, account_id, scopes).ok()?.id,
        Site::Forge(site) if site.is_own_user(account_id) => return None,
        Site::Forge(site) => forge::token_id(site, account_id),
    };
    if state.outbound.refused.contains_key(&id) {
        return None;
    }
    let is_sent = |token: &crate::outbound::UserToken| token.access_token.expose_secret() == sent;
    let Some(token) = state.outbound.tokens.get(&id).filter(is_sent) else {
        // another request has dropped it, or has a newer one already
        return Some(id);
    };
    if token.requested_at.is_some_and(|at| at >= since) {
        return None;
    }
    // the store first: whoever finds nothing in memory looks there
    match &client.site {
        Site::Connect(tenant) => oauth2::forget(state, tenant, account_id, scopes, sent).await,
        Site::Forge(site) => forge::forget(state, site, account_id, sent).await,
    }
    if state.outbound.tokens.get(&id).is_some_and(|token| is_sent(&token)) {
        state.outbound.tokens.invalidate(&id);
    }
    tracing::debug!(account_id, "the host refused a user token that was kept: it is dropped");
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lifetime_is_a_number_in_any_form() {
        for (value, expected) in [
            (json!(900), Some(900)),
            (json!("900"), Some(900)),
            (json!(" 900 "), Some(900)),
            (json!(899.9), Some(899)),
            (json!("899.9"), Some(899)),
            (json!(900.0), Some(900)),
            (json!("9e2"), Some(900)),
            (json!(-1), Some(-1)),
            (json!(u64::MAX), Some(i64::MAX)),
            (json!(1e300), Some(i64::MAX)),
            (json!(-1e300), Some(i64::MIN)),
            (json!("9".repeat(300)), Some(i64::MAX)),
            (json!("inf"), None),
            (json!("NaN"), None),
            (json!("soon"), None),
            (json!(""), None),
            (json!(null), None),
            (json!(true), None),
            (json!([900]), None),
        ] {
            assert_eq!(lifetime(&value), expected, "{value}");
        }
    }
}
