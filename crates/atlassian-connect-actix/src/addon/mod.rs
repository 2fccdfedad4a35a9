//! The add-on: built from its parts, mounted with one scope, run.

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

use crate::config::{Config, ConfigError};
use crate::database::Database;
use crate::descriptor::{DescriptorError, DescriptorFile};
use crate::error::Error;
use crate::host::HostClient;
use crate::middleware::{RequestSpan, observed, unmark};
use crate::observer::Observer;
use crate::settings::Settings;
use crate::state::State;
use crate::store::StoreError;
use crate::tenants::Tenant;
use crate::{forge, health, lifecycle, pattern, webhook};

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

/// An add-on, ready to be mounted or run. Clones are the same add-on.
///
/// A handler takes it as an argument, whoever calls; that proves nothing about the caller.
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

    /// What the workers share.
    #[doc(hidden)]
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The same, to be kept.
    #[doc(hidden)]
    #[must_use]
    pub fn shared_state(&self) -> web::Data<State> {
        self.state.clone()
    }

    /// Where the descriptor was read from, and can be read again.
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

    /// Listens to an event by its name, ACE's `addon.on`: a webhook's, or one of [`crate::events`].
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

    /// A client for a tenant's host outside of a request, as the add-on.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when no such tenant is installed, [`Error::Unavailable`] when the store is away.
    pub async fn http_client(&self, client_key: &str) -> Result<HostClient, Error> {
        let tenant = self.state.tenants.current(client_key).await?;
        let tenant = tenant.ok_or_else(|| Error::unauthorized(format!("no tenant {client_key} is installed")))?;
        Ok(HostClient::new(self.state.clone(), tenant))
    }

    /// A client for a Forge installation outside of an invocation, as the app: with the last token that an invocation
    /// has brought to this node or another. A scheduled trigger keeps it from running out.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when there is no token that is still good, [`Error::Unavailable`] when the store is away.
    pub async fn forge_client(&self, installation_id: &str) -> Result<HostClient, Error> {
        HostClient::of_installation(self.state.clone(), installation_id).await
    }

    /// The database of the app's own tables.
    ///
    /// # Errors
    /// [`Error::Internal`] where there is none, with the remedy.
    pub fn database(&self) -> Result<Database, Error> {
        Database::of(&self.state)
    }

    /// The installed tenant with this clientKey; `None`: there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is away.
    pub async fn tenant(&self, client_key: &str) -> Result<Option<Arc<Tenant>>, Error> {
        Ok(self.state.tenants.current(client_key).await?)
    }

    /// The settings of a tenant outside of a request, in a job for example. In a handler use those of the authenticated
    /// caller.
    #[must_use]
    pub fn settings(&self, tenant: &Tenant) -> Settings {
        Settings::of_tenant(self.state.clone(), tenant.client_key().to_owned())
    }

    /// All tenants that are installed, in the order of their clientKeys, read page by page.
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
    /// [`Error::Unavailable`] when the store is away; the stream ends with it.
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

    /// Runs `work` in the background, on a thread that serves no requests: it must not block. A failure or a panic is
    /// logged. A stop waits for it, 28 seconds at most.
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

    /// Runs `job` once in each `period`, a second at least: on one node, where several share the store. It first runs
    /// some seconds after the first start; the store remembers when it is due, over restarts. A failure or a panic is
    /// logged, and the job runs again at its next time. Where a node goes away in the middle, another one runs it after a
    /// minute. A stop waits for one that runs. `name`: under which it is remembered; each job has its own.
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

    /// Waits for what Forge has delivered and is being worked on, and for what runs in the background, for `limit` at
    /// most. What is left then, or has failed and
    /// waits for another try, is taken up at the next start, or by another node. [`Addon::run`] does so at its end; whoever
    /// owns their own `HttpServer` calls it when that has stopped.
    pub async fn drain(&self, limit: Duration) {
        let begun = Instant::now();
        self.state.tasks.stop();
        // events first: their listeners may spawn work
        crate::forge::worker::drain(&self.state, limit).await;
        let left = self.state.tasks.drain(limit.saturating_sub(begun.elapsed())).await;
        if left > 0 {
            tracing::warn!(left, "background work is cut off by the stop");
        }
    }

    /// Mounts the add-on: one scope at the path of the base URL, with the descriptor, the lifecycle callbacks, the
    /// webhooks, the health routes, then `routes`, and the framework's middleware around them all. For whoever owns
    /// their own `HttpServer`, and for tests. The deadlines and bounds of connections are those of [`Addon::serve`]: another
    /// server has its own.
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
    /// See [`Addon::configure`]. `observer` is called with each request.
    fn mount<F>(&self, observer: Option<Observer>, routes: F) -> impl FnOnce(&mut ServiceConfig) + use<F>
    where
        F: FnOnce(&mut ServiceConfig) + 'static,
    {
        let (state, addon) = (self.state.clone(), self.clone());
        move |cfg| {
            let (config, limit) = (&state.config, state.config.limits.body);
            let inner = state.clone();
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
                    lifecycle::routes(cfg, &descriptor, config.setup_install_route);
                    webhook::routes(cfg, &descriptor);
                    cfg.service(descriptor_route).configure(routes);
                })
                .default_service(web::to(|| async { Err::<actix_web::HttpResponse, _>(Error::no_route()) }))
                .wrap(from_fn(move |request, next| crate::middleware::around(inner.clone(), request, next)))
                .wrap(Compress::default())
                .wrap(from_fn(unmark))
                .wrap(Condition::new(
                    observer.is_some(),
                    from_fn(move |request, next| observed(observer.clone(), request, next)),
                ))
                // outside of it, or a page could not read why it was refused
                .wrap(Condition::new(!config.forge_origins.is_empty(), forge::cors::cors(&config.forge_origins)))
                .wrap(TracingLogger::<RequestSpan>::new());
            cfg.service(scope);
        }
    }

    /// What is outside of the base URL's path: nothing, said as it is said inside. Only where the whole server is ours.
    fn configure_outside(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let (state, observer) = (self.state.clone(), self.mounted());
        move |cfg| {
            let inner = state.clone();
            let scope = web::scope("")
                .app_data(state)
                .default_service(web::to(|| async { Err::<actix_web::HttpResponse, _>(Error::no_route()) }))
                .wrap(from_fn(move |request, next| crate::middleware::around(inner.clone(), request, next)))
                .wrap(from_fn(unmark))
                .wrap(Condition::new(
                    observer.is_some(),
                    from_fn(move |request, next| observed(observer.clone(), request, next)),
                ))
                .wrap(TracingLogger::<RequestSpan>::new());
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
        _ => Error::bad_request(format!("The form does not fit: {error}")),
    }
}

fn json_error(error: &actix_web::error::JsonPayloadError) -> Error {
    use actix_web::error::JsonPayloadError as E;
    match error {
        E::OverflowKnownLength { limit, .. } | E::Overflow { limit } => Error::TooLarge { limit: *limit },
        E::ContentType => Error::bad_request("The body must be JSON, and say so in Content-Type."),
        E::Deserialize(error) => Error::bad_request(format!("The JSON does not fit: {error}")),
        E::Payload(error) => Error::of_payload(error),
        _ => Error::Body { detail: error.to_string() },
    }
}
