//! What the requests to hosts share: connections, tokens, and how many are under way.

mod app_tokens;

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;
use secrecy::SecretString;
use tokio::sync::Semaphore;

pub(crate) use app_tokens::{AppToken, AppTokens};

use crate::budget::Budget;
use crate::flight::Flights;
use crate::transport::Guard;

/// Requests under way to one tenant at once, from this process.
const IN_FLIGHT: usize = 16;
/// Tenants and users whose state is kept at most.
const CAPACITY: u64 = 10_000;
/// How long an answer about a permission is believed: a page's calls come in bursts, a revoked permission soon counts.
const PERMISSION_LIFETIME: Duration = Duration::from_secs(10);
/// Longer than any token lives; the tokens' own expiry counts.
const LIFETIME: Duration = Duration::from_secs(3600);

/// How long no other token is requested for a user whose new token a host refused.
const REFUSED_LIFETIME: Duration = Duration::from_secs(10);
/// How long a Forge installation is believed to be no Connect tenant's, where its site says so.
pub(crate) const STRANGER_LIFETIME: Duration = Duration::from_secs(600);
/// How long a site that could not be asked is left in peace.
pub(crate) const UNASKED_LIFETIME: Duration = Duration::from_secs(10);
/// Tokens of users who are away that Forge gives out a minute, to one app: 1000. Some are left to other nodes.
///
/// Source: Atlassian, "Forge Remote: calling product APIs".
const OFFLINE_BURST: u32 = 400;
/// One more may be asked for after this time.
const OFFLINE_PAUSE: Duration = Duration::from_millis(120);
/// What one installation has of that is half: who looks at its pages can make the add-on ask, again and again where
/// Forge refuses, and the others must not go without.
const SHARES: u32 = 2;

/// A user's access token.
#[derive(Debug, Clone)]
pub struct UserToken {
    /// The bearer token.
    pub access_token: Arc<SecretString>,
    /// Seconds since 1970.
    pub expires_at: i64,
    /// When this process requested it; `None` for one that the store had.
    pub requested_at: Option<Instant>,
}

/// Why there is no user token.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Nobody is logged in: there is no user to act as.
    #[error("there is no user to act as")]
    NoUser,
    /// The tenant, or its authorization server, does not let the add-on act as this user.
    #[error("the add-on cannot act as the user: {0}")]
    Refused(String),
    /// The authorization server cannot be asked.
    #[error("the authorization server cannot be asked: {0}")]
    Unavailable(String),
}

/// Shared by the [`crate::host::HostClient`]s of an add-on.
#[derive(Debug)]
pub struct Outbound {
    /// Where connections may go.
    pub guard: Guard,
    /// Tokens by tenant, its secret, user and scopes.
    pub tokens: Cache<String, UserToken>,
    /// Users whose token a host refused although it was new: none is requested anew for each request of theirs.
    pub refused: Cache<String, ()>,
    /// One request for one token at once.
    pub token_flights: Flights<String, Result<UserToken, TokenError>>,
    /// What the hosts answered about users' permissions a moment ago.
    pub permissions: Cache<String, bool>,
    /// The tokens of the Forge app by installation.
    pub app_tokens: AppTokens,
    /// Forge installations whose site was asked and named no Connect tenant; until when that is believed.
    pub strangers: Cache<String, Instant>,
    /// Requests for tokens of users who are away.
    offline: Budget,
    /// The same by installation.
    offline_shares: Cache<String, Arc<Budget>>,
    permits: Cache<String, Arc<Semaphore>>,
}

impl Outbound {
    /// Nothing is under way.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        Self {
            guard,
            tokens: Cache::builder().max_capacity(CAPACITY).time_to_live(LIFETIME).build(),
            refused: Cache::builder().max_capacity(CAPACITY).time_to_live(REFUSED_LIFETIME).build(),
            token_flights: Flights::new(),
            permissions: Cache::builder().max_capacity(CAPACITY).time_to_live(PERMISSION_LIFETIME).build(),
            app_tokens: AppTokens::new(CAPACITY, 4 * LIFETIME),
            strangers: Cache::builder().max_capacity(CAPACITY).time_to_live(STRANGER_LIFETIME).build(),
            offline: Budget::new(OFFLINE_BURST, OFFLINE_PAUSE),
            offline_shares: Cache::builder().max_capacity(CAPACITY).time_to_idle(LIFETIME).build(),
            permits: Cache::builder().max_capacity(CAPACITY).time_to_idle(LIFETIME).build(),
        }
    }

    /// Whether a token of a user who is away may be asked for, for an installation, which counts as done.
    #[must_use]
    pub fn may_ask_offline(&self, installation_id: &str) -> bool {
        let share = || Arc::new(Budget::new(OFFLINE_BURST / SHARES, OFFLINE_PAUSE * SHARES));
        self.offline_shares.get_with_by_ref(installation_id, share).take() && self.offline.take()
    }

    /// The places for requests to one tenant.
    #[must_use]
    pub fn places(&self, client_key: &str) -> Arc<Semaphore> {
        self.permits.get_with_by_ref(client_key, || Arc::new(Semaphore::new(IN_FLIGHT)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_installation_leaves_the_others_tokens_to_ask_for() {
        let outbound = Outbound::new(Guard::new(None));
        let asked = |id: &str, times: u32| (0..times).filter(|_| outbound.may_ask_offline(id)).count();
        // some more, since time goes by
        assert!((200..300).contains(&asked("greedy", 10_000)));
        assert_eq!(asked("other", 100), 100);
    }
}
