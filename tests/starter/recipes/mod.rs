//! The code of `docs/recipes/`, compiled and run.

// as the documents have it
#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(unreachable_pub)]

mod files;
mod forms;
mod job;
mod secret_header;
mod settings;
mod tables;
mod webhook;

#[test]
fn the_migration_of_the_document_is_the_one_that_is_run() {
    assert!(include_str!("../../../docs/recipes/tables.md").contains(include_str!("votes.sql")));
}
