//! The starter as a process, its files, and the code of the documents.
// what helpers cannot do is a failed test
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod documents;
mod files;
#[cfg(unix)]
mod process;
mod recipes;

use documents::{events, routes};
