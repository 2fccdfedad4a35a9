//! A store on another backend: `cargo run -p atlassian-connect-store --example own_store`. An add-on uses it with
//! `Addon::builder().store(Arc::new(RecordStore::new(Shelf::default())))`.

#[allow(unreachable_pub)]
mod shelf;

use std::io::Write as _;

use atlassian_connect_store::{Place, RecordStore, Store as _, StoreError};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StoreError> {
    let store = RecordStore::new(shelf::Shelf::default());
    store.set(Place::of_tenant("a-site", "greeting"), &json!("Hello")).await?;
    let greeting = store.get(Place::of_tenant("a-site", "greeting")).await?;
    let _ = writeln!(std::io::stdout(), "{}", greeting.unwrap_or_default());
    Ok(())
}
