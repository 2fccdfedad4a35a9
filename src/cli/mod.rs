//! The command line of the add-on: a file a command.
//!
//! Exit codes: 0 done, 1 it failed, `doctor` found problems, the descriptor has errors or does not fit into a Forge
//! manifest, 2 the arguments are wrong. Results go to standard output, reasons and questions to standard error. No
//! command prints a secret; `token` prints a token, which is its purpose.

mod descriptor;
mod doctor;
mod findings;
mod forge;
mod known;
mod migrate;
mod output;
mod purge;
mod sealing;
mod serve;
mod tenants;
mod token;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use actix_web::web::ServiceConfig;
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret as _;

pub use serve::serve;

use crate::addon::{Addon, AddonBuilder, StartError};
use crate::config::{ConfigError, Environment, StoreConfig, Vars};
use crate::log;
use crate::store::{self, SealedStore, StoreError};

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

/// How a command ended. The number is the exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Exit {
    Done = 0,
    Failed = 1,
    /// The code of clap's own refusals.
    Usage = 2,
}

/// Why a command is not done. `Display` is for whoever started it, and holds no secret.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// In the command's own words.
    #[error("{0}")]
    Told(String),
    /// The arguments do not say enough, or not what can be done.
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
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
    run_arguments(std::env::args_os(), builder, prepare, routes).await.into()
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
        Command::Tenants(command) => tenants::run(command, &builder, vars).await,
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

/// `vars` for a command that needs the store alone. The rest may be missing where it runs: Heroku gives PORT to web
/// processes, and a release phase may come before the base URL.
fn for_the_store(vars: Vars) -> Vars {
    vars.with_default("PORT", "0").with_default("AC_LOCAL_BASE_URL", "https://no-base-url.invalid")
}

/// The store of the add-on as it is, and how to call it. Nothing is made or migrated.
async fn existing_store(
    builder: &AddonBuilder,
    config: &StoreConfig,
) -> Result<(Arc<SealedStore>, String), StoreError> {
    match builder.own_store() {
        Some(store) => {
            Ok((Arc::new(SealedStore::new(store, &config.encryption_keys)), "the add-on's own store".to_owned()))
        }
        None => Ok((store::open_existing(config).await?, shown(config))),
    }
}

/// The store's URL without its password.
fn shown(config: &StoreConfig) -> String {
    store::redact(config.url.expose_secret())
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
