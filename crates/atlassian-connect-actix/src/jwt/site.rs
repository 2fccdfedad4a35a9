//! What a site says in the tokens that it signs: for what signs in its place, in tests and in development.

use serde_json::{Value, json};

use super::now;

/// What a site says in a token: who it is, which user looks (`None`: nobody is logged in), what the token is bound to, and
/// that it is good for `lifetime` seconds.
#[must_use]
pub fn claims_of_site(client_key: &str, account_id: Option<&str>, qsh: &str, lifetime: i64) -> Value {
    let issued = now();
    let mut claims = json!({ "iss": client_key, "iat": issued, "exp": issued.saturating_add(lifetime), "qsh": qsh });
    if let Some(account_id) = account_id {
        claims["sub"] = account_id.into();
    }
    claims
}
