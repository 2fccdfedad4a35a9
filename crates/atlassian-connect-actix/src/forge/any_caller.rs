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

/// A caller by either door: a page in a Connect iframe with its session token, or Forge with an invocation. One handler
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
/// `Authorization: Bearer …` is Forge's door, anything else is Connect's; each is proven as its own extractor proves it.
/// [`Authorized<P, AnyCaller>`](crate::permission::Authorized) is one with a permission of the host's.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AnyCaller {
    /// By Connect's door.
    Connect(SessionToken),
    /// By Forge's door.
    Forge(ForgeInvocation),
}

impl AnyCaller {
    /// The Atlassian account id of the user; `None`: nobody is there, or nobody is logged in.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        match self {
            Self::Connect(session) => session.account_id(),
            Self::Forge(invocation) => invocation.account_id(),
        }
    }

    /// The same where a user is needed.
    ///
    /// # Errors
    /// It says that nobody is logged in: 401 through Connect, 403 through Forge, to which 401 means that the invocation
    /// token is bad.
    pub fn require_account_id(&self) -> Result<&str, Error> {
        match self {
            Self::Connect(session) => session.require_account_id(),
            Self::Forge(invocation) => invocation.require_account_id(),
        }
    }

    /// What the user looks at, in the words of the door: Connect's `context` claim, Forge's.
    #[must_use]
    pub fn context(&self) -> Option<&Value> {
        match self {
            Self::Connect(session) => session.context(),
            Self::Forge(invocation) => invocation.claims().raw.get("context"),
        }
    }

    /// A client for the caller's product: the same paths lead to the same places by either door.
    #[must_use]
    pub fn host(&self) -> HostClient {
        match self {
            Self::Connect(session) => session.host(),
            Self::Forge(invocation) => invocation.host(),
        }
    }

    /// What the app keeps of the caller's tenant, the same through Connect and through Forge.
    #[must_use]
    pub fn settings(&self) -> Settings {
        match self {
            Self::Connect(session) => session.settings(),
            Self::Forge(invocation) => invocation.settings(),
        }
    }

    /// The Connect tenant, by Forge's door if there is one: see [`ForgeInvocation::tenant`].
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is away.
    pub async fn tenant(&self) -> Result<Option<Arc<Tenant>>, Error> {
        match self {
            Self::Connect(session) => Ok(Some(Arc::clone(session.tenant()))),
            Self::Forge(invocation) => invocation.tenant().await,
        }
    }

    /// The name under which the add-on keeps what belongs to the caller's tenant, the same by either door:
    /// see [`ForgeInvocation::tenant_key`].
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is away.
    pub async fn tenant_key(&self) -> Result<String, Error> {
        match self {
            Self::Connect(session) => Ok(session.client_key().to_owned()),
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
