//! The command line of the add-on: a file a command.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use actix_web::web::{self, ServiceConfig};
//! use atlassian_connect_actix::Addon;
//!
//! fn routes(cfg: &mut ServiceConfig) {
//!     cfg.route("/public", web::get().to(|| async { "for anybody" }));
//! }
//!
//! #[actix_web::main]
//! async fn main() -> ExitCode {
//!     let app = Addon::builder().app(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
//!     atlassian_connect_cli::main(app, |_addon| {}, routes).await
//! }
//! ```
//!
//! [`main`] runs the command that the process's arguments name: `serve` (the default), `migrate`, `descriptor`, `forge`,
//! `tenants`, `token`, `doctor`. [`serve`] is the first of them, for a program without commands: it opens the sandbox in
//! development, or registers the app with sites, and stops gracefully.
//!
//! Exit codes: 0 done, 1 it failed, `doctor` found problems, the descriptor has errors or does not fit into a Forge
//! manifest, 2 the arguments are wrong. Results go to standard output, reasons and questions to standard error. No
//! command prints a secret; `token` prints a token, which is its purpose.

mod descriptor;
mod doctor;
mod failure;
mod findings;
mod forge;
mod known;
mod manifest;
mod migrate;
mod output;
mod purge;
mod registration;
mod removal;
mod sealing;
mod serve;
mod store_access;
mod tenants;
mod token;

use std::ffi::OsString;
use std::process::ExitCode;

use actix_web::web::ServiceConfig;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

pub use serve::serve;

/// What other packages of this repository use. No promise holds for it.
#[doc(hidden)]
pub mod internal {
    pub use crate::manifest::{EXCEPTIONS, Exception};
}

use atlassian_connect_actix::config::{Environment, Vars};
use atlassian_connect_actix::internal::software;
use atlassian_connect_actix::log;
use atlassian_connect_actix::{Addon, AddonBuilder};
use failure::{Exit, Failure};

const AFTER_HELP: &str = "\
Examples (where it is deployed, the binary stands in place of `cargo run --`):
  cargo run                                                   serve in development, on SQLite
  cargo run -- tenants list --json                            every tenant of the store, for a script
  curl -i \"$(cargo run -q -- token '/hello-world?lang=en')\"   open a page as the site that has the add-on
  cargo run -- doctor                                         what is wrong here, and what helps

Environment:
  APP_ENV, else NODE_ENV    the environment: development (the default), test, production, or one of config.json
  DB_URL, DATABASE_URL      the store
  AC_LOCAL_BASE_URL, PORT   the URL that sites reach the add-on by, and the port that it listens on
  RUST_LOG                  what is logged; commands other than serve and migrate log nothing without it
  The README lists all variables, and the keys of config.json that they set.

Exit codes:
  0  done
  1  it failed, doctor found problems, or the descriptor has errors or does not fit into a Forge manifest
  2  the arguments are wrong, or are not enough";

#[derive(Parser)]
#[command(version, about = "An add-on for Jira and Confluence", after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the add-on (the default)
    Serve,
    /// Bring the store's tables to this version, as Heroku's release phase does; tell or take back the steps
    Migrate(migrate::Arguments),
    /// Print the descriptor as it is served, or check it
    Descriptor(descriptor::Arguments),
    /// Make a Forge manifest of the descriptor
    #[command(subcommand)]
    Forge(forge::Command),
    /// List the tenants of the store, show or remove one, purge those that are gone, encrypt the store
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Print a URL of the add-on, signed as a tenant's host signs it (development only)
    Token(token::Arguments),
    /// Check configuration, base URL, store, descriptor, network and clock, and say what helps
    Doctor(doctor::Arguments),
}

/// Runs the command of the process's arguments: `serve` builds the add-on, hands it to `prepare`, and runs it with
/// `routes`.
///
/// Exit codes: 0 done, 1 it failed (the reason is on standard error), `doctor` found problems, the descriptor has errors
/// or does not fit into a Forge manifest, 2 the arguments are wrong.
pub async fn main<P, F>(builder: AddonBuilder, prepare: P, routes: F) -> ExitCode
where
    P: FnOnce(&Addon),
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    Box::pin(run_arguments(std::env::args_os(), builder, prepare, routes)).await.into()
}

/// [`main`] with other arguments than the process's, the first of which is the name of the program. The answer is the
/// exit code: it is for a program that has more to do before it ends, and for tests that are their own add-on.
#[doc(hidden)]
pub async fn run_arguments<A, P, F>(arguments: A, builder: AddonBuilder, prepare: P, routes: F) -> u8
where
    A: IntoIterator<Item: Into<OsString> + Clone>,
    P: FnOnce(&Addon),
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let command = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command.unwrap_or(Command::Serve),
        Err(error) if error.kind() == ErrorKind::DisplayVersion => {
            output::print(&version(&builder));
            return Exit::Done as u8;
        }
        Err(answer) => {
            // to standard output if it is the help that was asked for; a reader that has gone away has read enough
            let _ = answer.print();
            return u8::try_from(answer.exit_code()).unwrap_or(Exit::Usage as u8);
        }
    };
    let vars = Vars::from_process();
    if matches!(command, Command::Serve | Command::Migrate(_)) {
        log::start(Environment::from_vars(&vars).is_production(), vars.get("RUST_LOG"));
    } else if let Some(filter) = vars.get("RUST_LOG") {
        log::start_beside(filter);
    }
    let outcome = match command {
        Command::Serve => serve(builder, prepare, routes).await.map(|()| Exit::Done).map_err(Failure::from),
        Command::Migrate(arguments) => migrate::run(arguments, &builder, vars).await,
        Command::Descriptor(arguments) => descriptor::run(arguments, builder, routes).await,
        Command::Forge(command) => forge::run(command, builder),
        Command::Tenants(command) => Box::pin(tenants::run(command, builder, prepare, vars)).await,
        Command::Token(arguments) => token::run(&arguments, &builder, &vars).await,
        Command::Doctor(arguments) => doctor::run(&arguments, builder, vars).await,
    };
    let exit = outcome.unwrap_or_else(|failure| {
        // not the log: this is for whoever started it
        output::complain(&failure.to_string());
        failure.exit()
    });
    exit as u8
}

/// The answer to `--version`. An app that does not say its version is named by its descriptor, where that can be read.
fn version(builder: &AddonBuilder) -> String {
    if builder.app_version().is_some() {
        return software::version_line(builder.app_version(), "");
    }
    let config = builder.load_config_with(&store_access::for_the_store(Vars::from_process()));
    let descriptor = config.ok().and_then(|config| builder.load_descriptor(&config).ok());
    software::version_line(None, descriptor.as_ref().map_or("add-on", |descriptor| descriptor.key()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }
}
