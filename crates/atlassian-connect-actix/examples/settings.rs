//! Reads and writes a tenant's settings from a script, while the add-on runs: ACE's `addon.settings` outside a request.
//!
//!     cargo run --example settings -- get CLIENT_KEY KEY
//!     cargo run --example settings -- set CLIENT_KEY KEY JSON

use std::io::Write as _;
use std::process::ExitCode;

use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_actix::store;
use atlassian_connect_actix::store::Place;

type Failure = Box<dyn std::error::Error>;

#[actix_web::main]
async fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<(), Failure> {
    let store = store::open(&Config::load_with(&Vars::from_process())?.store).await?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["get", client_key, key] => {
            let value =
                store.get(Place::of_tenant(client_key, key)).await?.ok_or("there is no value under this key")?;
            writeln!(std::io::stdout(), "{value}")?;
        }
        ["set", client_key, key, json] => {
            store.set(Place::of_tenant(client_key, key), &serde_json::from_str(json)?).await?;
        }
        _ => return Err("usage: get CLIENT_KEY KEY, or set CLIENT_KEY KEY JSON".into()),
    }
    Ok(())
}
