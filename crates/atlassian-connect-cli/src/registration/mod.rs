//! Development on a real site: the add-on registers at the start and deregisters at the stop.
//!
//! The sites are in `credentials.json` (see [`credentials`]) or under `hosts` in `config.json`. `AC_OPTS=no-reg`
//! disables registration; in production it never happens.

pub(crate) mod credentials;
mod tunnel;
pub(crate) mod upm;
#[cfg(feature = "watch")]
mod watch;

use std::path::Path;
use std::time::Duration;

use actix_web::web;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::json;

#[cfg(feature = "sandbox")]
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::descriptor::{self, DescriptorFile};
use atlassian_connect_actix::internal::event_names::{self as names, Emission};
use atlassian_connect_actix::internal::state::State;
use atlassian_connect_actix::store::StoreError;
use credentials::SiteCredentials;
pub(crate) use tunnel::Tunnel;
use upm::Outcome;

/// The file, in the working directory.
pub(crate) const CREDENTIALS_FILE: &str = "credentials.json";
/// The timeout for all sites together at the stop.
const DEREGISTRATION: Duration = Duration::from_secs(10);
/// How many tenants are read at once.
const PAGE: usize = 100;

/// Registers an add-on with its sites, and remembers which ones accepted it.
pub(crate) struct Registrar {
    state: web::Data<State>,
    registered: Mutex<Vec<SiteCredentials>>,
}

impl std::fmt::Debug for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registrar")
    }
}

/// Whether there are sites to register with, or a file that should name some. Then the sandbox stays closed.
#[must_use]
#[cfg(feature = "sandbox")]
pub(crate) fn names_sites(config: &Config) -> bool {
    !matches!(credentials::load(Path::new(CREDENTIALS_FILE), &config.hosts), Ok(all) if all.sites.is_empty())
}

impl Registrar {
    /// A registrar with no registrations yet.
    #[must_use]
    pub(crate) fn new(state: web::Data<State>) -> Self {
        Self { state, registered: Mutex::new(Vec::new()) }
    }

    /// Records that the add-on is now reached through a tunnel.
    pub(crate) async fn tell_of_tunnel(&self) {
        self.tell(names::LOCALTUNNEL_STARTED).await;
    }

    /// Registers with all sites at the same time. A failure is logged and does not affect the others.
    pub(crate) async fn register(&self) {
        let config = &self.state.config;
        if config.environment.is_production() {
            return;
        }
        let sites = self.sites();
        if sites.is_empty() {
            return;
        }
        if config.options.no_reg {
            return tracing::warn!(
                "AC_OPTS=no-reg: the add-on was not registered with the sites in {CREDENTIALS_FILE}"
            );
        }
        let taken: Vec<bool> = join_all(sites.into_iter().map(|site| self.register_with(site, false))).await;
        if taken.contains(&true) {
            self.tell(names::ADDON_REGISTERED).await;
        } else {
            tracing::warn!("no site accepted the add-on");
        }
    }

    /// The sites in `credentials.json` as it is now. None, with a log line, if it cannot be read.
    fn sites(&self) -> Vec<SiteCredentials> {
        let sites = credentials::load(Path::new(CREDENTIALS_FILE), &self.state.config.hosts);
        sites.inspect_err(|error| tracing::error!("{error}")).unwrap_or_default().sites
    }

    /// Registers with every site again, because the descriptor has changed.
    #[cfg(feature = "watch")]
    async fn register_again(&self) {
        if !self.state.config.options.no_reg {
            join_all(self.sites().into_iter().map(|site| self.register_with(site, true))).await;
        }
    }

    async fn register_with(&self, site: SiteCredentials, by_all_means: bool) -> bool {
        let descriptor = self.state.descriptor();
        let url = format!("{}/{}", self.state.config.local_base_url.as_str(), descriptor::FILE_NAME);
        let again = match self.registers_again(&site).await {
            Ok(again) => again || by_all_means,
            Err(error) => {
                tracing::error!(site = site.shown(), %error, "not registered: the store cannot be read");
                return false;
            }
        };
        match upm::register(&site, &url, descriptor.key(), again).await {
            Ok(Outcome::Installed { enabled }) => {
                tracing::info!(site = site.shown(), "registered");
                if !enabled {
                    tracing::warn!(site = site.shown(), "the add-on is disabled there: enable it under Manage apps");
                }
                self.remember(site);
                true
            }
            Ok(Outcome::AlreadyInstalled) => {
                tracing::warn!(
                    site = site.shown(),
                    "the site already has the add-on, so it was not registered again; AC_OPTS=force-reg does"
                );
                if self.state.config.options.force_dereg {
                    self.remember(site);
                }
                true
            }
            Err(error) => {
                tracing::error!(site = site.shown(), %error, "not registered");
                false
            }
        }
    }

    /// Remembers the site for the stop. A site that accepted twice is listed once.
    fn remember(&self, site: SiteCredentials) {
        let mut registered = self.registered.lock();
        if !registered.iter().any(|other| other.shown() == site.shown()) {
            registered.push(site);
        }
    }

    /// Whether to register again with a site that has the add-on: if requested, or if the store has lost the site.
    async fn registers_again(&self, site: &SiteCredentials) -> Result<bool, StoreError> {
        let config = &self.state.config;
        if config.options.force_reg || config.store.is_memory() {
            return Ok(true);
        }
        if !config.store.is_default() {
            return Ok(false);
        }
        let mut after = None;
        loop {
            let page = self.state.tenants.store().tenants(after.as_deref(), PAGE).await?;
            let is_site = |url: Option<&str>| url.is_some_and(|url| site.is_at(url));
            if page.tenants.iter().any(|(_, installation)| is_site(installation["baseUrl"].as_str())) {
                return Ok(false);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(true),
            }
        }
    }

    /// Deregisters from the sites that this process registered with.
    pub(crate) async fn deregister(&self) {
        let sites = std::mem::take(&mut *self.registered.lock());
        if sites.is_empty() {
            return;
        }
        let descriptor = self.state.descriptor();
        let removals = sites.iter().map(|site| async {
            match upm::deregister(site, descriptor.key()).await {
                Ok(()) => tracing::info!(site = site.shown(), "deregistered"),
                Err(error) => tracing::error!(site = site.shown(), %error, "not deregistered"),
            }
        });
        if tokio::time::timeout(DEREGISTRATION, join_all(removals)).await.is_err() {
            tracing::error!("the deregistration timed out: some sites may still have the add-on");
        }
        self.tell(names::ADDON_DEREGISTERED).await;
    }

    /// Serves each new version of the descriptor's file and registers it with the sites. Returns only if it cannot
    /// watch the file.
    #[cfg(feature = "watch")]
    pub(crate) async fn follow(&self, source: &DescriptorFile) {
        let config = &self.state.config;
        if config.environment.is_development() && config.watch {
            watch::follow(&self.state, source, async || self.register_again().await).await;
        }
    }

    /// Without the feature `watch`, the descriptor is read only at the start.
    #[cfg(not(feature = "watch"))]
    #[allow(clippy::unused_async)]
    pub(crate) async fn follow(&self, _source: &DescriptorFile) {}

    async fn tell(&self, event: &str) {
        let emission = Emission::new(event, None, json!(null));
        if let Err(error) = State::emit(&self.state, emission, self.state.config.limits.listener).await {
            tracing::error!(%error, "a listener failed");
        }
    }
}
