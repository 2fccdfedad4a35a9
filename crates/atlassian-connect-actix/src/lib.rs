//! Server-rendered apps for Jira and Confluence on actix-web: what atlassian-connect-express is for Node, with the same
//! app through Forge as well.
//!
//! An app is a descriptor (`atlassian-connect.json`), a configuration (`config.json` and the environment), and routes.
//! This is a complete app; its test opens the page as Jira does:
//!
//! ```
//! use actix_web::{get, web::ServiceConfig};
//! use askama::Template;
//! use atlassian_connect_actix::{Addon, PageContext, View};
//!
//! #[derive(Template)]
//! #[template(
//!     source = "<head>{{ page.head() }}</head><p>Hello from {{ page.host_base_url }}</p>{{ page.context_script() }}",
//!     ext = "html"
//! )]
//! struct Hello {
//!     page: PageContext,
//! }
//!
//! /// `PageContext` as an argument is the authentication: without it the page cannot be built.
//! #[get("/hello")]
//! async fn hello(page: PageContext) -> View<Hello> {
//!     View(Hello { page })
//! }
//!
//! fn routes(cfg: &mut ServiceConfig) {
//!     cfg.service(hello);
//! }
//!
//! // serves until SIGTERM; `atlassian_connect_cli::main` adds the command line, and the sandbox in development
//! async fn start() -> Result<(), atlassian_connect_actix::StartError> {
//!     Addon::builder().build().await?.run(routes).await
//! }
//!
//! # actix_web::rt::System::new().block_on(async {
//! use atlassian_connect_testing::TestHost;
//!
//! let host = TestHost::installed(routes).await;
//! assert!(host.open_iframe("/hello").await.body.contains("Hello from http"));
//! assert_eq!(host.get("/hello").await.status, 401);
//! # });
//! ```
//!
//! The parts of the crate, in the order in which an app usually needs them:
//!
//! 1. [`Addon::builder`] and [`Addon::run`]: start the app.
//! 2. [`PageContext`] and [`View`]: a page in the host's frame, rendered by Askama. [`PublicPage`] is for everybody.
//! 3. [`auth::SessionToken`]: a call from such a page. [`auth::ConnectJwt`], [`auth::ContextJwt`] and
//!    [`auth::ForgeInvocation`] authenticate other callers.
//! 4. `session.host()`, a [`host::HostClient`]: requests to Jira or Confluence, as the app or
//!    [as the user](host::HostClient::as_user).
//! 5. [`permission::Authorized`]: only for users with a permission in the host.
//! 6. [`Addon::listen`] and [`Addon::on`]: installs, webhooks and other [`events`].
//! 7. [`Error`]: every HTTP status in one place, with a text for the caller and one for the log.
//! 8. [`config::Config`]: the settings, and the app's own keys through `config.app()`.
//! 9. [`Addon`] as an argument: configuration and tenants in a handler without authentication.
//! 10. [`forge`]: the same handlers through Forge, and its events.
//! 11. `session.settings()`, the [`Settings`] of a tenant, and [`database`]: the app's own tables, in Diesel.
//! 12. [`Addon::spawn`] and [`Addon::every`]: background work.
//! 13. [`metrics`]: counters and durations of the app, for Prometheus.
//!
//! The stores are in the crate [`atlassian_connect_store`], here [`store`]. Test an app with
//! `atlassian-connect-testing`.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod addon;
mod association;
mod audit;
pub mod auth;
mod budget;
pub mod config;
mod connection;
pub mod database;
mod deliveries;
mod descriptor;
mod emission;
mod error;
mod error_page;
mod flight;
pub mod forge;
mod form;
mod health;
pub mod host;
mod installation;
mod jwt;
mod keys;
mod lifecycle;
pub mod log;
mod manifest;
mod measure;
mod middleware;
mod observer;
mod outbound;
mod page;
mod panics;
mod pattern;
pub mod permission;
mod redact;
mod scrape;
mod services;
mod settings;
mod software;
mod sources;
mod state;
mod tasks;
mod tenants;
mod trace;
mod transport;
mod view;
mod webhook;

pub use addon::{Addon, AddonBuilder, StartError, events};
/// The stores of installations and settings: the crate `atlassian-connect-store`.
pub use atlassian_connect_store as store;
pub use connection::StreamedBody;
pub use descriptor::DescriptorError;
pub use error::Error;
pub use form::{Form, Query};
/// The crate `metrics`, in the version whose metrics [`/metrics`](crate::config::Config::metrics) shows: an app's own
/// `metrics::counter!("notes_saved").increment(1)` appears there beside the framework's.
pub use metrics;
/// The crate `opentelemetry`, in the version whose spans are exported. A span of the app's own, made with
/// `opentelemetry::global::tracer("my-app")` in a handler, is a part of the request's trace. With the Cargo feature
/// `otel`.
#[cfg(feature = "otel")]
#[cfg_attr(docsrs, doc(cfg(feature = "otel")))]
pub use opentelemetry;
pub use settings::Settings;
pub use state::ErrorPage;
pub use tenants::Tenant;
pub use view::{PageContext, PageVariables, PublicPage, View};

/// Shared by the crates of the framework and not for users. It may change at any time.
#[doc(hidden)]
pub mod internal {
    pub use crate::config::base_url::is_loopback;
    pub use crate::jwt::claims_of_site;
    pub use crate::jwt::qsh::to_hex;
    pub use crate::view::script_json;

    pub mod addon {
        pub use crate::addon::ObserverError;
    }

    pub mod association {
        pub use crate::association::*;
    }

    pub mod audit {
        pub use crate::audit::{converted, purged, removed};
    }

    pub mod descriptor {
        pub use crate::descriptor::*;
    }

    pub mod event_names {
        pub use crate::emission::{Emission, names::*};
    }

    pub mod forge {
        pub use crate::forge::shell::{Comparison, ShellFile, compare_shell};
    }

    pub mod forge_pages {
        pub use crate::forge::pages::places;
        pub use crate::forge::pages::url_of;
    }

    pub mod installation {
        pub use crate::installation::{is_cloud_id, is_site_key, own_environment, plain_of, product_of_key, site_key};
    }

    pub mod jwt {
        pub use crate::jwt::*;
    }

    pub mod keys {
        pub use crate::keys::*;
    }

    pub mod manifest {
        pub use crate::manifest::{Manifest, Module, NO_ID};
    }

    pub mod middleware {
        pub use crate::observer::{Exchange, Observer};
    }

    pub mod panics {
        pub use crate::panics::{Panic, caught, caught_now, spawn};
    }

    pub mod redact {
        pub use crate::redact::{masked, shown, url};
    }

    pub mod services {
        pub use crate::services::*;
    }

    pub mod session {
        pub use crate::auth::session::{Times, sign};
    }

    pub mod software {
        pub use crate::software::{AppVersion, version_line};
    }

    pub mod state {
        pub use crate::state::State;
    }

    pub mod tenants {
        pub use crate::tenants::*;
    }

    pub mod transport {
        pub use crate::transport::*;
    }
}
