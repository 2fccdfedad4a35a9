//! Forge's part of the fake host: tokens, and the product's API that takes them.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use serde_json::json;

use super::journal::{HostCall, Journal};
use super::{Reply, TestHost, TestInvocation};
use crate::fake_host::{By, Issued, TestTenant, must};
use crate::jwt::{SharedSecret, now};

/// Where tokens for users who are away come from.
pub(super) const GRAPHQL: &str = "/graphql";
/// How long a token for a user who is away is good, in seconds.
const OFFLINE_LIFETIME: i64 = 3600;

impl TestHost {
    /// An invocation from the first site, with tokens that the product's API takes: [`TestHost::calls`] shows what is done
    /// with them.
    #[must_use]
    pub fn invocation(&self) -> TestInvocation {
        self.invocation_of(&self.tenant())
    }

    /// The same from another site.
    #[must_use]
    pub fn invocation_of(&self, tenant: &TestTenant) -> TestInvocation {
        let (app, user) = (self.forge_token(tenant, None, 4 * 3600), tenant.account_id.as_str());
        let user = self.forge_token(tenant, Some(user), 4 * 3600);
        TestInvocation::of(tenant, &api_base_url(tenant)).app_token(Some(&app)).user_token(Some(&user))
    }

    /// A bearer token of Forge's for the product's API of `tenant`, good for so many seconds: as that user, or as the app.
    #[must_use]
    pub fn forge_token(&self, tenant: &TestTenant, account_id: Option<&str>, seconds: i64) -> String {
        issue(&self.journal, tenant, account_id, seconds)
    }

    /// Invokes an endpoint as Forge does: a POST with a signed invocation token, and the tokens beside it.
    pub async fn invoke(&self, path: &str, invocation: &TestInvocation) -> Reply {
        self.invoke_by(Method::POST, path, invocation).await
    }

    /// The same by another method, as a page of Forge's may choose it.
    pub async fn invoke_by(&self, method: Method, path: &str, invocation: &TestInvocation) -> Reply {
        let token = self.forge_keys().sign(&invocation.claims(Self::APP_ID));
        self.send_invocation(method, path, &token, invocation).await
    }

    /// A POST with any invocation token.
    pub async fn invoke_with(&self, path: &str, token: &str, invocation: &TestInvocation) -> Reply {
        self.send_invocation(Method::POST, path, token, invocation).await
    }

    async fn send_invocation(&self, method: Method, path: &str, token: &str, invocation: &TestInvocation) -> Reply {
        let mut request = self.request(method, path).content_type("application/json");
        request = request.insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
        for (name, token) in
            [("x-forge-oauth-system", &invocation.app_token), ("x-forge-oauth-user", &invocation.user_token)]
        {
            if let Some(token) = token {
                request = request.insert_header((name, token.as_str()));
            }
        }
        self.send(request, invocation.body.to_string().into_bytes()).await
    }
}

fn issue(journal: &Journal, tenant: &TestTenant, account_id: Option<&str>, seconds: i64) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let expires_at = now() + seconds;
    let claims = json!({ "jti": NUMBER.fetch_add(1, Ordering::Relaxed), "exp": expires_at });
    let token = must(SharedSecret::new("of the platform").sign(&claims), "a token could not be signed");
    let (client_key, account_id) = (tenant.client_key.clone(), account_id.map(str::to_owned));
    journal.ledger.issue(token.clone(), Issued { client_key, account_id, forge: true, scope: None, expires_at });
    token
}

/// Where the product's API of a site is.
fn api_base_url(tenant: &TestTenant) -> String {
    let origin = must(url::Url::parse(&tenant.base_url), "the site has no URL").origin().ascii_serialization();
    format!("{origin}/ex/{}/{}", tenant.product, tenant.cloud_id)
}

/// The path below the product's API, if it is one: in Confluence's without `/wiki`, as below a site's base URL.
pub(super) fn below_api<'a>(tenant: &TestTenant, path: &'a str) -> Option<&'a str> {
    if path == GRAPHQL {
        return Some(path);
    }
    let below = path.strip_prefix(&format!("/ex/{}/{}", tenant.product, tenant.cloud_id))?;
    let below = if tenant.product == "confluence" { below.strip_prefix("/wiki").unwrap_or(below) } else { below };
    below.starts_with('/').then_some(below)
}

/// Gives out a token that acts as a user who is away, if the app asks for one of this site.
pub(super) fn offline_token(journal: &Journal, tenant: &TestTenant, call: &HostCall) -> HttpResponse {
    let input = &call.json()["variables"]["input"];
    let site = format!("ari:cloud:{}::site/{}", tenant.product, tenant.cloud_id);
    let refusal = match (&call.by, input["userId"].as_str()) {
        (By::Addon, Some(_)) if input["contextIds"] != json!([site]) => Some("another site"),
        (By::Addon, Some(user)) if !user.is_empty() => None,
        (By::Addon, _) => Some("no user"),
        _ => Some("not the app"),
    };
    let answer = if let Some(reason) = refusal {
        journal.problem(format!("offlineUserAuthToken: {reason}"));
        json!({ "success": false, "errors": [{ "message": reason }], "authToken": null })
    } else {
        let token = issue(journal, tenant, input["userId"].as_str(), OFFLINE_LIFETIME);
        json!({ "success": true, "errors": null, "authToken": { "token": token, "ttl": OFFLINE_LIFETIME } })
    };
    HttpResponse::Ok().json(json!({ "data": { "offlineUserAuthToken": answer } }))
}
