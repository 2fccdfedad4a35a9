//! Converts the Connect descriptor to a Forge manifest: the app keeps its Connect modules and this add-on behind them,
//! and can adopt Forge modules one at a time.
//!
//! Sources: npm `@forge/manifest` 13.7.0 (its schema) and Atlassian's own converter, `connect-to-forge`. What a
//! manifest cannot hold is in one table, [`EXCEPTIONS`].

mod app;
mod conversion;
mod exceptions;
mod lifecycle;
mod modules;
mod native;
mod pages;
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
use pages::Pages;
use yaml::Item;

/// The file name that Forge expects.
pub(crate) const FILE_NAME: &str = "manifest.yml";

/// Bitbucket add-ons cannot have a manifest: Atlassian only converts add-ons of Jira and Confluence.
///
/// Source: Atlassian, "Incrementally adopting Forge from Connect".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a Bitbucket add-on cannot become a Forge app: Atlassian only offers this for Jira and Confluence")]
pub(crate) struct NoManifest;

/// What happens to Connect modules that show a page of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageModules {
    /// They stay Connect modules.
    Connect,
    /// They become Forge modules if Forge has an equivalent.
    Forge,
}

/// A Forge manifest made from a descriptor.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    yaml: String,
    findings: Vec<Finding>,
}

impl Manifest {
    /// Converts the descriptor, for the configured product.
    ///
    /// # Errors
    /// [`NoManifest`] for Bitbucket.
    pub(crate) fn of(descriptor: &Descriptor, config: &Config, pages: PageModules) -> Result<Self, NoManifest> {
        let product = match config.product {
            Product::Jira | Product::Confluence => config.product,
            Product::Bitbucket => return Err(NoManifest),
        };
        let pages = (pages == PageModules::Forge).then(|| Pages::new(&config.forge_pages));
        let mut conversion = Conversion::new(descriptor, product, pages);
        conversion.root();
        let app = conversion.app(config.app_id());
        let base_url = conversion.base_url();
        let modules = conversion.modules();
        let remotes = conversion.remotes(&base_url);
        let scopes = conversion.scopes();
        let endpoint = conversion.endpoint_of_pages();
        let (remote, base_path) = conversion.place_of_endpoints();
        let resources = conversion.resources();
        let frames = conversion.frames(&base_url);
        let findings = conversion.into_findings();

        let mut head = vec![Item::Prose(HEAD)];
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            head.push(Item::Prose(
                "The manifest does not contain the whole descriptor: `forge manifest --check` lists what is missing and why.",
            ));
        }
        let yaml = yaml::document(&[
            head,
            app,
            remotes,
            modules.connect,
            proposals::modules(modules.native, endpoint, (remote, &base_path)),
            resources,
            proposals::permissions(product, &scopes, frames),
        ]);
        Ok(Self { yaml, findings })
    }

    /// The manifest's text. Comments with a single `#` are proposals: remove the `#` to use them.
    #[must_use]
    pub(crate) fn yaml(&self) -> &str {
        &self.yaml
    }

    /// What the manifest leaves out or changes, in the order of the descriptor. An error is a loss.
    #[must_use]
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

const HEAD: &str = "\
Generated from the add-on's Connect descriptor by `forge manifest`. Edit it as you like.
Lines that begin with ## are explanations. Lines with a single # are proposals: remove the # to use them.";

#[cfg(test)]
mod tests;
