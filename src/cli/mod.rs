//! The command line of the add-on.

mod descriptor;

use std::io::Write as _;
use std::process::ExitCode;

use actix_web::web::ServiceConfig;
use clap::{Parser, Subcommand};

use crate::addon::{Addon, AddonBuilder, StartError};
use crate::config::{Environment, Vars};
use crate::{log, store};

#[derive(Parser)]
#[command(version, about = "An add-on for Jira and Confluence")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the add-on (the default)
    Serve,
    /// Bring the store's tables to this version, as Heroku's release phase does
    Migrate,
    /// Print the descriptor as it is served, or check it
    Descriptor(descriptor::Arguments),
}

/// Runs the command of the process's arguments: `serve` builds the add-on, hands it to `prepare`, and runs it with
/// `routes`.
///
/// Exit codes: 0 done, 1 it failed (the reason is on standard error) or the descriptor has errors, 2 the arguments are
/// wrong.
pub async fn main<P, F>(builder: AddonBuilder, prepare: P, routes: F) -> ExitCode
where
    P: FnOnce(&Addon),
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let command = Arguments::parse().command.unwrap_or(Command::Serve);
    match run(command, builder, prepare, routes).await {
        Ok(code) => code,
        Err(error) => {
            // not the log: this is for whoever started it
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run<P, F>(command: Command, builder: AddonBuilder, prepare: P, routes: F) -> Result<ExitCode, StartError>
where
    P: FnOnce(&Addon),
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let vars = Vars::from_process();
    if matches!(command, Command::Serve | Command::Migrate) {
        log::start(Environment::from_vars(&vars).is_production(), vars.get("RUST_LOG"));
    } else if let Some(filter) = vars.get("RUST_LOG") {
        log::start_beside(filter);
    }
    match command {
        Command::Serve => {
            let addon = builder.build().await?;
            prepare(&addon);
            addon.run(routes).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Migrate => {
            // only the store matters, and a release phase has neither: Heroku gives PORT to web processes alone
            let vars = vars.with_default("PORT", "0").with_default("AC_LOCAL_BASE_URL", "https://migrate.invalid");
            let config = builder.load_config_with(&vars)?;
            let report = store::migrate(&config.store).await?;
            let _ = writeln!(std::io::stdout(), "{report}");
            Ok(ExitCode::SUCCESS)
        }
        Command::Descriptor(arguments) => descriptor::run(arguments, builder, routes).await,
    }
}
