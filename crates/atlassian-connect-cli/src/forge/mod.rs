//! `forge`: commands for the app on Forge.

mod manifest;
mod page_key;
mod shell;

use super::failure::{Exit, Failure};
use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::config::Vars;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Print, write or check the Forge manifest made from the descriptor
    Manifest(manifest::Arguments),
    /// Compare the shell that shows the app's pages on Forge with the framework's, or write it
    Shell(shell::Arguments),
    /// Create a new key for signing the tokens of pages on Forge
    ///
    /// Tokens signed with the previous key stay valid until they expire. Running nodes use the new key within a minute.
    RotatePageKey,
}

pub(super) async fn run(command: Command, builder: AddonBuilder, vars: Vars) -> Result<Exit, Failure> {
    match command {
        Command::Manifest(arguments) => manifest::run(arguments, builder),
        Command::Shell(arguments) => shell::run(&arguments),
        Command::RotatePageKey => page_key::rotate(builder, vars).await,
    }
}
