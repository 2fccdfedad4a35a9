//! The authenticated caller of a request.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use actix_web::{HttpMessage as _, HttpRequest, web};
use serde_json::Value;

use super::{AuthError, ForgePage, other_request, session};
use crate::connection;
use crate::error::Error;
use crate::host::HostClient;
use crate::jwt::{Claims, now};
use crate::page::BoundUrl;
use crate::settings::Settings;
use crate::state::State;
use crate::tenants::Tenant;

/// What the token of a caller is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    /// Our own session token, for any URL of the add-on.
    Session,
    /// A context JWT, for any URL of the add-on.
    Context,
    /// Signed by the host, with the query string hash of this request.
    Request,
    /// Our own page token, with the query string hash of this request.
    Page,
    /// The query string hash of another request.
    OtherRequest,
    /// No query string hash.
    Nothing,
    /// `no-auth` in development: nothing was checked.
    Unchecked,
}

/// How a caller reached the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Via {
    /// A frame of Connect.
    Connect,
    /// A frame of the app's shell on Forge.
    Forge,
}

/// What authenticated the caller.
enum Origin {
    Connect(Arc<Tenant>),
    Forge(Box<ForgePage>),
}

/// An authenticated caller: a tenant, and the user that the token names.
pub struct Caller {
    state: web::Data<State>,
    origin: Origin,
    claims: Claims,
    binding: Binding,
    /// The canonical text of this request, if the token is bound to another one.
    canonical: String,
    session_token: OnceCell<String>,
}

impl Caller {
    pub(super) fn new(state: web::Data<State>, tenant: Arc<Tenant>, claims: Claims) -> Self {
        Self::of(state, Origin::Connect(tenant), claims)
    }

    pub(super) fn of_forge(state: web::Data<State>, page: ForgePage) -> Self {
        let claims = page.claims().to_claims();
        Self::of(state, Origin::Forge(Box::new(page)), claims)
    }

    /// A caller whose token is bound to nothing yet, see [`Caller::bound`].
    fn of(state: web::Data<State>, origin: Origin, claims: Claims) -> Self {
        let (canonical, session_token) = (String::new(), OnceCell::new());
        Self { state, origin, claims, binding: Binding::Nothing, canonical, session_token }
    }

    /// Sets what the token is bound to.
    pub(super) fn bound(self, binding: Binding) -> Self {
        Self { binding, ..self }
    }

    /// Marks the token as bound to another request. `canonical` is the canonical text of this one.
    pub(super) fn of_other_request(self, canonical: String) -> Self {
        Self { binding: Binding::OtherRequest, canonical, ..self }
    }

    /// Accepts the caller if its token is bound in one of the `accepted` ways.
    pub(super) fn accept(self: &Rc<Self>, request: &HttpRequest, accepted: &[Binding]) -> Result<Rc<Self>, AuthError> {
        if accepted.contains(&self.binding) || self.binding == Binding::Unchecked {
            connection::prove(request);
            request.extensions_mut().insert(Granted(Rc::clone(self)));
            return Ok(Rc::clone(self));
        }
        let reason = match self.binding {
            Binding::Session => "is missing: a session token is accepted on token routes only",
            Binding::Context => "is context-qsh: a context JWT is accepted on token routes only",
            Binding::Request => "is that of this request, but this route requires a context JWT",
            Binding::Page => "is that of a page token, but this route requires a token of the host",
            Binding::OtherRequest => return Err(other_request(&self.canonical)),
            Binding::Nothing | Binding::Unchecked => "is missing",
        };
        Err(AuthError::Qsh(reason.to_owned()))
    }

    /// How the caller reached the app: through a frame of Connect, or one of Forge.
    #[must_use]
    pub fn via(&self) -> Via {
        match self.origin {
            Origin::Connect(_) => Via::Connect,
            Origin::Forge(_) => Via::Forge,
        }
    }

    /// The key under which the app stores data of this tenant. It is the clientKey where there is a Connect tenant,
    /// through Forge too. On Forge alone it is the ARI of the site, else that of the installation.
    #[must_use]
    pub fn tenant_key(&self) -> &str {
        match &self.origin {
            Origin::Connect(tenant) => tenant.client_key(),
            Origin::Forge(page) => &page.claims().tenant,
        }
    }

    /// The Connect tenant; `None` where the app is on Forge alone.
    #[must_use]
    pub fn tenant(&self) -> Option<&Arc<Tenant>> {
        match &self.origin {
            Origin::Connect(tenant) => Some(tenant),
            Origin::Forge(page) => page.tenant(),
        }
    }

    /// The Atlassian account id of the user; `None` for an anonymous user.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        self.claims.account_id()
    }

    /// The account id, where a user is required.
    ///
    /// # Errors
    /// A 401 for an anonymous user.
    pub fn require_account_id(&self) -> Result<&str, Error> {
        self.account_id()
            .ok_or_else(|| Error::unauthorized_because("You must be logged in to do this.", "the token names no user"))
    }

    /// What the user looks at: Connect's `context` claim, or on Forge the same, made from the invocation's context.
    #[must_use]
    pub fn context(&self) -> Option<&Value> {
        self.claims.context.as_ref()
    }

    /// The verified claims. Through Forge they are those of our own session or page token, with the tenant as `iss`.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// A client for the caller's host, as the app. Through Forge it uses the tokens that came with the page.
    #[must_use]
    pub fn host(&self) -> HostClient {
        match &self.origin {
            Origin::Connect(tenant) => HostClient::new(self.state.clone(), Arc::clone(tenant)),
            Origin::Forge(page) => page.host(self.state.clone()),
        }
    }

    /// The settings of the caller's tenant.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings::of_tenant(self.state.clone(), self.tenant_key().to_owned())
    }

    /// The add-on's state.
    #[must_use]
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The page on Forge, if the caller came through one.
    pub(crate) fn forge_page(&self) -> Option<&ForgePage> {
        match &self.origin {
            Origin::Connect(_) => None,
            Origin::Forge(page) => Some(page),
        }
    }

    /// The `Content-Security-Policy` that says who may frame the caller's pages.
    pub(crate) fn content_security_policy(&self) -> HeaderValue {
        match &self.origin {
            Origin::Connect(tenant) => tenant.content_security_policy().clone(),
            Origin::Forge(page) => page.content_security_policy(),
        }
    }

    /// A session token for this caller, with which the add-on's page calls back. It is made at first use, once per
    /// request. If the caller came with a session token, the new one continues that session, which ends after
    /// `maxSessionAge`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the token cannot be signed.
    pub fn session_token(&self) -> Result<&str, Error> {
        if let Some(token) = self.session_token.get() {
            return Ok(token);
        }
        let token = self.token(None)?;
        Ok(self.session_token.get_or_init(|| token))
    }

    /// The URL of another page of the app, with a token for that page. `path` is below the base URL and may have a
    /// query. The token is valid for as long as a session token. Any other URL is returned as it is, without a token.
    ///
    /// # Errors
    /// [`Error::Internal`] when the token cannot be signed.
    pub fn link(&self, path: &str) -> Result<String, Error> {
        if !path.starts_with('/') || path.starts_with("//") || path.contains('\\') {
            return Ok(path.to_owned());
        }
        let (path, fragment) = path.split_at(path.find('#').unwrap_or(path.len()));
        let url = BoundUrl::of(&self.state.config.local_base_url, path);
        let url = url.ok_or_else(|| Error::internal("a link leads outside the app"))?;
        Ok(url.with_token(&self.token(Some(url.hash()))?) + fragment)
    }

    /// A session token, or with a hash a token for that one request.
    fn token(&self, qsh: Option<&str>) -> Result<String, Error> {
        let issued = now();
        // a token of the host begins a session, one of the app continues it
        let is_ours = matches!(self.binding, Binding::Session | Binding::Page);
        let began = is_ours.then(|| session::beginning(&self.claims)).flatten().unwrap_or(issued);
        match &self.origin {
            Origin::Connect(tenant) => {
                let (user, context) = (self.claims.sub.as_deref(), self.claims.context.as_ref());
                let times = session::Times { issued, began };
                session::sign(&self.state, tenant, user, context, times, qsh).map_err(Error::internal)
            }
            Origin::Forge(page) => page.token(&self.state, qsh, issued),
        }
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("via", &self.via())
            .field("tenant_key", &self.tenant_key())
            .field("account_id", &self.account_id())
            .finish_non_exhaustive()
    }
}

/// Left in the request's extensions by an extractor that accepts a caller. The middleware then adds a refreshed session
/// token and the headers that let the tenant's site frame the page.
#[derive(Debug, Clone)]
pub(crate) struct Granted(pub(crate) Rc<Caller>);
