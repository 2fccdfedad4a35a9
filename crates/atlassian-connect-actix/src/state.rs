//! The state that all workers share: configuration, descriptor, tenants, keys, events.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::config::{Config, Product};
use crate::deliveries::Deliveries;
use crate::descriptor::{Descriptor, DescriptorFile};
use crate::emission::Emission;
use crate::error::Error;
use crate::keys::{ForgeKeySource, ForgeKeys, InstallKeySource, InstallKeys};
use crate::measure;
use crate::observer::{Observer, ObserverSlot};
use crate::outbound::{AppToken, Outbound};
use crate::page::Pages;
use crate::redact;
use crate::services::{AtlassianServices, SiteServices};
use crate::software::AppVersion;
use crate::sources::Sources;
use crate::store::internal::AppDatabase;
use crate::tasks::Tasks;
use crate::tenants::Tenants;
use crate::trace::Traces;
use crate::transport::Guard;

/// The URL of `all.js` for Jira and Confluence.
///
/// Source: Atlassian, "About the JavaScript API".
const ALL_JS: &str = "https://connect-cdn.atl-paas.net/all.js";
/// The URL of `all.js` for Bitbucket.
const BITBUCKET_ALL_JS: &str = "https://bitbucket.org/atlassian-connect/all.js";

/// The content of an error page.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ErrorPage {
    /// The HTTP status.
    pub status: u16,
    /// The message for the caller; not escaped.
    pub message: String,
    /// The reason as it is logged, with tokens masked; only in `development`. Not escaped.
    pub reason: Option<String>,
    /// The name of the add-on.
    pub title: String,
    /// The base URL of the add-on's own files.
    pub local_base_url: String,
    /// On Forge, the script to load: through it the app's shell knows that there is a page, and shows it. `None` in
    /// Connect, and if the page's token is not valid: the shell then opens the page again.
    pub host_script_url: Option<String>,
    /// `errorTemplateObject` of the configuration.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// Renders an error page as HTML.
pub(crate) type ErrorRenderer = Arc<dyn Fn(&ErrorPage) -> Result<String, askama::Error> + Send + Sync>;

/// Answers an error instead of the framework: ACE's `expressErrorHandling`.
pub(crate) type ErrorHandler = Arc<dyn Fn(&HttpRequest, &Error) -> HttpResponse + Send + Sync>;

/// How errors are rendered.
#[derive(Clone)]
pub struct ErrorRendering {
    /// The renderers from which `errorTemplateName` chooses.
    pub renderers: BTreeMap<String, ErrorRenderer>,
    /// The chosen renderer; `None`: errors are plain text.
    pub renderer: Option<ErrorRenderer>,
    /// Replaces the framework's error handling.
    pub handler: Option<ErrorHandler>,
}

impl std::fmt::Debug for ErrorRendering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErrorRendering").field("renderers", &self.renderers.keys()).finish_non_exhaustive()
    }
}

/// Receives the events. The state has only this interface; each event carries a handle on the state.
pub trait Listeners: std::fmt::Debug + Send + Sync {
    /// Whether there is a listener for this event.
    fn hear(&self, event: &str) -> bool;

    /// Calls the listeners of the event, one after the other, for at most `limit` in total.
    ///
    /// # Errors
    /// [`Error::Internal`] when a listener fails or panics, or the limit passes. If one fails, the others are still
    /// called.
    fn emit(
        self: Arc<Self>,
        state: web::Data<State>,
        emission: Emission,
        limit: Duration,
    ) -> LocalBoxFuture<'static, Result<(), Error>>;
}

/// The state of an add-on.
#[derive(Debug)]
pub struct State {
    /// The configuration.
    pub config: Config,
    /// The tenants.
    pub tenants: Tenants,
    /// The keys that sign lifecycle callbacks.
    pub install_keys: Sources<dyn InstallKeySource>,
    /// The keys that sign Forge's invocations.
    pub forge_keys: Sources<dyn ForgeKeySource>,
    /// The services of a site with their own servers.
    pub services: Sources<dyn SiteServices>,
    /// The shared state of requests to hosts.
    pub outbound: Outbound,
    /// The shared state of pages on Forge.
    pub pages: Pages,
    /// The background work.
    pub tasks: Arc<Tasks>,
    pub(crate) traces: Traces,
    listeners: Arc<dyn Listeners>,
    is_stopping: AtomicBool,
    database: Option<AppDatabase>,
    /// The Forge events that are being processed.
    pub deliveries: Deliveries,
    /// How errors are rendered.
    pub errors: ErrorRendering,
    app: Option<AppVersion>,
    descriptor_file: DescriptorFile,
    observer: ObserverSlot,
    host_script_url: String,
    descriptor: RwLock<Arc<Descriptor>>,
    descriptor_changes: watch::Sender<()>,
}

impl State {
    /// Builds the state from its parts.
    #[must_use]
    pub fn new(
        config: Config,
        descriptor: Descriptor,
        tenants: Tenants,
        listeners: Arc<dyn Listeners>,
        errors: ErrorRendering,
    ) -> Self {
        let default = if config.product == Product::Bitbucket { BITBUCKET_ALL_JS } else { ALL_JS };
        Self {
            app: None,
            descriptor_file: DescriptorFile::default(),
            observer: ObserverSlot::default(),
            host_script_url: config.host_script_url.clone().unwrap_or_else(|| default.to_owned()),
            install_keys: Sources::new(Box::new(InstallKeys::new(config.install_keys_url.clone()))),
            forge_keys: Sources::new(Box::new(ForgeKeys::new(
                config.forge_jwks_url.as_ref(),
                config.forge_isolated_jwks_url.clone(),
            ))),
            services: Sources::new(Box::new(AtlassianServices {
                authorization_server_url: config.authorization_server_url.clone(),
            })),
            outbound: Outbound::new(Guard::new(config.environment.is_production().then(|| config.whitelist.clone()))),
            pages: Pages::new(&config),
            descriptor_changes: watch::channel(()).0,
            descriptor: RwLock::new(Arc::new(descriptor)),
            config,
            tenants,
            listeners,
            is_stopping: AtomicBool::new(false),
            tasks: Arc::default(),
            traces: Traces::default(),
            database: None,
            deliveries: Deliveries::default(),
            errors,
        }
    }

    /// Sets the app's name and version, see [`crate::AddonBuilder::app`].
    #[must_use]
    pub(crate) fn with_app(mut self, app: Option<AppVersion>) -> Self {
        self.app = app;
        self
    }

    /// Sets where spans are recorded.
    #[must_use]
    pub(crate) fn with_traces(mut self, traces: Traces) -> Self {
        self.traces = traces;
        self
    }

    /// Sets where the descriptor was read from.
    #[must_use]
    pub(crate) fn with_descriptor_file(mut self, file: DescriptorFile) -> Self {
        self.descriptor_file = file;
        self
    }

    /// The database of the app's own tables.
    #[must_use]
    pub(crate) fn with_database(mut self, database: Option<AppDatabase>) -> Self {
        self.database = database;
        self
    }

    pub(crate) fn database(&self) -> Option<&AppDatabase> {
        self.database.as_ref()
    }

    pub(crate) fn descriptor_file(&self) -> &DescriptorFile {
        &self.descriptor_file
    }

    /// The observer, once it is decided whether there is one.
    pub(crate) fn observer(&self) -> &OnceLock<Option<Observer>> {
        &self.observer.0
    }

    pub(crate) fn app(&self) -> Option<&AppVersion> {
        self.app.as_ref()
    }

    /// Calls the listeners, see [`Listeners::emit`].
    ///
    /// # Errors
    /// As [`Listeners::emit`].
    pub async fn emit(state: &web::Data<Self>, emission: Emission, limit: Duration) -> Result<(), Error> {
        Arc::clone(&state.listeners).emit(state.clone(), emission, limit).await
    }

    /// Counts what happened to a Forge event. Its name is shown only if the app listens to it: the names are bounded.
    pub(crate) fn count_forge_event(&self, event: &str, outcome: &'static str) {
        if measure::is_on() {
            measure::forge_event(Some(event).filter(|event| self.listeners.hear(event)), outcome);
        }
    }

    /// The name of a Forge event in traces: `other` if the app has no listener for it.
    pub(crate) fn traced_name<'a>(&self, event: &'a str) -> &'a str {
        if self.traces.is_on() && !self.listeners.hear(event) { "other" } else { event }
    }

    /// The descriptor that is served now.
    #[must_use]
    pub fn descriptor(&self) -> Arc<Descriptor> {
        Arc::clone(&self.descriptor.read())
    }

    /// Serves another descriptor from now on. The mounted routes do not change: lifecycle callbacks and webhooks keep
    /// the paths of the start.
    pub fn replace_descriptor(&self, descriptor: Descriptor) {
        *self.descriptor.write() = Arc::new(descriptor);
        self.descriptor_changes.send_replace(());
    }

    /// Changes with each [`State::replace_descriptor`].
    #[must_use]
    pub fn descriptor_changes(&self) -> watch::Receiver<()> {
        self.descriptor_changes.subscribe()
    }

    /// From now on the add-on is not ready: it stops soon.
    pub(crate) fn begin_stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Marks the add-on as mounted: from now on no source can be put before Atlassian's.
    pub(crate) fn fix_sources(&self) {
        self.install_keys.fix();
        self.forge_keys.fix();
        self.services.fix();
    }

    /// The token that acts as the Forge app for an installation, ACE's `getForgeAppToken`: from memory, else from the
    /// store. `None`: no invocation has brought one, or it has expired.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is unavailable.
    pub async fn forge_app_token(&self, installation_id: &str) -> Result<Option<AppToken>, Error> {
        let (store, limit) = (self.tenants.store(), self.config.limits.token);
        Ok(self.outbound.app_tokens.find(store.as_ref(), installation_id, limit).await?)
    }

    /// The bare ids of the Forge apps that may have this installation: the configured ones, or that of the sandbox.
    pub(crate) fn forge_app_ids(&self, installation_id: &str) -> Vec<&str> {
        let source = self.forge_keys.find(|source| source.has_installation(installation_id));
        if self.config.app_ids.is_empty() {
            return source.app_id().into_iter().collect();
        }
        self.config.app_ids.iter().map(String::as_str).collect()
    }

    /// The script of the bridge for the add-on's pages.
    #[must_use]
    pub fn host_script_url(&self) -> &str {
        &self.host_script_url
    }

    /// Whether a lifecycle token may have this base URL as its audience; without a trailing slash.
    pub fn is_own_base_url(&self, url: &str) -> bool {
        let url = url.strip_suffix('/').unwrap_or(url);
        url == self.config.local_base_url.as_str()
            || url == self.descriptor().base_url().trim_end_matches('/')
            || self.config.allowed_base_urls.iter().any(|allowed| url == allowed.as_str())
    }

    /// The same base URLs, for an error that lists them.
    pub(crate) fn own_base_urls(&self) -> Vec<String> {
        let descriptor = self.descriptor();
        let mut urls = vec![
            self.config.local_base_url.as_str().to_owned(),
            descriptor.base_url().trim_end_matches('/').to_owned(),
        ];
        urls.extend(self.config.allowed_base_urls.iter().map(|url| url.as_str().to_owned()));
        urls.dedup();
        urls
    }

    /// The state of the add-on that serves `request`.
    ///
    /// # Errors
    /// [`Error::Internal`] outside the add-on's scope; it says what to do.
    pub fn of(request: &HttpRequest) -> Result<web::Data<Self>, Error> {
        request.app_data::<web::Data<Self>>().cloned().ok_or_else(|| Self::outside(request))
    }

    /// The error of a handler that is not in the add-on's scope.
    pub(crate) fn outside(request: &HttpRequest) -> Error {
        let reason =
            "this route is outside the add-on's scope: mount it in the function that is passed to `Addon::configure`";
        // out there, none of our middleware logs errors
        tracing::error!(path = redact::shown(request.path()), "{reason}");
        Error::internal(reason)
    }
}

/// The state as an argument of the framework's own handlers; handlers of an app take [`crate::Addon`].
#[derive(Debug, Clone)]
pub(crate) struct AddonState(pub web::Data<State>);

impl std::ops::Deref for AddonState {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl FromRequest for AddonState {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(State::of(request).map(Self))
    }
}
