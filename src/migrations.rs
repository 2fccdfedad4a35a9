//! The database migrations of the app: the files of `migrations/`, compiled in, including the framework's steps. Add
//! your own steps to each folder, as `diesel migration generate` does.

use atlassian_connect_actix::store::Migrations;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

static POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
static SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
static MYSQL: EmbeddedMigrations = embed_migrations!("migrations/mysql");

/// The migrations for each supported database.
pub const ALL: Migrations = Migrations::new().postgres(&POSTGRES).sqlite(&SQLITE).mysql(&MYSQL);

#[cfg(test)]
mod tests {
    #[test]
    fn every_step_of_the_framework_is_there() {
        assert!(super::ALL.check().is_ok(), "run the command `migrate --write`");
    }
}
