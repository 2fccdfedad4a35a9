//! The Forge app in the sandbox, and the key that signs its invocations.

use url::Url;

use super::secret::new_secret;
use super::shared::Sandbox;
use super::signing_key::SigningKey;
use super::site::SandboxSite;
use super::sources::PlatformKeys;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::keys::ForgeKeys;
use atlassian_connect_testing::internal::product_api::{self, TOKEN_LIFETIME};
use atlassian_connect_testing::{TestInvocation, TestTenant};

/// The app's id if none is configured.
const APP_ID: &str = "sandbox";
/// The environment of an app that is being developed.
const ENVIRONMENT: &str = "DEVELOPMENT";
/// The path of the key set.
pub(super) const JWKS: &str = "/forge/jwks.json";

/// The methods that a page may choose.
///
/// Source: Atlassian, "Forge Remote essentials".
pub(super) const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The tokens that come with an invocation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens<'a> {
    pub(super) app: bool,
    /// Acts for this account.
    pub(super) user: Option<&'a str>,
}

/// The Forge platform: the app, and the key that signs.
pub(super) struct Platform {
    pub(super) app_id: String,
    /// The type of the app's environment: one that the add-on serves.
    environment: String,
    /// Created on demand: most sandboxes never need it.
    pub(super) key: SigningKey,
}

impl Platform {
    pub(super) fn new(config: &Config) -> Self {
        let environment = config.forge_environments.as_ref().and_then(|served| served.first());
        Self {
            app_id: config.app_id().unwrap_or(APP_ID).to_owned(),
            environment: environment.map_or(ENVIRONMENT, String::as_str).to_owned(),
            key: SigningKey::new(fresh_id),
        }
    }

    /// The keys that the add-on verifies the sandbox's invocations with.
    pub(super) fn keys(&self, sites: &[SandboxSite], origin: &str) -> PlatformKeys {
        PlatformKeys {
            app_id: self.app_id.clone(),
            installations: sites.iter().filter_map(|site| site.tenant().installation_id).collect(),
            keys: ForgeKeys::new(Url::parse(&format!("{origin}{JWKS}")).ok().as_ref(), None),
        }
    }
}

impl Sandbox {
    /// The headers of a Forge invocation: the signed token, the other tokens, the trace ids.
    pub(super) async fn invocation_headers(
        &self,
        tenant: &TestTenant,
        invocation: &TestInvocation,
        tokens: Tokens<'_>,
    ) -> Result<Vec<(&'static str, String)>, String> {
        let invocation = invocation.clone().environment(&self.platform.environment);
        let claims = invocation.claims(&self.platform.app_id);
        let signed = async { self.platform.key.get().await?.sign(&claims) };
        let token = signed.await.map_err(|error| error.to_string())?;
        // 128 and 64 bits
        let mut headers = vec![
            ("Authorization", format!("Bearer {token}")),
            ("x-b3-traceid", new_secret()[..32].to_owned()),
            ("x-b3-spanid", new_secret()[..16].to_owned()),
        ];
        for (name, account) in
            [("x-forge-oauth-system", tokens.app.then_some(None)), ("x-forge-oauth-user", tokens.user.map(Some))]
        {
            let Some(account) = account else { continue };
            let token = product_api::issue(&self.ledger, tenant, account, TOKEN_LIFETIME, &new_secret());
            headers.push((name, token.map_err(|error| error.to_string())?));
        }
        Ok(headers)
    }
}

/// A unique key id.
fn fresh_id() -> String {
    format!("sandbox-{}", &new_secret()[..12])
}
