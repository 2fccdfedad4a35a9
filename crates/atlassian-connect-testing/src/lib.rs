//! A fake Atlassian host in the test process. It installs your add-on with a real signed callback, opens its pages and
//! sends webhooks, over HTTP against the real server.
//!
//! ```
//! use actix_web::{HttpResponse, get, web::ServiceConfig};
//! use atlassian_connect_actix::auth::ConnectJwt;
//! use atlassian_connect_testing::TestHost;
//!
//! #[get("/page")]
//! async fn page(caller: ConnectJwt) -> HttpResponse {
//!     HttpResponse::Ok().body(caller.tenant_key().to_owned())
//! }
//!
//! # actix_web::rt::System::new().block_on(async {
//! let host = TestHost::installed(|cfg: &mut ServiceConfig| { cfg.service(page); }).await;
//! let reply = host.open_iframe("/page").await;
//! assert_eq!((reply.status, reply.body.as_str()), (200, host.tenant().client_key.as_str()));
//! assert_eq!(host.get("/page").await.status, 401);
//! # });
//! ```
//!
//! It also answers the add-on's requests to its site. It verifies credentials like Atlassian, and answers 401 to an
//! invalid signature or token:
//!
//! ```
//! use actix_web::{get, web::{Json, ServiceConfig}};
//! use atlassian_connect_actix::{Error, auth::ConnectJwt};
//! use atlassian_connect_testing::{By, TestHost};
//! use serde_json::{Value, json};
//!
//! #[get("/projects")]
//! async fn projects(caller: ConnectJwt) -> Result<Json<Value>, Error> {
//!     let user = caller.host().as_user(caller.require_account_id()?);
//!     Ok(Json(user.get("/rest/api/3/project/search").query([("maxResults", 1)]).send().await?.json().await?))
//! }
//!
//! # actix_web::rt::System::new().block_on(async {
//! let host = TestHost::installed(|cfg: &mut ServiceConfig| { cfg.service(projects); }).await;
//! host.stub_get("/rest/api/3/project/search", json!({ "values": [{ "key": "A" }] }));
//!
//! let reply = host.open_iframe("/projects").await;
//! assert_eq!(reply.json()["values"][0]["key"], "A");
//!
//! let [call] = host.calls().try_into().unwrap();
//! assert_eq!((call.query.as_str(), call.by), ("maxResults=1", By::User(host.tenant().account_id)));
//! # });
//! ```
//!
//! The functions panic if the fake host itself fails, so that the test fails.
// a test that cannot continue has failed; nothing here runs in production
#![allow(clippy::missing_panics_doc)]

mod call;
mod database;
mod fake_host;
mod forge;
mod forge_pages;
mod forge_tokens;
mod host;
mod journal;
mod jwks_server;
mod key_server;
mod reply;
mod rest;
mod routes;
mod schema;
mod site;
mod stub;
mod token_server;

/// Shared between the framework's crates, hidden from users. Not covered by semantic versioning.
#[doc(hidden)]
pub mod internal {
    pub use crate::fake_host::{GrantForm, InstallKey, Issued, LIFETIME, Ledger, product_api};
    pub use crate::jwks_server::{JwksAnswer, JwksServer};
    pub use crate::key_server::KeyAnswer;
    pub use crate::schema::Columns;
    pub use crate::token_server::{TokenAnswer, TokenServer};
}

pub use crate::fake_host::{By, TestInvocation, TestTenant, claims_for};
pub use call::HostCall;
pub use host::{TestHost, TestHostBuilder};
use jwks_server::JwksServer;
pub use key_server::KeyServer;
pub use reply::Reply;
pub use routes::assert_descriptor_routes;
pub use schema::assert_schema;
use token_server::TokenServer;
