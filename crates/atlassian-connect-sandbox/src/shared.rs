//! [`Sandbox`]: what the routes of the sandbox share.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::web;
use tokio::sync::watch;

use super::bridge::Bridge;
use super::forge::Platform;
use super::journal::Journal;
use super::modules;
use super::signing_key::SigningKey;
use super::site::Site;
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::state::State;
use atlassian_connect_testing::internal::Ledger;

/// How long a page waits for the first install, which makes a key first.
const FIRST_INSTALL: Duration = Duration::from_secs(15);

/// The sandbox: its sites, and what they know.
pub(crate) struct Sandbox {
    pub(super) state: web::Data<State>,
    pub(super) port: u16,
    pub(super) key: SigningKey,
    pub(super) ledger: Ledger,
    pub(super) platform: Platform,
    pub(super) sites: Vec<Site>,
    pub(super) journal: Arc<Journal>,
    /// Whether the add-on has routes for Forge, as far as their paths tell. Known after the first request to it.
    pub(super) forge_routes: Arc<OnceLock<bool>>,
    /// Whether the add-on has been installed at the first site, or could not be.
    pub(super) first_install: watch::Sender<bool>,
    /// Where the bridge's package is looked for.
    pub(super) folder: PathBuf,
    /// Tells this process from the next one.
    pub(super) instance: String,
}

impl Sandbox {
    /// Waits for the first install: a page of the add-on that is opened before it is refused, since the add-on does not
    /// know the site yet.
    pub(super) async fn wait_for_first_install(&self) {
        let mut done = self.first_install.subscribe();
        // whoever waited that long is shown what there is
        let _ = tokio::time::timeout(FIRST_INSTALL, done.wait_for(|done| *done)).await;
    }

    /// The bridge as it is now: the package may be installed while the sandbox runs.
    pub(super) fn bridge(&self) -> Bridge {
        Bridge::find(&self.folder)
    }

    /// Whether there is anything that Forge could invoke: the app's id is configured, or a route has been seen.
    pub(super) fn has_forge(&self) -> bool {
        self.state.config.app_id.is_some() || self.forge_routes.get().copied().unwrap_or(false)
    }

    /// The origin of its sites' base URLs, under the name that users see.
    pub(super) fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The origin of its services, which the add-on alone asks: by its address, which no name service changes.
    pub(super) fn service_origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn site(&self, key: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.key == key)
    }

    /// The site whose base URL a path is below.
    pub(super) fn site_of_path(&self, path: &str) -> Option<&Site> {
        self.sites.iter().find(|site| path.strip_prefix(site.path).is_some_and(|rest| rest.starts_with('/')))
    }

    /// The site that the add-on is installed at by itself.
    pub(super) fn home(&self) -> &Site {
        let pages = modules::pages(self.state.descriptor().value());
        let product = modules::home(&pages, self.state.config.product);
        self.site_of_product(product)
    }

    pub(super) fn site_of_product(&self, product: Product) -> &Site {
        self.sites.iter().find(|site| site.product == product).unwrap_or(&self.sites[0])
    }
}
