//! The token that acts as the Forge app. It comes with invocations, is valid for hours, and is kept for the time
//! between them.
//!
//! It is stored under ACE's key: for the installation, `appToken`, as `{"appToken": …, "apiBaseUrl": …}`, with `apis`
//! where there are several products. An invocation
//! without a token changes nothing (ACE then writes that there is none).
//!
//! The invocation token authenticates the invocation, but not the headers beside it. Every visitor of a page, logged in
//! or not, can get one and send it with any headers (`requestRemote`). So a token that comes from a page is kept only
//! in memory, and only while there is no better one. A token of a call by Forge itself (event, schedule) is stored and
//! replaces it.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::installation::{Api, Apis};
use crate::jwt::{Unverified, now};
use crate::store::{Place, Store, StoreError};

/// ACE's key.
const KEY: &str = "appToken";
/// A member of our own: the products of an installation that has several.
const APIS: &str = "apis";
/// A token replaces another one only if it expires at least this much later: each invocation brings one.
const WORTH_WRITING: Duration = Duration::from_secs(300);
/// A token that expires sooner than this is not used, in seconds.
const MARGIN: i64 = 5;
/// The longest lifetime of a token that is believed, in seconds.
///
/// Source: Atlassian, "Forge Remote: calling product APIs".
const LONGEST: i64 = 4 * 3600;

/// The only claim of the token that is read. Its other content is for Atlassian.
#[derive(Deserialize)]
struct Expiry {
    exp: i64,
}

fn expiry(token: &str, limit: usize) -> Option<i64> {
    Some(Unverified::<Expiry>::parse_as(token, limit).ok()?.into_claims().exp)
}

/// The token that acts as a Forge app for one installation.
#[derive(Debug, Clone)]
pub struct AppToken {
    /// The bearer token.
    pub token: Arc<SecretString>,
    /// The products of the installation.
    pub(crate) apis: Apis,
    /// Expiry in seconds since 1970; `None` if it is unknown.
    pub expires_at: Option<i64>,
    /// Whether Forge itself sent it, and not a page in a user's browser.
    pub is_sure: bool,
}

impl AppToken {
    pub(crate) fn read(token: &str, apis: Apis, is_sure: bool, limit: usize) -> Self {
        Self {
            expires_at: expiry(token, limit).map(|expires_at| expires_at.min(now() + LONGEST)),
            is_sure,
            token: Arc::new(SecretString::from(token)),
            apis,
        }
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.expires_at.is_none_or(|expires_at| expires_at.saturating_sub(MARGIN) > now())
    }

    /// Whether it should replace `known`.
    fn is_better_than(&self, known: &Self) -> bool {
        match (self.is_sure, known.is_sure && known.is_usable()) {
            (false, true) => false,
            (true, false) => true,
            _ => self.apis != known.apis || !known.is_usable() || self.outlives(known, WORTH_WRITING),
        }
    }

    /// Whether it expires later than `other` by at least `by`. If an expiry is unknown, the newer token is preferred.
    fn outlives(&self, other: &Self, by: Duration) -> bool {
        let by = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        match (self.expires_at, other.expires_at) {
            (Some(new), Some(old)) => new > old.saturating_add(by),
            (None, None) => self.token.expose_secret() != other.token.expose_secret(),
            _ => true,
        }
    }
}

/// The tokens of the Forge app by installation: in memory, backed by the store.
#[derive(Debug)]
pub struct AppTokens(Cache<String, AppToken>);

impl AppTokens {
    pub(super) fn new(capacity: u64, lifetime: Duration) -> Self {
        Self(Cache::builder().max_capacity(capacity).time_to_live(lifetime).build())
    }

    /// The token in memory, expired or not.
    #[must_use]
    pub fn get(&self, installation_id: &str) -> Option<AppToken> {
        self.0.get(installation_id)
    }

    /// The token that Forge itself sent to this node, if it is still valid.
    pub(crate) fn sure(&self, installation_id: &str) -> Option<SecretString> {
        let known = self.0.get(installation_id).filter(|known| known.is_sure && known.is_usable())?;
        Some(SecretString::from(known.token.expose_secret()))
    }

    /// Keeps `token` in memory unless there is a better one. Returns whether it was kept.
    pub(crate) fn offer(&self, installation_id: &str, token: &AppToken) -> bool {
        let known = self.0.get(installation_id);
        if !token.is_usable() || known.is_some_and(|known| !token.is_better_than(&known)) {
            return false;
        }
        self.0.insert(installation_id.to_owned(), token.clone());
        true
    }

    /// Writes `token` to the store. If that fails, memory drops it, so that the next invocation tries again.
    pub(crate) async fn save(
        &self,
        store: &dyn Store,
        installation_id: &str,
        token: &AppToken,
    ) -> Result<(), StoreError> {
        let api_base_url = token.apis.first().map(Api::url);
        let mut value = json!({ "appToken": token.token.expose_secret(), "apiBaseUrl": api_base_url });
        let list = token.apis.to_list(usize::MAX, usize::MAX);
        if !list.is_empty() {
            value[APIS] = serde_json::to_value(list)
                .map_err(|error| StoreError::refused("the list is not valid JSON").caused_by(error))?;
        }
        let saved = store.set(Place::of_forge(installation_id, KEY), &value).await;
        if saved.is_err() {
            self.0.invalidate(installation_id);
        }
        saved
    }

    /// A valid token from memory, else from the store. `limit` is the longest token, in bytes.
    pub(crate) async fn find(
        &self,
        store: &dyn Store,
        installation_id: &str,
        limit: usize,
    ) -> Result<Option<AppToken>, StoreError> {
        let known = self.0.get(installation_id).filter(AppToken::is_usable);
        if known.as_ref().is_some_and(|known| known.is_sure) {
            return Ok(known);
        }
        let stored = store.get(Place::of_forge(installation_id, KEY)).await?.and_then(|value| {
            let api_base_url = value.get("apiBaseUrl").and_then(Value::as_str);
            let token = value.get("appToken").and_then(Value::as_str)?;
            let list = value.get(APIS).and_then(|list| Vec::deserialize(list).ok()).unwrap_or_default();
            Some(AppToken::read(token, Apis::from_list(&list, api_base_url), true, limit))
        });
        let Some(token) = stored.filter(AppToken::is_usable) else { return Ok(known) };
        self.0.insert(installation_id.to_owned(), token.clone());
        Ok(Some(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::SharedSecret;

    fn token(exp: Option<i64>) -> AppToken {
        let text = exp.map_or("opaque".to_owned(), |exp| SharedSecret::new("s").sign(&json!({ "exp": exp })).unwrap());
        AppToken::read(&text, Apis::default(), true, 4096)
    }

    #[test]
    fn a_token_is_used_until_it_expires() {
        for (exp, usable) in [
            (None, true),
            (Some(now() + 60), true),
            (Some(now() + 2), false),
            (Some(0), false),
            (Some(i64::MIN), false),
        ] {
            assert_eq!(token(exp).is_usable(), usable, "{exp:?}");
        }
    }

    #[test]
    fn a_token_from_a_page_does_not_replace_one_from_forge() {
        let unsure = |exp| AppToken { is_sure: false, ..token(exp) };
        let (soon, late) = (Some(now() + 60), Some(now() + 3 * 3600));
        assert!(!unsure(late).is_better_than(&token(soon)));
        assert!(!unsure(Some(i64::MAX)).is_better_than(&token(soon)));
        assert!(token(soon).is_better_than(&unsure(late)));
        assert!(token(soon).is_better_than(&unsure(Some(i64::MAX))));
        assert!(unsure(late).is_better_than(&unsure(soon)));
        assert!(unsure(soon).is_better_than(&token(Some(0))), "better than one that has expired");
        assert!(token(Some(i64::MAX)).expires_at.unwrap() <= now() + LONGEST);
    }

    #[test]
    fn of_two_tokens_the_longer_one_is_kept() {
        let five_minutes = Duration::from_secs(300);
        for (new, old, outlives) in [
            (Some(1000), Some(600), true),
            (Some(1000), Some(700), false),
            (Some(1000), Some(2000), false),
            (Some(1), Some(now() + 60), false),
            (Some(1000), None, true),
            (None, Some(1000), true),
            (None, None, false),
        ] {
            assert_eq!(token(new).outlives(&token(old), five_minutes), outlives, "{new:?} {old:?}");
        }
    }
}
