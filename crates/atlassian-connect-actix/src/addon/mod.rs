//! The add-on: built, mounted as one scope, and run.

mod background;
mod builder;
pub mod events;
mod forge_events;
mod observer;
mod run;
mod serve;
mod validation;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, HttpRequest};
use futures_util::{Stream, TryStreamExt as _, stream};
use tracing_actix_web::TracingLogger;

pub use builder::AddonBuilder;
use events::{Event, Events, ListenerError, Occurrence};
pub use observer::ObserverError;

use crate::audit;
use crate::config::{Config, ConfigError};
use crate::database::Database;
use crate::descriptor::{DescriptorError, DescriptorFile};
use crate::error::Error;
use crate::host::HostClient;
#[cfg(feature = "otel")]
use crate::middleware::traced;
use crate::middleware::{RequestSpan, measured, observed, unmark};
use crate::observer::Observer;
use crate::settings::Settings;
use crate::state::State;
use crate::store::StoreError;
use crate::tenants::Tenant;
use crate::{forge, health, lifecycle, pattern, scrape, webhook};

/// Why an add-on does not start. `Display` is written for the person at the terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The descriptor is invalid.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `errorTemplateName` or `expressErrorHandling` refers to something that the code does not register.
    #[error("{0}")]
    Errors(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}. {}", listen_remedy(.reason))]
    Listen {
        /// `127.0.0.1:3000`.
        address: SocketAddr,
        /// The system's error.
        reason: std::io::Error,
    },
    /// The address for metrics cannot be listened on.
    #[error(
        "cannot listen on {address} for metrics: {reason}. Choose another port (AC_METRICS_PORT) or address \
             (AC_METRICS_HOST)"
    )]
    ListenForMetrics {
        /// `127.0.0.1:9464`.
        address: SocketAddr,
        /// The system's error.
        reason: std::io::Error,
    },
    /// Metrics cannot be recorded: another library has taken the place of the recorder.
    #[error("metrics cannot be recorded: {0}")]
    Metrics(String),
    /// The server ended by itself.
    #[error("the server failed: {0}")]
    Server(std::io::Error),
}

fn listen_remedy(reason: &std::io::Error) -> &'static str {
    match reason.kind() {
        std::io::ErrorKind::AddrInUse => {
            "Stop the program that uses it, or choose another port (PORT, or port in config.json)."
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "This machine has no such address: choose another (AC_BIND, or bind in config.json)."
        }
        std::io::ErrorKind::PermissionDenied => {
            "This port needs special rights: choose one from 1024 on (PORT, or port in config.json)."
        }
        _ => "Choose another address (AC_BIND) or port (PORT).",
    }
}

/// An add-on, ready to be mounted or run. Clones are the same add-on.
///
/// A handler can take it as an argument. It says nothing about the caller.
#[derive(Clone)]
pub struct Addon {
    state: web::Data<State>,
    events: Arc<Events>,
}

impl std::fmt::Debug for Addon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Addon").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Addon {
    /// Starts from the configuration and the descriptor of the working directory.
    #[must_use]
    pub fn builder() -> AddonBuilder {
        AddonBuilder::default()
    }

    fn of(state: web::Data<State>, events: Arc<Events>) -> Self {
        Self { state, events }
    }

    /// The state that the workers share.
    #[doc(hidden)]
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The same state, as an owned handle.
    #[doc(hidden)]
    #[must_use]
    pub fn shared_state(&self) -> web::Data<State> {
        self.state.clone()
    }

    /// Makes a new signing key for the tokens of pages on Forge. Tokens signed with the previous key stay valid until
    /// they expire.
    ///
    /// # Errors
    /// The store failed.
    #[doc(hidden)]
    pub async fn rotate_page_key(&self) -> Result<(), StoreError> {
        self.state.pages.keys.rotate(self.state.tenants.store().as_ref()).await?;
        audit::page_key_rotated();
        Ok(())
    }

    /// Where the descriptor was read from. It can be read again.
    #[doc(hidden)]
    #[must_use]
    pub fn descriptor_file(&self) -> &DescriptorFile {
        self.state.descriptor_file()
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.state.config
    }

    /// Listens to an event by its name, ACE's `addon.on`: that of a webhook, or one of [`crate::events`].
    pub fn on<F, R>(&self, event: impl Into<String>, listener: F)
    where
        F: Fn(Occurrence) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ListenerError>> + 'static,
    {
        self.events.on(event, listener);
    }

    /// Listens to an event by its type.
    pub fn listen<E, F, R>(&self, listener: F)
    where
        E: Event,
        F: Fn(E) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ListenerError>> + 'static,
    {
        self.events.listen(listener);
    }

    /// A client for a tenant's host outside a request, as the add-on.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if the tenant is not installed, [`Error::Unavailable`] when the store is unavailable.
    pub async fn http_client(&self, client_key: &str) -> Result<HostClient, Error> {
        let tenant = self.state.tenants.current(client_key).await?;
        let tenant = tenant.ok_or_else(|| Error::unauthorized(format!("no tenant {client_key} is installed")))?;
        Ok(HostClient::new(self.state.clone(), tenant))
    }

    /// A client for a Forge installation outside an invocation, as the app. It uses the last token that an invocation
    /// brought to this node or another. A scheduled trigger keeps that token fresh.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if there is no valid token, [`Error::Unavailable`] when the store is unavailable.
    pub async fn forge_client(&self, installation_id: &str) -> Result<HostClient, Error> {
        HostClient::of_installation(self.state.clone(), installation_id).await
    }

    /// The database of the app's own tables.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is none; it says how to configure one.
    pub fn database(&self) -> Result<Database, Error> {
        Database::of(&self.state)
    }

    /// The installed tenant with this clientKey, if there is one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is unavailable.
    pub async fn tenant(&self, client_key: &str) -> Result<Option<Arc<Tenant>>, Error> {
        Ok(self.state.tenants.current(client_key).await?)
    }

    /// The settings of a tenant outside a request, for example in a job. In a handler, use `settings()` of the
    /// authenticated caller.
    #[must_use]
    pub fn settings(&self, tenant: &Tenant) -> Settings {
        Settings::of_tenant(self.state.clone(), tenant.client_key().to_owned())
    }

    /// A stream of all installed tenants in the order of their clientKeys, read page by page.
    ///
    /// ```no_run
    /// # async fn count(addon: &atlassian_connect_actix::Addon) -> Result<(), atlassian_connect_actix::Error> {
    /// use futures_util::TryStreamExt as _;
    ///
    /// let mut tenants = std::pin::pin!(addon.tenants());
    /// while let Some(tenant) = tenants.try_next().await? {
    ///     let answer = addon.http_client(tenant.client_key()).await?.get("/rest/api/3/serverInfo").send().await?;
    ///     tracing::info!(client_key = tenant.client_key(), status = answer.status().as_u16());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is unavailable; it ends the stream.
    pub fn tenants(&self) -> impl Stream<Item = Result<Arc<Tenant>, Error>> + use<> {
        let state = self.state.clone();
        let pages = stream::try_unfold(Some(None::<String>), move |place| {
            let state = state.clone();
            async move {
                let Some(after) = place else { return Ok(None) };
                let (tenants, next) = state.tenants.page(after.as_deref()).await?;
                Ok::<_, Error>(Some((stream::iter(tenants.into_iter().map(Ok)), next.map(Some))))
            }
        });
        pages.try_flatten()
    }

    /// Runs `work` in the background, on a thread that serves no requests. It must not block. A failure or panic is
    /// logged. A stop waits for it, for at most 28 seconds.
    ///
    /// ```no_run
    /// # fn start(addon: &atlassian_connect_actix::Addon) {
    /// addon.spawn(|addon| async move {
    ///     let client = addon.http_client("a-client-key").await?;
    ///     client.get("/rest/api/3/serverInfo").send().await?;
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn spawn<F, R>(&self, work: F)
    where
        F: FnOnce(Self) -> R + Send + 'static,
        R: Future<Output = Result<(), ListenerError>> + 'static,
    {
        background::spawn(self, work);
    }

    /// Runs `job` once per `period` (at least one second), on one node if several share the store. The first run is
    /// some seconds after the first start; the store keeps the next due time over restarts. A failure or panic is
    /// logged, and the job runs again at its next time. If a node dies during a run, another node runs the job after a
    /// minute. A stop waits for a running job. Each job needs its own `name`.
    ///
    /// ```no_run
    /// # fn start(addon: &atlassian_connect_actix::Addon) {
    /// use std::time::Duration;
    ///
    /// addon.every(Duration::from_secs(3600), "clean up", |addon| async move {
    ///     addon.database()?.write(|_connection| Ok(())).await?;
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn every<F, R>(&self, period: Duration, name: &str, job: F)
    where
        F: Fn(Self) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ListenerError>> + 'static,
    {
        background::every(self, period, name, job);
    }

    /// Waits for Forge events and background work that are under way, for at most `limit`. Events that are then left,
    /// or that failed and wait for another try, are taken up at the next start or by another node. Then the last traces
    /// are exported; nothing is traced any more. [`Addon::run`] calls this at its end. If you run your own `HttpServer`,
    /// call it after the server has stopped.
    pub async fn drain(&self, limit: Duration) {
        let begun = Instant::now();
        self.state.tasks.stop();
        // events first: their listeners may spawn work
        crate::forge::worker::drain(&self.state, limit).await;
        let left = self.state.tasks.drain(limit.saturating_sub(begun.elapsed())).await;
        if left > 0 {
            tracing::warn!(left, "background work was cut off by the stop");
        }
        self.state.traces.stop(limit.saturating_sub(begun.elapsed())).await;
    }

    /// Mounts the add-on: one scope at the path of the base URL, with the descriptor, the lifecycle callbacks, the
    /// webhooks, the health routes, then `routes`, and the framework's middleware around them. Use it with your own
    /// `HttpServer`, and in tests. The deadlines and limits of connections belong to [`Addon::serve`]: your own server
    /// has its own.
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
        let observer = self.mounted();
        self.mount(observer, routes)
    }
}

impl Addon {
    /// See [`Addon::configure`]. `observer` is called for each request.
    fn mount<F>(&self, observer: Option<Observer>, routes: F) -> impl FnOnce(&mut ServiceConfig) + use<F>
    where
        F: FnOnce(&mut ServiceConfig) + 'static,
    {
        let (state, addon) = (self.state.clone(), self.clone());
        move |cfg| {
            let (config, limit) = (&state.config, state.config.limits.body);
            let inner = state.clone();
            #[cfg(feature = "otel")]
            let traces = state.traces.clone();
            let scope = web::scope(&pattern::literal(config.local_base_url.path()))
                .app_data(state.clone())
                .app_data(addon)
                .app_data(web::PayloadConfig::new(limit))
                .app_data(web::JsonConfig::default().limit(limit).error_handler(|error, _| json_error(&error).into()))
                .app_data(web::FormConfig::default().limit(limit).error_handler(|error, _| form_error(&error).into()))
                .app_data(
                    web::QueryConfig::default().error_handler(|error, _| Error::bad_request(error.to_string()).into()),
                )
                .app_data(web::PathConfig::default().error_handler(|_, _| Error::no_route().into()))
                .configure(|cfg| {
                    let descriptor = state.descriptor();
                    health::routes(cfg);
                    scrape::routes(cfg, &state);
                    lifecycle::routes(cfg, &descriptor, config.setup_install_route);
                    webhook::routes(cfg, &descriptor);
                    forge::pages::routes(cfg, config);
                    if !descriptor.is_of_forge() {
                        cfg.service(descriptor_route);
                    }
                    cfg.configure(routes);
                })
                .default_service(web::to(|| async { Err::<actix_web::HttpResponse, _>(Error::no_route()) }))
                .wrap(from_fn(move |request, next| crate::middleware::around(inner.clone(), request, next)))
                .wrap(Compress::default())
                .wrap(from_fn(unmark))
                .wrap(Condition::new(
                    observer.is_some(),
                    from_fn(move |request, next| observed(observer.clone(), request, next)),
                ))
                .wrap(Condition::new(config.metrics.is_on(), from_fn(measured)))
                // outermost, or a page could not read why it was refused
                .wrap(Condition::new(!config.forge_origins.is_empty(), forge::cors::cors(&config.forge_origins)))
                .wrap(TracingLogger::<RequestSpan>::new());
            #[cfg(feature = "otel")]
            let scope = scope.wrap(Condition::new(
                traces.is_on(),
                from_fn(move |request, next| traced(traces.clone(), request, next)),
            ));
            cfg.service(scope);
        }
    }

    /// Answers requests outside the base URL's path with the same 404 as inside. Only for [`Addon::serve`], where the
    /// whole server is ours.
    fn configure_outside(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let (state, observer) = (self.state.clone(), self.mounted());
        move |cfg| {
            let (inner, is_measured) = (state.clone(), state.config.metrics.is_on());
            #[cfg(feature = "otel")]
            let traces = state.traces.clone();
            let scope = web::scope("")
                .app_data(state)
                .default_service(web::to(|| async { Err::<actix_web::HttpResponse, _>(Error::no_route()) }))
                .wrap(from_fn(move |request, next| crate::middleware::around(inner.clone(), request, next)))
                .wrap(from_fn(unmark))
                .wrap(Condition::new(
                    observer.is_some(),
                    from_fn(move |request, next| observed(observer.clone(), request, next)),
                ))
                .wrap(Condition::new(is_measured, from_fn(measured)))
                .wrap(TracingLogger::<RequestSpan>::new());
            #[cfg(feature = "otel")]
            let scope = scope.wrap(Condition::new(
                traces.is_on(),
                from_fn(move |request, next| traced(traces.clone(), request, next)),
            ));
            cfg.service(scope);
        }
    }
}

impl FromRequest for Addon {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = request.app_data::<Self>().cloned();
        std::future::ready(found.map_or_else(|| Err(State::outside(request)), Ok))
    }
}

/// The descriptor as it is now.
#[actix_web::route("/atlassian-connect.json", method = "GET", method = "HEAD")]
async fn descriptor_route(addon: crate::state::AddonState) -> impl actix_web::Responder {
    actix_web::HttpResponse::Ok()
        .content_type("application/json; charset=utf-8")
        .body(addon.descriptor().json().clone())
}

fn form_error(error: &actix_web::error::UrlencodedError) -> Error {
    use actix_web::error::UrlencodedError as E;
    match error {
        E::Overflow { limit, .. } => Error::TooLarge { limit: *limit },
        E::Payload(error) => Error::of_payload(error),
        _ => Error::bad_request(format!("The form is not valid: {error}")),
    }
}

fn json_error(error: &actix_web::error::JsonPayloadError) -> Error {
    use actix_web::error::JsonPayloadError as E;
    match error {
        E::OverflowKnownLength { limit, .. } | E::Overflow { limit } => Error::TooLarge { limit: *limit },
        E::ContentType => Error::bad_request("The body must be JSON, with the Content-Type application/json."),
        E::Deserialize(error) => Error::bad_request(format!("The JSON is not valid: {error}")),
        E::Payload(error) => Error::of_payload(error),
        _ => Error::Body { detail: error.to_string() },
    }
}
