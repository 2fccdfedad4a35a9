//! What the command line needs: to look into a store without changing it, to convert its values, and to write, run and
//! revert migrations. A running app uses none of it.

mod convert;
mod files;
mod revert;
mod survey;

pub use crate::migrations::{MigrationReport, migrate};
pub use convert::{Census, Conversion, ValueForm};
pub use files::{WrittenMigrations, write_migrations};
pub use revert::{Reversion, revert};
pub(crate) use survey::steps_seen;
pub use survey::{Survey, TablesFound, open_existing, survey};
