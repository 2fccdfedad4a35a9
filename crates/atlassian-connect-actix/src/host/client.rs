//! [`HostClient`].

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web;
use secrecy::{ExposeSecret as _, SecretString};

use super::actor::{Actor, Identity};
use super::request::HostRequest;
use super::site::{ForgeSite, Site};
use crate::error::Error;
use crate::state::State;
use crate::tenants::Tenant;

/// Speaks to one tenant's host, or to the product of one Forge installation. Cheap to clone.
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
        Self { actor: Actor { state, site: Site::Connect(tenant), identity: Identity::Addon } }
    }

    pub(crate) fn of_forge_site(state: web::Data<State>, site: ForgeSite) -> Self {
        Self { actor: Actor { state, site: Site::Forge(Arc::new(site)), identity: Identity::Addon } }
    }

    /// A client for a Forge installation outside of an invocation.
    pub(crate) async fn of_installation(state: web::Data<State>, installation_id: &str) -> Result<Self, Error> {
        let token = state.forge_app_token(installation_id).await?.ok_or_else(|| {
            Error::unauthorized(format!("no invocation has brought a token of the app for {installation_id:?}"))
        })?;
        let site = ForgeSite {
            app_token: Some(SecretString::from(token.token.expose_secret())),
            ..ForgeSite::new(installation_id, token.api_base_url.as_deref())
        };
        Ok(Self::of_forge_site(state, site))
    }

    fn with_identity(&self, identity: Identity) -> Self {
        Self { actor: Actor { identity, ..self.actor.clone() } }
    }

    /// The same client acting as a user: needs the scope `ACT_AS_USER`, through Forge see [`ForgeInvocation::host`].
    ///
    /// [`ForgeInvocation::host`]: crate::auth::ForgeInvocation::host
    #[must_use]
    pub fn as_user(&self, account_id: impl Into<String>) -> Self {
        self.as_user_with_scopes(account_id, &[])
    }

    /// The same with fewer scopes than the add-on has: `READ`, `WRITE` … Forge's tokens have those of the manifest.
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

    /// The Connect tenant that it speaks to; `None` through Forge.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        match &self.actor.site {
            Site::Connect(tenant) => Some(tenant),
            Site::Forge(_) => None,
        }
    }

    /// What relative URLs are below: the site's base URL, or the product's API for the installation.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.actor.site.base_url()
    }

    methods! {
        /// A GET of `url`, below the tenant's base URL (`/rest/api/3/myself`) or absolute.
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

    /// A request with any method. Credentials go to the tenant's own origin only: an absolute URL elsewhere gets none.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> HostRequest {
        HostRequest::new(self.actor.clone(), method, url.as_ref())
    }
}
