//! The add-on: built from its parts, mounted with one scope, run.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer};
use tracing_actix_web::TracingLogger;

use crate::config::{Config, ConfigError, Vars};
use crate::descriptor::{self, Descriptor, DescriptorError, Lifecycle, Transformer};
use crate::error::Error;
use crate::events::{Event, Events, ListenerError, Occurrence};
use crate::host::HostClient;
use crate::middleware::RequestSpan;
use crate::registration::Registrar;
use crate::state::{ErrorHandler, ErrorPage, ErrorRenderer, ErrorRendering, State};
use crate::store::{self, SealedStore, Store, StoreError, Tenants};
use crate::{health, lifecycle, pattern, webhook};

/// How long requests that are under way may take at a stop. Heroku kills after 30 seconds.
const SHUTDOWN_SECONDS: u64 = 25;
/// Longer than the idle time of the usual proxies, so that it is never us who closes a connection they are about to use.
const KEEP_ALIVE: Duration = Duration::from_secs(95);
/// Threads a worker has for the store: the pool has few connections, more threads would only wait.
const BLOCKING_THREADS: usize = 8;

/// ACE's default of `errorTemplateName`.
const DEFAULT_RENDERER: &str = "unauthorized";

/// Why an add-on does not start. `Display` is for the person at the terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The descriptor.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `errorTemplateName` or `expressErrorHandling` name what the code does not have.
    #[error("{0}")]
    Errors(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}. {}", listen_remedy(.reason))]
    Listen {
        /// `127.0.0.1:3000`.
        address: SocketAddr,
        /// The system's words.
        reason: std::io::Error,
    },
    /// The server ended by itself.
    #[error("the server failed: {0}")]
    Server(std::io::Error),
}

/// Collects what an add-on is made of.
///
/// ```no_run
/// # async fn start() -> Result<(), atlassian_connect_actix::StartError> {
/// use atlassian_connect_actix::Addon;
///
/// let addon = Addon::builder()
///     .descriptor_transformer(|mut descriptor, config| {
///         descriptor["name"] = format!("Hello ({})", config.environment.name()).into();
///         descriptor
///     })
///     .build()
///     .await?;
/// addon.run(|_routes| {}).await
/// # }
/// ```
#[derive(Default)]
pub struct AddonBuilder {
    config: Option<Config>,
    descriptor_file: Option<PathBuf>,
    transformer: Option<Transformer>,
    renderers: BTreeMap<String, ErrorRenderer>,
    handler: Option<ErrorHandler>,
    store: Option<Arc<dyn Store>>,
}

impl std::fmt::Debug for AddonBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddonBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl AddonBuilder {
    /// A configuration made in code, in place of `config.json` and the environment.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Another descriptor than `atlassian-connect.json` in the working directory.
    #[must_use]
    pub fn descriptor_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.descriptor_file = Some(file.into());
        self
    }

    /// Changes the filled descriptor before it is served, ACE's `descriptorTransformer`.
    #[must_use]
    pub fn descriptor_transformer<F>(mut self, transform: F) -> Self
    where
        F: Fn(serde_json::Value, &Config) -> serde_json::Value + Send + Sync + 'static,
    {
        self.transformer = Some(Arc::new(transform));
        self
    }

    /// Registers an HTML renderer for errors under the name by which `errorTemplateName` chooses it.
    #[must_use]
    pub fn error_renderer<F>(mut self, name: impl Into<String>, render: F) -> Self
    where
        F: Fn(&ErrorPage) -> Result<String, askama::Error> + Send + Sync + 'static,
    {
        self.renderers.insert(name.into(), Arc::new(render));
        self
    }

    /// Answers errors by code of the add-on's own, whatever `Accept` says: ACE's `expressErrorHandling`.
    #[must_use]
    pub fn error_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(&actix_web::HttpRequest, &Error) -> actix_web::HttpResponse + Send + Sync + 'static,
    {
        self.handler = Some(Arc::new(handler));
        self
    }

    /// A store of the add-on's own in place of the configured one. `storeEncryptionKeys` seal its values as well.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The configuration that [`AddonBuilder::build`] will use.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong in it.
    pub fn load_config(&self) -> Result<Config, ConfigError> {
        self.load_config_with(&Vars::from_process())
    }

    pub(crate) fn load_config_with(&self, vars: &Vars) -> Result<Config, ConfigError> {
        self.config.clone().map_or_else(|| Config::load_with(vars), Ok)
    }

    /// The descriptor that [`AddonBuilder::build`] will serve.
    pub(crate) fn load_descriptor(&self, config: &Config) -> Result<Descriptor, DescriptorError> {
        let file = self.descriptor_file.as_deref().unwrap_or(Path::new(descriptor::FILE_NAME));
        Descriptor::load(file, config, self.transformer.as_ref())
    }

    /// The store of the add-on's own, where it has one.
    pub(crate) fn own_store(&self) -> Option<Arc<dyn Store>> {
        self.store.clone()
    }

    /// Reads configuration and descriptor, opens the store.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn build(self) -> Result<Addon, StartError> {
        let config = self.load_config()?;
        let descriptor = self.load_descriptor(&config)?;
        if descriptor.base_url().trim_end_matches('/') != config.local_base_url.as_str() {
            tracing::warn!(
                descriptor = descriptor.base_url(),
                configuration = config.local_base_url.as_str(),
                "the descriptor's baseUrl is not the configured localBaseUrl: write {{{{localBaseUrl}}}} there"
            );
        }
        if descriptor.lifecycle(Lifecycle::Installed).is_none() {
            tracing::warn!("the descriptor names no lifecycle.installed: no site can install the add-on");
        }
        let errors = error_rendering(&config, self.renderers, self.handler)?;
        let store = match self.store {
            Some(store) => SealedStore::tried(store, &config.store.encryption_keys).await?,
            None => store::open(&config.store).await?,
        };
        let tenants = Tenants::new(store, &config.cache, config.frame_ancestors.clone());
        if config.options.no_auth {
            tracing::warn!("AC_OPTS=no-auth: pages and token routes are open to every process on this machine");
        }
        let state = State::new(config, descriptor, tenants, Events::default(), errors);
        Ok(Addon { state: web::Data::new(state) })
    }
}

fn listen_remedy(reason: &std::io::Error) -> &'static str {
    match reason.kind() {
        std::io::ErrorKind::AddrInUse => {
            "Stop what listens there, or choose another port (PORT, or port in config.json)."
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "This machine has no such address: choose another (AC_BIND, or bind in config.json)."
        }
        std::io::ErrorKind::PermissionDenied => {
            "The port is not yours to use: choose one from 1024 on (PORT, or port in config.json)."
        }
        _ => "Choose another address (AC_BIND) or port (PORT).",
    }
}

fn error_rendering(
    config: &Config,
    mut renderers: BTreeMap<String, ErrorRenderer>,
    handler: Option<ErrorHandler>,
) -> Result<ErrorRendering, StartError> {
    if config.express_error_handling && handler.is_none() {
        return Err(StartError::Errors(
            "expressErrorHandling is true, and the add-on registers no error handler: \
             call AddonBuilder::error_handler, or set it to false"
                .into(),
        ));
    }
    renderers.entry(DEFAULT_RENDERER.to_owned()).or_insert_with(|| Arc::new(crate::error_page::render));
    let name = config.error_template_name.as_deref().unwrap_or(DEFAULT_RENDERER);
    let renderer = renderers.get(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = renderers.keys().map(String::as_str).collect();
        StartError::Errors(format!(
            "errorTemplateName is {name:?}, and the add-on registers {}: choose one of them, or register it with \
             AddonBuilder::error_renderer",
            known.join(", ")
        ))
    })?;
    Ok(ErrorRendering { renderers, renderer: config.error_template.then_some(renderer), handler })
}

/// An add-on, ready to be mounted or run. Clones are the same add-on.
#[derive(Debug, Clone)]
pub struct Addon {
    state: web::Data<State>,
}

impl Addon {
    /// Starts from the configuration and the descriptor of the working directory.
    #[must_use]
    pub fn builder() -> AddonBuilder {
        AddonBuilder::default()
    }

    /// What the workers share.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.state.config
    }

    /// Listens to an event by its name, ACE's `addon.on`: a webhook's, or one of [`crate::events`].
    pub fn on<F, R>(&self, event: impl Into<String>, listener: F)
    where
        F: Fn(Occurrence) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ListenerError>> + 'static,
    {
        self.state.events.on(event, listener);
    }

    /// Listens to an event by its type.
    pub fn listen<E, F, R>(&self, listener: F)
    where
        E: Event,
        F: Fn(E) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ListenerError>> + 'static,
    {
        self.state.events.listen(listener);
    }

    /// A client for a tenant's host outside of a request, as the add-on.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when no such tenant is installed, [`Error::Unavailable`] when the store is away.
    pub async fn http_client(&self, client_key: &str) -> Result<HostClient, Error> {
        let tenants = &self.state.tenants;
        let known = tenants.cached(client_key).map(Ok);
        let candidates = match known {
            Some(candidates) => candidates,
            None => tenants.refreshed(client_key).await,
        }?;
        let tenant = candidates.first().cloned();
        let tenant = tenant.ok_or_else(|| Error::unauthorized(format!("no tenant {client_key} is installed")))?;
        Ok(HostClient::new(self.state.clone(), tenant))
    }

    /// Mounts the add-on: one scope at the path of the base URL, with the descriptor, the lifecycle callbacks, the
    /// webhooks, the health routes, then `routes`, and the framework's middleware around them all. For whoever owns
    /// their own `HttpServer`, and for tests:
    ///
    /// ```no_run
    /// # use actix_web::{App, HttpServer};
    /// # fn serve(addon: atlassian_connect_actix::Addon) {
    /// HttpServer::new(move || App::new().configure(addon.configure(|_routes| {})));
    /// # }
    /// ```
    pub fn configure<F>(&self, routes: F) -> impl FnOnce(&mut ServiceConfig) + use<F>
    where
        F: FnOnce(&mut ServiceConfig) + 'static,
    {
        let state = self.state.clone();
        move |cfg| {
            let (config, limit) = (&state.config, state.config.limits.body);
            let inner = state.clone();
            let scope = web::scope(&pattern::literal(config.local_base_url.path()))
                .app_data(state.clone())
                .app_data(web::PayloadConfig::new(limit))
                .app_data(web::JsonConfig::default().limit(limit).error_handler(|error, _| json_error(&error).into()))
                .app_data(
                    web::FormConfig::default()
                        .limit(limit)
                        .error_handler(|error, _| Error::bad_request(format!("The form does not fit: {error}")).into()),
                )
                .app_data(
                    web::QueryConfig::default().error_handler(|error, _| Error::bad_request(error.to_string()).into()),
                )
                .app_data(web::PathConfig::default().error_handler(|_, _| Error::NotFound.into()))
                .configure(|cfg| {
                    let descriptor = state.descriptor();
                    health::routes(cfg);
                    lifecycle::routes(cfg, &descriptor, config.setup_install_route);
                    webhook::routes(cfg, &descriptor);
                    cfg.service(descriptor_route).configure(routes);
                })
                .default_service(web::to(|| async { Err::<actix_web::HttpResponse, _>(Error::NotFound) }))
                .wrap(from_fn(move |request, next| crate::middleware::around(inner.clone(), request, next)))
                .wrap(TracingLogger::<RequestSpan>::new());
            cfg.service(scope);
        }
    }

    /// Listens on `listener` and serves until it is stopped; it handles no signals.
    ///
    /// # Errors
    /// [`StartError::Server`].
    pub fn serve<F>(&self, listener: TcpListener, routes: F) -> Result<Server, StartError>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        self.serve_with(listener, None, routes)
    }

    /// The same with so many workers; `None`: one a processor.
    pub(crate) fn serve_with<F>(
        &self,
        listener: TcpListener,
        workers: Option<usize>,
        routes: F,
    ) -> Result<Server, StartError>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let addon = self.clone();
        let mut server = HttpServer::new(move || App::new().configure(addon.configure(routes.clone())))
            .worker_max_blocking_threads(BLOCKING_THREADS)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(Duration::from_secs(10))
            .shutdown_timeout(SHUTDOWN_SECONDS)
            .disable_signals();
        if let Some(workers) = workers {
            server = server.workers(workers);
        }
        Ok(server.listen(listener).map_err(StartError::Server)?.run())
    }

    /// Does the usual: listens where the configuration says, serves, and stops gracefully at SIGTERM, SIGINT
    /// or SIGUSR2. In development it registers with the sites of `credentials.json` meanwhile.
    ///
    /// # Errors
    /// [`StartError`] when it cannot listen, or when the server ends by itself.
    pub async fn run<F>(self, routes: F) -> Result<(), StartError>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let config = self.config();
        let address = SocketAddr::new(config.bind, config.port);
        let listener = TcpListener::bind(address).map_err(|reason| StartError::Listen { address, reason })?;
        let server = self.serve(listener, routes)?;
        let base = config.local_base_url.as_str();
        tracing::info!(
            "{} {} serves {}",
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            self.state.descriptor().key()
        );
        tracing::info!("the add-on is at {base}");
        tracing::info!("its descriptor at {base}/{}", descriptor::FILE_NAME);
        tracing::info!("its health at {base}/healthz");
        self.open_sandbox().await;
        actix_web::rt::spawn(stop_at_a_signal(server.handle(), Registrar::new(self.state.clone())));
        server.await.map_err(StartError::Server)
    }
}

#[cfg(feature = "sandbox")]
impl Addon {
    /// Opens a local host for the add-on, see [`crate::sandbox`]; [`Addon::run`] does so by itself. For whoever owns
    /// their own `HttpServer`: the add-on must serve, or be about to.
    ///
    /// # Errors
    /// [`crate::sandbox::SandboxError`].
    pub async fn sandbox(&self) -> Result<crate::sandbox::RunningSandbox, crate::sandbox::SandboxError> {
        crate::sandbox::start(self.state.clone()).await
    }

    /// Where there is no site to develop on, one of this process's own. The add-on runs without it as well.
    async fn open_sandbox(&self) {
        let config = self.config();
        let is_wanted = config.environment.is_development() && !config.options.no_reg;
        if !is_wanted || crate::registration::names_sites(config) {
            return;
        }
        match self.sandbox().await {
            Ok(sandbox) => tracing::info!("open the sandbox, a local host for the add-on: {}", sandbox.url()),
            Err(error) => tracing::warn!("there is no sandbox: {error}"),
        }
    }
}

#[cfg(not(feature = "sandbox"))]
impl Addon {
    // as the other one, so that `run` reads the same
    #[allow(clippy::unused_async)]
    async fn open_sandbox(&self) {}
}

/// The descriptor as it is now.
#[actix_web::route("/atlassian-connect.json", method = "GET", method = "HEAD")]
async fn descriptor_route(addon: crate::state::Shared) -> impl actix_web::Responder {
    actix_web::HttpResponse::Ok()
        .content_type("application/json; charset=utf-8")
        .body(addon.descriptor().json().clone())
}

fn json_error(error: &actix_web::error::JsonPayloadError) -> Error {
    use actix_web::error::JsonPayloadError as E;
    match error {
        E::OverflowKnownLength { limit, .. } | E::Overflow { limit } => Error::TooLarge { limit: *limit },
        E::ContentType => Error::bad_request("The body must be JSON, and say so in Content-Type."),
        E::Deserialize(error) => Error::bad_request(format!("The JSON does not fit: {error}")),
        _ => Error::Body { detail: error.to_string() },
    }
}

/// Registers while it waits; at the signal the sites let the add-on go first, since they tell it so by a request.
async fn stop_at_a_signal(handle: ServerHandle, registrar: Registrar) {
    let registration = async {
        registrar.register().await;
        std::future::pending::<&str>().await
    };
    let signal = tokio::select! {
        signal = wait_for_signal() => signal,
        never = registration => never,
    };
    registrar.deregister().await;
    tracing::info!(signal, "stopping: requests under way are finished");
    handle.stop(true).await;
}

#[cfg(unix)]
async fn wait_for_signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut restart)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::user_defined2()))
    else {
        tracing::error!("signals cannot be heard: the process ends without finishing its requests");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        // what restarts programs while their code changes sends this
        _ = restart.recv() => "SIGUSR2",
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() -> &'static str {
    match tokio::signal::ctrl_c().await {
        Ok(()) => "Ctrl-C",
        Err(_) => std::future::pending().await,
    }
}
