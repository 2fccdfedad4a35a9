//! Tokens to act as a user: the JWT bearer grant, cached per tenant, user and scopes.
//!
//! Source: Atlassian, "User impersonation for Connect apps"; RFC 7523.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use md5::{Digest as _, Md5};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::lifetime::lifetime;
use crate::jwt::{now, to_hex};
use crate::outbound::{TokenError, UserToken};
use crate::redact;
use crate::state::State;
use crate::store::Place;
use crate::tenants::Tenant;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The lifetime of an assertion, in seconds; the server accepts at most two minutes.
const ASSERTION_LIFETIME: i64 = 60;
/// A token that expires sooner than this is renewed, in seconds.
const MARGIN: i64 = 3;
const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: usize = 64 * 1024;

#[derive(Serialize)]
struct Assertion<'a> {
    iss: String,
    sub: String,
    tnt: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
}

/// A token for `account_id`, from memory, the store, or the authorization server.
pub(super) async fn token(
    state: &State,
    tenant: &Tenant,
    account_id: &str,
    scopes: &[String],
) -> Result<UserToken, TokenError> {
    let client_id = client_id(tenant).ok_or_else(|| {
        TokenError::Refused(format!("its installation has no oauthClientId; {}", scope_remedy(state)))
    })?;
    if account_id.is_empty() {
        return Err(TokenError::Refused("no user is given".into()));
    }
    let TokenKeys { id, key, binding, scopes } = TokenKeys::of(tenant, account_id, scopes)?;
    if let Some(token) = state.outbound.tokens.get(&id).filter(is_fresh) {
        return Ok(token);
    }
    let fetch = || async {
        // the last flight may have ended between our look and our joining
        if let Some(token) = state.outbound.tokens.get(&id).filter(is_fresh) {
            return Ok(token);
        }
        if let Some(token) = stored(state, tenant, &key, &binding).await {
            state.outbound.tokens.insert(id.clone(), token.clone());
            return Ok(token);
        }
        let (token, answer) = request(state, tenant, client_id, account_id, &scopes).await?;
        state.outbound.tokens.insert(id.clone(), token.clone());
        keep(state, tenant, &key, &binding, &token, &answer).await;
        Ok(token)
    };
    state.outbound.token_flights.join(id.clone(), fetch).await
}

/// The keys under which a token is kept, and what it is bound to.
pub(super) struct TokenKeys {
    /// The key in memory.
    pub(super) id: String,
    /// The key in the store.
    key: String,
    binding: String,
    scopes: Vec<String>,
}

impl TokenKeys {
    pub(super) fn of(tenant: &Tenant, account_id: &str, scopes: &[String]) -> Result<Self, TokenError> {
        let scopes = normalised(scopes);
        let key = store_key(account_id, &scopes);
        // a re-installed tenant has another secret, so that tokens cached before are no longer found
        let fingerprint = tenant.secret().fingerprint("user tokens");
        let fingerprint = fingerprint.map_err(|error| TokenError::Unavailable(error.to_string()))?;
        let binding = format!("{}:{fingerprint}", client_id(tenant).unwrap_or_default());
        let id = format!("{}\n{binding}\n{account_id}\n{}", tenant.client_key(), scopes.join(" "));
        Ok(Self { id, key, binding, scopes })
    }
}

/// Removes a token from the store, unless another one has replaced it.
pub(super) async fn forget(state: &State, tenant: &Tenant, account_id: &str, scopes: &[String], token: &str) {
    let Ok(keys) = TokenKeys::of(tenant, account_id, scopes) else { return };
    let stored = stored(state, tenant, &keys.key, &keys.binding).await;
    if stored.is_some_and(|stored| stored.access_token.expose_secret() == token)
        && let Err(error) = state.tenants.store().delete(Place::of_tenant(tenant.client_key(), &keys.key)).await
    {
        tracing::warn!(%error, "a user token that was refused could not be removed");
    }
}

fn client_id(tenant: &Tenant) -> Option<&str> {
    tenant.installation().oauth_client_id.as_deref().filter(|id| !id.is_empty())
}

fn is_fresh(token: &UserToken) -> bool {
    token.expires_at.saturating_sub(MARGIN) > now()
}

fn normalised(scopes: &[String]) -> Vec<String> {
    let mut scopes: Vec<String> = scopes.iter().map(|scope| scope.to_lowercase()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// ACE's key, which does not show the account id.
fn store_key(account_id: &str, scopes: &[String]) -> String {
    let named: Vec<&str> = std::iter::once(account_id).chain(scopes.iter().map(String::as_str)).collect();
    format!("bearer:{}", to_hex(&Md5::digest(named.join(","))))
}

async fn stored(state: &State, tenant: &Tenant, key: &str, binding: &str) -> Option<UserToken> {
    // an unavailable store costs a token request, but does not fail the user's request
    let value = state.tenants.store().get(Place::of_tenant(tenant.client_key(), key)).await.ok()??;
    if value.get("for").and_then(Value::as_str) != Some(binding) {
        return None;
    }
    let access_token = value.pointer("/token/access_token")?.as_str()?;
    let expires_at = value.get("expiresAt")?.as_i64()?;
    let access_token = Arc::new(SecretString::from(access_token));
    Some(UserToken { access_token, expires_at, requested_at: None }).filter(is_fresh)
}

async fn keep(state: &State, tenant: &Tenant, key: &str, binding: &str, token: &UserToken, answer: &Value) {
    let value = json!({ "token": answer, "expiresAt": token.expires_at, "for": binding });
    if let Err(error) = state.tenants.store().set(Place::of_tenant(tenant.client_key(), key), &value).await {
        tracing::warn!(%error, "a user token could not be stored");
    }
}

async fn request(
    state: &State,
    tenant: &Tenant,
    client_id: &str,
    account_id: &str,
    scopes: &[String],
) -> Result<(UserToken, Value), TokenError> {
    let server = server(state, tenant);
    let (issued, requested_at) = (now(), Some(Instant::now()));
    let assertion = tenant.secret().sign(&Assertion {
        iss: format!("urn:atlassian:connect:clientid:{client_id}"),
        sub: format!("urn:atlassian:connect:useraccountid:{account_id}"),
        tnt: tenant.base_url(),
        aud: &server,
        iat: issued,
        exp: issued + ASSERTION_LIFETIME,
    });
    let assertion = assertion.map_err(|error| TokenError::Unavailable(error.to_string()))?;
    let scope = scopes.join(" ").to_uppercase();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", GRANT).append_pair("assertion", &assertion);
    if !scope.is_empty() {
        form.append_pair("scope", &scope);
    }
    let away = |reason: String| TokenError::Unavailable(reason);
    let exchange = async {
        let request = crate::transport::client().post(format!("{server}/oauth2/token"));
        let request =
            request.content_type("application/x-www-form-urlencoded").insert_header(("Accept", "application/json"));
        let mut response = request.send_body(form.finish()).await.map_err(|error| away(error.to_string()))?;
        let body = response.body().limit(ANSWER_LIMIT).await.map_err(|error| away(error.to_string()))?;
        Ok((response.status(), body))
    };
    let answer = tokio::time::timeout(TIMEOUT, exchange).await;
    let (status, body) = answer.unwrap_or_else(|_| Err(away("no answer in time".into())))?;
    let url = redact::shown(&server);
    tracing::debug!(target: "http", direction = "out", method = "POST", url, status = status.as_u16(), "user token");
    if status != StatusCode::OK {
        return Err(refusal(status, &body, scope_remedy(state)));
    }
    let answer: Value = serde_json::from_slice(&body).map_err(|_| away("the answer is not JSON".into()))?;
    let grant = Grant::deserialize(&answer).map_err(|_| away("the answer has no access_token".into()))?;
    if grant.access_token.is_empty() {
        return Err(away("the answer has no access_token".into()));
    }
    // of unknown lifetime: used for this request and not kept
    let expires_at = issued.saturating_add(lifetime(&grant.expires_in).unwrap_or(0));
    let access_token = Arc::new(SecretString::from(grant.access_token));
    Ok((UserToken { access_token, expires_at, requested_at }, answer))
}

/// The remedy if a tenant does not let the add-on act as a user. The tenant may have installed an older descriptor than
/// the one that is served.
fn scope_remedy(state: &State) -> &'static str {
    if state.descriptor().has_scope("ACT_AS_USER") {
        "the descriptor has the scope ACT_AS_USER: a site that installed it without that scope must install the add-on again"
    } else {
        "the descriptor lacks the scope ACT_AS_USER: add it to scopes, and let the sites install the add-on again"
    }
}

/// The server's refusal of a user that it does not know, or of an add-on that may not act as one.
fn refusal(status: StatusCode, body: &[u8], remedy: &str) -> TokenError {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let text =
        |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().chars().take(200).collect::<String>();
    // about the server and its load, not about the user
    let is_temporary = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    if status.is_client_error() && !is_temporary {
        TokenError::Refused(format!(
            "the authorization server answered {status} {} {}; is the user active? {remedy}",
            text("error"),
            text("error_description")
        ))
    } else {
        TokenError::Unavailable(format!("it answered {status}; try again later"))
    }
}

/// The URL of the authorization server for the tenant's site.
fn server(state: &State, tenant: &Tenant) -> String {
    let base_url = tenant.base_url();
    state.services.find(|services| services.has_site(base_url)).authorization_server(base_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extreme_lifetime_does_not_panic() {
        let access_token = || Arc::new(SecretString::from("t"));
        let token = |expires_at| UserToken { access_token: access_token(), expires_at, requested_at: None };
        for (expires_in, fresh) in
            [(i64::MAX, true), (60, true), (MARGIN, false), (0, false), (-1, false), (i64::MIN, false)]
        {
            assert_eq!(is_fresh(&token(now().saturating_add(expires_in))), fresh, "{expires_in}");
        }
        assert!(is_fresh(&token(i64::MAX)) && !is_fresh(&token(i64::MIN)));
    }

    #[test]
    fn tokens_are_stored_under_aces_keys() {
        // md5 of the account id, then each scope after a comma: ACE 11.5.3
        assert_eq!(store_key("557058:x", &[]), "bearer:".to_owned() + &to_hex(&Md5::digest("557058:x")));
        let scopes = normalised(&["WRITE".into(), "read".into(), "READ".into()]);
        assert_eq!(store_key("u", &scopes), "bearer:".to_owned() + &to_hex(&Md5::digest("u,read,write")));
    }
}
