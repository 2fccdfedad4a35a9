//! Requests to a tenant's host, signed as the add-on or sent as a user: ACE's `addon.httpClient`. A Forge invocation has
//! the same client, whose requests go to the product's API with the app's or the user's token.
//!
//! A handler gets its client through the proof of who called, so that it can only speak to that tenant:
//!
//! ```no_run
//! use actix_web::{get, web::Json};
//! use atlassian_connect_actix::{Error, auth::SessionToken};
//!
//! #[get("/api/me")]
//! async fn me(session: SessionToken) -> Result<Json<serde_json::Value>, Error> {
//!     let me = session.host().as_user(session.account_id()?).get("/rest/api/3/myself").send().await?;
//!     Ok(Json(me.json().await?))
//! }
//! ```

mod error;
mod exchange;
mod forge;
mod multipart;
mod oauth2;
mod pages;
mod request;
mod response;
mod retry;
mod site;
mod target;
mod user_token;

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web;

pub use error::HostError;
pub use multipart::Multipart;
pub use request::{HostRequest, PreparedRequest};
pub use response::HostResponse;

use crate::auth::Caller;
use crate::state::State;
use crate::tenants::Tenant;
use site::Site;

/// In whose name a request is sent.
#[derive(Debug, Clone)]
enum Identity {
    /// Signed with the tenant's secret; by Forge's door with the app's token.
    Addon,
    /// With a token of this user's.
    User { account_id: String, scopes: Vec<String> },
    /// Without credentials.
    Anonymous,
}

/// Speaks to one tenant's host, or to the product of one Forge installation. Cheap to clone.
#[derive(Clone)]
pub struct HostClient {
    state: web::Data<State>,
    site: Site,
    identity: Identity,
}

impl std::fmt::Debug for HostClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostClient").field("site", &self.site.name()).finish_non_exhaustive()
    }
}

impl Caller {
    /// A client for the caller's own host, as the add-on.
    #[must_use]
    pub fn host(&self) -> HostClient {
        HostClient::new(self.shared_state().clone(), Arc::clone(self.tenant()))
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
        Self { state, site: Site::Connect(tenant), identity: Identity::Addon }
    }

    /// The same client acting as a user: needs the scope `ACT_AS_USER`, by Forge's door see [`ForgeInvocation::host`].
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
        Self { identity: Identity::User { account_id: account_id.into(), scopes }, ..self.clone() }
    }

    /// The same client without credentials.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self { identity: Identity::Anonymous, ..self.clone() }
    }

    /// The Connect tenant that it speaks to; `None` by Forge's door.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        match &self.site {
            Site::Connect(tenant) => Some(tenant),
            Site::Forge(_) => None,
        }
    }

    /// What relative URLs are below: the site's base URL, or the product's API for the installation.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.site.base_url()
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
        HostRequest::new(self.clone(), method, url.as_ref())
    }
}
