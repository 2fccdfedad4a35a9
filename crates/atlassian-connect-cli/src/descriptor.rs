//! `descriptor`: prints or validates the descriptor.

use std::path::PathBuf;

use actix_web::web::ServiceConfig;

use super::failure::{Exit, Failure};
use super::{findings, output};
use atlassian_connect_actix::internal::descriptor::{DescriptorError, Finding, Severity, schema};
use atlassian_connect_actix::{AddonBuilder, StartError};

/// For commands about the descriptor.
pub(super) const ON_FORGE_ALONE: &str =
    "There is no atlassian-connect.json: the app is on Forge alone, and forge/manifest.yml describes it.";

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Validate it instead of printing it; exits with 1 if there are errors
    #[arg(long)]
    validate: bool,
    /// A JSON schema to check it against [default: Atlassian's for the product]
    #[arg(long, requires = "validate", value_name = "FILE or URL")]
    schema: Option<String>,
    /// Another file than the add-on's own; its URLs are not compared with the routes
    #[arg(long)]
    file: Option<PathBuf>,
}

pub(super) async fn run<F>(arguments: Arguments, mut builder: AddonBuilder, routes: F) -> Result<Exit, Failure>
where
    F: FnOnce(&mut ServiceConfig) + 'static,
{
    let is_own = arguments.file.is_none();
    if let Some(file) = arguments.file {
        builder = builder.descriptor_file(file);
    }
    let config = builder.load_config()?;
    let descriptor = match builder.load_descriptor(&config) {
        Ok(descriptor) => descriptor,
        Err(DescriptorError::Invalid { .. }) if arguments.validate => {
            let findings = builder.inspect_descriptor(&config).map_err(StartError::from)?;
            return Ok(report(&findings, false));
        }
        Err(error) => return Err(StartError::from(error).into()),
    };
    if descriptor.is_of_forge() {
        return Err(Failure::Message(ON_FORGE_ALONE.to_owned()));
    }
    if !arguments.validate {
        output::print_json(descriptor.value());
        return Ok(Exit::Done);
    }

    let mut findings = descriptor.check(&config);
    let product = config.product;
    if is_own {
        let addon = builder.without_store(config, descriptor.clone())?;
        findings.extend(addon.unanswered(routes).await);
        findings.extend(findings::missing_scopes(&descriptor));
    }
    let is_asked = arguments.schema.is_some();
    let mut failed = false;
    if let Some(place) = arguments.schema.or_else(|| schema::official(product)) {
        match schema::check(&descriptor, &place).await {
            Ok(refusals) => findings.extend(refusals),
            Err(error) => {
                failed = is_asked;
                let severity = if is_asked { Severity::Error } else { Severity::Warning };
                output::complain(&format!("{severity}: not checked against a schema: {error}"));
            }
        }
    }
    Ok(report(&findings, failed))
}

/// Prints the findings. Fails if there is an error among them, or if `failed`.
fn report(findings: &[Finding], failed: bool) -> Exit {
    for finding in findings {
        output::print(&format!("{}: {finding}", finding.severity));
    }
    output::print(&output::summary(findings));
    if failed || findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Exit::Failed;
    }
    Exit::Done
}
