//! Forge on the fake host: invocations, and the tokens that come with them.

use actix_web::http::{Method, header};

use super::forge_tokens::issue;
use super::{Reply, TestHost, TestInvocation};
use crate::fake_host::TestTenant;
use crate::fake_host::product_api::TOKEN_LIFETIME;

impl TestHost {
    /// An invocation from the first site, with tokens that the product's API accepts. [`TestHost::calls`] shows the
    /// requests made with them.
    #[must_use]
    pub fn invocation(&self) -> TestInvocation {
        self.invocation_of(&self.tenant())
    }

    /// The same from another site.
    #[must_use]
    pub fn invocation_of(&self, tenant: &TestTenant) -> TestInvocation {
        let app = self.forge_token(tenant, None, TOKEN_LIFETIME);
        let user = self.forge_token(tenant, Some(tenant.account_id.as_str()), TOKEN_LIFETIME);
        TestInvocation::of(tenant).app_token(Some(&app)).user_token(Some(&user))
    }

    /// An invocation from an installation with several products, each a site of its own here. The first one calls, with
    /// its user. All of them accept the tokens.
    ///
    /// ```no_run
    /// # async fn both(host: atlassian_connect_testing::TestHost) {
    /// let (jira, confluence) = (host.tenant(), host.new_tenant_of("confluence"));
    /// let reply = host.invoke("/forge/both", &host.invocation_of_all(&[&jira, &confluence])).await;
    /// assert_eq!(reply.status, 200, "{}", reply.body);
    /// # }
    /// ```
    #[must_use]
    pub fn invocation_of_all(&self, tenants: &[&TestTenant]) -> TestInvocation {
        let first = tenants.first().map_or_else(|| self.tenant(), |first| (*first).clone());
        let mut invocation = self.invocation_of(&first);
        for tenant in tenants.iter().skip(1) {
            for token in [&invocation.app_token, &invocation.user_token].into_iter().flatten() {
                self.journal.ledger.share(token, &tenant.client_key);
            }
            invocation = invocation.also_in(tenant);
        }
        invocation
    }

    /// A Forge bearer token for the product's API of `tenant`, valid for the given seconds, for that user or for the
    /// app.
    #[must_use]
    pub fn forge_token(&self, tenant: &TestTenant, account_id: Option<&str>, seconds: i64) -> String {
        issue(&self.journal, tenant, account_id, seconds)
    }

    /// Invokes an endpoint like Forge: a POST with a signed invocation token and the other tokens in headers.
    pub async fn invoke(&self, path: &str, invocation: &TestInvocation) -> Reply {
        self.invoke_by(Method::POST, path, invocation).await
    }

    /// The same with another method, which a page on Forge may choose.
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
