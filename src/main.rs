//! The app: this package is yours. Routes stand in `routes.rs`, what pages look like in `templates/`.

// what is public in a program is public to its own modules: no promise to anybody else
#![allow(unreachable_pub)]

mod api;
mod events;
mod forge;
mod migrations;
mod pages;
mod routes;

use std::process::ExitCode;

use atlassian_connect_actix::Addon;
use atlassian_connect_cli as cli;

#[actix_web::main]
async fn main() -> ExitCode {
    let builder = Addon::builder().app(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).migrations(migrations::ALL);
    cli::main(builder, events::listen, routes::routes).await
}
