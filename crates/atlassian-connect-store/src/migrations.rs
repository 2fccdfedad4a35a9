//! Creates the tables and runs migrations.
//!
//! The framework's migrations are in `migrations/<backend>`, with the same version numbers for each backend. An app may
//! have more, see [`super::Migrations`]. They only add, so that the previous release keeps working on the same
//! database. If that ever becomes impossible, [`super::schema`] is the safeguard.
//!
//! At start, a database without the add-on's tables gets them all, in every environment. A lock makes this safe for
//! nodes that start at the same time. Existing tables, this framework's or ACE's, are used unchanged. Further
//! migrations run with [`migrate`], or at start with `autoMigrate`. One exception: an ACE without Forge support left a
//! database with the settings but without the Forge tables, and ACE and older releases have no table of events. Those
//! are added at once, because every install, or every event, would fail without them, and no data is at risk.

use std::fmt;

use diesel::result::QueryResult;

use super::StoreError;
use super::blocking::blocking;
use super::connection::{SqlConnection, take_lock};
use super::database::{Access, Database};
use super::open::{Purpose, connect, without_tables};
use super::statement::{Dialect, Statement};
use super::tables::{EVENTS_TABLE, ExistingTables, SettingsTable};
use crate::config::StoreConfig;

/// The migration that creates the settings table. It does not apply to a database whose settings table has another
/// name.
pub(super) const SETTINGS_STEP: &str = "_create_addon_settings";
/// The migration that creates the Forge tables.
pub(super) const FORGE_STEP: &str = "_create_forge_tables";
/// The migration that creates the table of events.
pub(super) const EVENTS_STEP: &str = "_create_forge_events";

/// The result of [`migrate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// The database URL, with its password redacted.
    pub store: String,
    /// The migrations that ran now, oldest first: `2026-11-22-000001_create_addon_settings`.
    pub applied: Vec<String>,
    /// Whether the store has tables at all. Redis and MongoDB have none.
    pub has_tables: bool,
}

impl fmt::Display for MigrationReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, applied, has_tables } = self;
        match applied.as_slice() {
            [] if !has_tables => {
                write!(formatter, "{store} is ready: this kind of store has no tables and no migrations")
            }
            [] => write!(formatter, "{store} is up to date: there are no pending migrations"),
            [one] => write!(formatter, "{store}: ran 1 migration: {one}"),
            many => write!(formatter, "{store}: ran {} migrations: {}", many.len(), many.join(", ")),
        }
    }
}

/// Runs the pending migrations, for the command `migrate`. Safe to run at any time, on several nodes, and on ACE's
/// database.
///
/// # Errors
/// [`StoreError::Unavailable`] if the database is not reachable. [`StoreError::Configuration`] if the URL, the
/// certificate or the table's name is wrong, or the store has no migrations. [`StoreError::Refused`] if the database
/// rejects a migration.
pub async fn migrate(config: &StoreConfig) -> Result<MigrationReport, StoreError> {
    let store = config.redacted_url();
    if let Some(opening) = without_tables(config, Purpose::Use) {
        opening.await?.ping().await?;
        return Ok(MigrationReport { store, applied: Vec::new(), has_tables: false });
    }
    let config = config.clone();
    let migrated = blocking("the migration", move || {
        let database = connect(&config)?;
        let applied = prepare(database.as_ref(), &config, true)?.applied;
        Ok(MigrationReport { store, applied, has_tables: true })
    });
    migrated.await?
}

/// A database that is ready for use.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The name of the settings table.
    pub table: String,
    /// The migrations that ran.
    pub applied: Vec<String>,
}

/// Makes sure that the tables exist. With `all`, runs every pending migration. Blocks.
pub(super) fn prepare(database: &dyn Database, config: &StoreConfig, all: bool) -> Result<Prepared, StoreError> {
    config.migrations.check()?;
    let (table, dialect) = (SettingsTable::of_model(&config.table)?, database.dialect());
    let list = (dialect.list)(&config.migrations);
    if !all {
        // The usual start, which takes no lock.
        let found = database.query(Access::Read, |connection| ExistingTables::look(connection, dialect, &table))?;
        if let Some(settings) = found.ready() {
            return Ok(Prepared { table: settings.to_owned(), applied: Vec::new() });
        }
    }
    database.query(Access::Migrate, |connection| {
        lock(connection, dialect)?;
        // Another node may have created the tables while this one waited for the lock.
        let found = ExistingTables::look(connection, dialect, &table)?;
        let applied = match steps(&found, &table, all) {
            Steps::All => connection.migrate(list, &|_| true)?,
            Steps::AllButSettings => connection.migrate(list, &|name| !name.ends_with(SETTINGS_STEP))?,
            Steps::Missing => connection.migrate(list, &|name| {
                (name.ends_with(FORGE_STEP) && !found.missing.is_empty())
                    || (name.ends_with(EVENTS_STEP) && !found.has_events)
            })?,
            Steps::None => Vec::new(),
        };
        let found = ExistingTables::look(connection, dialect, &table)?;
        Ok(match found.ready() {
            Some(settings) => Ok(Prepared { table: settings.to_owned(), applied }),
            None => Err(incomplete(&found, &table)),
        })
    })?
}

/// Waits until no other node migrates, and holds the lock until the work on `connection` has ended.
pub(super) fn lock(connection: &mut dyn SqlConnection, dialect: &Dialect) -> QueryResult<()> {
    for text in dialect.before_migrations {
        connection.execute(&Statement::new(dialect, text), &[])?;
    }
    match dialect.lock_migrations {
        Some(text) => take_lock(connection, &Statement::new(dialect, text), &[]),
        None => Ok(()),
    }
}

/// Which of the pending migrations to run.
#[derive(Debug, PartialEq, Eq)]
enum Steps {
    All,
    AllButSettings,
    /// Those that create the tables which are missing beside the settings.
    Missing,
    None,
}

fn steps(found: &ExistingTables, table: &SettingsTable, all: bool) -> Steps {
    match found.settings.len() {
        0 | 1 if table.is_default() && (all || found.is_nothing()) => Steps::All,
        1 if all => Steps::AllButSettings,
        1 if found.ready().is_none() => Steps::Missing,
        _ => Steps::None,
    }
}

/// Why the existing tables cannot be used.
pub(super) fn incomplete(found: &ExistingTables, table: &SettingsTable) -> StoreError {
    let names = table.names();
    StoreError::configuration(match (found.settings.len(), found.missing.first()) {
        (0, _) if !table.is_default() => format!(
            "the database has no table {names}, which store.table names: correct store.table, or remove it so that \
             the tables are created"
        ),
        (0, _) => missing(&names),
        (1, Some(name)) => missing(&format!("{name:?}")),
        (1, None) => missing(&format!("{EVENTS_TABLE:?}")),
        (_, _) => format!(
            "the database has both tables {}: store.table can mean either, so rename or drop the one that is not \
             the add-on's",
            names.replace(" or ", " and ")
        ),
    })
}

fn missing(names: &str) -> String {
    format!(
        "the database has some of the add-on's tables, but not {names}: if it is the right one, run the command \
         `migrate`"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_backend_has_the_same_versions() {
        let names = |backend: &str| -> BTreeSet<_> {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(backend);
            folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect()
        };
        assert!(!names("postgres").is_empty());
        assert_eq!(names("postgres"), names("sqlite"));
        assert_eq!(names("postgres"), names("mysql"));
    }

    #[test]
    fn reports_read_well() {
        let report = |applied: &[&str]| {
            let applied = applied.iter().map(|name| (*name).to_owned()).collect();
            MigrationReport { store: "sqlite:x".to_owned(), applied, has_tables: true }.to_string()
        };
        assert_eq!(report(&[]), "sqlite:x is up to date: there are no pending migrations");
        let redis = MigrationReport { store: "redis://h".to_owned(), applied: Vec::new(), has_tables: false };
        assert_eq!(redis.to_string(), "redis://h is ready: this kind of store has no tables and no migrations");
        assert_eq!(report(&["a"]), "sqlite:x: ran 1 migration: a");
        assert_eq!(report(&["a", "b"]), "sqlite:x: ran 2 migrations: a, b");
    }
}
