//! Whether the host lets a user do something: ACE's `authorizeJira` and `authorizeConfluence`, as an argument of the
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
//!     const NEEDED: Needed = Needed::jira().global(&["ADMINISTER"]);
//! }
//!
//! #[get("/admin")]
//! async fn admin(caller: Authorized<SiteAdmin>) -> HttpResponse {
//!     HttpResponse::Ok().body(caller.client_key().to_owned())
//! }
//! ```

mod confluence;
mod jira;

use std::marker::PhantomData;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde_json::Value;

pub use confluence::authorize_confluence;
pub use jira::authorize_jira;

use crate::auth::{Caller, ProofFuture, SessionToken};
use crate::error::Error;

/// A list of permissions' names.
pub type Names = &'static [&'static str];

/// What a user needs. Every permission that is named must be granted.
#[derive(Debug, Clone, Copy)]
pub struct Needed(Product);

#[derive(Debug, Clone, Copy)]
enum Product {
    Jira { project: Names, global: Names },
    Confluence { application: Names, content: Option<&'static str> },
}

impl Needed {
    /// Permissions of Jira.
    #[must_use]
    pub const fn jira() -> JiraNeeds {
        JiraNeeds { project: &[] }
    }

    /// Permissions of Confluence.
    #[must_use]
    pub const fn confluence() -> ConfluenceNeeds {
        ConfluenceNeeds { content: None }
    }

    async fn ask(self, caller: &Caller) -> Result<(), Error> {
        match self.0 {
            Product::Jira { project, global } => authorize_jira(caller, project, global).await,
            Product::Confluence { application, content } => authorize_confluence(caller, application, content).await,
        }
    }
}

/// Permissions of Jira.
#[derive(Debug, Clone, Copy)]
pub struct JiraNeeds {
    project: Names,
}

impl JiraNeeds {
    /// For the project or issue of the token's context: `BROWSE_PROJECTS`, `EDIT_ISSUES` …
    #[must_use]
    pub const fn project(self, project: Names) -> Self {
        Self { project }
    }

    /// For the whole site: `ADMINISTER` …; empty for none.
    #[must_use]
    pub const fn global(self, global: Names) -> Needed {
        Needed(Product::Jira { project: self.project, global })
    }
}

/// Permissions of Confluence.
#[derive(Debug, Clone, Copy)]
pub struct ConfluenceNeeds {
    content: Option<&'static str>,
}

impl ConfluenceNeeds {
    /// An operation on the content of the token's context: `read`, `update`, `delete`.
    #[must_use]
    pub const fn content(self, operation: &'static str) -> Self {
        Self { content: Some(operation) }
    }

    /// Operations on the application: `use`, `administer`; empty for none.
    #[must_use]
    pub const fn application(self, application: Names) -> Needed {
        Needed(Product::Confluence { application, content: self.content })
    }
}

/// A question to the host with a name of the add-on's own.
pub trait Permission: 'static {
    /// What must be granted.
    const NEEDED: Needed;
}

/// A caller whom the host grants `P`. `C` proves who calls: [`SessionToken`] unless said otherwise.
pub struct Authorized<P, C = SessionToken> {
    caller: C,
    permission: PhantomData<P>,
}

impl<P, C: std::fmt::Debug> std::fmt::Debug for Authorized<P, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Authorized").field(&self.caller).finish()
    }
}

impl<P, C: Deref<Target = Caller>> Deref for Authorized<P, C> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<P, C> FromRequest for Authorized<P, C>
where
    P: Permission,
    C: FromRequest<Error = Error> + Deref<Target = Caller> + 'static,
{
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let proof = C::from_request(request, payload);
        Box::pin(async move {
            let caller = proof.await?;
            P::NEEDED.ask(&caller).await?;
            Ok(Self { caller, permission: PhantomData })
        })
    }
}

/// No: 403.
fn denied(what: &str) -> Error {
    Error::forbidden("You do not have the permission for this.", format!("the host does not grant {what}"))
}

/// Nobody can tell: 403, with its own message.
fn undetermined(reason: impl std::fmt::Display) -> Error {
    Error::forbidden(
        "Your permissions could not be determined.",
        format!("permissions could not be determined: {reason}"),
    )
}

/// An id of the context, which comes as a text or a number.
fn id(context: Option<&Value>, pointer: &str) -> Option<String> {
    match context?.pointer(pointer)? {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// The answer to a question, asked once in a while for each user: `question` must name everything it depends on.
async fn remembered<F>(caller: &Caller, question: String, ask: F) -> Result<bool, Error>
where
    F: Future<Output = Result<bool, Error>>,
{
    let answers = &caller.state().outbound.permissions;
    let user = caller.user_account_id().unwrap_or_default();
    let key = serde_json::json!([caller.client_key(), user, question]).to_string();
    if let Some(answer) = answers.get(&key) {
        return Ok(answer);
    }
    let answer = ask.await?;
    answers.insert(key, answer);
    Ok(answer)
}
