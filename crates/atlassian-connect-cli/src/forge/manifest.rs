//! `forge manifest`: converts the Connect descriptor to a Forge manifest.

use super::super::descriptor::ON_FORGE_ALONE;
use super::super::failure::{Exit, Failure};
use super::super::output;
use crate::manifest::{self, Manifest, PageModules};
use atlassian_connect_actix::internal::descriptor::Severity;
use atlassian_connect_actix::{AddonBuilder, StartError};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    /// Another file than the add-on's own descriptor
    #[arg(long)]
    file: Option<PathBuf>,
    /// Write the manifest to a file instead of printing it [without a name: manifest.yml]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = manifest::FILE_NAME)]
    output: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long, requires = "output")]
    force: bool,
    /// Convert page modules to Forge modules, and add what the app's shell needs to show the pages
    ///
    /// Modules without a Forge equivalent stay Connect modules; --check reports them.
    #[arg(long)]
    pages: bool,
    /// List what the manifest leaves out or changes; exits with 1 if something is lost
    #[arg(long, conflicts_with_all = ["output", "force"])]
    check: bool,
}

pub(super) fn run(arguments: Arguments, mut builder: AddonBuilder) -> Result<Exit, Failure> {
    if let Some(file) = arguments.file {
        builder = builder.descriptor_file(file);
    }
    let config = builder.load_config()?;
    let descriptor = builder.load_descriptor(&config).map_err(StartError::from)?;
    if descriptor.is_of_forge() {
        return Err(Failure::Message(ON_FORGE_ALONE.to_owned()));
    }
    let pages = if arguments.pages { PageModules::Forge } else { PageModules::Connect };
    let manifest = Manifest::of(&descriptor, &config, pages).map_err(|error| Failure::Message(error.to_string()))?;
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
            output::complain(&format!("wrote {}: read its comments", file.display()));
        }
        None => output::print(manifest.yaml().trim_end()),
    }
    if is_lossy {
        output::complain("The manifest does not contain the whole descriptor: --check lists what is missing and why.");
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
    let failed =
        |reason: &dyn std::fmt::Display| Failure::Message(format!("{} was not written: {reason}", file.display()));
    let mut file = options.open(file).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => failed(&"it already exists; --force overwrites it"),
        _ => failed(&error),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))
}
