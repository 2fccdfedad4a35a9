//! The code of `docs/recipes/`, compiled and run.

// written as in the documents
#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(unreachable_pub)]

mod files;
pub(crate) mod forms;
mod front_end;
mod job;
mod other_services;
mod secret_header;
mod settings;
pub(crate) mod tables;
pub mod texts;
mod translations;
mod types;
mod webhook;

#[test]
fn the_migration_of_the_document_is_the_tested_one() {
    assert!(include_str!("../../../docs/recipes/tables.md").contains(include_str!("votes.sql")));
}

#[test]
fn the_texts_of_the_document_are_the_tested_ones() {
    let document = include_str!("../../../docs/recipes/translations.md");
    for texts in [include_str!("../locales/en.ftl"), include_str!("../locales/de.ftl")] {
        assert!(document.contains(texts));
    }
}
