//! Server-rendered add-ons for Jira and Confluence on actix-web: what atlassian-connect-express is for Node, and the
//! starter app that shows it.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod error;
pub(crate) mod panics;
mod redact;

pub mod log;

pub mod config;

pub mod budget;
pub(crate) mod connection;
pub mod flight;
pub mod jwt;
pub mod pattern;
pub mod transport;

pub mod descriptor;
pub mod manifest;

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

pub mod registration;

pub mod fake_host;

#[cfg(feature = "sandbox")]
pub mod sandbox;

pub mod addon;
pub mod cli;
pub mod testing;

pub use addon::{Addon, AddonBuilder, StartError};
pub use connection::StreamedBody;
pub use error::Error;
pub use view::{PageContext, PageVariables, PublicPage, View};
