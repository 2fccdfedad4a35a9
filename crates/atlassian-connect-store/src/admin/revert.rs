//! Reverts migrations, newest first.

use diesel::result::QueryResult;

use super::survey::{Inspection, look, steps_seen};
use crate::StoreError;
use crate::blocking::blocking;
use crate::config::StoreConfig;
use crate::connection::SqlConnection;
use crate::database::Access;
use crate::migration_list::MigrationList;
use crate::migrations::{EVENTS_STEP, FORGE_STEP, SETTINGS_STEP, lock};
use crate::open::{Purpose, without_tables};
use crate::row::NumberRow;
use crate::statement::{Bind, Dialect, Statement, Step};
use crate::tables::{EVENTS_TABLE, FORGE_TABLES};

/// The tables that a migration creates and its revert drops.
const TABLES: [(&str, &[&str]); 3] =
    [(SETTINGS_STEP, &["AddonSettings"]), (FORGE_STEP, &FORGE_TABLES), (EVENTS_STEP, &[EVENTS_TABLE])];

/// The result of [`revert`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reversion {
    /// The reverted migrations, newest first. Fewer than requested if no more had run.
    Done(Vec<String>),
    /// Nothing was reverted: (table, rows) of the tables that would be dropped and are not empty. The caller has to
    /// confirm.
    HoldsRows(Vec<(String, u64)>),
    /// Nothing was reverted: these migrations are the app's own. What they remove is unknown, so the caller has to
    /// confirm.
    OfTheApp(Vec<String>),
}

/// Reverts the last `steps` migrations of the database that `config` names. With `drop_rows`, drops their tables with
/// all rows. That includes the tenants' secrets, which only a new install of each tenant brings back.
///
/// # Errors
/// [`StoreError::Configuration`] if a newer binary has migrated the database (only that binary can revert it), or if
/// there is no such database. Otherwise like [`crate::migrations::migrate`].
pub async fn revert(config: &StoreConfig, steps: usize, drop_rows: bool) -> Result<Reversion, StoreError> {
    if without_tables(config, Purpose::Look).is_some() {
        return Err(StoreError::configuration("there is nothing to revert: this kind of store has no migrations"));
    }
    let config = config.clone();
    let reverted = blocking("the revert", move || {
        let shown = config.redacted_url();
        let Inspection { database: Some(database), .. } = look(&config)? else {
            return Err(StoreError::configuration(format!(
                "there is nothing to revert: {shown} is in memory or does not exist"
            )));
        };
        let dialect = database.dialect();
        let list = (dialect.list)(&config.migrations);
        database.query(Access::Migrate, |connection| {
            lock(connection, dialect)?;
            match last(connection, dialect, list, steps)? {
                Ok(steps) => take_back(connection, dialect, list, &steps, drop_rows).map(Ok),
                Err(unknown) => Ok(Err(StoreError::configuration(format!(
                    "a newer release has run the migration {unknown}, which this binary cannot revert: revert \
                     it with that release"
                )))),
            }
        })?
    });
    reverted.await?
}

/// The last `steps` migrations that have run, newest first; or the version of one that is unknown.
fn last(
    connection: &mut dyn SqlConnection,
    dialect: &Dialect,
    list: MigrationList,
    steps: usize,
) -> QueryResult<Result<Vec<Step>, String>> {
    let mut known = list.steps()?;
    let seen = steps_seen(connection, dialect)?;
    Ok(seen
        .into_iter()
        .rev()
        .take(steps)
        .map(|version| match known.iter().position(|step| step.version == version) {
            Some(at) => Ok(known.swap_remove(at)),
            None => Err(version),
        })
        .collect())
}

fn take_back(
    connection: &mut dyn SqlConnection,
    dialect: &Dialect,
    list: MigrationList,
    steps: &[Step],
    drop_rows: bool,
) -> QueryResult<Reversion> {
    let mut held = Vec::new();
    for &table in steps.iter().flat_map(tables) {
        let exists = Statement::new(dialect, dialect.table_exists);
        if connection.rows::<NumberRow>(&exists, &[Bind::Text(table)])?.is_empty() {
            continue;
        }
        let count = format!(r#"SELECT {} AS "number" FROM "{table}""#, dialect.integer("COUNT(*)"));
        let rows = connection.rows::<NumberRow>(&Statement::new(dialect, &count), &[])?;
        let count = rows.into_iter().find_map(|row| u64::try_from(row.number?).ok()).unwrap_or_default();
        if count > 0 {
            held.push((table.to_owned(), count));
        }
    }
    let own: Vec<_> = steps.iter().filter(|step| tables(step).is_empty()).map(|step| step.name.clone()).collect();
    if !drop_rows && !own.is_empty() {
        return Ok(Reversion::OfTheApp(own));
    }
    if !drop_rows && !held.is_empty() {
        return Ok(Reversion::HoldsRows(held));
    }
    // the migrations themselves only drop empty tables
    for (table, _) in held {
        connection.execute(&Statement::new(dialect, &format!(r#"DELETE FROM "{table}""#)), &[])?;
    }
    for _ in steps {
        connection.revert_last(list)?;
    }
    Ok(Reversion::Done(steps.iter().map(|step| step.name.clone()).collect()))
}

fn tables(step: &Step) -> &'static [&'static str] {
    TABLES.iter().find(|(name, _)| step.name.ends_with(name)).map_or(&[], |(_, tables)| tables)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn what_each_step_drops_is_known() {
        for backend in ["mysql", "postgres", "sqlite"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(backend);
            for step in folder.read_dir().unwrap().map(Result::unwrap) {
                let down = std::fs::read_to_string(step.path().join("down.sql")).unwrap();
                let dropped: BTreeSet<_> = down
                    .lines()
                    .filter_map(|line| line.strip_prefix("DROP TABLE "))
                    .flat_map(|names| names.trim_end_matches(';').split(", "))
                    .map(|name| name.trim_matches(['"', '`']).to_owned())
                    .filter(|name| name != "revert_guard")
                    .collect();
                let step = Step { version: String::new(), name: step.file_name().into_string().unwrap() };
                let known: BTreeSet<_> = tables(&step).iter().map(|&name| name.to_owned()).collect();
                assert_eq!(known, dropped, "{backend}, {}", step.name);
            }
        }
    }
}
