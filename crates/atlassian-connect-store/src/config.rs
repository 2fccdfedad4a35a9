//! The configuration of the store.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::encryption::EncryptionKey;
use crate::migration_list::Migrations;
use crate::redact::redact;

/// The settings of the store. They are already resolved from `store`, `DB_URL` and `DATABASE_URL`, and from
/// `MONGODB_URI` and `REDIS_URL` for ACE's adapters `mongodb` and `redis`.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoreConfig {
    /// The whole URL, including the password: `sqlite:data/addon.db`,
    /// `postgres://user:password@host/db?sslmode=require`, `mysql://user:password@host/db?ssl-mode=REQUIRED`,
    /// `redis://:password@host:6379/0`, `mongodb://user:password@host/db`, `memory:`.
    pub url: SecretString,
    /// Where the URL comes from, for the log: `DATABASE_URL`, `store.url`, `the default of development` …
    pub source: String,
    /// Sequelize's model name (`store.table` in ACE): the model `AddonSetting` uses the table `AddonSettings`.
    pub table: String,
    /// The MongoDB collection of the tenants' values (`store.collection` in ACE).
    pub collection: String,
    /// The MongoDB database (`store.database` in ACE). `None`: the one in the URL.
    pub database: Option<String>,
    /// The most connections in the pool.
    pub pool_size: u32,
    /// ACE's `dialectOptions.ssl`, as written in the file.
    pub ssl: Option<serde_json::Value>,
    /// Run pending migrations at start.
    pub auto_migrate: bool,
    /// Whether production's rules apply: TLS by default for a remote database server.
    pub production: bool,
    /// `storeEncryptionKeys`, `AC_STORE_ENCRYPTION_KEYS`. The first key encrypts what is written, all keys decrypt what
    /// is read. Without keys, values are written in clear.
    pub encryption_keys: Vec<EncryptionKey>,
    /// The migrations of the app: the framework's and its own.
    pub migrations: Migrations,
}

/// Two processes and a release phase fit into the twenty connections of Heroku's smallest database.
const POOL_SIZE: u32 = 8;

/// The prefix of [`StoreConfig::source`] if nobody has named a store.
pub const DEFAULT_SOURCE: &str = "the default of ";

impl StoreConfig {
    /// The store at `url` with defaults: ACE's table names, no automatic migrations, no encryption.
    ///
    /// ```
    /// use atlassian_connect_store::StoreConfig;
    ///
    /// let mut config = StoreConfig::new("postgres://addon:hush@db.example.com/addon");
    /// config.pool_size = 4;
    /// assert_eq!(config.redacted_url(), "postgres://addon:***@db.example.com/addon");
    /// ```
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            source: "the code".to_owned(),
            table: "AddonSetting".to_owned(),
            collection: "AddonSettings".to_owned(),
            database: None,
            pool_size: POOL_SIZE,
            ssl: None,
            auto_migrate: false,
            production: false,
            encryption_keys: Vec::new(),
            migrations: Migrations::new(),
        }
    }

    /// The same settings with another URL, which `source` has chosen.
    #[doc(hidden)]
    #[must_use]
    pub fn at(&self, url: SecretString, source: &str) -> Self {
        Self { url, source: source.to_owned(), table: Self::new("").table, ..self.clone() }
    }

    /// The URL without its password, for logs.
    #[must_use]
    pub fn redacted_url(&self) -> String {
        redact(self.url.expose_secret())
    }

    /// Whether a restart loses all data.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.url.expose_secret().starts_with("memory:")
    }

    /// Whether this is the default store of the environment, not one that somebody named.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.source.starts_with(DEFAULT_SOURCE)
    }
}

/// `ssl` may hold a client's private key, so only its presence is shown.
impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("url", &self.redacted_url())
            .field("source", &self.source)
            .field("table", &self.table)
            .field("collection", &self.collection)
            .field("database", &self.database)
            .field("pool_size", &self.pool_size)
            .field("ssl", &self.ssl.as_ref().map(|_| "…"))
            .field("auto_migrate", &self.auto_migrate)
            .field("production", &self.production)
            .field("encryption_keys", &self.encryption_keys.len())
            .field("migrations", &self.migrations)
            .finish()
    }
}
