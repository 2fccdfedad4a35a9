//! Forge invocations, as the platform sends them.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::TestTenant;
use super::product_api::api_base_url;
use atlassian_connect_actix::internal::jwt::{ForgeClaims, now};

/// The lifetime of an invocation token in seconds, as at Atlassian.
const LIFETIME: i64 = 25;

/// An invocation of an endpoint: the claims of its token, its headers and its body.
///
/// ```
/// use atlassian_connect_testing::TestInvocation;
///
/// let trial = TestInvocation::new().claim("/app/license", serde_json::json!({ "isEvaluation": true }));
/// assert_eq!(trial.claims("app-id")["app"]["license"]["isEvaluation"], true);
/// ```
#[derive(Debug, Clone)]
pub struct TestInvocation {
    claims: Vec<(String, Option<Value>)>,
    patch: Value,
    app: Option<String>,
    pub(crate) app_token: Option<String>,
    pub(crate) user_token: Option<String>,
    pub(crate) body: Value,
    base: Value,
}

impl TestInvocation {
    /// From a user's page, with a principal, a context, and both tokens. No host has issued these tokens.
    #[must_use]
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let installation = format!("ari:cloud:ecosystem::installation/{number:08}-0000-4000-8000-000000000000");
        let cloud = format!("cloud-{number}");
        let api = format!("https://api.atlassian.com/ex/jira/{cloud}");
        Self {
            claims: Vec::new(),
            patch: json!({}),
            app: None,
            app_token: Some(format!("app-token-{number}")),
            user_token: Some(format!("user-token-{number}")),
            body: json!({}),
            base: json!({
                "iss": ForgeClaims::ISSUER,
                "jti": format!("invocation-{number}"),
                "principal": format!("557058:forge-{number}"),
                "app": {
                    "installationId": installation,
                    "apiBaseUrl": api,
                    "appVersion": "1.0.0",
                    "environment": { "type": "PRODUCTION", "id": "ari:cloud:ecosystem::environment/e" },
                    "module": { "type": "core:endpoint", "key": "endpoint" },
                    "installation": {
                        "id": installation,
                        "contexts": [{ "name": "jira", "cloudId": cloud, "apiBaseUrl": api }],
                    },
                },
                "context": {
                    "cloudId": cloud,
                    "siteUrl": format!("https://site-{number}.atlassian.net"),
                    "moduleKey": "page",
                    "extension": { "type": "jira:globalPage" },
                },
            }),
        }
    }

    /// From an event or a scheduled trigger, see [`TestInvocation::unattended`].
    #[must_use]
    pub fn event(body: Value) -> Self {
        Self::new().unattended().body(body)
    }

    /// From the user of `tenant`, whose product's API is below the site's origin. The tokens are not real.
    #[must_use]
    pub fn of(tenant: &TestTenant) -> Self {
        let mut invocation = Self::new();
        let (cloud_id, api_base_url) = (tenant.cloud_id.as_str(), api_base_url(tenant));
        invocation.base["principal"] = tenant.account_id.as_str().into();
        invocation.base["app"]["apiBaseUrl"] = api_base_url.as_str().into();
        invocation.base["app"]["installation"]["contexts"] = json!([context_of(tenant)]);
        invocation.base["context"]["cloudId"] = cloud_id.into();
        invocation.base["context"]["siteUrl"] = tenant.base_url.as_str().into();
        match &tenant.installation_id {
            Some(id) => invocation.installation(id),
            None => invocation,
        }
    }

    /// Adds the product of `tenant` to the installation. The calling product stays the same. For tokens that all of its
    /// products accept, see [`crate::TestHost::invocation_of_all`].
    #[must_use]
    pub fn also_in(mut self, tenant: &TestTenant) -> Self {
        if let Some(contexts) = self.base["app"]["installation"]["contexts"].as_array_mut() {
            contexts.push(context_of(tenant));
        }
        self
    }

    /// As from an event or a scheduled trigger: without a user and a page's context, and only with the app's token.
    #[must_use]
    pub fn unattended(self) -> Self {
        self.without("/principal").without("/context").user_token(None)
    }

    /// Changes claims by a JSON merge patch, after all other changes: null removes a claim.
    ///
    /// Source: RFC 7396.
    #[must_use]
    pub fn patch(mut self, patch: Value) -> Self {
        self.patch = patch;
        self
    }

    /// Changes a claim by its JSON pointer: `/app/license`, `/context/extension`. Its parent must exist.
    #[must_use]
    pub fn claim(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        self.claims.push((pointer.to_owned(), Some(value.into())));
        self
    }

    /// Removes a claim.
    #[must_use]
    pub fn without(mut self, pointer: &str) -> Self {
        self.claims.push((pointer.to_owned(), None));
        self
    }

    /// Sets the installation, an ARI.
    #[must_use]
    pub fn installation(self, id: &str) -> Self {
        self.claim("/app/installationId", id).claim("/app/installation/id", id)
    }

    /// Sets the app by its bare id: one of several `appId`s. The default is [`crate::TestHost::APP_ID`].
    #[must_use]
    pub fn app(mut self, id: &str) -> Self {
        self.app = Some(id.to_owned());
        self
    }

    /// Sets the environment of the app by its type: `STAGING`, `DEVELOPMENT`. The default is `PRODUCTION`.
    ///
    /// ```
    /// use atlassian_connect_testing::TestInvocation;
    ///
    /// let staging = TestInvocation::new().environment("STAGING");
    /// assert_eq!(staging.claims("app-id")["app"]["environment"]["type"], "STAGING");
    /// ```
    #[must_use]
    pub fn environment(self, kind: &str) -> Self {
        let id = format!("ari:cloud:ecosystem::environment/{}", kind.to_ascii_lowercase());
        self.claim("/app/environment", json!({ "type": kind, "id": id }))
    }

    /// Sets or removes the app's token in the header.
    #[must_use]
    pub fn app_token(mut self, token: Option<&str>) -> Self {
        self.app_token = token.map(str::to_owned);
        self
    }

    /// Sets or removes the user's token in the header.
    #[must_use]
    pub fn user_token(mut self, token: Option<&str>) -> Self {
        self.user_token = token.map(str::to_owned);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = body;
        self
    }

    /// The claims of its token as of now, for the app with the (bare) id `app_id`, unless [`TestInvocation::app`] has
    /// set another one.
    #[must_use]
    pub fn claims(&self, app_id: &str) -> Value {
        let mut claims = self.base.clone();
        let issued = now();
        let app_id = self.app.as_deref().unwrap_or(app_id);
        claims["aud"] = format!("{}{app_id}", ForgeClaims::APP_ARI).into();
        claims["app"]["id"] = claims["aud"].clone();
        (claims["iat"], claims["nbf"], claims["exp"]) = (issued.into(), issued.into(), (issued + LIFETIME).into());
        for (pointer, value) in &self.claims {
            let Some((parent, name)) = pointer.rsplit_once('/') else { continue };
            let Some(parent) = claims.pointer_mut(parent).and_then(Value::as_object_mut) else { continue };
            match value {
                Some(value) => drop(parent.insert(name.to_owned(), value.clone())),
                None => drop(parent.shift_remove(name)),
            }
        }
        merge(&mut claims, &self.patch);
        claims
    }

    /// The id of its installation.
    #[must_use]
    pub fn installation_id(&self) -> String {
        self.claims("")["app"]["installationId"].as_str().unwrap_or_default().to_owned()
    }
}

/// A product of an installation.
fn context_of(tenant: &TestTenant) -> Value {
    json!({ "name": tenant.product, "cloudId": tenant.cloud_id, "apiBaseUrl": api_base_url(tenant) })
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return *target = patch.clone() };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.shift_remove(name);
        } else {
            merge(target.entry(name.as_str()).or_insert(Value::Null), value);
        }
    }
}

impl Default for TestInvocation {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_changes_adds_and_removes() {
        // from the appendix of RFC 7396
        for (target, patch, result) in [
            (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
            (json!({ "a": "b" }), json!({ "a": null }), json!({})),
            (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": { "b": "c" } }), json!({ "a": { "b": "d", "c": null } }), json!({ "a": { "b": "d" } })),
            (json!({ "a": "foo" }), json!("bar"), json!("bar")),
            (json!([1, 2]), json!({ "a": "b", "c": null }), json!({ "a": "b" })),
            (json!({}), json!({ "a": { "bb": { "ccc": null } } }), json!({ "a": { "bb": {} } })),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, result, "{target} {patch}");
        }
    }
}
