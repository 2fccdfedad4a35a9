//! The command line of the add-on: one file per command.
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
//! [`main`] runs the command in the process's arguments: `serve` (the default), `migrate`, `descriptor`, `forge`,
//! `tenants`, `token`, `doctor`. [`serve`] is the first of them, for a program without commands: in development it
//! opens the sandbox or registers the app with sites, and it shuts down gracefully.
//!
//! Exit codes: 0 success; 1 failure, or `doctor` found problems, the descriptor has errors or cannot become a Forge
//! manifest without losses, the shell differs from this release's, or tenants are not associated with Forge; 2 wrong
//! arguments. Results go to standard output,
//! errors and questions to standard error. No command prints a secret; `token` prints a token, which is its purpose.

mod association;
mod descriptor;
mod doctor;
mod failure;
mod findings;
mod forge;
mod known;
mod manifest;
mod messages;
mod migrate;
mod output;
mod progress;
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

/// Shared between this repository's packages. Not covered by semantic versioning.
#[doc(hidden)]
pub mod internal {
    pub use crate::manifest::{EXCEPTIONS, Exception};
    pub use crate::messages::{DOCTOR, Message, START, VALIDATOR};
}

use atlassian_connect_actix::config::{Environment, Vars};
use atlassian_connect_actix::internal::software;
use atlassian_connect_actix::log;
use atlassian_connect_actix::{Addon, AddonBuilder};
use failure::{Exit, Failure};

const AFTER_HELP: &str = "\
Examples (in a deployment, use the binary instead of `cargo run --`):
  cargo run                                                   serve in development, on SQLite
  cargo run -- tenants list --json                            every tenant of the store, for a script
  curl -i \"$(cargo run -q -- token '/hello-world?lang=en')\"   open a page as the site that has the add-on
  cargo run -- doctor                                         what is wrong here, and what helps

Environment:
  APP_ENV, else NODE_ENV    the environment: development (the default), test, production, or one of config.json
  DB_URL, DATABASE_URL      the store
  AC_LOCAL_BASE_URL, PORT   the URL that sites reach the add-on by, and the port that it listens on
  RUST_LOG                  what is logged; commands other than serve and migrate log nothing without it
  docs/configuration.md lists all variables, and the keys of config.json that they set.

Exit codes:
  0  done
  1  it failed, doctor found problems, the descriptor has errors or does not fit into a Forge manifest, the shell of the
     app's pages on Forge is not the one of this release, or tenants are not associated with Forge
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
    /// Run pending database migrations; --status lists them, --revert undoes the last one
    Migrate(migrate::Arguments),
    /// Print or validate the descriptor
    Descriptor(descriptor::Arguments),
    /// Convert the descriptor to a Forge manifest, and manage the app's pages on Forge
    #[command(subcommand)]
    Forge(forge::Command),
    /// List, show, remove or purge tenants, associate them with Forge, or encrypt the store
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Print a URL signed like a request of a tenant's host (development only)
    Token(token::Arguments),
    /// Check configuration, base URL, store, descriptor, network and clock
    Doctor(doctor::Arguments),
}

/// Runs the command in the process's arguments. `serve` builds the add-on, passes it to `prepare`, and runs it with
/// `routes`.
///
/// Exit codes: 0 success; 1 failure (the reason is on standard error), or `doctor` found problems, the descriptor has
/// errors or cannot become a Forge manifest without losses, the shell differs from this release's, or tenants are not
/// associated with Forge; 2 wrong arguments.
pub async fn main<P, F>(builder: AddonBuilder, prepare: P, routes: F) -> ExitCode
where
    P: FnOnce(&Addon),
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    Box::pin(run_arguments(std::env::args_os(), builder, prepare, routes)).await.into()
}

/// Like [`main`], with explicit arguments, the first of which is the program's name. Returns the exit code. For a
/// program that has more to do before it exits, and for tests that are their own add-on.
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
            // prints requested help to standard output; a reader that has closed it needs no error
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
        Command::Forge(command) => Box::pin(forge::run(command, builder, vars)).await,
        Command::Tenants(command) => Box::pin(tenants::run(command, builder, prepare, vars)).await,
        Command::Token(arguments) => token::run(&arguments, &builder, &vars).await,
        Command::Doctor(arguments) => doctor::run(&arguments, builder, vars).await,
    };
    let exit = outcome.unwrap_or_else(|failure| {
        // not a log line: this is for the user
        output::complain(&failure.to_string());
        failure.exit()
    });
    exit as u8
}

/// The answer to `--version`. An app without a version shows its descriptor's key, if the descriptor can be read.
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
