//! The claims of tokens that a site signs, for test and development code that signs in its place.

use serde_json::{Value, json};

use super::now;

/// The claims of a site's token: the site, the user (`None`: not logged in), the request to which the token is bound,
/// and its lifetime in seconds.
#[must_use]
pub fn claims_of_site(client_key: &str, account_id: Option<&str>, qsh: &str, lifetime: i64) -> Value {
    let issued = now();
    let mut claims = json!({ "iss": client_key, "iat": issued, "exp": issued.saturating_add(lifetime), "qsh": qsh });
    if let Some(account_id) = account_id {
        claims["sub"] = account_id.into();
    }
    claims
}
