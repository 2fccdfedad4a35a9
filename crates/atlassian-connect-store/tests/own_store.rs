//! The acceptance suite on the store of `examples/own_store`, called as an app calls it on a store of its own:
//! `cargo test -p atlassian-connect-store --features acceptance --test own_store`.

#[allow(unreachable_pub)]
#[path = "../examples/own_store/shelf.rs"]
mod shelf;

use std::sync::Arc;

use atlassian_connect_store::{RecordStore, Store, acceptance_suite};

async fn store() -> Arc<dyn Store> {
    Arc::new(RecordStore::new(shelf::Shelf::default()))
}

acceptance_suite!(store);
