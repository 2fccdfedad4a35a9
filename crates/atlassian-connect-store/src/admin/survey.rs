//! Opens or inspects the store without creating or migrating anything. For commands that run beside the add-on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use diesel::result::QueryResult;
use secrecy::ExposeSecret;

use crate::blocking::blocking;
use crate::config::StoreConfig;
use crate::connection::SqlConnection;
use crate::database::{Access, Database};
use crate::migrations::{SETTINGS_STEP, incomplete};
use crate::open::{Purpose, connect, scheme, without_tables};
use crate::row::{NumberRow, VersionRow};
use crate::sealed::SealedStore;
use crate::sql::SqlStore;
use crate::statement::{Bind, Dialect, Statement, Step};
use crate::tables::{ExistingTables, SettingsTable};
use crate::{StoreError, sqlite};

/// The operation's name for an error.
const LOOKING: &str = "inspecting the store";
/// diesel's own table: the migrations that have run.
const STEPS_TABLE: &str = "__diesel_schema_migrations";

/// The result of inspecting a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The file, if it is a SQLite store.
    pub file: Option<PathBuf>,
    /// The add-on's tables.
    pub tables: TablesFound,
    /// The migrations that have run, oldest first. Inspecting does not record any, so a database that ACE created has
    /// none until `migrate` has run.
    pub applied: Vec<String>,
    /// The migrations of this build that have not run, oldest first. For a database that ACE created, all of them.
    pub pending: Vec<String>,
    /// The migrations that do not apply to this database. If the settings table has another name, the migration that
    /// creates the default one never runs.
    pub skipped: Vec<String>,
    /// The versions of migrations that have run but are not in this build: a newer build ran them.
    pub unknown: Vec<String>,
}

/// Which of the add-on's tables a store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TablesFound {
    /// The store is in memory: its data is lost when the serving process ends.
    InMemory,
    /// It has none and needs none: Redis, MongoDB.
    NotNeeded,
    /// The SQLite file does not exist.
    NoFile,
    /// None.
    None,
    /// All of them, with the name of the settings table.
    All(String),
    /// Some are missing or ambiguous; the reason and what to do.
    Wrong(String),
}

/// Inspects the store that `config` names.
///
/// # Errors
/// Like [`crate::open`].
pub async fn survey(config: &StoreConfig) -> Result<Survey, StoreError> {
    if let Some(opening) = without_tables(config, Purpose::Look) {
        opening.await?.ping().await?;
        return Ok(Inspection::without_database(None, TablesFound::NotNeeded).survey);
    }
    let config = config.clone();
    blocking(LOOKING, move || Ok(look(&config)?.survey)).await?
}

/// Opens the store that `config` names if it has the add-on's tables. Never changes it.
///
/// # Errors
/// [`StoreError::Configuration`] if there is no such store yet, with what creates it; otherwise like [`crate::open`].
pub async fn open_existing(config: &StoreConfig) -> Result<Arc<SealedStore>, StoreError> {
    if let Some(opening) = without_tables(config, Purpose::Look) {
        return Ok(Arc::new(SealedStore::new(opening.await?, &config.encryption_keys)));
    }
    let config = config.clone();
    blocking(LOOKING, move || {
        let shown = config.redacted_url();
        let none = |reason: String| Err(StoreError::configuration(format!("no tenants: {reason}")));
        match look(&config)? {
            Inspection { survey: Survey { tables: TablesFound::All(table), .. }, database: Some(database) } => {
                let store = Arc::new(SqlStore::new(Arc::from(database), &table));
                Ok(Arc::new(SealedStore::new(store, &config.encryption_keys)))
            }
            Inspection { survey: Survey { tables, .. }, .. } => match tables {
                TablesFound::Wrong(reason) => Err(StoreError::configuration(reason)),
                TablesFound::InMemory => {
                    none("the store is in memory; its data exists only inside the serving process".to_owned())
                }
                TablesFound::NoFile => {
                    none(format!("the store {shown} does not exist; the add-on creates it when it starts"))
                }
                _ => none(format!(
                    "the store {shown} does not have the add-on's tables; the add-on creates them when it starts"
                )),
            },
        }
    })
    .await?
}

/// The result, and the database that was inspected.
pub(super) struct Inspection {
    pub survey: Survey,
    pub database: Option<Box<dyn Database>>,
}

impl Inspection {
    fn without_database(file: Option<PathBuf>, tables: TablesFound) -> Self {
        let survey = Survey { file, tables, applied: vec![], pending: vec![], skipped: vec![], unknown: vec![] };
        Self { survey, database: None }
    }
}

/// Inspects without changing anything. Blocks.
pub(super) fn look(config: &StoreConfig) -> Result<Inspection, StoreError> {
    let url = config.url.expose_secret();
    let (file, database): (_, Box<dyn Database>) = match scheme(url).as_str() {
        "memory" => return Ok(Inspection::without_database(None, TablesFound::InMemory)),
        "sqlite" => {
            let path = sqlite::path(url)?;
            if path.as_os_str() == ":memory:" {
                return Ok(Inspection::without_database(None, TablesFound::InMemory));
            }
            // the file may exist in an unreadable folder: opening it gives the error
            if matches!(path.try_exists(), Ok(false)) {
                return Ok(Inspection::without_database(Some(path), TablesFound::NoFile));
            }
            let database = sqlite::existing(&path, config.pool_size)?;
            (Some(path), Box::new(database))
        }
        _ => (None, connect(config)?),
    };
    let (table, dialect) = (SettingsTable::of_model(&config.table)?, database.dialect());
    let list = (dialect.list)(&config.migrations);
    let (found, seen, mut steps) = database.query(Access::Read, |connection| {
        let found = ExistingTables::look(connection, dialect, &table)?;
        Ok((found, steps_seen(connection, dialect)?, list.steps()?))
    })?;
    let is_skipped =
        |step: &mut Step| !table.is_default() && step.name.ends_with(SETTINGS_STEP) && !seen.contains(&step.version);
    let skipped = steps.extract_if(.., is_skipped).map(|step| step.name).collect();
    let (applied, pending, unknown) = compare(steps, seen);
    let tables = match found.complete() {
        Some(settings) => TablesFound::All(settings.to_owned()),
        None if found.is_nothing() && table.is_default() => TablesFound::None,
        None => TablesFound::Wrong(incomplete(&found, &table).to_string()),
    };
    Ok(Inspection { survey: Survey { file, tables, applied, pending, skipped, unknown }, database: Some(database) })
}

/// The versions of the migrations that have run. Empty if none are recorded.
pub(crate) fn steps_seen(connection: &mut dyn SqlConnection, dialect: &Dialect) -> QueryResult<BTreeSet<String>> {
    let exists = Statement::new(dialect, dialect.table_exists);
    if connection.rows::<NumberRow>(&exists, &[Bind::Text(STEPS_TABLE)])?.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = connection.rows::<VersionRow>(&Statement::new(dialect, STEPS_SEEN), &[])?;
    Ok(rows.into_iter().filter_map(|row| row.version).collect())
}

const STEPS_SEEN: &str = r#"SELECT "version" FROM "__diesel_schema_migrations""#;

/// Compares the migrations with the recorded versions: the names that have run, the names that have not, and unknown
/// versions.
fn compare(steps: Vec<Step>, mut seen: BTreeSet<String>) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (applied, pending): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| seen.remove(&step.version));
    let names = |steps: Vec<Step>| steps.into_iter().map(|step| step.name).collect();
    (names(applied), names(pending), seen.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptance::backends::{Sandbox, config};
    use crate::{Store as _, open};

    async fn surveyed(sandbox: &Sandbox) -> Survey {
        survey(&sandbox.config).await.unwrap()
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_not_made() {
        let sandbox = Sandbox::sqlite_file();
        let found = surveyed(&sandbox).await;
        assert_eq!(found.tables, TablesFound::NoFile);
        let error = open_existing(&sandbox.config).await.err().unwrap().to_string();
        assert!(error.starts_with("no tenants: the store sqlite:") && error.contains("does not exist"), "{error}");
        assert!(!found.file.unwrap().exists());
        let error = open_existing(&config("memory:")).await.err().unwrap().to_string();
        assert!(error.starts_with("no tenants: the store is in memory"), "{error}");
    }

    #[tokio::test]
    async fn a_database_without_tables_gets_none() {
        let sandbox = Sandbox::sqlite_file();
        sandbox.sql("CREATE TABLE other (id INTEGER)").unwrap();
        let before = sandbox.rows("SELECT name AS one, sql AS two FROM sqlite_master");
        let found = surveyed(&sandbox).await;
        assert_eq!((found.tables, found.pending.len(), found.unknown.len()), (TablesFound::None, 3, 0));
        let error = open_existing(&sandbox.config).await.err().unwrap().to_string();
        assert!(error.contains("does not have the add-on's tables"), "{error}");
        assert_eq!(sandbox.rows("SELECT name AS one, sql AS two FROM sqlite_master"), before);

        sandbox.sql(r#"CREATE TABLE "AddonSettings" (id INTEGER)"#).unwrap();
        let TablesFound::Wrong(reason) = surveyed(&sandbox).await.tables else { panic!("not all are there") };
        assert!(reason.contains("InstallationClientKeys") && reason.contains("`migrate`"), "{reason}");
        assert!(open_existing(&sandbox.config).await.is_err());
    }

    async fn survey_lists_the_migrations(sandbox: Sandbox) {
        drop(open(&sandbox.config).await.unwrap());
        let found = surveyed(&sandbox).await;
        assert_eq!(found.tables, TablesFound::All("AddonSettings".to_owned()));
        assert_eq!((found.pending, found.unknown), (vec![], vec![]));
        sandbox.sql("DELETE FROM __diesel_schema_migrations WHERE version = '20261122000002'").unwrap();
        sandbox.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')").unwrap();
        let found = surveyed(&sandbox).await;
        assert_eq!(found.pending, ["2026-11-22-000002_create_forge_tables"]);
        assert_eq!(found.unknown, ["20990101000000"]);
        open_existing(&sandbox.config).await.unwrap().ping().await.unwrap();
        assert_eq!(surveyed(&sandbox).await.pending.len(), 1, "inspecting runs no migration");
    }

    #[tokio::test]
    async fn survey_lists_the_migrations_on_sqlite() {
        survey_lists_the_migrations(Sandbox::sqlite_file()).await;
    }

    #[tokio::test]
    #[ignore = "needs TEST_POSTGRES_URL, see .ci/servers"]
    async fn survey_lists_the_migrations_on_postgres() {
        survey_lists_the_migrations(Sandbox::postgres()).await;
    }
}
