//! `descriptor`: what is served, and what is wrong with it.

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::web::ServiceConfig;

use super::failure::{Exit, Failure};
use super::{findings, output};
use atlassian_connect_actix::internal::descriptor::{DescriptorError, Finding, Severity, schema};
use atlassian_connect_actix::store::MemoryStore;
use atlassian_connect_actix::{AddonBuilder, StartError};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Check it instead of printing it; exits with 1 where there are errors
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
    if !arguments.validate {
        output::print_json(descriptor.value());
        return Ok(Exit::Done);
    }

    let mut findings = descriptor.check(&config);
    let product = config.product;
    if is_own {
        // asked for its routes alone: no store is opened
        let builder = builder.store(Arc::new(MemoryStore::default()));
        let addon = builder.assemble(config, descriptor.clone()).await?;
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

/// Prints the findings; an error among them is a failure, and so is what has failed before.
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
