//! The shared state of requests to hosts: connections, tokens, and permits.

mod app_tokens;
mod associations;

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;
use secrecy::SecretString;
use tokio::sync::Semaphore;

pub(crate) use app_tokens::{AppToken, AppTokens};
use associations::Associations;
pub(crate) use associations::Means;

use crate::budget::Budget;
use crate::flight::Flights;
use crate::transport::Guard;

/// The most concurrent requests to one tenant, from this process.
const IN_FLIGHT: usize = 16;
/// The most tenants and users whose state is kept.
const CAPACITY: u64 = 10_000;
/// How long an answer about a permission is cached: the calls of a page come in bursts, and a revoked permission must
/// soon count.
const PERMISSION_LIFETIME: Duration = Duration::from_secs(10);
/// Longer than the lifetime of any token, whose own expiry decides.
const LIFETIME: Duration = Duration::from_secs(3600);

/// How long no token is requested for a user after a host has refused the user's new token.
const REFUSED_LIFETIME: Duration = Duration::from_secs(10);
/// The burst of requests for offline user tokens. Forge allows an app 1000 a minute; the rest is for other nodes.
///
/// Source: Atlassian, "Forge Remote: calling product APIs".
const OFFLINE_BURST: u32 = 400;
/// One more request is allowed after this time.
const OFFLINE_PAUSE: Duration = Duration::from_millis(120);
/// One installation gets this fraction of it. Visitors of its pages can make the add-on request tokens, again and again
/// if Forge refuses, and other installations must not suffer.
const SHARES: u32 = 2;

/// A user's access token.
#[derive(Debug, Clone)]
pub struct UserToken {
    /// The bearer token.
    pub access_token: Arc<SecretString>,
    /// Seconds since 1970.
    pub expires_at: i64,
    /// When this process requested it; `None` if it comes from the store.
    pub requested_at: Option<Instant>,
}

/// Why there is no user token.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Nobody is logged in, so there is no user to act as.
    #[error("there is no user to act as")]
    NoUser,
    /// The user's token that came with a page on Forge has expired, or this node does not have it: the page asks the
    /// shell for another one.
    #[error("the user's token of this page has expired")]
    Expired,
    /// The tenant, or its authorization server, does not let the add-on act as this user.
    #[error("the add-on cannot act as the user: {0}")]
    Refused(String),
    /// The authorization server cannot be reached.
    #[error("the authorization server cannot be asked: {0}")]
    Unavailable(String),
}

/// Shared by the [`crate::host::HostClient`]s of an add-on.
#[derive(Debug)]
pub struct Outbound {
    /// Where connections are allowed.
    pub guard: Guard,
    /// Tokens by tenant, its secret, user and scopes.
    pub tokens: Cache<String, UserToken>,
    /// Users whose new token a host refused: their next requests do not request another one.
    pub refused: Cache<String, ()>,
    /// Single flight: one request per token at a time.
    pub token_flights: Flights<String, Result<UserToken, TokenError>>,
    /// The cached answers of hosts about users' permissions.
    pub permissions: Cache<String, bool>,
    /// The tokens of the Forge app by installation.
    pub app_tokens: AppTokens,
    /// The Forge installations that were looked at lately.
    pub associations: Associations,
    /// The token bucket for offline user tokens.
    offline: Budget,
    /// The same per installation.
    offline_shares: Cache<String, Arc<Budget>>,
    permits: Cache<String, Arc<Semaphore>>,
}

impl Outbound {
    /// The initial state.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        Self {
            guard,
            tokens: Cache::builder().max_capacity(CAPACITY).time_to_live(LIFETIME).build(),
            refused: Cache::builder().max_capacity(CAPACITY).time_to_live(REFUSED_LIFETIME).build(),
            token_flights: Flights::new(),
            permissions: Cache::builder().max_capacity(CAPACITY).time_to_live(PERMISSION_LIFETIME).build(),
            app_tokens: AppTokens::new(CAPACITY, 4 * LIFETIME),
            associations: Associations::new(),
            offline: Budget::new(OFFLINE_BURST, OFFLINE_PAUSE),
            offline_shares: Cache::builder().max_capacity(CAPACITY).time_to_idle(LIFETIME).build(),
            permits: Cache::builder().max_capacity(CAPACITY).time_to_idle(LIFETIME).build(),
        }
    }

    /// Takes a permit to request an offline user token for an installation; `false` if there is none.
    #[must_use]
    pub fn may_ask_offline(&self, installation_id: &str) -> bool {
        let share = || Arc::new(Budget::new(OFFLINE_BURST / SHARES, OFFLINE_PAUSE * SHARES));
        self.offline_shares.get_with_by_ref(installation_id, share).take() && self.offline.take()
    }

    /// The permits for requests to one tenant.
    #[must_use]
    pub fn places(&self, client_key: &str) -> Arc<Semaphore> {
        self.permits.get_with_by_ref(client_key, || Arc::new(Semaphore::new(IN_FLIGHT)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_installation_leaves_permits_for_the_others() {
        let outbound = Outbound::new(Guard::new(None));
        let asked = |id: &str, times: u32| (0..times).filter(|_| outbound.may_ask_offline(id)).count();
        // some more, since time passes
        assert!((200..300).contains(&asked("greedy", 10_000)));
        assert_eq!(asked("other", 100), 100);
    }
}
