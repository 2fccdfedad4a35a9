//! Server-rendered add-ons for Jira and Confluence on actix-web: what atlassian-connect-express is for Node, and the
//! starter app that shows it.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod error;
pub(crate) mod panics;
mod redact;
pub(crate) mod software;

pub mod log;

pub mod config;

pub mod budget;
pub(crate) mod connection;
pub mod flight;
pub mod jwt;
pub mod pattern;
pub mod transport;

pub mod descriptor;

/// Where installations and settings are kept: the crate `atlassian-connect-store`.
pub use atlassian_connect_store as store;

pub mod tenants;

pub mod deliveries;
pub mod events;
pub mod keys;
pub mod outbound;
pub mod services;
pub mod sources;
pub mod state;

pub mod host;

pub mod auth;
pub mod permission;

pub mod view;

pub mod health;
pub mod lifecycle;
pub mod webhook;

pub mod forge;

pub mod error_page;
pub mod middleware;

pub mod addon;

pub use addon::{Addon, AddonBuilder, StartError};
pub use connection::StreamedBody;
pub use error::Error;
pub use view::{PageContext, PageVariables, PublicPage, View};

/// What the crates of the framework share beyond what users see. No promise holds for it.
#[doc(hidden)]
pub mod internal {
    pub use crate::config::is_loopback;
    pub use crate::jwt::claims_of_site;
    pub use crate::jwt::qsh::to_hex;
    pub use crate::view::script_json;

    pub mod panics {
        pub use crate::panics::{Panic, caught, caught_now, spawn};
    }

    pub mod redact {
        pub use crate::redact::{masked, shown, url};
    }

    pub mod software {
        pub use crate::software::{AppVersion, version_line};
    }

    pub mod session {
        pub use crate::auth::session::{Times, sign};
    }
}
