//! Opens the store that a URL names.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;

use super::blocking::blocking;
use super::database::Database;
use super::{MemoryStore, Store, StoreError, migrations, postgres, sqlite};
use crate::config::StoreConfig;
use crate::nearest::nearest;
use crate::sealed::SealedStore;
use crate::sql::SqlStore;

/// The stores in this build.
const KNOWN: &[&str] = &[
    "sqlite:",
    "postgres:",
    "postgresql:",
    #[cfg(feature = "mysql")]
    "mysql:",
    #[cfg(feature = "mysql")]
    "mariadb:",
    #[cfg(feature = "redis")]
    "redis:",
    #[cfg(feature = "mongodb")]
    "mongodb:",
    "memory:",
];

/// The URL schemes of all possible builds.
const SCHEMES: &[&str] = &["sqlite", "postgres", "postgresql", "mysql", "mariadb", "redis", "mongodb", "memory"];

/// Why a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To use it: what is missing is created.
    Use,
    /// To inspect it: nothing is created.
    Look,
}

/// A store that is being opened.
type Opening<'a> = BoxFuture<'a, Result<Arc<dyn Store>, StoreError>>;

/// Opens a store without tables, which is not an SQL database. `None`: `config` names an SQL store or one that is not
/// in this build.
#[cfg_attr(not(feature = "mongodb"), expect(unused_variables, reason = "MongoDB alone has something to be made"))]
pub(super) fn without_tables(config: &StoreConfig, purpose: Purpose) -> Option<Opening<'_>> {
    match scheme(config.url.expose_secret()).as_str() {
        #[cfg(feature = "redis")]
        "redis" | "rediss" => {
            Some(Box::pin(async { Ok(Arc::new(super::redis::RedisStore::open(config).await?) as _) }))
        }
        #[cfg(feature = "mongodb")]
        "mongodb" | "mongodb+srv" => Some(Box::pin(async move {
            let store = super::mongodb::MongoStore::open(config).await?;
            if purpose == Purpose::Use {
                store.make_indexes().await?;
            }
            Ok(Arc::new(store) as _)
        })),
        _ => None,
    }
}

/// Opens the store that `config` names. If the database does not have the add-on's tables, creates them.
///
/// # Errors
/// [`StoreError::Configuration`], with what to do, if the URL, the file, the certificate, the credentials or the
/// table's name cannot work. [`StoreError::Unavailable`] if the server is not reachable; a later try may succeed.
/// [`StoreError::Sealed`] if its values are encrypted with other keys.
pub async fn open(config: &StoreConfig) -> Result<Arc<dyn Store>, StoreError> {
    Ok(open_parts(config).await?.0)
}

/// A store and its SQL database, if it has one.
type Parts = (Arc<dyn Store>, Option<Arc<dyn Database>>);

/// Like [`open`], and also returns the store's SQL database.
pub(super) async fn open_parts(config: &StoreConfig) -> Result<Parts, StoreError> {
    let (url, source) = (config.redacted_url(), &config.source);
    tracing::info!(store = url, source, "opening the store");
    let keys = &config.encryption_keys;
    if scheme(config.url.expose_secret()) == "memory" {
        return Ok((Arc::new(SealedStore::new(Arc::new(MemoryStore::new()), keys)), None));
    }
    if let Some(opening) = without_tables(config, Purpose::Use) {
        let opened = opening.await.map_err(|error| chosen_by(error, source))?;
        return Ok((SealedStore::tried(opened, keys).await?, None));
    }
    let config = config.clone();
    let opened = blocking("opening the store", move || {
        let database: Arc<dyn Database> = Arc::from(connect(&config)?);
        let prepared = migrations::prepare(database.as_ref(), &config, config.auto_migrate)?;
        for name in &prepared.applied {
            tracing::info!(migration = name, "ran a migration of the store");
        }
        Ok((SqlStore::new(Arc::clone(&database), &prepared.table), database))
    });
    let opened = opened.await?;
    let (opened, database) = opened.map_err(|error| chosen_by(error, source))?;
    Ok((SealedStore::tried(Arc::new(opened), keys).await?, Some(database)))
}

/// Adds the setting that chose the store, because the operator needs to know it.
fn chosen_by(error: StoreError, source: &str) -> StoreError {
    match error {
        StoreError::Unavailable(_) => error.explained(|text| format!("{text} (it was chosen by {source})")),
        other => other,
    }
}

/// Connects to an SQL database. Blocks.
pub(super) fn connect(config: &StoreConfig) -> Result<Box<dyn Database>, StoreError> {
    let url = config.url.expose_secret();
    match scheme(url).as_str() {
        "sqlite" => Ok(Box::new(sqlite::database(url, config.pool_size)?)),
        "postgres" | "postgresql" => Ok(Box::new(postgres::database(config)?)),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(Box::new(super::mysql::database(config)?)),
        "memory" => Err(StoreError::configuration("the store is in memory: it has no migrations")),
        other => Err(StoreError::configuration(not_here(other))),
    }
}

/// Whether `config` names an SQL database.
pub(super) fn is_sql(config: &StoreConfig) -> bool {
    let scheme = scheme(config.url.expose_secret());
    matches!(scheme.as_str(), "sqlite" | "postgres" | "postgresql" | "mysql" | "mariadb")
}

/// The database of `config`, by OpenTelemetry's names.
///
/// Source: OpenTelemetry, "Semantic conventions for database client calls" (`db.system.name`).
#[must_use]
pub fn system_of(config: &StoreConfig) -> &'static str {
    match scheme(config.url.expose_secret()).as_str() {
        "sqlite" => "sqlite",
        "postgres" | "postgresql" => "postgresql",
        "mysql" => "mysql",
        "mariadb" => "mariadb",
        "redis" | "rediss" => "redis",
        "mongodb" | "mongodb+srv" => "mongodb",
        "memory" => "memory",
        _ => "other",
    }
}

/// Why a store of this scheme cannot be opened.
fn not_here(scheme: &str) -> String {
    let known = KNOWN.join(", ");
    let feature = match scheme {
        "mysql" | "mariadb" => "mysql",
        "redis" | "rediss" => "redis",
        "mongodb" | "mongodb+srv" => "mongodb",
        other => {
            let meant = match nearest(other, SCHEMES) {
                Some(near) => format!("did you mean {near}:? This build has {known}"),
                None => format!("this build has {known}"),
            };
            return format!("the store {scheme}: is not known; {meant}");
        }
    };
    format!(
        "this build does not include {scheme}: stores: build with `--features {feature}`; it \
         includes {known}"
    )
}

/// The part before the first colon. Never more: in a URL without a scheme, the rest may be a password.
pub(super) fn scheme(url: &str) -> String {
    url.split(':').next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_scheme_gets_a_suggestion() {
        for (written, meant) in [
            ("postgress", Some("postgres")),
            ("postgre", Some("postgres")),
            ("postgressql", Some("postgresql")),
            ("sqlite3", Some("sqlite")),
            ("sqllite", Some("sqlite")),
            ("mysqll", Some("mysql")),
            ("mongo", Some("mongodb")),
            ("memry", Some("memory")),
            ("oracle", None),
            ("", None),
        ] {
            let said = not_here(written);
            assert_eq!(said.contains("did you mean"), meant.is_some(), "{said}");
            assert!(meant.is_none_or(|meant| said.contains(&format!("did you mean {meant}:?"))), "{said}");
        }
    }

    fn config(url: &str) -> StoreConfig {
        crate::acceptance::backends::config(url)
    }

    #[tokio::test]
    async fn other_stores_are_refused_by_name() {
        let refused = async |url| {
            let error = open(&config(url)).await.err().unwrap();
            let text = error.to_string();
            assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
            assert!(text.contains("postgres:") && !text.contains("hush"), "{text}");
            text
        };
        for url in ["oracle://u:hush@h", "u:hush@h"] {
            refused(url).await;
        }
        for (url, feature, is_there) in [
            ("mysql://u:hush@h/db", "mysql", cfg!(feature = "mysql")),
            ("mariadb://u:hush@h/db", "mysql", cfg!(feature = "mysql")),
            ("redis://:hush@h", "redis", cfg!(feature = "redis")),
            ("rediss://:hush@h", "redis", cfg!(feature = "redis")),
            ("mongodb+srv://u:hush@h/db", "mongodb", cfg!(feature = "mongodb")),
        ] {
            if is_there {
                assert!(KNOWN.iter().any(|known| known.starts_with(feature)));
            } else {
                let text = refused(url).await;
                assert!(text.contains(&format!("build with `--features {feature}`")), "{text}");
            }
        }
    }

    #[tokio::test]
    async fn memory_is_opened_by_name() {
        for url in ["memory:", "memory://", "memory"] {
            assert!(open(&config(url)).await.unwrap().ping().await.is_ok(), "{url}");
        }
    }
}
