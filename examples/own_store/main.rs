//! An add-on whose store is a backend of its own: `cargo run --example own_store`.

mod shelf;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use atlassian_connect_actix::store::RecordStore;
use atlassian_connect_actix::{Addon, StartError};

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    let store = Arc::new(RecordStore::new(shelf::Shelf::default()));
    Addon::builder().store(store).build().await?.run(|_: &mut ServiceConfig| {}).await
}
