//! Who called, once that is proven.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpMessage as _, HttpRequest, web};
use serde_json::Value;

use super::{AuthError, other_request, session};
use crate::connection;
use crate::error::Error;
use crate::host::HostClient;
use crate::jwt::{Claims, now};
use crate::settings::Settings;
use crate::state::State;
use crate::tenants::Tenant;

/// What the token of a caller is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    /// It is a session token of our own, for any URL of the add-on.
    Session,
    /// It is a context JWT, for any URL of the add-on.
    Context,
    /// Its query string hash is that of this very request.
    Request,
    /// Its query string hash is that of another request.
    OtherRequest,
    /// It has no query string hash.
    Nothing,
    /// `no-auth` in development: nothing was asked.
    Unchecked,
}

/// A proven caller: a tenant, and the user that the tenant's token names.
pub struct Caller {
    state: web::Data<State>,
    tenant: Arc<Tenant>,
    claims: Claims,
    binding: Binding,
    /// The canonical text of the request, where the token is bound to another one.
    canonical: String,
    session_token: OnceCell<String>,
}

impl Caller {
    pub(super) fn new(state: web::Data<State>, tenant: Arc<Tenant>, claims: Claims, binding: Binding) -> Self {
        Self { state, tenant, claims, binding, canonical: String::new(), session_token: OnceCell::new() }
    }

    /// The same, whose token is bound to another request than the one that reads `canonical`.
    pub(super) fn of_other_request(self, canonical: String) -> Self {
        Self { binding: Binding::OtherRequest, canonical, ..self }
    }

    /// Takes the caller for a route whose tokens are bound as `accepted` says.
    pub(super) fn accept(self: &Rc<Self>, request: &HttpRequest, accepted: &[Binding]) -> Result<Rc<Self>, AuthError> {
        if accepted.contains(&self.binding) || self.binding == Binding::Unchecked {
            connection::prove(request);
            request.extensions_mut().insert(Granted(Rc::clone(self)));
            return Ok(Rc::clone(self));
        }
        let reason = match self.binding {
            Binding::Session => "is missing: a session token opens token routes only",
            Binding::Context => "is context-qsh: a context JWT opens token routes only",
            Binding::Request => "is of this request, where a context JWT is asked for",
            Binding::OtherRequest => return Err(other_request(&self.canonical)),
            Binding::Nothing | Binding::Unchecked => "is missing",
        };
        Err(AuthError::Qsh(reason.to_owned()))
    }

    /// The tenant's clientKey.
    #[must_use]
    pub fn client_key(&self) -> &str {
        self.tenant.client_key()
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// The Atlassian account id of the user; `None` for an anonymous one.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        self.claims.account_id()
    }

    /// The same where a user is needed.
    ///
    /// # Errors
    /// A 401 that says so, for an anonymous user.
    pub fn require_account_id(&self) -> Result<&str, Error> {
        self.account_id().ok_or_else(|| {
            Error::unauthorized_because("This needs a user, and nobody is logged in.", "the token names no user")
        })
    }

    /// The `context` claim: what the user looks at.
    #[must_use]
    pub fn context(&self) -> Option<&Value> {
        self.claims.context.as_ref()
    }

    /// The verified claims.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// A client for the caller's own host, as the add-on.
    #[must_use]
    pub fn host(&self) -> HostClient {
        HostClient::new(self.state.clone(), Arc::clone(&self.tenant))
    }

    /// What the app keeps of the caller's tenant.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings::of_tenant(self.state.clone(), self.client_key().to_owned())
    }

    /// The add-on's state.
    #[must_use]
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// A session token for this caller: what the add-on's page calls back with. One a request, made at first use. Where
    /// the caller came with a session token, it continues that session, which ends after `maxSessionAge`.
    ///
    /// # Errors
    /// [`Error::Internal`] when it cannot be signed.
    pub fn session_token(&self) -> Result<&str, Error> {
        if let Some(token) = self.session_token.get() {
            return Ok(token);
        }
        let issued = now();
        // what the host has signed begins a session, what we have signed continues one
        let continued = (self.binding == Binding::Session).then(|| session::beginning(&self.claims)).flatten();
        let began = continued.unwrap_or(issued);
        let (user, context) = (self.claims.sub.as_deref(), self.claims.context.as_ref());
        let token = session::sign(&self.state, &self.tenant, user, context, session::Times { issued, began });
        let token = token.map_err(Error::internal)?;
        Ok(self.session_token.get_or_init(|| token))
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("client_key", &self.client_key())
            .field("account_id", &self.account_id())
            .finish_non_exhaustive()
    }
}

/// What an extractor leaves in the request's extensions when it takes a caller: the middleware answers with a
/// refreshed session token, and with the headers of a page that a tenant's site may frame.
#[derive(Debug, Clone)]
pub(crate) struct Granted(pub(crate) Rc<Caller>);
