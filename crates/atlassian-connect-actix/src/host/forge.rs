//! Tokens for the product's API of a Forge installation: those of the app, of the invocation's user, and of other users
//! (offline).
//!
//! Source: Atlassian, "Forge Remote: calling product APIs".

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use md5::{Digest as _, Md5};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::lifetime::lifetime;
use super::site::ForgeSite;
use crate::jwt::{ForgeClaims, now, to_hex};
use crate::outbound::{TokenError, UserToken};
use crate::redact;
use crate::state::State;
use crate::store::Place;

/// A token that expires sooner than this is renewed, in seconds.
const MARGIN: i64 = 5;
const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: usize = 64 * 1024;
const OFFLINE: &str = "mutation offline($input: OfflineUserAuthTokenInput!) { offlineUserAuthToken(input: $input) \
                       { success errors { message } authToken { token ttl } } }";

/// The bearer token that acts as the app.
pub(super) async fn app_token(state: &State, site: &ForgeSite) -> Result<SecretString, TokenError> {
    if let Some(token) = &site.app_token {
        return Ok(token.clone());
    }
    match state.forge_app_token(&site.installation_id).await {
        Ok(Some(token)) => Ok(SecretString::from(token.token.expose_secret())),
        Ok(None) => Err(TokenError::Refused(
            "as the app: no invocation has brought its token; in the manifest, set auth.appSystemToken.enabled of the \
             endpoint, and the scope read:app-system-token with at least one scope of the product"
                .into(),
        )),
        Err(error) => Err(TokenError::Unavailable(error.to_string())),
    }
}

/// The bearer token that acts as `account_id`.
pub(super) async fn user_token(state: &State, site: &ForgeSite, account_id: &str) -> Result<SecretString, TokenError> {
    if matches!(account_id, "" | ForgeClaims::ANONYMOUS) {
        return Err(TokenError::NoUser);
    }
    if let Some((_, token)) = &site.user
        && site.is_own_user(account_id)
    {
        return Ok(token.clone());
    }
    if site.page_user.as_deref() == Some(account_id) {
        return Err(TokenError::Expired);
    }
    let token = offline_token(state, site, account_id).await?;
    Ok(SecretString::from(token.access_token.expose_secret()))
}

/// From memory, the store, or Forge. Single flight: one request per token at a time.
async fn offline_token(state: &State, site: &ForgeSite, account_id: &str) -> Result<UserToken, TokenError> {
    let fresh = |token: &UserToken| token.expires_at.saturating_sub(MARGIN) > now();
    let id = token_id(site, account_id);
    if let Some(token) = state.outbound.tokens.get(&id).filter(fresh) {
        return Ok(token);
    }
    let key = store_key(site, account_id);
    let fetch = || async {
        // the last flight may have ended between our look and our joining
        if let Some(token) = state.outbound.tokens.get(&id).filter(fresh) {
            return Ok(token);
        }
        let token = if let Some(token) = stored(state, site, &key).await.filter(fresh) {
            token
        } else {
            let token = request(state, site, account_id).await?;
            let value = json!({ "token": token.access_token.expose_secret(), "expiresAt": token.expires_at });
            if let Err(error) = state.tenants.store().set(Place::of_forge(&site.installation_id, &key), &value).await {
                tracing::warn!(%error, "a user token could not be stored");
            }
            token
        };
        state.outbound.tokens.insert(id.clone(), token.clone());
        Ok(token)
    };
    state.outbound.token_flights.join(id.clone(), fetch).await
}

/// The key of a token in memory.
pub(super) fn token_id(site: &ForgeSite, account_id: &str) -> String {
    format!("forge\n{}\n{}", site.installation_id, holder(site, account_id))
}

fn store_key(site: &ForgeSite, account_id: &str) -> String {
    format!("offline:{}", to_hex(&Md5::digest(holder(site, account_id).as_bytes())))
}

/// Whose token it is. It is requested for the ARI of one product.
fn holder<'a>(site: &ForgeSite, account_id: &'a str) -> Cow<'a, str> {
    match site.ari().filter(|_| site.has_several_products()) {
        Some(ari) => format!("{ari}\n{account_id}").into(),
        None => account_id.into(),
    }
}

/// Removes a token from the store, unless another one has replaced it.
pub(super) async fn forget(state: &State, site: &ForgeSite, account_id: &str, token: &str) {
    let key = store_key(site, account_id);
    if stored(state, site, &key).await.is_some_and(|stored| stored.access_token.expose_secret() == token)
        && let Err(error) = state.tenants.store().delete(Place::of_forge(&site.installation_id, &key)).await
    {
        tracing::warn!(%error, "a user token that was refused could not be removed");
    }
}

async fn stored(state: &State, site: &ForgeSite, key: &str) -> Option<UserToken> {
    // an unavailable store costs a token request, but does not fail the caller's request
    let value = state.tenants.store().get(Place::of_forge(&site.installation_id, key)).await.ok()??;
    let token = value.get("token")?.as_str()?;
    let expires_at = value.get("expiresAt")?.as_i64()?;
    Some(UserToken { access_token: Arc::new(SecretString::from(token)), expires_at, requested_at: None })
}

async fn request(state: &State, site: &ForgeSite, account_id: &str) -> Result<UserToken, TokenError> {
    let away = |reason: String| TokenError::Unavailable(reason);
    let no_site = || TokenError::Refused("the invocation's apiBaseUrl names no site".into());
    let (context, url) = (site.ari().ok_or_else(no_site)?, site.graphql().ok_or_else(no_site)?);
    let app_token = app_token(state, site).await?;
    if !state.outbound.may_ask_offline(&site.installation_id) {
        return Err(away("too many tokens were requested recently (Forge allows 1000 a minute)".into()));
    }
    let (issued, requested_at) = (now(), Some(Instant::now()));
    let exchange = async {
        let request = state.outbound.guard.client().post(url.as_str()).bearer_auth(app_token.expose_secret());
        let question = json!({
            "query": OFFLINE,
            "variables": { "input": { "contextIds": [context], "userId": account_id } },
        });
        let mut response = request.send_json(&question).await.map_err(|error| away(error.to_string()))?;
        let body = response.body().limit(ANSWER_LIMIT).await.map_err(|error| away(error.to_string()))?;
        Ok((response.status(), body))
    };
    let answer = tokio::time::timeout(TIMEOUT, exchange).await;
    let (status, body) = answer.unwrap_or_else(|_| Err(away("no answer in time".into())))?;
    let url = redact::shown(url.as_str());
    tracing::debug!(target: "http", direction = "out", method = "POST", url, status = status.as_u16(), "offline user token");
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(away(format!("it answered {status}")));
    }
    let answer: Value = serde_json::from_slice(&body).map_err(|_| away("the answer is not JSON".into()))?;
    let granted = &answer["data"]["offlineUserAuthToken"];
    match (granted["authToken"]["token"].as_str(), lifetime(&granted["authToken"]["ttl"])) {
        (Some(token), Some(ttl)) => {
            let access_token = Arc::new(SecretString::from(token));
            Ok(UserToken { access_token, expires_at: issued.saturating_add(ttl), requested_at })
        }
        _ => Err(TokenError::Refused(format!("Forge answered {status} {}", complaint(&answer)))),
    }
}

/// The errors in Forge's answer, as one text.
fn complaint(answer: &Value) -> String {
    let lists = [&answer["data"]["offlineUserAuthToken"]["errors"], &answer["errors"]];
    let messages = lists.into_iter().filter_map(Value::as_array).flatten();
    let messages: Vec<&str> = messages.filter_map(|error| error["message"].as_str()).collect();
    messages.join("; ").chars().take(300).collect()
}
