//! Builds an add-on: reads its configuration and descriptor, and opens its store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use actix_web::web;
use futures_util::StreamExt as _;
use secrecy::SecretString;

use super::events::Events;
use super::{Addon, StartError, background};
use crate::config::{Config, ConfigError, Vars};
use crate::descriptor::{Descriptor, DescriptorError, DescriptorFile, Finding};
use crate::error::Error;
use crate::measure::{self, MeasuredStore};
use crate::panics;
use crate::software::AppVersion;
use crate::state::{ErrorHandler, ErrorPage, ErrorRenderer, ErrorRendering, State};
use crate::store::internal::{AppDatabase, SealedStore, open_with_database, system_of};
use crate::store::{Changes, MemoryStore, Migrations, Store, StoreError};
use crate::tenants::Tenants;
use crate::trace::Traces;

/// ACE's default of `errorTemplateName`.
const DEFAULT_RENDERER: &str = "unauthorized";

/// Builds an [`Addon`].
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
    app: Option<AppVersion>,
    config: Option<Config>,
    descriptor: DescriptorFile,
    renderers: BTreeMap<String, ErrorRenderer>,
    handler: Option<ErrorHandler>,
    store: Option<Arc<dyn Store>>,
    migrations: Option<Migrations>,
}

impl std::fmt::Debug for AddonBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddonBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl AddonBuilder {
    /// The app's name and version, `env!("CARGO_PKG_NAME")` and `env!("CARGO_PKG_VERSION")`: for `--version`, the
    /// `User-Agent` of requests to hosts, and the log. By default the name is the descriptor's key.
    #[must_use]
    pub fn app(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.app = Some(AppVersion { name: name.into(), version: version.into() });
        self
    }

    #[doc(hidden)]
    pub fn app_version(&self) -> Option<&AppVersion> {
        self.app.as_ref()
    }

    /// Uses this configuration instead of `config.json` and the environment.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Reads the descriptor from this file instead of `atlassian-connect.json` in the working directory.
    #[must_use]
    pub fn descriptor_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.descriptor.path = file.into();
        self
    }

    /// The descriptor to use if the file does not exist, for example in a library's tests.
    #[doc(hidden)]
    #[must_use]
    pub fn fallback_descriptor(mut self, text: &'static str) -> Self {
        self.descriptor.fallback = Some(text);
        self
    }

    /// Changes the descriptor before it is served: ACE's `descriptorTransformer`.
    #[must_use]
    pub fn descriptor_transformer<F>(mut self, transform: F) -> Self
    where
        F: Fn(serde_json::Value, &Config) -> serde_json::Value + Send + Sync + 'static,
    {
        self.descriptor.transformer = Some(Arc::new(transform));
        self
    }

    /// Registers an HTML renderer for errors under a name that `errorTemplateName` can choose.
    #[must_use]
    pub fn error_renderer<F>(mut self, name: impl Into<String>, render: F) -> Self
    where
        F: Fn(&ErrorPage) -> Result<String, askama::Error> + Send + Sync + 'static,
    {
        self.renderers.insert(name.into(), Arc::new(render));
        self
    }

    /// Lets the app's own code answer errors, whatever `Accept` says: ACE's `expressErrorHandling`.
    #[must_use]
    pub fn error_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(&actix_web::HttpRequest, &Error) -> actix_web::HttpResponse + Send + Sync + 'static,
    {
        self.handler = Some(Arc::new(handler));
        self
    }

    /// Uses this store instead of the configured one. `storeEncryptionKeys` encrypts its values as well.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The migrations of the app: the framework's steps and its own, from the app's `migrations/`. By default only the
    /// framework's steps are run.
    #[must_use]
    pub fn migrations(mut self, migrations: Migrations) -> Self {
        self.migrations = Some(migrations);
        self
    }

    #[doc(hidden)]
    pub fn own_migrations(&self) -> Option<Migrations> {
        self.migrations
    }

    /// The configuration that [`AddonBuilder::build`] will use.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem of the configuration.
    pub fn load_config(&self) -> Result<Config, ConfigError> {
        self.load_config_with(&Vars::from_process())
    }

    #[doc(hidden)]
    pub fn load_config_with(&self, vars: &Vars) -> Result<Config, ConfigError> {
        let mut config = match &self.config {
            Some(config) => config.clone(),
            None => Config::load_with(vars)?,
        };
        if let Some(migrations) = self.migrations {
            config.store.migrations = migrations;
        }
        Ok(config)
    }

    /// The descriptor that [`AddonBuilder::build`] will serve with this configuration.
    ///
    /// # Errors
    /// [`DescriptorError`].
    #[doc(hidden)]
    pub fn load_descriptor(&self, config: &Config) -> Result<Descriptor, DescriptorError> {
        self.descriptor.load(config)
    }

    /// Every finding about the descriptor, even if it cannot be served.
    #[doc(hidden)]
    pub fn inspect_descriptor(&self, config: &Config) -> Result<Vec<Finding>, DescriptorError> {
        self.descriptor.inspect(config)
    }

    /// The store given to [`AddonBuilder::store`].
    #[doc(hidden)]
    pub fn own_store(&self) -> Option<Arc<dyn Store>> {
        self.store.clone()
    }

    /// Reads the configuration and the descriptor, and opens the store.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn build(self) -> Result<Addon, StartError> {
        let config = self.load_config()?;
        let descriptor = self.descriptor.load(&config)?;
        descriptor.check(&config).iter().for_each(Finding::log);
        self.assemble(config, descriptor).await
    }

    /// Builds the add-on from a configuration and a descriptor.
    async fn assemble(self, config: Config, descriptor: Descriptor) -> Result<Addon, StartError> {
        let errors = error_rendering(&config, self.renderers, self.handler)?;
        if config.metrics.is_on() {
            measure::start().map_err(|taken| StartError::Metrics(taken.to_string()))?;
        }
        let system = if self.store.is_some() { "other" } else { system_of(&config.store) };
        let (store, database) = match self.store {
            Some(store) => (SealedStore::tried(store, &config.store.encryption_keys).await? as _, None),
            None => Box::pin(open_with_database(&config.store)).await?,
        };
        let database = Box::pin(app_database(&config, database)).await?;
        if config.options.no_auth {
            tracing::warn!("AC_OPTS=no-auth: pages and token routes are open to every process on this machine");
        }
        let traces = Traces::start(&config, self.app.as_ref(), descriptor.key());
        let store = if config.metrics.is_on() || traces.is_on() {
            Arc::new(MeasuredStore { inner: store, system })
        } else {
            store
        };
        let parts = (self.app, self.descriptor, traces);
        let addon = assemble_addon(config, descriptor, store, database, errors, parts);
        let state = addon.shared_state();
        if let Some(changes) = state.tenants.store().changes() {
            panics::spawn(
                "the task that receives the writes of other nodes",
                apply_changes(Arc::downgrade(&state.clone().into_inner()), changes),
            );
        }
        background::start(&state);
        background::start_metrics(&addon);
        if !state.config.app_ids.is_empty() {
            panics::spawn(
                "the task that works on Forge events",
                crate::forge::worker::work(Arc::downgrade(&state.clone().into_inner())),
            );
        }
        Ok(addon)
    }

    /// The add-on for a command that only asks which routes there are. It opens neither the store nor a database, and
    /// runs nothing in the background.
    ///
    /// # Errors
    /// [`StartError::Errors`].
    #[doc(hidden)]
    pub fn without_store(self, config: Config, descriptor: Descriptor) -> Result<Addon, StartError> {
        let errors = error_rendering(&config, self.renderers, self.handler)?;
        let store = Arc::new(MemoryStore::default());
        Ok(assemble_addon(config, descriptor, store, None, errors, (self.app, self.descriptor, Traces::default())))
    }

    /// The add-on on an existing store, for a command that emits events. It serves no requests, runs no periodic jobs,
    /// and migrates nothing.
    ///
    /// # Errors
    /// [`StartError`].
    #[doc(hidden)]
    pub async fn at_rest(self, config: Config, store: Arc<dyn Store>) -> Result<Addon, StartError> {
        let descriptor = self.descriptor.load(&config)?;
        let errors = error_rendering(&config, self.renderers, self.handler)?;
        let database = match config.app_database() {
            Some(place) => AppDatabase::connect(&place).await?,
            None if self.store.is_none() => AppDatabase::connect(&config.store).await?,
            None => None,
        };
        let addon =
            assemble_addon(config, descriptor, store, database, errors, (self.app, self.descriptor, Traces::default()));
        // work that a listener spawns runs, periodic jobs do not
        addon.state().tasks.stop();
        background::start(&addon.shared_state());
        Ok(addon)
    }
}

fn assemble_addon(
    config: Config,
    descriptor: Descriptor,
    store: Arc<dyn Store>,
    database: Option<AppDatabase>,
    errors: ErrorRendering,
    (app, file, traces): (Option<AppVersion>, DescriptorFile, Traces),
) -> Addon {
    let tenants = Tenants::new(store, &config.cache, config.frame_ancestors.clone());
    let events = Arc::new(Events::default());
    let state = State::new(config, descriptor, tenants, Arc::clone(&events) as _, errors);
    let state = state.with_app(app).with_descriptor_file(file).with_database(database).with_traces(traces);
    Addon::of(web::Data::new(state), events)
}

/// The database of the app's own tables: the configured one, else that of the store. An app with tables does not start
/// without a database. If its migrations are pending, the log says so.
async fn app_database(config: &Config, of_store: Option<AppDatabase>) -> Result<Option<AppDatabase>, StartError> {
    let has_tables = config.store.migrations.has_own_steps();
    let database = match (config.app_database(), of_store) {
        (Some(place), _) => AppDatabase::open(&place).await?,
        (None, Some(database)) => database,
        (None, None) if !has_tables => return Ok(None),
        // an in-memory store forgets everything on a restart, and so may the tables
        (None, None) if config.store.is_memory() => {
            let memory = config.store.at(SecretString::from("sqlite::memory:"), "the store, which is in memory");
            AppDatabase::open(&memory).await?
        }
        (None, None) => return Err(StoreError::configuration(crate::database::NONE).into()),
    };
    let pending = database.pending().await?;
    if !pending.is_empty() {
        tracing::error!(
            "migrations of the app have not run: {}. Run the command `migrate`; until then /readyz answers 503",
            pending.join(", ")
        );
    }
    Ok(Some(database))
}

/// Applies what other nodes write, for as long as the add-on lives.
async fn apply_changes(state: Weak<State>, mut changes: Changes) {
    while let Some(change) = changes.next().await {
        let Some(state) = state.upgrade() else { return };
        state.tenants.apply(&change);
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
