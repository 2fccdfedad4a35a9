//! A small add-on on the library's public API, for black-box conformance tests. It has more routes than a starter
//! should, so that tests from outside can see the whole framework. Not part of the starter.

mod calls;
mod journal;
mod lists;
mod pages;

use std::io::Write as _;
use std::process::ExitCode;

use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::config::{Config, Environment, Vars};
use atlassian_connect_actix::{Addon, StartError, forge, log};

use journal::Journal;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[actix_web::main]
async fn main() -> ExitCode {
    let vars = Vars::from_process().with_default("DATABASE_URL", "memory:");
    log::start(Environment::from_vars(&vars).is_production(), vars.get("RUST_LOG"));
    match serve(&vars).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(vars: &Vars) -> Result<(), StartError> {
    let journal = web::Data::new(Journal::default());
    let listening = journal.clone();
    let routes = move |cfg: &mut ServiceConfig| {
        cfg.app_data(journal.clone());
        pages::routes(cfg);
        calls::routes(cfg);
        lists::routes(cfg);
        cfg.configure(forge::events("/forge/events"));
    };
    // like the command `serve` of a starter, with registration in development
    let builder = Addon::builder().config(Config::load_with(vars)?);
    atlassian_connect_cli::serve(builder, move |addon| listening.listen(addon), routes).await
}
