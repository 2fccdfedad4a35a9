//! Which store is used and where it is, in all forms that ACE accepts.

use atlassian_connect_store::internal::BadEncryptionKey;
use atlassian_connect_store::internal::DEFAULT_SOURCE;
use atlassian_connect_store::{EncryptionKey, StoreConfig};

use super::Environment;
use super::problems::Fault;
use super::read::Reader;

/// Reads the settings of the store; `reader` records the problems.
pub(super) fn resolve(reader: &mut Reader, environment: &Environment) -> StoreConfig {
    let (url, source) = place(reader, environment).unwrap_or_default();
    let table = reader.parsed("store.table", |name| {
        if name.contains(|c: char| c.is_control() || matches!(c, '"' | '`' | '\'')) {
            return Err(Fault::new("has quotes or control characters", "Write the model's name, as in AddonSetting"));
        }
        Ok(name.to_owned())
    });
    let pool_size = reader.whole("store.pool.max", 1..=1000, " of connections");
    let mut config = StoreConfig::new(url);
    config.source = source;
    if let Some(table) = table {
        config.table = table;
    }
    if let Some(collection) = reader.text("store.collection") {
        config.collection = collection;
    }
    config.database = reader.text("store.database");
    if let Some(size) = pool_size.and_then(|size| size.try_into().ok()) {
        config.pool_size = size;
    }
    config.ssl = reader.json("store.dialectOptions.ssl");
    config.auto_migrate = reader.flag("store.autoMigrate").unwrap_or_else(|| environment.is_development());
    config.production = environment.is_production();
    config.encryption_keys = reader.list("storeEncryptionKeys", encryption_key).unwrap_or_default();
    config
}

fn encryption_key(text: &str) -> Result<EncryptionKey, Fault> {
    let remedy = "Make one with `openssl rand -base64 32`; several are separated by commas";
    text.parse().map_err(|error: BadEncryptionKey| Fault::new(error.to_string(), remedy))
}

const REMEDY: &str = "Set DATABASE_URL, or store.url in config.json, as in postgres://user:password@host/database, \
                      sqlite:data/addon.db, or memory: to forget every installation on a restart";

/// The URL, and the key or variable that set it. `None` if a problem was recorded.
fn place(reader: &mut Reader, environment: &Environment) -> Option<(String, String)> {
    if let Some(store) =
        reader.value("store").filter(|store| !matches!(store.kind, config::ValueKind::Table(_))).cloned()
    {
        return reader.refuse("store", Fault::new("is not an object", "Write { \"url\": \"…\" }"), &store);
    }
    let adapter = reader.text("store.adapter").unwrap_or_else(|| "sequelize".to_owned());
    // ACE's older name overrides the newer one.
    let dialect = ["store.type", "store.dialect"].into_iter().find(|key| reader.value(key).is_some());
    let kind = dialect.and_then(|key| reader.text(key));
    let kind = kind.as_deref();

    // In ACE's sample, `type: memory` overrides any dialect, file or URL beside it. A variable with a URL replaces all
    // of the file's store, so it still wins.
    if adapter == "sequelize" && dialect == Some("store.type") && kind == Some("memory") {
        return Some(("memory:".to_owned(), reader.source("store.type")));
    }
    // Sequelize prefers the file of a SQLite store; any other dialect uses the URL
    let sqlite = matches!(kind, Some("sqlite" | "sqlite3"));
    if reader.value("store.storage").is_some() && (sqlite || reader.value("store.url").is_none()) {
        let file = reader.text("store.storage")?;
        return Some((canonical(format!("sqlite:{file}")), reader.source("store.storage")));
    }
    // ACE's older name for MongoDB's URL overrides the newer one
    let key = if adapter == "mongodb" && reader.value("store.rs").is_some() { "store.rs" } else { "store.url" };
    if reader.value(key).is_some() {
        let url = reader.parsed(key, |url| {
            if is_url(url) { Ok(canonical(url.to_owned())) } else { Err(Fault::new("is not a store URL", REMEDY)) }
        })?;
        return Some((url, reader.source(key)));
    }
    match (adapter.as_str(), dialect) {
        ("memory", _) => Some(("memory:".to_owned(), reader.source("store.adapter"))),
        (_, Some(key)) if kind == Some("memory") => Some(("memory:".to_owned(), reader.source(key))),
        ("sequelize", Some(_)) => {
            reader.missing("store.url", "the store has a dialect, but neither a url nor a storage", REMEDY);
            None
        }
        ("sequelize", None) if environment.is_development() => {
            Some(("sqlite:data/addon.db".to_owned(), format!("{DEFAULT_SOURCE}{environment}")))
        }
        ("sequelize", None) => {
            reader.missing("store.url", format!("no store is configured, and {environment} has no default"), REMEDY);
            None
        }
        ("redis" | "mongodb", _) => {
            let wrong = format!("the store's adapter is {adapter}, but it has no url");
            reader.missing(
                "store.url",
                wrong,
                format!("Set store.url or DATABASE_URL, as in {adapter}://user:password@host"),
            );
            None
        }
        // the app's own store, or one that is not compiled in: opening it decides
        (other, _) => Some((format!("{other}:"), reader.source("store.adapter"))),
    }
}

/// The same spelling for every in-memory store.
fn canonical(url: String) -> String {
    match url.as_str() {
        "memory:" | "memory://" | "sqlite::memory:" | "sqlite://:memory:" => "memory:".to_owned(),
        _ => url,
    }
}

/// Whether the text has a scheme. The store crate knows which schemes exist; `user:password@host` has none.
fn is_url(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    url.starts_with("sqlite:")
        || url.starts_with("memory:")
        || (scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')))
}
