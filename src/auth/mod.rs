//! Who calls: one extractor a file, and one pipeline: token -> client -> signature -> claims -> query string hash.
//!
//! A handler that takes one of these types as an argument cannot be reached by anybody who did not prove it:
//!
//! | type | ACE | takes |
//! |---|---|---|
//! | [`ConnectJwt`] | `authenticate()` | a token of the host's, bound to this very request |
//! | [`CallbackJwt`] | `authenticate()` | the same on a route that no page opens: a webhook |
//! | [`SessionToken`] | `checkValidToken()` | our own session token, a context JWT, or a token bound to this request |
//! | [`ContextJwt`] | | a context JWT (`AP.context.getToken`) |
//! | [`InstallJwt`] | `authenticateInstall()` | a lifecycle callback signed by the host's install key |
//! | [`ForgeInvocation`] | `authenticateForge()` | an invocation signed by Forge's keys, for this app |
//!
//! The first four hold a [`Caller`]. Two of them in one handler share one verification, and so do two
//! [`ForgeInvocation`]s.

/// An extractor that holds a [`Caller`] whose token is bound in one of the ways that it names.
macro_rules! proof {
    ($(#[$doc:meta])* $name:ident takes $($binding:ident),+) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(std::rc::Rc<crate::auth::Caller>);

        impl std::ops::Deref for $name {
            type Target = crate::auth::Caller;

            fn deref(&self) -> &crate::auth::Caller {
                &self.0
            }
        }

        impl actix_web::FromRequest for $name {
            type Error = crate::error::Error;
            type Future = crate::auth::ProofFuture<Self>;

            fn from_request(request: &actix_web::HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
                let (request, caller) = (request.clone(), crate::auth::pipeline::caller(request));
                Box::pin(async move {
                    let caller = caller.await?;
                    Ok(Self(caller.accept(&request, &[$(crate::auth::caller::Binding::$binding),+])?))
                })
            }
        }
    };
}

mod app_tokens;
mod body;
mod browser;
mod callback_jwt;
mod caller;
mod connect_jwt;
mod context_jwt;
mod encoding;
mod forge_invocation;
mod heavy;
mod install_jwt;
mod pipeline;
pub(crate) mod session;
mod session_token;
mod source;

pub(crate) use body::{FormBody, json_body, prepare, without_mark};
pub use callback_jwt::CallbackJwt;
pub use caller::{Caller, Granted};
pub use connect_jwt::ConnectJwt;
pub use context_jwt::ContextJwt;
pub(crate) use encoding::read_inflated;
pub use forge_invocation::ForgeInvocation;
pub(crate) use forge_invocation::has_invocation_token;
pub use install_jwt::InstallJwt;
pub use session_token::SessionToken;

use crate::error::Error;
use crate::jwt::JwtError;

/// The future of an extractor of this module.
pub type ProofFuture<T> = futures_util::future::LocalBoxFuture<'static, Result<T, Error>>;

/// What an extractor leaves in the request's extensions when it takes a caller that is no [`Caller`]: the answer is for
/// them alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proven;

/// Which check failed. Texts are for the log: no token, no secret.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No token in the query, the form, the headers.
    #[error("there is no token in the query, the form or the headers")]
    Missing,
    /// More than one in a place where one is expected, or one in the query and one in the form.
    #[error("there is more than one token: {0}")]
    Ambiguous(&'static str),
    /// The token itself.
    #[error(transparent)]
    Token(#[from] JwtError),
    /// It names no tenant.
    #[error("the token names no tenant (aud, iss)")]
    NoTenant,
    /// Nobody has installed under this key.
    #[error("no tenant {0} is installed")]
    UnknownTenant(String),
    /// The token is signed with the tenant's secret, but not by the tenant.
    #[error("the token of tenant {tenant} is issued by {issuer:?}")]
    Issuer {
        /// The tenant's clientKey.
        tenant: String,
        /// The claim `iss`.
        issuer: String,
    },
    /// The signature is not that of the key or secret that is named.
    #[error("the signature does not match {0}")]
    Signature(String),
    /// A session token of ours, whose session cannot be continued.
    #[error("the session {0}")]
    Session(&'static str),
    /// Bound to another request, or to none where one is required.
    #[error("the query string hash {0}")]
    Qsh(String),
    /// A Forge invocation comes to an add-on that is no Forge app.
    #[error("Forge's invocations cannot be verified without appId (AC_APP_ID), the app's id in the Forge manifest")]
    NoForgeApp,
    /// No key for a Forge invocation.
    #[error("there is no key {kid:?} for the invocation token: {error}")]
    ForgeKey {
        /// The `kid` of the token; empty where it names none.
        kid: String,
        /// Why there is no key.
        error: crate::keys::KeyError,
    },
    /// A lifecycle callback whose payload or token does not fit.
    #[error("the lifecycle callback is not taken: {0}")]
    Lifecycle(String),
}

/// A text of a token or a request as a refusal names it: it comes from outside.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut chars = text.chars().map(|c| if c.is_control() { '?' } else { c });
    let mut short: String = chars.by_ref().take(LONGEST).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// Why a token that is bound to another request is refused: the text whose hash would have fitted.
fn other_request(canonical: &str) -> AuthError {
    AuthError::Qsh(format!("is that of another request. This one reads {}", crate::redact::shown(canonical)))
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        let detail = error.to_string();
        match error {
            AuthError::Missing => {
                Self::unauthorized_because("Could not find authentication data on the request.", detail)
            }
            AuthError::Token(JwtError::Expired) | AuthError::Session(_) => {
                Self::unauthorized_because("The authentication has expired. Try reloading the page.", detail)
            }
            _ => Self::unauthorized(detail),
        }
    }
}
