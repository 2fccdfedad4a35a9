//! The app: this package is yours. Routes stand in `routes.rs`, what pages look like in `templates/`.

// what is public in a program is public to its own modules: no promise to anybody else
#![allow(unreachable_pub)]

mod api;
mod events;
mod forge;
mod migrations;
mod notes;
mod pages;
mod routes;
mod schema;
mod settings;

use std::process::ExitCode;

use atlassian_connect_actix::{Addon, AddonBuilder};
use atlassian_connect_cli as cli;

#[actix_web::main]
async fn main() -> ExitCode {
    cli::main(addon(), events::listen, routes::routes).await
}

/// What the app is made of; tests start the same.
fn addon() -> AddonBuilder {
    Addon::builder().app(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).migrations(migrations::ALL)
}

#[cfg(test)]
mod testing;
