//! Which store, and how it is reached.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::encryption::EncryptionKey;
use crate::redact::redact;
use crate::source::Migrations;

/// The settings of the store, already resolved from `store`, `DB_URL` and `DATABASE_URL`, and for ACE's adapters
/// `mongodb` and `redis` from `MONGODB_URI` and `REDIS_URL`.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoreConfig {
    /// The whole URL, password included: `sqlite:data/addon.db`, `postgres://user:password@host/db?sslmode=require`,
    /// `mysql://user:password@host/db?ssl-mode=REQUIRED`, `redis://:password@host:6379/0`,
    /// `mongodb://user:password@host/db`, `memory:`.
    pub url: SecretString,
    /// What chose the URL, for the log: `DATABASE_URL`, `store.url`, `the default of development` …
    pub source: String,
    /// Sequelize's model name, `store.table` of ACE: model `AddonSetting` lives in table `AddonSettings`.
    pub table: String,
    /// MongoDB's collection of tenants' values, `store.collection` of ACE.
    pub collection: String,
    /// MongoDB's database, `store.database` of ACE; `None`: the URL's.
    pub database: Option<String>,
    /// Connections at most.
    pub pool_size: u32,
    /// ACE's `dialectOptions.ssl`, as it stands in the file.
    pub ssl: Option<serde_json::Value>,
    /// Run further migrations at start by themselves.
    pub auto_migrate: bool,
    /// Production's rules: TLS by default for a database server elsewhere.
    pub production: bool,
    /// `storeEncryptionKeys`, `AC_STORE_ENCRYPTION_KEYS`: the first seals what is written, all open what is read; none:
    /// what is written stands there as it is.
    pub encryption_keys: Vec<EncryptionKey>,
    /// What the app migrates: the framework's steps, and those of its own.
    pub migrations: Migrations,
}

/// Two processes and a release phase fit into the twenty connections of Heroku's smallest database.
const POOL_SIZE: u32 = 8;

/// How [`StoreConfig::source`] begins where nobody has named a store.
pub const DEFAULT_SOURCE: &str = "the default of ";

impl StoreConfig {
    /// The store at `url`, everything else as it is by default: ACE's names, no migrations by themselves, no sealing.
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

    /// The same at another place, that `source` has chosen.
    #[doc(hidden)]
    #[must_use]
    pub fn at(&self, url: SecretString, source: &str) -> Self {
        Self { url, source: source.to_owned(), table: Self::new("").table, ..self.clone() }
    }

    /// The URL as a log may show it: without its password.
    #[must_use]
    pub fn redacted_url(&self) -> String {
        redact(self.url.expose_secret())
    }

    /// Whether a restart forgets everything.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.url.expose_secret().starts_with("memory:")
    }

    /// Whether the store is the default of the environment, and not one that somebody named.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.source.starts_with(DEFAULT_SOURCE)
    }
}

/// `ssl` may hold a client's key, so only its presence shows.
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
