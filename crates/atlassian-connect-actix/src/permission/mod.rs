//! Checks the permissions of a user on the host: ACE's `authorizeJira` and `authorizeConfluence`, as an argument of the
//! handler.
//!
//! ```
//! use actix_web::{HttpResponse, get};
//! use atlassian_connect_actix::permission::{Authorized, Needed, Permission};
//!
//! /// Who may configure the add-on.
//! #[derive(Debug)]
//! struct SiteAdmin;
//!
//! impl Permission for SiteAdmin {
//!     const NEEDED: Needed = Needed::Jira { project: &[], global: &["ADMINISTER"] };
//! }
//!
//! #[get("/admin")]
//! async fn admin(caller: Authorized<SiteAdmin>) -> HttpResponse {
//!     HttpResponse::Ok().body(caller.tenant_key().to_owned())
//! }
//! ```
//!
//! `Authorized<SiteAdmin, ForgeInvocation>` checks a call through Forge, `Authorized<SiteAdmin, AnyCaller>` one through
//! Connect or Forge. The permissions are the same. They concern what the user looks at: Connect's context, or Forge's
//! `context.extension`. Through Connect the request is sent as the add-on. Through Forge it is sent as the user, with
//! the token of the invocation (`auth.appUserToken` of the endpoint, scope `read:app-user-token`), else with an offline
//! user token. The user's token needs a scope:
//!
//! | permission | classic scope |
//! |---|---|
//! | [`Needed::Jira`] | `read:jira-work` |
//! | [`Needed::Confluence`], `application` | `read:confluence-user` |
//! | [`Needed::Confluence`], `content` | `read:confluence-content.permission` |
//!
//! Permissions of Jira are asked of Jira, and those of Confluence of Confluence, also where an installation has both. An
//! installation that does not have the product is not asked: the answer is 403.
//!
//! Access is granted only if the host confirms it for this user and these ids. An error, a refused token, or an
//! unavailable host is a 403. So is an invocation without a user, such as an event; through Connect, Jira is asked
//! about the anonymous user. The browser can alter Forge's `context.extension`. Take the id only from there, since that id
//! was checked, and do not use the key beside it.
//!
//! Source: Atlassian, REST API reference of Jira and Confluence; "App context security".

mod confluence;
mod jira;
mod refusal;
mod subject;

use std::marker::PhantomData;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

pub(crate) use subject::{Inquiry, Subject};

use crate::auth::{ProofFuture, SessionToken};
use crate::error::Error;

/// The permissions that a user needs. All of them must be granted; each list may be empty.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Needed {
    /// Permissions of Jira.
    Jira {
        /// For the project and issue in the token's context: `BROWSE_PROJECTS`, `EDIT_ISSUES` …
        project: &'static [&'static str],
        /// For the whole site: `ADMINISTER` …
        global: &'static [&'static str],
    },
    /// Permissions of Confluence.
    Confluence {
        /// Operations on the application: `use`, `administer`.
        application: &'static [&'static str],
        /// An operation on the content in the token's context: `read`, `update`, `delete`.
        content: Option<&'static str>,
    },
}

impl Needed {
    /// Checks that the caller's user has these permissions. A caller is a [`Caller`](crate::auth::Caller), a
    /// [`ForgeInvocation`](crate::auth::ForgeInvocation), or an [`AnyCaller`](crate::forge::AnyCaller). [`Authorized`]
    /// does this before the handler runs.
    ///
    /// # Errors
    /// 403 if a permission is missing; 403 with its own message if there is no user to ask about, if the context does
    /// not have what the permission concerns, and if the host does not answer.
    pub async fn authorize(self, caller: &impl Subject) -> Result<(), Error> {
        let inquiry = caller.inquiry()?;
        match self {
            Self::Jira { project, global } => jira::authorize(&inquiry, project, global).await,
            Self::Confluence { application, content } => confluence::authorize(&inquiry, application, content).await,
        }
    }
}

/// A named set of required permissions. Implement it for a type of the app.
pub trait Permission: 'static {
    /// The permissions that must be granted.
    const NEEDED: Needed;
}

/// A caller that holds permission `P`. `C` is the extractor that authenticates the caller ([`SessionToken`] by
/// default). It dereferences to the [`Caller`] of a page extractor, or to the Forge extractor itself:
///
/// ```
/// use actix_web::post;
/// use atlassian_connect_actix::Error;
/// use atlassian_connect_actix::forge::AnyCaller;
/// use atlassian_connect_actix::permission::{Authorized, Needed, Permission};
///
/// struct SiteAdmin;
///
/// impl Permission for SiteAdmin {
///     const NEEDED: Needed = Needed::Jira { project: &[], global: &["ADMINISTER"] };
/// }
///
/// #[post("/api/settings")]
/// async fn settings(caller: Authorized<SiteAdmin, AnyCaller>) -> Result<String, Error> {
///     caller.tenant_key().await
/// }
/// ```
///
/// [`Caller`]: crate::auth::Caller
pub struct Authorized<P, C = SessionToken> {
    caller: C,
    permission: PhantomData<P>,
}

impl<P, C: std::fmt::Debug> std::fmt::Debug for Authorized<P, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Authorized").field(&self.caller).finish()
    }
}

impl<P, C: Subject> Deref for Authorized<P, C> {
    type Target = C::Seen;

    fn deref(&self) -> &C::Seen {
        self.caller.seen()
    }
}

impl<P, C> FromRequest for Authorized<P, C>
where
    P: Permission,
    C: FromRequest<Error = Error> + Subject + 'static,
{
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let proof = C::from_request(request, payload);
        Box::pin(async move {
            let caller = proof.await?;
            P::NEEDED.authorize(&caller).await?;
            Ok(Self { caller, permission: PhantomData })
        })
    }
}
