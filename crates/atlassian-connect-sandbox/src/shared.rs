//! [`Sandbox`]: the state that the sandbox's routes share.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::web;
use tokio::sync::watch;

use super::bridge::Bridge;
use super::forge::Platform;
use super::forge_pages::Views;
use super::journal::Journal;
use super::modules;
use super::names::{CDN, PRODUCT};
use super::signing_key::SigningKey;
use super::site::SandboxSite;
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::state::State;
use atlassian_connect_testing::internal::Ledger;

/// How long a page waits for the first install, which includes generating a key.
const FIRST_INSTALL: Duration = Duration::from_secs(15);

/// The sandbox: its sites, and their state.
pub(crate) struct Sandbox {
    pub(super) state: web::Data<State>,
    pub(super) port: u16,
    pub(super) key: SigningKey,
    pub(super) ledger: Ledger,
    pub(super) platform: Platform,
    pub(super) sites: Vec<SandboxSite>,
    /// The modules that product pages show through Forge.
    pub(super) views: Views,
    pub(super) journal: Arc<Journal>,
    /// Whether the add-on has routes for Forge, judged by their paths. Known after the first request to it.
    pub(super) forge_routes: Arc<OnceLock<bool>>,
    /// Whether the first install has succeeded or failed.
    pub(super) first_install: watch::Sender<bool>,
    /// The folder in which the bridge's package is looked for.
    pub(super) folder: PathBuf,
    /// Identifies this process, so that pages notice a restart.
    pub(super) instance: String,
}

impl Sandbox {
    /// Waits for the first install. Before that the add-on does not know the site, and would refuse to open its pages.
    pub(super) async fn wait_for_first_install(&self) {
        let mut done = self.first_install.subscribe();
        // after the timeout, shows the page as it is
        let _ = tokio::time::timeout(FIRST_INSTALL, done.wait_for(|done| *done)).await;
    }

    /// The current bridge: the package may be installed while the sandbox runs.
    pub(super) fn bridge(&self) -> Bridge {
        Bridge::find(&self.folder)
    }

    /// Whether Forge could invoke anything: the app's id is configured, or a Forge route has been seen.
    pub(super) fn has_forge(&self) -> bool {
        self.state.config.app_id().is_some()
            || self.state.descriptor().is_of_forge()
            || self.forge_routes.get().copied().unwrap_or(false)
    }

    /// The origin of its sites' base URLs, under the name that users see.
    pub(super) fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The origin of its services, which only the add-on calls. Uses the address, which does not depend on name
    /// resolution.
    pub(super) fn service_origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The origin of the product that shows pages through Forge.
    pub(super) fn product_origin(&self) -> String {
        format!("http://{PRODUCT}:{}", self.port)
    }

    /// The origin of the app's static files, for an installation of the Forge app.
    pub(super) fn cdn_origin(&self, label: &str) -> String {
        format!("http://{label}.{CDN}:{}", self.port)
    }

    pub(super) fn site(&self, key: &str) -> Option<&SandboxSite> {
        self.sites.iter().find(|site| site.key == key)
    }

    /// The site whose base URL contains a path.
    pub(super) fn site_of_path(&self, path: &str) -> Option<&SandboxSite> {
        self.sites.iter().find(|site| path.strip_prefix(site.path).is_some_and(|rest| rest.starts_with('/')))
    }

    /// The site at which the add-on is installed automatically.
    pub(super) fn home(&self) -> &SandboxSite {
        let product = modules::home(&self.page_modules(), self.state.config.product);
        self.site_of_product(product)
    }

    pub(super) fn site_of_product(&self, product: Product) -> &SandboxSite {
        self.sites.iter().find(|site| site.product == product).unwrap_or(&self.sites[0])
    }
}
