//! Requests to a tenant's host, signed as the add-on or sent as a user: ACE's `addon.httpClient`. A Forge invocation
//! has the same client; its requests go to the product's API with the app's or the user's token.
//!
//! A handler gets its client from the authenticated extractor, so that it can only reach that tenant:
//!
//! ```no_run
//! use actix_web::{get, web::Json};
//! use atlassian_connect_actix::{Error, auth::SessionToken};
//!
//! #[get("/api/me")]
//! async fn me(session: SessionToken) -> Result<Json<serde_json::Value>, Error> {
//!     let me = session.host().as_user(session.require_account_id()?).get("/rest/api/3/myself").send().await?;
//!     Ok(Json(me.json().await?))
//! }
//! ```

mod actor;
mod client;
mod error;
mod exchange;
mod forge;
mod lifetime;
mod multipart;
mod oauth2;
mod pages;
mod parts;
mod request;
mod response;
mod retry;
mod site;
mod target;
mod user_token;

pub(crate) use retry::jitter;

pub use crate::outbound::TokenError;
pub use client::HostClient;
pub use error::HostError;
pub use multipart::Multipart;
pub use request::{HostRequest, PreparedRequest};
pub use response::HostResponse;
pub(crate) use site::ForgeSite;
pub(crate) use target::RESERVED;
