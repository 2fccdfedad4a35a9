//! `forge manifest`: the Connect descriptor as a Forge manifest, and what of it has no place there.

use super::failure::{Exit, Failure};
use super::output;
use crate::manifest::{self, Manifest};
use atlassian_connect_actix::internal::descriptor::Severity;
use atlassian_connect_actix::{AddonBuilder, StartError};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Print the Forge manifest that the descriptor makes, write it, or say what of the descriptor is not in it
    Manifest(Arguments),
}

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Another file than the add-on's own descriptor
    #[arg(long)]
    file: Option<PathBuf>,
    /// Write the manifest there instead of printing it [without a name: manifest.yml]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = manifest::FILE_NAME)]
    output: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "output")]
    force: bool,
    /// Say what of the descriptor is not in the manifest, or not as it was; exits with 1 where something is lost
    #[arg(long, conflicts_with_all = ["output", "force"])]
    check: bool,
}

pub(super) fn run(command: Command, mut builder: AddonBuilder) -> Result<Exit, Failure> {
    let Command::Manifest(arguments) = command;
    if let Some(file) = arguments.file {
        builder = builder.descriptor_file(file);
    }
    let config = builder.load_config()?;
    let descriptor = builder.load_descriptor(&config).map_err(StartError::from)?;
    let manifest = Manifest::of(&descriptor, &config).map_err(|error| Failure::Told(error.to_string()))?;
    let findings = manifest.findings();
    let is_lossy = findings.iter().any(|finding| finding.severity == Severity::Error);
    if arguments.check {
        for finding in findings {
            output::print(&format!("{}: {finding}", finding.severity));
        }
        output::print(&output::summary(findings));
        return Ok(if is_lossy { Exit::Failed } else { Exit::Done });
    }
    match arguments.output {
        Some(file) => {
            write(&file, manifest.yaml(), arguments.force)?;
            output::complain(&format!("{} is written: read its comments", file.display()));
        }
        None => output::print(manifest.yaml().trim_end()),
    }
    if is_lossy {
        output::complain("Not all of the descriptor is in the manifest: --check says what is not, and why.");
    }
    Ok(Exit::Done)
}

fn write(file: &Path, text: &str, over: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    if over {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let told = |reason: &dyn std::fmt::Display| Failure::Told(format!("{} is not written: {reason}", file.display()));
    let mut file = options.open(file).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => told(&"it is there already; --force writes over it"),
        _ => told(&error),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| told(&error))
}
