//! Authenticates the caller: one extractor per file, and one pipeline: token -> client -> signature -> claims -> query
//! string hash.
//!
//! A handler with one of these types as an argument runs for authenticated callers only:
//!
//! | type | ACE | accepts |
//! |---|---|---|
//! | [`PageToken`] | `authenticate()` | a JWT of the host, or our own page token, bound to this request |
//! | [`ConnectJwt`] | `authenticate()` | a JWT of the host alone, bound to this request |
//! | [`CallbackJwt`] | `authenticate()` | the same on a route that no page opens: a webhook |
//! | [`SessionToken`] | `checkValidToken()` | our own session token, a context JWT, or a token bound to this request; of a page on Forge too |
//! | [`ContextJwt`] | | a context JWT (`AP.context.getToken`) |
//! | [`InstallJwt`] | `authenticateInstall()` | a lifecycle callback signed by the host's install key |
//! | [`ForgeInvocation`] | `authenticateForge()` | an invocation signed by Forge's keys, for this app |
//!
//! The first five hold a [`Caller`]. Two of them in one handler share one verification, and so do two
//! [`ForgeInvocation`]s.

mod app_tokens;
mod association;
mod body;
mod browser;
mod callback_jwt;
mod caller;
mod connect_jwt;
mod context_jwt;
mod encoding;
mod error;
mod forge_invocation;
mod forge_page;
mod heavy;
mod install_jwt;
mod page_token;
mod pipeline;
pub(crate) mod session;
mod session_token;
mod source;

pub use crate::jwt::{Claims, ForgeClaims, ForgeLicense};
pub use crate::tenants::Installation;
pub(crate) use body::{FormBody, json_body, prepare, without_mark};
pub use callback_jwt::CallbackJwt;
pub(crate) use caller::Granted;
pub use caller::{Caller, Via};
pub use connect_jwt::ConnectJwt;
pub use context_jwt::ContextJwt;
pub(crate) use encoding::read_inflated;
pub(crate) use error::AuthError;
pub use forge_invocation::ForgeInvocation;
pub(crate) use forge_invocation::has_invocation_token;
pub(crate) use forge_page::{ForgePage, audience};
pub use install_jwt::InstallJwt;
pub use page_token::PageToken;
pub use session_token::SessionToken;

use error::{other_request, shorten};

use crate::error::Error;
use crate::{measure, trace};

/// Authenticates by this extractor: it is a span of the trace, and counted.
pub(crate) async fn counted<T>(
    extractor: &'static str,
    verification: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let result = trace::verification(extractor, verification).await;
    measure::authentication(extractor, result.as_ref().map(drop).map_err(Error::words));
    result
}

/// The future of an extractor of this module.
pub(crate) type ProofFuture<T> = futures_util::future::LocalBoxFuture<'static, Result<T, Error>>;

/// Left in the request's extensions by an extractor that accepts a caller other than a [`Caller`]: the answer is for
/// that caller alone and must not be cached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proven;
