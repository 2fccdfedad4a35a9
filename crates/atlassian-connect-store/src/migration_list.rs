//! The lists of migrations: the framework's own, or an app's list that also has the app's.

use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationName, MigrationSource};
use diesel::result::{Error, QueryResult};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::StoreError;
use crate::statement::Step;

static POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
static SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
static MYSQL: EmbeddedMigrations = embed_migrations!("migrations/mysql");

/// The migrations that an app runs, one list per database: the framework's and its own, in order of version. For a
/// database without a list, only the framework's run.
///
/// ```
/// use atlassian_connect_store::Migrations;
/// use diesel_migrations::{EmbeddedMigrations, embed_migrations};
///
/// static POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
/// static SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
///
/// let migrations = Migrations::new().postgres(&POSTGRES).sqlite(&SQLITE);
/// assert!(migrations.check().is_ok());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Migrations {
    pub(crate) postgres: MigrationList,
    pub(crate) sqlite: MigrationList,
    pub(crate) mysql: MigrationList,
}

impl Migrations {
    /// Only the framework's migrations.
    #[must_use]
    pub const fn new() -> Self {
        Self { postgres: MigrationList(&POSTGRES), sqlite: MigrationList(&SQLITE), mysql: MigrationList(&MYSQL) }
    }

    /// The list for PostgreSQL: the content of the app's `migrations/postgres`.
    #[must_use]
    pub const fn postgres(self, list: &'static EmbeddedMigrations) -> Self {
        Self { postgres: MigrationList(list), ..self }
    }

    /// The list for SQLite.
    #[must_use]
    pub const fn sqlite(self, list: &'static EmbeddedMigrations) -> Self {
        Self { sqlite: MigrationList(list), ..self }
    }

    /// The list for MySQL and MariaDB.
    #[must_use]
    pub const fn mysql(self, list: &'static EmbeddedMigrations) -> Self {
        Self { mysql: MigrationList(list), ..self }
    }

    /// Whether each list has all of the framework's migrations. A store is not opened with a list that lacks one.
    ///
    /// # Errors
    /// [`StoreError::Configuration`] with the first missing migration and what to do.
    pub fn check(&self) -> Result<(), StoreError> {
        let lists = [
            ("postgres", self.postgres, MigrationList(&POSTGRES)),
            ("sqlite", self.sqlite, MigrationList(&SQLITE)),
            ("mysql", self.mysql, MigrationList(&MYSQL)),
        ];
        for (backend, list, own) in lists {
            let unreadable = |error: Error| {
                StoreError::configuration(format!("migrations/{backend} cannot be used: {error}")).caused_by(error)
            };
            if let Some(missing) = own.steps_beside(list).map_err(unreadable)?.first() {
                return Err(StoreError::configuration(format!(
                    "migrations/{backend} of the app lacks the framework's migration {}: run the command \
                     `migrate --write`, which adds the missing files, then rebuild the app",
                    missing.name
                )));
            }
        }
        Ok(())
    }
}

impl Migrations {
    /// Whether the app has its own migrations for any database.
    #[doc(hidden)]
    #[must_use]
    pub fn has_own_steps(&self) -> bool {
        let own = [(self.postgres, &POSTGRES), (self.sqlite, &SQLITE), (self.mysql, &MYSQL)];
        own.into_iter().any(|(list, own)| list.steps_beside(MigrationList(own)).is_ok_and(|steps| !steps.is_empty()))
    }
}

impl Default for Migrations {
    fn default() -> Self {
        Self::new()
    }
}

/// The migrations for one database.
#[derive(Clone, Copy)]
pub(crate) struct MigrationList(&'static EmbeddedMigrations);

impl std::fmt::Debug for MigrationList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.steps().unwrap_or_default().iter().map(|step| &step.name)).finish()
    }
}

impl<DB: Backend> MigrationSource<DB> for MigrationList {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<DB>>>> {
        self.0.migrations()
    }
}

impl MigrationList {
    /// The migrations that are not in `other`, oldest first.
    pub(crate) fn steps_beside(self, other: Self) -> QueryResult<Vec<Step>> {
        let others = other.steps()?;
        let is_new = |step: &Step| others.iter().all(|other| other.version != step.version);
        Ok(self.steps()?.into_iter().filter(is_new).collect())
    }

    /// Runs the wanted pending migrations. Returns their names.
    pub(crate) fn run_pending<C, DB>(
        self,
        connection: &mut C,
        wanted: &dyn Fn(&str) -> bool,
    ) -> QueryResult<Vec<String>>
    where
        C: MigrationHarness<DB>,
        DB: Backend,
    {
        let mut applied = Vec::new();
        for migration in connection.pending_migrations(self).map_err(Error::QueryBuilderError)? {
            let name = migration.name().to_string();
            if wanted(&name) {
                connection.run_migration(migration.as_ref()).map_err(Error::QueryBuilderError)?;
                applied.push(name);
            }
        }
        Ok(applied)
    }

    /// Reverts the newest migration that has run. Returns its version.
    pub(crate) fn revert_last<C, DB>(self, connection: &mut C) -> QueryResult<String>
    where
        C: MigrationHarness<DB>,
        DB: Backend,
    {
        let version = connection.revert_last_migration(self).map_err(Error::QueryBuilderError)?;
        Ok(version.to_string())
    }

    /// The names of the migrations, oldest first.
    pub(crate) fn steps(self) -> QueryResult<Vec<Step>> {
        // the names do not depend on the database
        let migrations =
            MigrationSource::<diesel::sqlite::Sqlite>::migrations(self.0).map_err(Error::QueryBuilderError)?;
        let step = |name: &dyn MigrationName| Step { version: name.version().to_string(), name: name.to_string() };
        let mut steps: Vec<_> = migrations.iter().map(|migration| step(migration.name())).collect();
        steps.sort_by(|one, other| one.version.cmp(&other.version));
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static OTHERS: EmbeddedMigrations = embed_migrations!("tests/fixtures/migrations/others");

    #[test]
    fn a_list_without_a_step_of_the_framework_is_refused_with_the_remedy() {
        let error = Migrations::new().sqlite(&OTHERS).check().unwrap_err().to_string();
        insta::assert_snapshot!(error, @"migrations/sqlite of the app lacks the framework's migration 2026-11-22-000001_create_addon_settings: run the command `migrate --write`, which adds the missing files, then rebuild the app");
        for migrations in [Migrations::new().postgres(&OTHERS), Migrations::new().mysql(&OTHERS)] {
            assert!(migrations.check().is_err(), "{migrations:?}");
        }
        assert!(Migrations::new().check().is_ok());
    }
}
