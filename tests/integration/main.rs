//! The add-on over HTTP: a fake host, the real server, real tokens. One binary, a module a theme.
// what helpers cannot do is a failed test
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
// tables read best as they are written
#![allow(clippy::format_collect, clippy::format_push_string, clippy::too_many_lines)]

mod answers;
mod auth;
mod bodies;
#[cfg(unix)]
mod cli;
mod connections;
mod descriptor;
mod documents;
mod forge;
#[cfg(target_os = "linux")]
mod host_attachment;
mod host_calls;
mod host_errors;
mod host_lists;
mod host_manners;
mod host_pages;
mod host_permissions;
mod host_redirects;
mod host_ssrf;
mod host_tokens;
mod hostile;
mod install;
mod install_keys;
#[cfg(unix)]
mod kill;
#[cfg(unix)]
mod logs;
mod malformed;
mod no_auth;
mod nodes;
mod pages;
mod panics;
mod readings;
mod refusals;
#[cfg(unix)]
mod registration;
#[cfg(feature = "sandbox")]
mod sandbox;
mod sealed;
#[cfg(unix)]
mod start;
mod support;
mod tenants;
mod webhooks;
mod write_order;

use documents::app;
