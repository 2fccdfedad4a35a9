//! Where migrations come from: the framework's own steps, or the list of an app that has steps of its own beside them.

use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationName, MigrationSource};
use diesel::result::{Error, QueryResult};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::StoreError;
use crate::statement::Step;

static POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
static SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
static MYSQL: EmbeddedMigrations = embed_migrations!("migrations/mysql");

/// The migrations that an app runs, one list for each database: the framework's steps and its own, in order of version.
/// A database for which the app gives no list gets the framework's steps alone.
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
    pub(crate) postgres: Source,
    pub(crate) sqlite: Source,
    pub(crate) mysql: Source,
}

impl Migrations {
    /// The framework's steps alone.
    #[must_use]
    pub const fn new() -> Self {
        Self { postgres: Source(&POSTGRES), sqlite: Source(&SQLITE), mysql: Source(&MYSQL) }
    }

    /// The list for PostgreSQL: what `migrations/postgres` of the app holds.
    #[must_use]
    pub const fn postgres(self, list: &'static EmbeddedMigrations) -> Self {
        Self { postgres: Source(list), ..self }
    }

    /// The list for SQLite.
    #[must_use]
    pub const fn sqlite(self, list: &'static EmbeddedMigrations) -> Self {
        Self { sqlite: Source(list), ..self }
    }

    /// The list for MySQL and MariaDB.
    #[must_use]
    pub const fn mysql(self, list: &'static EmbeddedMigrations) -> Self {
        Self { mysql: Source(list), ..self }
    }

    /// Whether each list has every step of the framework. A store with a list that lacks one is not opened.
    ///
    /// # Errors
    /// [`StoreError::Configuration`] with the first step that is missing, and the remedy.
    pub fn check(&self) -> Result<(), StoreError> {
        let lists = [
            ("postgres", self.postgres, Source(&POSTGRES)),
            ("sqlite", self.sqlite, Source(&SQLITE)),
            ("mysql", self.mysql, Source(&MYSQL)),
        ];
        for (backend, list, own) in lists {
            let unreadable =
                |error: Error| StoreError::Configuration(format!("migrations/{backend} cannot be used: {error}"));
            if let Some(missing) = own.steps_beside(list).map_err(unreadable)?.first() {
                return Err(StoreError::Configuration(format!(
                    "migrations/{backend} of the app lacks the framework's migration {}: run the command \
                     `migrate --write`, which adds the missing files, and build the app again",
                    missing.name
                )));
            }
        }
        Ok(())
    }
}

impl Migrations {
    /// Whether the app has a step of its own for any of the databases.
    #[doc(hidden)]
    #[must_use]
    pub fn has_own_steps(&self) -> bool {
        let own = [(self.postgres, &POSTGRES), (self.sqlite, &SQLITE), (self.mysql, &MYSQL)];
        own.into_iter().any(|(list, own)| list.steps_beside(Source(own)).is_ok_and(|steps| !steps.is_empty()))
    }
}

impl Default for Migrations {
    fn default() -> Self {
        Self::new()
    }
}

/// The migrations for one database.
#[derive(Clone, Copy)]
pub(crate) struct Source(&'static EmbeddedMigrations);

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.steps().unwrap_or_default().iter().map(|step| &step.name)).finish()
    }
}

impl<DB: Backend> MigrationSource<DB> for Source {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<DB>>>> {
        self.0.migrations()
    }
}

impl Source {
    /// The steps that `other` does not have, oldest first.
    pub(crate) fn steps_beside(self, other: Self) -> QueryResult<Vec<Step>> {
        let others = other.steps()?;
        let is_new = |step: &Step| others.iter().all(|other| other.version != step.version);
        Ok(self.steps()?.into_iter().filter(is_new).collect())
    }

    /// Runs those pending steps that are wanted; answers their names.
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

    /// Takes back the newest step that has run; answers its version.
    pub(crate) fn revert_last<C, DB>(self, connection: &mut C) -> QueryResult<String>
    where
        C: MigrationHarness<DB>,
        DB: Backend,
    {
        let version = connection.revert_last_migration(self).map_err(Error::QueryBuilderError)?;
        Ok(version.to_string())
    }

    /// The names of the steps, oldest first.
    pub(crate) fn steps(self) -> QueryResult<Vec<Step>> {
        // the names are the same whatever the database
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
        insta::assert_snapshot!(error, @"migrations/sqlite of the app lacks the framework's migration 2026-11-22-000001_create_addon_settings: run the command `migrate --write`, which adds the missing files, and build the app again");
        for migrations in [Migrations::new().postgres(&OTHERS), Migrations::new().mysql(&OTHERS)] {
            assert!(migrations.check().is_err(), "{migrations:?}");
        }
        assert!(Migrations::new().check().is_ok());
    }
}
