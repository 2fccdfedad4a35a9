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
mod heavy;
mod install_jwt;
mod pipeline;
pub(crate) mod session;
mod session_token;
mod site_origin;
mod source;

pub use crate::jwt::{
    Audience, Claims, ForgeApp, ForgeClaims, ForgeContext, ForgeEnvironment, ForgeInstallation, ForgeLicense,
    ForgeModule, InstallationContext,
};
pub use crate::tenants::Installation;
pub(crate) use body::{FormBody, json_body, prepare, without_mark};
pub use callback_jwt::CallbackJwt;
pub use caller::Caller;
pub(crate) use caller::Granted;
pub use connect_jwt::ConnectJwt;
pub use context_jwt::ContextJwt;
pub(crate) use encoding::read_inflated;
pub(crate) use error::AuthError;
pub use forge_invocation::ForgeInvocation;
pub(crate) use forge_invocation::has_invocation_token;
pub use install_jwt::InstallJwt;
pub use session_token::SessionToken;

use error::{other_request, shorten};

use crate::error::Error;

/// The future of an extractor of this module.
pub(crate) type ProofFuture<T> = futures_util::future::LocalBoxFuture<'static, Result<T, Error>>;

/// What an extractor leaves in the request's extensions when it takes a caller that is no [`Caller`]: the answer is for
/// them alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proven;
