//! Which store, and how it is reached.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::problems::{Fault, redact};
use super::read::Reader;
use super::{BadEncryptionKey, EncryptionKey, Environment};

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
}

/// Two processes and a release phase fit into the twenty connections of Heroku's smallest database.
const DEFAULT_POOL: u32 = 8;

impl StoreConfig {
    /// The URL as a log may show it: its credentials are starred out.
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
        self.source.starts_with(DEFAULT)
    }

    pub(super) fn resolve(reader: &mut Reader, environment: &Environment) -> Self {
        let (url, source) = place(reader, environment).unwrap_or_default();
        let table = reader.parsed("store.table", |name| {
            if name.contains(|c: char| c.is_control() || matches!(c, '"' | '`' | '\'')) {
                return Err(Fault::new(
                    "has quotes or control characters",
                    "Write the model's name, as in AddonSetting",
                ));
            }
            Ok(name.to_owned())
        });
        let pool_size = reader.whole("store.pool.max", 1..=1000, " of connections");
        Self {
            url: url.into(),
            source,
            table: table.unwrap_or_else(|| "AddonSetting".to_owned()),
            collection: reader.text("store.collection").unwrap_or_else(|| "AddonSettings".to_owned()),
            database: reader.text("store.database"),
            pool_size: pool_size.and_then(|size| size.try_into().ok()).unwrap_or(DEFAULT_POOL),
            ssl: reader.json("store.dialectOptions.ssl"),
            auto_migrate: reader.flag("store.autoMigrate").unwrap_or_else(|| environment.is_development()),
            production: environment.is_production(),
            encryption_keys: reader.list("storeEncryptionKeys", encryption_key).unwrap_or_default(),
        }
    }
}

fn encryption_key(text: &str) -> Result<EncryptionKey, Fault> {
    let remedy = "Make one with `openssl rand -base64 32`; several are separated by commas";
    text.parse().map_err(|error: BadEncryptionKey| Fault::new(error.to_string(), remedy))
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
            .finish()
    }
}

const DEFAULT: &str = "the default of ";
const REMEDY: &str = "Set DATABASE_URL, or store.url in config.json, as in postgres://user:password@host/database, \
                      sqlite:data/addon.db, or memory: to forget every installation on a restart";

/// The URL and what chose it, from the forms that ACE knows. `None`: a problem is noted.
fn place(reader: &mut Reader, environment: &Environment) -> Option<(String, String)> {
    if let Some(store) =
        reader.value("store").filter(|store| !matches!(store.kind, config::ValueKind::Table(_))).cloned()
    {
        return reader.refuse("store", Fault::new("is no object", "Write { \"url\": \"…\" }"), &store);
    }
    let adapter = reader.text("store.adapter").unwrap_or_else(|| "sequelize".to_owned());
    // ACE's older word counts more than the newer one.
    let dialect = ["store.type", "store.dialect"].into_iter().find(|key| reader.value(key).is_some());
    let kind = dialect.and_then(|key| reader.text(key));
    let kind = kind.as_deref();

    // ACE's sample: `type` is `memory` beside any dialect, file or URL. A variable with a URL leaves nothing of the file's
    // store, so it still counts.
    if adapter == "sequelize" && dialect == Some("store.type") && kind == Some("memory") {
        return Some(("memory:".to_owned(), reader.source("store.type")));
    }
    // Sequelize takes the file of a SQLite store first; any other dialect goes by the URL.
    let sqlite = matches!(kind, Some("sqlite" | "sqlite3"));
    if reader.value("store.storage").is_some() && (sqlite || reader.value("store.url").is_none()) {
        let file = reader.text("store.storage")?;
        return Some((canonical(format!("sqlite:{file}")), reader.source("store.storage")));
    }
    // ACE's older word for MongoDB's URL counts more than the newer one.
    let key = if adapter == "mongodb" && reader.value("store.rs").is_some() { "store.rs" } else { "store.url" };
    if reader.value(key).is_some() {
        let url = reader.parsed(key, |url| {
            if is_url(url) { Ok(canonical(url.to_owned())) } else { Err(Fault::new("is no URL of a store", REMEDY)) }
        })?;
        return Some((url, reader.source(key)));
    }
    match (adapter.as_str(), dialect) {
        ("memory", _) => Some(("memory:".to_owned(), reader.source("store.adapter"))),
        (_, Some(key)) if kind == Some("memory") => Some(("memory:".to_owned(), reader.source(key))),
        ("sequelize", Some(_)) => {
            reader.missing("store.url", "the store has a dialect and neither a url nor a storage", REMEDY);
            None
        }
        ("sequelize", None) if environment.is_development() => {
            Some(("sqlite:data/addon.db".to_owned(), format!("{DEFAULT}{environment}")))
        }
        ("sequelize", None) => {
            reader.missing("store.url", format!("no store is named, and {environment} has no default"), REMEDY);
            None
        }
        ("redis" | "mongodb", _) => {
            let wrong = format!("the store's adapter is {adapter}, and it has no url");
            reader.missing(
                "store.url",
                wrong,
                format!("Write it there, or set DATABASE_URL: {adapter}://user:password@host"),
            );
            None
        }
        // The name of a store of the add-on's own, or of one that is not compiled in: opening it tells.
        (other, _) => Some((format!("{other}:"), reader.source("store.adapter"))),
    }
}

/// One spelling for a store in memory.
fn canonical(url: String) -> String {
    match url.as_str() {
        "memory:" | "memory://" | "sqlite::memory:" | "sqlite://:memory:" => "memory:".to_owned(),
        _ => url,
    }
}

/// Which schemes there are is the store's to say; `user:password@host` is no scheme.
fn is_url(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    url.starts_with("sqlite:")
        || url.starts_with("memory:")
        || (scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')))
}
