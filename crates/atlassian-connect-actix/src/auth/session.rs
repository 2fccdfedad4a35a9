//! How long a session lasts: each answer renews its token, until `maxSessionAge` ends the session.

use std::time::Duration;

use serde_json::Value;

use super::AuthError;
use crate::config::Config;
use crate::jwt::{AddonClaims, Claims, JwtError};
use crate::state::State;
use crate::tenants::Tenant;

/// Both in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// When the token was issued.
    pub issued: i64,
    /// When the session began.
    pub began: i64,
}

/// Signs a session token: a page of `tenant`, opened by `user`, calls back with it. With a `qsh` it is a token for that
/// one request.
///
/// # Errors
/// [`JwtError::Signing`].
pub fn sign(
    state: &State,
    tenant: &Tenant,
    user: Option<&str>,
    context: Option<&Value>,
    times: Times,
    qsh: Option<&str>,
) -> Result<String, JwtError> {
    tenant.secret().sign(&AddonClaims {
        iss: tenant.signing_key(state.descriptor().key()),
        sub: user,
        aud: [tenant.client_key()],
        iat: times.issued,
        exp: expiry(&state.config, times.issued, times.began),
        auth_time: times.began,
        context,
        qsh,
        purpose: if qsh.is_some() { AddonClaims::PAGE } else { AddonClaims::SESSION },
    })
}

/// When the session of a token began. Tokens of older versions only say when they were issued.
pub(super) fn beginning(claims: &Claims) -> Option<i64> {
    claims.auth_time.or(claims.iat)
}

/// Whether a session that began at `began` is still young enough; times are in seconds since 1970.
pub(super) fn check_age(began: Option<i64>, config: &Config, now: i64) -> Result<(), AuthError> {
    let Some(began) = began else {
        return Err(AuthError::Session("has no beginning (auth_time, iat)"));
    };
    // the clock of another node may be ahead of this one
    if began > now.saturating_add(seconds(config.leeway)) {
        return Err(AuthError::Session("begins in the future"));
    }
    if now >= end(config, began) {
        return Err(AuthError::Session("is older than maxSessionAge"));
    }
    Ok(())
}

/// When a token that is issued now expires, for a session that began at `began`; in seconds since 1970.
pub(crate) fn expiry(config: &Config, issued: i64, began: i64) -> i64 {
    issued.saturating_add(seconds(config.max_token_age)).min(end(config, began))
}

fn end(config: &Config, began: i64) -> i64 {
    began.saturating_add(seconds(config.max_session_age))
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Vars;

    #[test]
    fn a_session_ends_whatever_its_tokens_say() {
        let vars = [("NODE_ENV", "development"), ("AC_MAX_TOKEN_AGE", "100"), ("AC_MAX_SESSION_AGE", "1000")];
        let config = Config::from_parts(None, &Vars::from(vars)).unwrap();
        let now = 1_700_000_000;
        let of = |auth_time: Option<i64>, iat: Option<i64>| {
            let claims = Claims { iat, auth_time, ..Claims::default() };
            check_age(beginning(&claims), &config, now).map_err(|error| error.to_string())
        };
        let refused = |reason: &str| Err(format!("the session {reason}"));
        for (auth_time, iat, expected) in [
            (Some(now), Some(now), Ok(())),
            (Some(now - 999), Some(now), Ok(())),
            (Some(now - 1000), Some(now), refused("is older than maxSessionAge")),
            (Some(0), Some(now), refused("is older than maxSessionAge")),
            (Some(i64::MIN), Some(now), refused("is older than maxSessionAge")),
            (None, Some(now - 999), Ok(())),
            (None, Some(now - 1000), refused("is older than maxSessionAge")),
            (None, Some(i64::MIN), refused("is older than maxSessionAge")),
            (None, None, refused("has no beginning (auth_time, iat)")),
            (Some(now + 30), Some(now), Ok(())),
            (Some(now + 31), Some(now), refused("begins in the future")),
            (Some(i64::MAX), Some(now), refused("begins in the future")),
            (None, Some(i64::MAX), refused("begins in the future")),
        ] {
            assert_eq!(of(auth_time, iat), expected, "auth_time {auth_time:?}, iat {iat:?}");
        }
        for (began, expires) in [(now, 100), (now - 899, 100), (now - 950, 50), (now - 999, 1)] {
            assert_eq!(expiry(&config, now, began) - now, expires, "{} s old", now - began);
        }
    }
}
