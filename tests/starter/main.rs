//! The starter as a process, its files, and the code of the documents.
// a failing helper is a failed test
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod documents;
mod files;
#[cfg(unix)]
mod nodes;
#[cfg(unix)]
mod process;
mod recipes;
mod schema;
mod testing;
mod troubleshooting;

use documents::{events, routes};
use recipes::texts;
