//! Where a Forge app reaches a site: the product's API, and the tokens that are good for it.

use serde_json::{Value, json};
use url::Url;

use super::{By, Issued, Ledger, TestTenant};
use atlassian_connect_actix::internal::jwt::{JwtError, SharedSecret, now};

/// Where tokens for users who are away come from.
pub const GRAPHQL: &str = "/graphql";
/// How long the tokens are good that come with an invocation, in seconds: Atlassian's longest.
pub const TOKEN_LIFETIME: i64 = 4 * 3600;
/// How long a token for a user who is away is good, in seconds.
const OFFLINE_LIFETIME: i64 = 3600;

/// Where the product's API of a site is: `{origin}/ex/jira/{cloudId}`.
pub fn api_base_url(tenant: &TestTenant) -> String {
    let origin = Url::parse(&tenant.base_url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization());
    format!("{origin}/ex/{}/{}", tenant.product, tenant.cloud_id)
}

/// The path below the product's API, if it is one: in Confluence's without `/wiki`, as below a site's base URL.
pub fn below_api<'a>(tenant: &TestTenant, path: &'a str) -> Option<&'a str> {
    if path == GRAPHQL {
        return Some(path);
    }
    let below = path.strip_prefix(&format!("/ex/{}/{}", tenant.product, tenant.cloud_id))?;
    let below = if tenant.product == "confluence" { below.strip_prefix("/wiki").unwrap_or(below) } else { below };
    below.starts_with('/').then_some(below)
}

/// The site's ARI, by which a token for a user who is away is asked for.
pub fn site_ari(tenant: &TestTenant) -> String {
    format!("ari:cloud:{}::site/{}", tenant.product, tenant.cloud_id)
}

/// What a product says of its site where it is asked: Jira's server info, the first page of Confluence's spaces.
pub fn site_info(tenant: &TestTenant, path: &str) -> Option<Value> {
    match (tenant.product.as_str(), path) {
        ("jira", "/rest/api/3/serverInfo") => Some(json!({ "baseUrl": tenant.base_url, "deploymentType": "Cloud" })),
        ("confluence", "/api/v2/spaces") => Some(json!({ "results": [], "_links": { "base": tenant.base_url } })),
        _ => None,
    }
}

/// Gives out a bearer token for the product's API, good for so many seconds: as that user, or as the app. `id` makes it
/// another one than all others.
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

/// Answers the GraphQL mutation that asks for a token which acts as a user who is away; why it was refused, if it was.
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

/// What the mutation is answered where it is refused.
pub fn offline_refusal(reason: &str) -> Value {
    offline_answer(&json!({ "success": false, "errors": [{ "message": reason }], "authToken": null }))
}

fn offline_answer(answer: &Value) -> Value {
    json!({ "data": { "offlineUserAuthToken": answer } })
}
