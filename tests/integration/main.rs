//! The add-on over HTTP: a fake host, the real server, real tokens. One binary, a module a theme.
// what helpers cannot do is a failed test
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
// tables read best as they are written
#![allow(clippy::format_collect, clippy::format_push_string, clippy::too_many_lines)]

mod answers;
mod auth;
mod hostile;
mod install;
mod install_keys;
#[cfg(unix)]
mod kill;
#[cfg(unix)]
mod logs;
mod malformed;
mod no_auth;
mod pages;
mod support;
mod tenants;
mod webhooks;
