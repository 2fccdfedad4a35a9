//! [`HostClient`].

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web;
use secrecy::{ExposeSecret as _, SecretString};

use super::HostError;
use super::actor::{Actor, Identity};
use super::request::HostRequest;
use super::site::{ForgeSite, HostSite};
use crate::config::Product;
use crate::emission::ForgeOrigin;
use crate::error::Error;
use crate::installation::Apis;
use crate::outbound::AppToken;
use crate::state::State;
use crate::tenants::Tenant;

/// A client for one tenant's host, or for the product of one Forge installation. Cheap to clone.
#[derive(Clone)]
pub struct HostClient {
    actor: Actor,
}

impl std::fmt::Debug for HostClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostClient").field("site", &self.actor.site.name()).finish_non_exhaustive()
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $method:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub fn $name(&self, url: impl AsRef<str>) -> HostRequest {
            self.request(Method::$method, url)
        }
    )*};
}

impl HostClient {
    pub(crate) fn new(state: web::Data<State>, tenant: Arc<Tenant>) -> Self {
        Self { actor: Actor { state, site: HostSite::Connect(tenant), identity: Identity::Addon } }
    }

    pub(crate) fn of_forge_site(state: web::Data<State>, site: ForgeSite) -> Self {
        Self { actor: Actor { state, site: HostSite::Forge(Arc::new(site)), identity: Identity::Addon } }
    }

    /// A client for a Forge installation outside an invocation.
    pub(crate) async fn of_installation(state: web::Data<State>, installation_id: &str) -> Result<Self, Error> {
        let token = Self::token_of(&state, installation_id).await?;
        Ok(Self::of_app(state, installation_id, &token, token.apis.clone()))
    }

    /// A client for the product that an event comes from.
    pub(crate) async fn of_origin(state: web::Data<State>, origin: &ForgeOrigin) -> Result<Self, Error> {
        let id = origin.installation_id.as_str();
        let token = Self::token_of(&state, id).await?;
        let apis = if origin.apis.first().is_some() { origin.apis.clone() } else { token.apis.clone() };
        Ok(Self::of_app(state, id, &token, apis))
    }

    async fn token_of(state: &State, installation_id: &str) -> Result<AppToken, Error> {
        state.forge_app_token(installation_id).await?.ok_or_else(|| {
            Error::unauthorized(format!("no invocation has brought the app's token for {installation_id:?}"))
        })
    }

    fn of_app(state: web::Data<State>, installation_id: &str, token: &AppToken, apis: Apis) -> Self {
        let app_token = Some(SecretString::from(token.token.expose_secret()));
        Self::of_forge_site(state, ForgeSite { app_token, ..ForgeSite::new(installation_id, apis) })
    }

    fn with_identity(&self, identity: Identity) -> Self {
        Self { actor: Actor { identity, ..self.actor.clone() } }
    }

    /// The same client for Jira: the same identity, on the same installation. Use it where an app is installed in several
    /// products, so that a path of Jira's never goes to another one:
    ///
    /// ```no_run
    /// # async fn both(caller: atlassian_connect_actix::auth::SessionToken) -> Result<(), atlassian_connect_actix::Error> {
    /// let host = caller.host().as_user(caller.require_account_id()?);
    /// let issue = host.jira()?.get("/rest/api/3/issue/JRA-1").send().await?;
    /// let page = host.confluence()?.get("/wiki/api/v2/pages/1").send().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Through Forge, the products are those of the installation. Through Connect, it is the tenant's own one.
    ///
    /// # Errors
    /// [`HostError::Product`] if the installation does not have it; as an [`Error`] it is a 409.
    pub fn jira(&self) -> Result<Self, HostError> {
        self.of_product(Product::Jira)
    }

    /// The same client for Confluence, see [`HostClient::jira`].
    ///
    /// # Errors
    /// [`HostError::Product`] if the installation does not have it.
    pub fn confluence(&self) -> Result<Self, HostError> {
        self.of_product(Product::Confluence)
    }

    pub(crate) fn of_product(&self, product: Product) -> Result<Self, HostError> {
        let site = self.actor.site.of_product(product, self.actor.state.config.product)?;
        Ok(Self { actor: Actor { site, ..self.actor.clone() } })
    }

    /// The same client, acting as a user. It needs the scope `ACT_AS_USER`; for Forge see [`ForgeInvocation::host`].
    ///
    /// [`ForgeInvocation::host`]: crate::auth::ForgeInvocation::host
    #[must_use]
    pub fn as_user(&self, account_id: impl Into<String>) -> Self {
        self.as_user_with_scopes(account_id, &[])
    }

    /// The same with fewer scopes than the add-on has: `READ`, `WRITE` … Forge's tokens always have the scopes of the
    /// manifest.
    #[must_use]
    pub fn as_user_with_scopes(&self, account_id: impl Into<String>, scopes: &[&str]) -> Self {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.with_identity(Identity::User { account_id: account_id.into(), scopes })
    }

    /// The same client without credentials.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        self.with_identity(Identity::Anonymous)
    }

    /// The Connect tenant; `None` through Forge.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        match &self.actor.site {
            HostSite::Connect(tenant) => Some(tenant),
            HostSite::Forge(_) => None,
        }
    }

    /// The base of relative URLs: the site's base URL, or the product's API for the installation.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.actor.site.base_url()
    }

    methods! {
        /// A GET of `url`, relative to the tenant's base URL (`/rest/api/3/myself`) or absolute.
        get = GET,
        /// A POST.
        post = POST,
        /// A PUT.
        put = PUT,
        /// A PATCH.
        patch = PATCH,
        /// A DELETE.
        delete = DELETE,
        /// A HEAD.
        head = HEAD,
    }

    /// A request with any method. Credentials are sent only to the tenant's own origin: an absolute URL elsewhere gets
    /// none.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> HostRequest {
        HostRequest::new(self.actor.clone(), method, url.as_ref())
    }
}
