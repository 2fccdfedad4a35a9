//! The token with which a Forge app acts as itself: it comes with invocations, lives for hours, and is kept for the time
//! in between.
//!
//! It is stored where ACE looks for it: under the installation, `appToken`, as `{"appToken": …, "apiBaseUrl": …}`. An
//! invocation without a token changes nothing (ACE writes that there is none).
//!
//! The invocation's token proves the invocation, not the headers beside it, and whoever looks at a page can get one to
//! send with headers of their own (`requestRemote`), logged in or not. So a token that comes from a page is kept in
//! memory alone, as long as there is no better one; what Forge sends of itself (events, schedules) is stored, and takes
//! its place.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::jwt::{Unverified, now};
use crate::store::{Store, StoreError};

/// Where ACE has it.
const KEY: &str = "appToken";
/// A token takes the place of another when it outlives it by this: each invocation brings one.
const WORTH_WRITING: Duration = Duration::from_secs(300);
/// A token that expires sooner is not used, in seconds.
const MARGIN: i64 = 5;
/// What a token says of a longer life is not believed, in seconds.
///
/// Source: Atlassian, "Forge Remote: calling product APIs".
const LONGEST: i64 = 4 * 3600;

/// What is read of a token, which is Atlassian's to understand.
#[derive(Deserialize)]
struct Expiry {
    exp: i64,
}

fn expiry(token: &str, limit: usize) -> Option<i64> {
    Some(Unverified::<Expiry>::parse_as(token, limit).ok()?.into_claims().exp)
}

/// The token with which a Forge app acts as itself at one installation.
#[derive(Debug, Clone)]
pub struct AppToken {
    /// The bearer token.
    pub token: Arc<SecretString>,
    /// Where the product's API is.
    pub api_base_url: Option<String>,
    /// Seconds since 1970; `None` where nobody knows.
    pub expires_at: Option<i64>,
    /// Forge itself has sent it, and no user's browser can have.
    pub is_sure: bool,
}

impl AppToken {
    pub(crate) fn read(token: &str, api_base_url: Option<&str>, is_sure: bool, limit: usize) -> Self {
        Self {
            expires_at: expiry(token, limit).map(|expires_at| expires_at.min(now() + LONGEST)),
            is_sure,
            token: Arc::new(SecretString::from(token)),
            api_base_url: api_base_url.map(str::to_owned),
        }
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.expires_at.is_none_or(|expires_at| expires_at.saturating_sub(MARGIN) > now())
    }

    /// Whether it takes the place of `known`.
    fn is_better_than(&self, known: &Self) -> bool {
        match (self.is_sure, known.is_sure && known.is_usable()) {
            (false, true) => false,
            (true, false) => true,
            _ => self.api_base_url != known.api_base_url || !known.is_usable() || self.outlives(known, WORTH_WRITING),
        }
    }

    /// Whether it lives longer than `other`; of what nobody knows, the newer one is taken to.
    fn outlives(&self, other: &Self, by: Duration) -> bool {
        let by = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        match (self.expires_at, other.expires_at) {
            (Some(new), Some(old)) => new > old.saturating_add(by),
            (None, None) => self.token.expose_secret() != other.token.expose_secret(),
            _ => true,
        }
    }
}

/// The tokens of the Forge app by installation: in memory, and behind that in the store.
#[derive(Debug)]
pub struct AppTokens(Cache<String, AppToken>);

impl AppTokens {
    pub(super) fn new(capacity: u64, lifetime: Duration) -> Self {
        Self(Cache::builder().max_capacity(capacity).time_to_live(lifetime).build())
    }

    /// What is kept in memory, expired or not.
    #[must_use]
    pub fn get(&self, installation_id: &str) -> Option<AppToken> {
        self.0.get(installation_id)
    }

    /// Keeps `token` in memory unless there is a better one; whether it was kept.
    pub(crate) fn offer(&self, installation_id: &str, token: &AppToken) -> bool {
        let known = self.0.get(installation_id);
        if !token.is_usable() || known.is_some_and(|known| !token.is_better_than(&known)) {
            return false;
        }
        self.0.insert(installation_id.to_owned(), token.clone());
        true
    }

    /// Writes `token` to the store. Where that fails, memory forgets it, so that the next invocation tries again.
    pub(crate) async fn save(
        &self,
        store: &dyn Store,
        installation_id: &str,
        token: &AppToken,
    ) -> Result<(), StoreError> {
        let value = json!({ "appToken": token.token.expose_secret(), "apiBaseUrl": token.api_base_url });
        let saved = store.forge_set(installation_id, KEY, &value).await;
        if saved.is_err() {
            self.0.invalidate(installation_id);
        }
        saved
    }

    /// A token that is still good: from memory, else from the store. A token has at most `limit` bytes.
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
        let stored = store.forge_get(installation_id, KEY).await?.and_then(|value| {
            let api_base_url = value.get("apiBaseUrl").and_then(Value::as_str);
            let token = value.get("appToken").and_then(Value::as_str)?;
            Some(AppToken::read(token, api_base_url, true, limit))
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
        AppToken::read(&text, None, true, 4096)
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
    fn a_token_of_a_users_invocation_takes_the_place_of_none_of_forges_own() {
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
    fn of_two_the_longer_one_is_kept() {
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
