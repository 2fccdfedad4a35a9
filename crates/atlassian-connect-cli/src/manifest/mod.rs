//! From the Connect descriptor to a Forge manifest: the app keeps its Connect modules and this add-on behind them, and
//! Forge modules come to them one by one.
//!
//! Source of what stands where: npm `@forge/manifest` 13.7.0 (its schema) and Atlassian's own converter,
//! `connect-to-forge`. What has no form in a manifest is in one table, [`EXCEPTIONS`].

mod app;
mod conversion;
mod exceptions;
mod lifecycle;
mod modules;
mod native;
mod proposals;
mod remotes;
mod required;
mod root;
mod scopes;
mod yaml;

pub use exceptions::{EXCEPTIONS, Exception};

use atlassian_connect_actix::config::{Config, Product};
use atlassian_connect_actix::internal::descriptor::{Descriptor, Finding, Severity};
use conversion::Conversion;
use yaml::Item;

/// The name of the file that Forge reads.
pub(crate) const FILE_NAME: &str = "manifest.yml";

/// A Bitbucket add-on has no manifest: Atlassian lets add-ons of Jira and Confluence alone become Forge apps.
///
/// Source: Atlassian, "Incrementally adopting Forge from Connect".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an add-on of Bitbucket cannot become a Forge app: Atlassian has this way for Jira and Confluence alone")]
pub(crate) struct NoManifest;

/// A Forge manifest made of a descriptor.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    yaml: String,
    findings: Vec<Finding>,
}

impl Manifest {
    /// Makes it, for the configured product.
    ///
    /// # Errors
    /// [`NoManifest`] for Bitbucket.
    pub(crate) fn of(descriptor: &Descriptor, config: &Config) -> Result<Self, NoManifest> {
        let product = match config.product {
            Product::Jira | Product::Confluence => config.product,
            Product::Bitbucket => return Err(NoManifest),
        };
        let mut conversion = Conversion::new(descriptor, product);
        conversion.root();
        let app = conversion.app(config.app_id.as_deref());
        let remotes = conversion.remotes();
        let modules = conversion.modules();
        let scopes = conversion.scopes();
        let findings = conversion.into_findings();

        let mut head = vec![Item::Prose(HEAD)];
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            head.push(Item::Prose(
                "Not all of the descriptor is here: `forge manifest --check` says what is not, and why.",
            ));
        }
        let yaml = yaml::document(&[
            head,
            app,
            remotes,
            modules.connect,
            proposals::modules(modules.native),
            proposals::permissions(product, &scopes),
        ]);
        Ok(Self { yaml, findings })
    }

    /// The text of the manifest. Comments with one `#` are proposals: without it they count.
    #[must_use]
    pub(crate) fn yaml(&self) -> &str {
        &self.yaml
    }

    /// What of the descriptor is not in it, or not as it was, in the order of the descriptor. An error is a loss.
    #[must_use]
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

const HEAD: &str = "\
Made of the add-on's Connect descriptor by `forge manifest`. From here on it is yours.
Lines that begin with ## explain. Lines that begin with one # are proposals: without the # they count.";

#[cfg(test)]
mod tests;
