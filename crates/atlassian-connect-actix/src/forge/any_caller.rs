//! [`AnyCaller`].

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde_json::Value;

use crate::auth::{ForgeInvocation, ProofFuture, SessionToken, has_invocation_token};
use crate::error::Error;
use crate::host::HostClient;
use crate::permission::{Inquiry, Subject};
use crate::settings::Settings;
use crate::tenants::Tenant;

/// A caller through Connect or Forge: a page with its session token, or Forge with an invocation. With it, one handler
/// serves both while an add-on moves from one to the other.
///
/// ```no_run
/// use actix_web::{post, web::Json};
/// use atlassian_connect_actix::{Error, forge::AnyCaller};
///
/// #[post("/api/me")]
/// async fn me(caller: AnyCaller) -> Result<Json<serde_json::Value>, Error> {
///     let user = caller.host().as_user(caller.require_account_id()?);
///     Ok(Json(user.get("/rest/api/3/myself").send().await?.json().await?))
/// }
/// ```
///
/// A request with `Authorization: Bearer …` is authenticated as an invocation, any other as a page, each like its own
/// extractor does. [`Authorized<P, AnyCaller>`](crate::permission::Authorized) also checks a permission.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AnyCaller {
    /// A page with its session token, in a frame of Connect or of Forge: [`Caller::via`](crate::auth::Caller::via) says
    /// which.
    Connect(SessionToken),
    /// Forge, with an invocation.
    Forge(ForgeInvocation),
}

impl AnyCaller {
    /// The Atlassian account id of the user; `None` if there is no user or an anonymous one.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        match self {
            Self::Connect(session) => session.account_id(),
            Self::Forge(invocation) => invocation.account_id(),
        }
    }

    /// The account id, where a user is required.
    ///
    /// # Errors
    /// A 401 through Connect, a 403 through Forge, if nobody is logged in. Forge reads a 401 as an invalid invocation
    /// token.
    pub fn require_account_id(&self) -> Result<&str, Error> {
        match self {
            Self::Connect(session) => session.require_account_id(),
            Self::Forge(invocation) => invocation.require_account_id(),
        }
    }

    /// What the user looks at: Connect's `context` claim, or Forge's context.
    #[must_use]
    pub fn context(&self) -> Option<&Value> {
        match self {
            Self::Connect(session) => session.context(),
            Self::Forge(invocation) => invocation.claims().raw().get("context"),
        }
    }

    /// A client for the caller's product. The same paths work through Connect and Forge.
    #[must_use]
    pub fn host(&self) -> HostClient {
        match self {
            Self::Connect(session) => session.host(),
            Self::Forge(invocation) => invocation.host(),
        }
    }

    /// The settings of the caller's tenant, the same through Connect and Forge.
    #[must_use]
    pub fn settings(&self) -> Settings {
        match self {
            Self::Connect(session) => session.settings(),
            Self::Forge(invocation) => invocation.settings(),
        }
    }

    /// The Connect tenant; through Forge, see [`ForgeInvocation::tenant`].
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is unavailable.
    pub async fn tenant(&self) -> Result<Option<Arc<Tenant>>, Error> {
        match self {
            Self::Connect(session) => Ok(session.tenant().cloned()),
            Self::Forge(invocation) => invocation.tenant().await,
        }
    }

    /// The key under which the app stores data of the caller's tenant, the same through Connect and Forge: see
    /// [`ForgeInvocation::tenant_key`].
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is unavailable.
    pub async fn tenant_key(&self) -> Result<String, Error> {
        match self {
            Self::Connect(session) => Ok(session.tenant_key().to_owned()),
            Self::Forge(invocation) => invocation.tenant_key().await,
        }
    }
}

impl Subject for AnyCaller {
    type Seen = Self;

    fn seen(&self) -> &Self {
        self
    }

    fn inquiry(&self) -> Result<Inquiry<'_>, Error> {
        match self {
            Self::Connect(session) => session.inquiry(),
            Self::Forge(invocation) => invocation.inquiry(),
        }
    }
}

impl FromRequest for AnyCaller {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if has_invocation_token(request.headers()) {
            let proof = ForgeInvocation::from_request(request, payload);
            Box::pin(async move { proof.await.map(Self::Forge) })
        } else {
            let proof = SessionToken::from_request(request, payload);
            Box::pin(async move { proof.await.map(Self::Connect) })
        }
    }
}
