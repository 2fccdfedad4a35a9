//! A local host to run the add-on in during development, without an Atlassian site.
//!
//! In development, if there is no site to register with, [`start`] opens it on its own port and origin. Its sites
//! install the add-on with a real signed callback, open every page of its descriptor in a frame with a signed URL, use
//! Atlassian's bridge, serve a small REST API that verifies the add-on's signatures, and record all requests. It only
//! listens on this machine. It is the Cargo feature `sandbox`, which a production build can leave out.
//!
//! The command line opens it automatically. A program with its own server must open it before it mounts the add-on:
//!
//! ```no_run
//! use actix_web::{App, HttpServer};
//! use atlassian_connect_actix::Addon;
//!
//! # async fn run(addon: Addon) -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = atlassian_connect_sandbox::start(&addon)?;
//! println!("open {}", sandbox.url());
//! HttpServer::new(move || App::new().configure(addon.configure(|_routes| {}))).bind(("127.0.0.1", 3000))?.run().await?;
//! # Ok(())
//! # }
//! ```

mod api;
mod bridge;
mod calls;
mod context;
mod draft;
mod forge;
mod forge_pages;
mod forge_routes;
mod frame;
mod guard;
mod journal;
mod manifest;
mod modules;
mod names;
mod news;
mod pages;
mod secret;
mod selection;
mod services;
mod shared;
mod signing_key;
mod site;
mod sources;
mod user;

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use tokio::sync::watch;

use atlassian_connect_actix::Addon;
use atlassian_connect_actix::internal::addon::ObserverError;
use atlassian_connect_actix::internal::keys::InstallKeys;
use atlassian_connect_actix::internal::middleware::Exchange;
use atlassian_connect_actix::internal::panics;
use atlassian_connect_testing::internal::Ledger;
use forge::Platform;
use forge_pages::Views;
use journal::Journal;
use secret::new_secret;
use shared::Sandbox;
use signing_key::SigningKey;
use site::SandboxSite;
use sources::{Origins, Services, SiteKeys};

/// How many ports after the wanted one are tried.
const PORTS: u16 = 20;
/// The size limit of REST API bodies, mostly attachments.
const BODY: usize = 32 * 1024 * 1024;
/// The id of the key that signs installs.
const KID: &str = "sandbox";
/// The paths of the Forge routes in the starter and in the documents, relative to the base URL.
const FORGE_PATHS: [&str; 6] =
    ["/forge/resource", "/forge/events", "/forge/uninstall", "/forge/me", "/forge/list", "/forge"];

/// Why the sandbox cannot be opened. The add-on runs without it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// It is only for development.
    #[error("the sandbox is only for development, and this is {0}")]
    Environment(String),
    /// It is only for this machine.
    #[error("the add-on accepts connections from other machines (bind, AC_BIND)")]
    Exposed,
    /// No port is free.
    #[error("the sandbox cannot bind a port: {0}")]
    Port(std::io::Error),
    /// The add-on already has one.
    #[error("this add-on already has a sandbox")]
    Twice,
    /// The sandbox could no longer observe the requests.
    #[error("the add-on is already mounted: open the sandbox before Addon::configure or Addon::serve")]
    Late,
}

/// A running sandbox.
#[derive(Debug)]
pub struct RunningSandbox {
    url: String,
    handle: ServerHandle,
}

impl RunningSandbox {
    /// Its URL: `http://localhost:3001`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops it immediately. A graceful stop would wait for open journal pages.
    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

/// Opens a sandbox for the add-on and installs the add-on at the first site of its product. Call it when the add-on
/// listens but is not mounted yet ([`Addon::configure`], [`Addon::serve`]), because the sandbox's keys and its observer
/// must be in place first.
///
/// # Errors
/// [`SandboxError`].
pub fn start(addon: &Addon) -> Result<RunningSandbox, SandboxError> {
    let folder = std::env::current_dir().unwrap_or_else(|_| Path::new(".").to_owned());
    internal::start_in(addon, folder)
}

/// For the framework's tests. Not covered by semantic versioning.
#[doc(hidden)]
pub mod internal {
    use std::path::PathBuf;

    use super::{Addon, RunningSandbox, SandboxError};

    /// Like [`start`](super::start), with the app's folder, where `node_modules` and `forge` are.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub fn start_in(addon: &Addon, folder: PathBuf) -> Result<RunningSandbox, SandboxError> {
        super::open(addon, folder)
    }
}

fn open(addon: &Addon, folder: PathBuf) -> Result<RunningSandbox, SandboxError> {
    let state = addon.shared_state();
    let config = &state.config;
    if !config.environment.is_development_itself() {
        return Err(SandboxError::Environment(config.environment.to_string()));
    }
    if !config.bind.is_loopback() {
        return Err(SandboxError::Exposed);
    }
    let beside = if config.port == 0 { 0 } else { config.port.saturating_add(1) };
    let wanted = config.sandbox_port.unwrap_or(beside);
    let (port, listeners) = listen(wanted).map_err(SandboxError::Port)?;
    if port != wanted && wanted != 0 {
        tracing::info!("port {wanted} is taken: the sandbox uses {port}");
    }
    let sandbox = web::Data::new(Sandbox {
        state: state.clone(),
        port,
        key: SigningKey::new(|| KID.to_owned()),
        ledger: Ledger::default(),
        platform: Platform::new(config),
        sites: SandboxSite::all(port, new_secret),
        views: Views::default(),
        journal: Arc::new(Journal::new()),
        forge_routes: Arc::default(),
        first_install: watch::Sender::new(false),
        folder,
        instance: new_secret()[..12].to_owned(),
    });
    sandbox.observe(addon)?;
    sandbox.put_in_front()?;
    let shared = sandbox.clone();
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(web::PayloadConfig::new(BODY))
            .app_data(web::FormConfig::default().limit(BODY))
            .wrap(from_fn(guard::around))
            .configure(forge_pages::routes)
            .configure(services::routes)
            .configure(forge_routes::routes)
            .configure(pages::routes)
    });
    server = server.workers(1).disable_signals().shutdown_timeout(0);
    for listener in listeners {
        server = server.listen(listener).map_err(SandboxError::Port)?;
    }
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let home = sandbox.clone();
    panics::spawn("the first install in the sandbox", async move {
        if home.state.descriptor().is_of_forge() {
            // nobody installs it: each site has the Forge app
            home.first_install.send_replace(true);
            return;
        }
        home.install(home.home(), false).await;
        home.first_install.send_replace(true);
        let status = home.home().status();
        if let (false, Some(news)) = (status.installed, status.news) {
            tracing::warn!("the sandbox could not install the add-on. {}", news.text);
        } else {
            tracing::info!("the sandbox has installed the add-on at {}", home.home().name);
        }
    });
    panics::spawn("the sandbox's watch on the descriptor", follow(sandbox));
    Ok(RunningSandbox { url: format!("http://localhost:{port}"), handle })
}

/// Installs each new descriptor again where the add-on is installed, like a site after a new registration.
async fn follow(sandbox: web::Data<Sandbox>) {
    let mut changes = sandbox.state.descriptor_changes();
    while changes.changed().await.is_ok() {
        for site in sandbox.sites.iter().filter(|site| site.status().installed) {
            sandbox.install(site, false).await;
        }
    }
}

/// The wanted port, or one of the next ones, or any.
fn listen(wanted: u16) -> std::io::Result<(u16, Vec<TcpListener>)> {
    let next = if wanted == 0 { 0..=0 } else { wanted..=wanted.saturating_add(PORTS) };
    // a port that is free on one address may be taken on the other
    let any = std::iter::repeat_n(0, usize::from(PORTS));
    next.chain(any).find_map(|port| bind(port).ok()).map_or_else(|| bind(0), Ok)
}

/// Binds both addresses of `localhost`. A browser that finds another program at the first address would show its pages.
fn bind(port: u16) -> std::io::Result<(u16, Vec<TcpListener>)> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = first.local_addr()?.port();
    let has_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let second = has_ipv6.then(|| TcpListener::bind((Ipv6Addr::LOCALHOST, port))).transpose()?;
    Ok((port, std::iter::once(first).chain(second).collect()))
}

impl Sandbox {
    /// Records each request to the add-on in the journal.
    fn observe(&self, addon: &Addon) -> Result<(), SandboxError> {
        let (journal, forge_routes) = (Arc::clone(&self.journal), Arc::clone(&self.forge_routes));
        let base = self.state.config.local_base_url.path().trim_end_matches('/').to_owned();
        let observer = move |exchange: &Exchange<'_>| {
            forge_routes.get_or_init(|| {
                let routes = exchange.request.resource_map();
                FORGE_PATHS.iter().any(|path| routes.has_resource(&format!("{base}{path}")))
            });
            journal.observe(exchange);
        };
        addon.observe(Arc::new(observer)).map_err(|error| match error {
            ObserverError::Mounted => SandboxError::Late,
            _ => SandboxError::Twice,
        })
    }

    /// Makes the add-on use the sandbox's keys and services for the sandbox's sites.
    fn put_in_front(&self) -> Result<(), SandboxError> {
        let (state, origins, server) = (&self.state, Origins::of_port(self.port), self.service_origin());
        let script_url = format!("{}/atlassian-connect/all.js", self.origin());
        let site_keys = SiteKeys {
            origins: origins.clone(),
            keys: InstallKeys::new(None),
            server: format!("{server}/install-keys"),
        };
        let services = Services {
            origins,
            script_url: if state.config.host_script_url.is_some() { None } else { Some(script_url) },
            folder: self.folder.clone(),
            authorization_server: server.clone(),
        };
        let is_first = state.install_keys.put_in_front(Box::new(site_keys))
            && state.forge_keys.put_in_front(Box::new(self.platform.keys(&self.sites, &server)))
            && state.services.put_in_front(Box::new(services));
        if is_first { Ok(()) } else { Err(SandboxError::Twice) }
    }
}
