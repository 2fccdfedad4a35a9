//! The documents are complete and their links lead somewhere. Their Rust is compiled in `tests/starter/documents.rs`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod command_line;
mod configuration;
mod limits;
mod links;

use std::fs;
use std::path::Path;

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of a table's row.
fn cells(line: &str) -> Option<Vec<&str>> {
    Some(line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect())
}

/// What is between backticks in a line.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
