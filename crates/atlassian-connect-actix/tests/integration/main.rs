//! The add-on over HTTP: a fake host, the real server, real tokens. One binary, with a module per topic.
// a failing helper is a failed test
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
// tables are most readable as they are written
#![allow(clippy::format_collect, clippy::format_push_string, clippy::too_many_lines)]

mod answers;
mod auth;
mod background;
mod bodies;
mod compression;
mod connections;
mod database;
mod forge;
mod forms;
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
mod malformed;
mod no_auth;
mod nodes;
mod outage;
mod pages;
mod panics;
mod readings;
mod refusals;
mod sealed;
mod settings;
// the tests of other crates use it too
#[allow(dead_code)]
mod support;
mod tenants;
mod webhooks;
mod write_order;
