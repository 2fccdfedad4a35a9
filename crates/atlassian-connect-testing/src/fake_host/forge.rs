//! Forge's part: an invocation as the platform sends it.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::TestTenant;
use super::product_api::api_base_url;
use atlassian_connect_actix::internal::jwt::{ForgeClaims, now};

/// How long an invocation token lives, in seconds: Atlassian's.
const LIFETIME: i64 = 25;

/// An invocation of an endpoint: what its token says, and what comes beside it.
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
    pub(crate) app_token: Option<String>,
    pub(crate) user_token: Option<String>,
    pub(crate) body: Value,
    base: Value,
}

impl TestInvocation {
    /// From a user's page: with a principal, a context, and both tokens, which no host has given out.
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

    /// From the user of `tenant`, whose product answers below the site's origin. Its tokens are made up.
    #[must_use]
    pub fn of(tenant: &TestTenant) -> Self {
        let mut invocation = Self::new();
        let (cloud_id, api_base_url) = (tenant.cloud_id.as_str(), api_base_url(tenant));
        invocation.base["principal"] = tenant.account_id.as_str().into();
        invocation.base["app"]["apiBaseUrl"] = api_base_url.as_str().into();
        invocation.base["app"]["installation"]["contexts"] =
            json!([{ "name": tenant.product, "cloudId": cloud_id, "apiBaseUrl": api_base_url }]);
        invocation.base["context"]["cloudId"] = cloud_id.into();
        invocation.base["context"]["siteUrl"] = tenant.base_url.as_str().into();
        match &tenant.installation_id {
            Some(id) => invocation.installation(id),
            None => invocation,
        }
    }

    /// As of an event or a scheduled trigger: nobody is there and nobody looks at anything; the app's token alone.
    #[must_use]
    pub fn unattended(self) -> Self {
        self.without("/principal").without("/context").user_token(None)
    }

    /// Changes claims by a merge patch, after everything else: what is null is left out.
    ///
    /// Source: RFC 7396.
    #[must_use]
    pub fn patch(mut self, patch: Value) -> Self {
        self.patch = patch;
        self
    }

    /// Changes a claim, by its JSON pointer: `/app/license`, `/context/extension`. Its parent must be there.
    #[must_use]
    pub fn claim(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        self.claims.push((pointer.to_owned(), Some(value.into())));
        self
    }

    /// Leaves a claim out.
    #[must_use]
    pub fn without(mut self, pointer: &str) -> Self {
        self.claims.push((pointer.to_owned(), None));
        self
    }

    /// From this installation, an ARI.
    #[must_use]
    pub fn installation(self, id: &str) -> Self {
        self.claim("/app/installationId", id).claim("/app/installation/id", id)
    }

    /// With this token of the app in the header, or without one.
    #[must_use]
    pub fn app_token(mut self, token: Option<&str>) -> Self {
        self.app_token = token.map(str::to_owned);
        self
    }

    /// With this token of the user in the header, or without one.
    #[must_use]
    pub fn user_token(mut self, token: Option<&str>) -> Self {
        self.user_token = token.map(str::to_owned);
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = body;
        self
    }

    /// What its token says now, for the app of the (bare) id `app_id`.
    #[must_use]
    pub fn claims(&self, app_id: &str) -> Value {
        let mut claims = self.base.clone();
        let issued = now();
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

    /// The installation that it is from.
    #[must_use]
    pub fn installation_id(&self) -> String {
        self.claims("")["app"]["installationId"].as_str().unwrap_or_default().to_owned()
    }
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
        // of the appendix of RFC 7396
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
