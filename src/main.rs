//! The add-on: this binary is yours. What it serves stands in `app/`, what it looks like in `templates/`.

mod app;

use std::process::ExitCode;

use atlassian_connect_actix::{Addon, cli};

#[actix_web::main]
async fn main() -> ExitCode {
    cli::main(Addon::builder().migrations(app::migrations::ALL), app::events::listen, app::routes).await
}
