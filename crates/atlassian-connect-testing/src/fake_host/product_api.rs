//! The product's API for Forge apps, and the tokens that it accepts.

use serde_json::{Value, json};
use url::Url;

use super::{By, Issued, Ledger, TestTenant};
use atlassian_connect_actix::internal::jwt::{JwtError, SharedSecret, now};

/// The path that issues tokens for absent users.
pub const GRAPHQL: &str = "/graphql";
/// The lifetime of the tokens that come with an invocation, in seconds: Atlassian's maximum.
pub const TOKEN_LIFETIME: i64 = 4 * 3600;
/// The lifetime of a token for an absent user, in seconds.
const OFFLINE_LIFETIME: i64 = 3600;

/// The URL of a site's product API: `{origin}/ex/jira/{cloudId}`.
pub fn api_base_url(tenant: &TestTenant) -> String {
    let origin = Url::parse(&tenant.base_url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization());
    format!("{origin}/ex/{}/{}", tenant.product, tenant.cloud_id)
}

/// The path relative to the product's API, if it is one. For Confluence without `/wiki`, like below a site's base URL.
pub fn below_api<'a>(tenant: &TestTenant, path: &'a str) -> Option<&'a str> {
    if path == GRAPHQL {
        return Some(path);
    }
    let below = path.strip_prefix(&format!("/ex/{}/{}", tenant.product, tenant.cloud_id))?;
    let below = if tenant.product == "confluence" { below.strip_prefix("/wiki").unwrap_or(below) } else { below };
    below.starts_with('/').then_some(below)
}

/// The site's ARI, which a request for an absent user's token names.
pub fn site_ari(tenant: &TestTenant) -> String {
    format!("ari:cloud:{}::site/{}", tenant.product, tenant.cloud_id)
}

/// The product's own description of its site: Jira's server info, the first page of Confluence's spaces.
pub fn site_info(tenant: &TestTenant, path: &str) -> Option<Value> {
    match (tenant.product.as_str(), path) {
        ("jira", "/rest/api/3/serverInfo") => Some(json!({ "baseUrl": tenant.base_url, "deploymentType": "Cloud" })),
        ("confluence", "/api/v2/spaces") => Some(json!({ "results": [], "_links": { "base": tenant.base_url } })),
        _ => None,
    }
}

/// Issues a bearer token for the product's API, valid for the given seconds, for that user or for the app. `id` makes
/// it unique.
///
/// # Errors
/// [`JwtError::Signing`].
pub fn issue(
    ledger: &Ledger,
    tenant: &TestTenant,
    account_id: Option<&str>,
    seconds: i64,
    id: &str,
) -> Result<String, JwtError> {
    let expires_at = now() + seconds;
    let token = SharedSecret::new("of the platform").sign(&json!({ "jti": id, "exp": expires_at }))?;
    let (client_key, account_id) = (tenant.client_key.clone(), account_id.map(str::to_owned));
    ledger.issue(token.clone(), Issued { client_key, account_id, forge: true, scope: None, expires_at });
    Ok(token)
}

/// Answers the GraphQL mutation for an absent user's token. Also returns the reason if it was refused.
pub fn offline_token(
    ledger: &Ledger,
    tenant: &TestTenant,
    by: &By,
    question: &Value,
    id: &str,
) -> (Value, Option<&'static str>) {
    let input = &question["variables"]["input"];
    let user = input["userId"].as_str().filter(|user| !user.is_empty());
    let granted = match (by, user) {
        (By::Addon, Some(_)) if input["contextIds"] != json!([site_ari(tenant)]) => Err("another site"),
        (By::Addon, Some(user)) => {
            issue(ledger, tenant, Some(user), OFFLINE_LIFETIME, id).map_err(|_| "no token could be signed")
        }
        (By::Addon, None) => Err("no user"),
        _ => Err("not the app"),
    };
    match granted {
        Ok(token) => {
            let granted = json!({ "token": token, "ttl": OFFLINE_LIFETIME });
            (offline_answer(&json!({ "success": true, "errors": null, "authToken": granted })), None)
        }
        Err(reason) => (offline_refusal(reason), Some(reason)),
    }
}

/// The answer to a refused mutation.
pub fn offline_refusal(reason: &str) -> Value {
    offline_answer(&json!({ "success": false, "errors": [{ "message": reason }], "authToken": null }))
}

fn offline_answer(answer: &Value) -> Value {
    json!({ "data": { "offlineUserAuthToken": answer } })
}
