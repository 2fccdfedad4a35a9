//! The configuration: read once at start, validated as a whole, and typed.
//!
//! An existing `config.json` of atlassian-connect-express (ACE) is read as it is. Each layer overrides the one before:
//!
//! 1. the defaults of the table below,
//! 2. the top level of `config.json` (JSON with comments),
//! 3. the section of the environment (`development`, `production` …),
//! 4. the environment variables.
//!
//! Objects merge, lists are replaced. In the file's strings `$NAME` is replaced by that variable. A variable that is
//! set but empty counts as unset, and so does an empty string in the file. Unknown keys cause a warning. Put the
//! add-on's own keys under `app` and read them with [`Config::app`].
//!
//! `APP_ENV` names the environment, else `NODE_ENV`. If neither is set, it is `production` if Heroku's `DYNO` is set,
//! else `development`. Only `development` and `test` relax rules. Any environment other than these three needs its
//! section in the file.
//!
//! | key | variable | default |
//! |---|---|---|
//! | `port` | `PORT` | 3000 |
//! | `bind` | `AC_BIND` | `127.0.0.1` in development, `0.0.0.0` otherwise |
//! | `localBaseUrl` | `AC_LOCAL_BASE_URL` | `http://localhost:$port` in development, required otherwise |
//! | `store.url`, or `store.dialect` and `store.storage` | `DB_URL`, else `DATABASE_URL` | `sqlite:data/addon.db` in development, required otherwise |
//! | the same | with `store.adapter` `mongodb` `MONGODB_URI` before these, with `redis` `REDIS_URL` where nothing else names one | |
//! | `store.table` | | `AddonSetting` |
//! | `store.collection`, `store.database` (MongoDB) | | `AddonSettings`, the URL's |
//! | `store.pool.max` | | 8 connections |
//! | `store.dialectOptions.ssl` | | by the URL's `sslmode` |
//! | `store.autoMigrate` | `AC_AUTO_MIGRATE` | true in development, false otherwise |
//! | `database.url` | `AC_DATABASE_URL` | the store's database, if it is SQL |
//! | `whitelist` | `AC_HOST_WHITELIST` | any host in development, `*.atlassian.net` otherwise (`bitbucket.org` and `*.bitbucket.org` for Bitbucket) |
//! | `frameAncestors` | | none |
//! | `allowedBaseUrls` | `AC_ALLOWED_BASE_URLS` | none |
//! | `product` | `AC_PRODUCT` | `jira` |
//! | `appKey` | `AC_APP_KEY` | the descriptor's |
//! | `appId` | `AC_APP_ID` | none; one id or several |
//! | `hostScriptUrl` | `AC_HOST_SCRIPT_URL` | Atlassian's `all.js` |
//! | `maxTokenAge` | `AC_MAX_TOKEN_AGE` | 900 s, at most a day |
//! | `maxSessionAge` | `AC_MAX_SESSION_AGE` | 12 hours, in seconds; at least `maxTokenAge`, at most 7 days |
//! | `jwt.validityInMinutes` | | 3, at most 15 |
//! | `leeway` | | 30 s, at most 120 |
//! | `limits.body`, `limits.lifecycleBody`, `limits.forgeBody`, `limits.token` | | 2 MiB, 64 KiB, 5 MiB, 16 KiB; in bytes |
//! | `limits.listener` | | 10 s |
//! | `limits.connections`, `limits.unproven` | | 6000 connections, 32 MiB; in bytes |
//! | `limits.head`, `limits.stalled`, `limits.bodyRate` | | 10 s, 30 s, 1024 bytes a second |
//! | `cache.capacity`, `cache.ttl`, `cache.stale` | | 10 000 tenants, 10 s, 300 s |
//! | `metrics.port`, `metrics.host` | `AC_METRICS_PORT`, `AC_METRICS_HOST` | none, `127.0.0.1`: where `/metrics` is served by itself |
//! | `metrics.token` | `AC_METRICS_TOKEN` | none: with it, `/metrics` is served beside the app's routes |
//! | `shutdown.delay` | `AC_SHUTDOWN_DELAY` | 0 s, at most 20 |
//! | `compressPages` | | false |
//! | `errorTemplate` | | true |
//! | `errorTemplateName`, `errorTemplateObject` | | the framework's template, `{}` |
//! | `expressErrorHandling` | | false |
//! | `validateDescriptor` | | false |
//! | `watch`, `setupInstallRoute` | | true |
//! | `userAgent` | | the framework's name, its version and the add-on's key |
//! | `hosts` | | none |
//! | `installKeysUrl` | `CONNECT_KEYS_CDN_URL` | by the host's domain |
//! | `authorizationServerUrl` | `AC_AUTHORIZATION_SERVER_URL` | by the host's domain |
//! | `forgeJwksUrl` | `AC_FORGE_JWKS_URL` | Forge's production keys |
//! | `forgeOrigins` | `AC_FORGE_ORIGINS` | none; origins whose pages may call with an invocation token (CORS) |
//! | `forgeEnvironments` | `AC_FORGE_ENVIRONMENTS` | `PRODUCTION`; any in development |
//! | `forgeIsolatedJwksUrl` | `AC_FORGE_ISOLATED_JWKS_URL` | none; the keys of Isolated Clouds, with `{icLabel}` in it |
//! | `forge.pages` | | none; paths by module key, for Forge pages that are not in the descriptor |
//! | `forge.shellOrigins` | `AC_FORGE_SHELL_ORIGINS` | `https://*.cdn.prod.atlassian-dev.net`; `http://localhost:*` as well in development |
//! | `pageKeys` | `AC_PAGE_KEYS` | generated and stored in the store |
//! | `sandbox.port` | `AC_SANDBOX_PORT` | `port` + 1 |
//! | `storeEncryptionKeys` | `AC_STORE_ENCRYPTION_KEYS` | none: values are stored unencrypted |
//! | `app` | | the add-on's own keys |
//! | | `AC_OPTS` | none; any of `no-reg`, `force-reg`, `force-dereg`, `no-auth` |
//!
//! A list may also be written as one string, separated by commas.

pub(crate) mod base_url;
mod environment;
mod jwks;
mod keys;
mod layers;
mod problems;
mod read;
mod resolve;
mod settings;
mod shell_origins;
mod store;
#[cfg(feature = "otel")]
mod traces;
mod urls;
mod vars;
mod whitelist;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

use atlassian_connect_store::StoreConfig;
pub(crate) use atlassian_connect_store::internal::nearest;
pub use base_url::BaseUrl;
pub(crate) use base_url::BaseUrlError;
pub(crate) use base_url::has_usable_host;
pub(crate) use base_url::is_loopback;
pub use environment::Environment;
pub(crate) use jwks::JwksTemplate;
pub use problems::ConfigError;
pub(crate) use problems::Problem;
pub use settings::Product;
pub(crate) use settings::{CacheConfig, DevOptions, Limits, MetricsConfig, UnknownProduct};
pub(crate) use shell_origins::ShellOrigin;
#[cfg(feature = "otel")]
pub(crate) use traces::{Sampling, TraceConfig};
pub use vars::Vars;
pub(crate) use whitelist::Whitelist;

use layers::FILE;
use problems::{Fault, sounds_secret};

/// The configuration of an add-on. `Debug` shows no secrets.
///
/// ```
/// use atlassian_connect_actix::config::{Config, Vars};
///
/// let file = r#"{
///     // Read in every environment.
///     "product": "confluence",
///     "production": { "localBaseUrl": "https://$SUBDOMAIN.example.com/" },
/// }"#;
/// let vars = Vars::from([("APP_ENV", "production"), ("SUBDOMAIN", "addon"), ("DATABASE_URL", "postgres://db/addon")]);
/// let config = Config::from_parts(Some(file), &vars)?;
/// assert_eq!(config.local_base_url.as_str(), "https://addon.example.com");
/// assert_eq!(config.store.source, "DATABASE_URL");
/// assert!(config.whitelist.matches("acme.atlassian.net"));
/// # Ok::<(), atlassian_connect_actix::config::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
// each switch is a key of the file
#[allow(clippy::struct_excessive_bools)]
pub struct Config {
    /// `APP_ENV`, else `NODE_ENV`, else `production` on Heroku, else `development`.
    pub environment: Environment,
    /// `port`, `PORT`: the port of the server; 3000. 0: any free port.
    pub port: u16,
    /// `bind`, `AC_BIND`: the address of the server; loopback in development, all IPv4 addresses otherwise.
    pub bind: IpAddr,
    /// `localBaseUrl`, `AC_LOCAL_BASE_URL`: the URL at which Atlassian reaches the add-on.
    pub local_base_url: BaseUrl,
    /// `product`, `AC_PRODUCT`; Jira.
    pub product: Product,
    /// `store`, `DB_URL`, `DATABASE_URL`, `MONGODB_URI`, `REDIS_URL`, `AC_AUTO_MIGRATE`, `storeEncryptionKeys`, `AC_STORE_ENCRYPTION_KEYS`.
    pub store: StoreConfig,
    /// `database.url`, `AC_DATABASE_URL`: the database of the app's own tables; by default that of the store.
    pub database_url: Option<SecretString>,
    /// `whitelist`, `AC_HOST_WHITELIST`: the hosts that may install; any in development, the product's own otherwise.
    #[doc(hidden)]
    pub whitelist: Whitelist,
    /// `frameAncestors`: further origins that may frame a page; none.
    pub frame_ancestors: Vec<String>,
    /// `allowedBaseUrls`, `AC_ALLOWED_BASE_URLS`: further base URLs that an install may be for; none. Never contains
    /// [`Config::local_base_url`].
    pub allowed_base_urls: Vec<BaseUrl>,
    /// `appKey`, `AC_APP_KEY`: the add-on's key; the descriptor's.
    pub app_key: Option<String>,
    /// `appId`, `AC_APP_ID`: the bare ids of the Forge apps that this deployment serves, without
    /// `ari:cloud:ecosystem::app/`; none. The first one is the app itself, see [`Config::app_id`].
    pub app_ids: Vec<String>,
    /// `hostScriptUrl`, `AC_HOST_SCRIPT_URL`: the script of the bridge; Atlassian's.
    pub host_script_url: Option<String>,
    /// `maxTokenAge`, `AC_MAX_TOKEN_AGE`, in seconds from 1 to 86400: how long a session token is valid; 900.
    pub max_token_age: Duration,
    /// `maxSessionAge`, `AC_MAX_SESSION_AGE`, in seconds from `maxTokenAge` to 604800: how long the session token of a
    /// page can be renewed after the page was opened; 43200, or `maxTokenAge` if that is more.
    pub max_session_age: Duration,
    /// `jwt.validityInMinutes`, from 1 to 15: how long a token that we sign for the host is valid; 3.
    pub jwt_validity: Duration,
    /// `leeway`, in seconds up to 120: the tolerated clock difference for tokens that others sign; 30.
    pub leeway: Duration,
    /// `limits`.
    #[doc(hidden)]
    pub limits: Limits,
    /// `cache`.
    #[doc(hidden)]
    pub cache: CacheConfig,
    /// `metrics`, `AC_METRICS_PORT`, `AC_METRICS_HOST`, `AC_METRICS_TOKEN`: where metrics are served; nowhere, and none
    /// are recorded.
    #[doc(hidden)]
    pub metrics: MetricsConfig,
    /// OpenTelemetry's variables (`OTEL_…`): where traces go; nowhere, and none are recorded.
    #[cfg(feature = "otel")]
    #[doc(hidden)]
    pub traces: Option<TraceConfig>,
    /// `shutdown.delay`, `AC_SHUTDOWN_DELAY`, in seconds: how long the add-on goes on serving after a signal to stop,
    /// while `/readyz` is 503; 0.
    pub shutdown_delay: Duration,
    /// `compressPages`: whether pages with a session token are compressed; false, since their length could then reveal
    /// part of the token.
    pub compress_pages: bool,
    /// `errorTemplate`: whether errors are rendered as pages if the caller accepts HTML; true.
    pub error_template: bool,
    /// `errorTemplateName`: which registered error renderer to use; the framework's.
    pub error_template_name: Option<String>,
    /// `errorTemplateObject`: available in the error template as `extra`; empty.
    pub error_template_object: Map<String, Value>,
    /// `expressErrorHandling`: whether the add-on's own code renders every error; false.
    pub express_error_handling: bool,
    /// `validateDescriptor`: whether to check the descriptor against Atlassian's schema at start, which needs the Cargo
    /// feature `schema`; false.
    pub validate_descriptor: bool,
    /// `watch`: whether to register again when the descriptor changes (development); true.
    pub watch: bool,
    /// `setupInstallRoute`: whether to mount the lifecycle routes; true.
    pub setup_install_route: bool,
    /// `userAgent`: the `User-Agent` of calls to a host; the framework's name, its version and the add-on's key.
    pub user_agent: Option<String>,
    /// `hosts`: sites to register with in development, as URLs with credentials; none.
    pub hosts: Vec<SecretString>,
    /// `installKeysUrl`, `CONNECT_KEYS_CDN_URL`: the install-key server; by the host's domain.
    pub install_keys_url: Option<Url>,
    /// `authorizationServerUrl`, `AC_AUTHORIZATION_SERVER_URL`: the server that issues user tokens; by the host's
    /// domain.
    pub authorization_server_url: Option<Url>,
    /// `forgeJwksUrl`, `AC_FORGE_JWKS_URL`: the URL of Forge's key set; that of production.
    pub forge_jwks_url: Option<Url>,
    /// `forgeOrigins`, `AC_FORGE_ORIGINS`: origins whose pages may call directly from the browser (CORS); none.
    pub forge_origins: Vec<String>,
    /// `forgeEnvironments`, `AC_FORGE_ENVIRONMENTS`: the types of the Forge app's environments that this deployment
    /// serves, in upper case. `None`: any, as in development; in production `PRODUCTION`.
    pub forge_environments: Option<Vec<String>>,
    /// `forgeIsolatedJwksUrl`, `AC_FORGE_ISOLATED_JWKS_URL`: the URL of the key sets of Isolated Clouds; none.
    #[doc(hidden)]
    pub forge_isolated_jwks_url: Option<JwksTemplate>,
    /// `pageKeys`, `AC_PAGE_KEYS`: the keys for tokens of pages on Forge; the first one signs, all verify. By default
    /// one key, kept in the store.
    #[doc(hidden)]
    pub page_keys: Vec<SecretString>,
    /// `forge.pages`: paths by module key, for Forge modules that are not in the descriptor; none.
    #[doc(hidden)]
    pub forge_pages: BTreeMap<String, String>,
    /// `forge.shellOrigins`, `AC_FORGE_SHELL_ORIGINS`: the allowed origins of the shell of pages on Forge; Forge's own.
    #[doc(hidden)]
    pub forge_shell_origins: Vec<ShellOrigin>,
    /// `sandbox.port`, `AC_SANDBOX_PORT`: the port of the sandbox; one above [`Config::port`].
    pub sandbox_port: Option<u16>,
    /// `AC_OPTS`.
    #[doc(hidden)]
    pub options: DevOptions,
    app: AppSection,
    warnings: Vec<String>,
}

impl Config {
    /// Reads `./config.json`, if it exists, and the variables of this process. Warnings go to the log, so set up
    /// logging first.
    ///
    /// # Errors
    /// Every problem of the configuration, or why the file cannot be read.
    pub fn load() -> Result<Self, ConfigError> {
        Self::load_with(&Vars::from_process())
    }

    /// Like [`Config::load`], with the given variables: for a command or an example with its own defaults.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(vars: &Vars) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(FILE) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                let fault =
                    Fault::new(format!("cannot be read: {error}"), "Make it a UTF-8 file that this user may read");
                return Err(fault.at(FILE, None).into());
            }
        };
        Self::from_parts(text.as_deref(), vars)
    }

    /// Makes the configuration from the file's text and these variables. Nothing else is read.
    ///
    /// # Errors
    /// Every problem, not only the first.
    pub fn from_parts(text: Option<&str>, vars: &Vars) -> Result<Self, ConfigError> {
        resolve::config(text, vars)
    }

    /// Reads the add-on's own keys under `app`; an empty object if there are none. A number or boolean may be written
    /// as a string, which is what `$NAME` produces.
    ///
    /// ```
    /// use atlassian_connect_actix::config::{Config, Vars};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct MyKeys { greeting: String }
    ///
    /// let file = r#"{ "app": { "greeting": "Hello $USER" } }"#;
    /// let config = Config::from_parts(Some(file), &Vars::from([("USER", "Ada")]))?;
    /// assert_eq!(config.app::<MyKeys>()?.greeting, "Hello Ada");
    /// # Ok::<(), atlassian_connect_actix::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// A key is missing or its value has another type.
    pub fn app<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.app.0.clone().try_deserialize().map_err(|error| app_problem(error).into())
    }

    /// The bare id of the Forge app: the first one, if there are several.
    #[must_use]
    pub fn app_id(&self) -> Option<&str> {
        self.app_ids.first().map(String::as_str)
    }

    /// Whether this deployment serves an environment of the Forge app, by its type: `STAGING`.
    pub(crate) fn serves_environment(&self, kind: &str) -> bool {
        let served = self.forge_environments.as_ref();
        served.is_none_or(|served| served.iter().any(|served| served.eq_ignore_ascii_case(kind)))
    }

    /// Whether `origin` is an allowed origin of the app's shell on Forge.
    pub(crate) fn is_shell(&self, origin: &str) -> bool {
        self.forge_shell_origins.iter().any(|allowed| allowed.matches(origin))
    }

    /// The database of the app's own tables, if it is not the store's.
    #[doc(hidden)]
    #[must_use]
    pub fn app_database(&self) -> Option<StoreConfig> {
        self.database_url.clone().map(|url| self.store.at(url, "database.url"))
    }

    /// The warnings about this configuration, as they were logged: unknown keys, options without effect.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Every base URL of the add-on, [`Config::local_base_url`] first.
    pub fn base_urls(&self) -> impl Iterator<Item = &BaseUrl> {
        std::iter::once(&self.local_base_url).chain(&self.allowed_base_urls)
    }
}

/// The values under `app`, some of which may be secrets.
#[derive(Clone)]
struct AppSection(config::Value);

/// Shows names only.
impl fmt::Debug for AppSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = match &self.0.kind {
            config::ValueKind::Table(table) => table.keys().collect(),
            _ => Vec::new(),
        };
        names.sort();
        f.debug_set().entries(names).finish()
    }
}

/// Why the values under `app` do not match the add-on's type. The value of a key that is named like a secret is not
/// shown.
fn app_problem(error: config::ConfigError) -> Problem {
    use config::ConfigError as E;
    let remedy = "Fix the value, or the type that the add-on reads it into";
    let full = |key: Option<String>| key.map_or_else(|| "app".to_owned(), |key| format!("app.{key}"));
    match error {
        E::NotFound(key) => Fault::new("is missing", "Add it to config.json").at(&full(Some(key)), None),
        E::Type { unexpected, expected, key, origin } => {
            let key = full(key);
            let found = if sounds_secret(&key) { "another type".to_owned() } else { unexpected.to_string() };
            let origin = origin.map_or_else(String::new, |origin| format!(" ({origin})"));
            Fault::new(format!("is {found}{origin}, but {expected} is expected"), remedy).at(&key, None)
        }
        E::At { error, key, .. } => {
            let key = full(key);
            let wrong = "does not have the expected type";
            let wrong = if sounds_secret(&key) { wrong.to_owned() } else { format!("{wrong}: {error}") };
            Fault::new(wrong, remedy).at(&key, None)
        }
        other => Fault::new(format!("cannot be read: {other}"), remedy).at("app", None),
    }
}

#[cfg(test)]
mod tests;
