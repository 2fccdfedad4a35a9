//! Checks whether this binary understands a database's schema.
//!
//! Migrations only add, so binaries of several releases can share a database, and an old binary ignores migrations that
//! it does not know. The first migration that would break old binaries must create the table `atlassian_connect_schema`
//! and write a row: the version of the oldest migration that a binary has to know. No migration does that yet, but
//! every release checks it.

use diesel::result::QueryResult;

use super::StoreError;
use super::connection::SqlConnection;
use super::row::{NumberRow, VersionRow};
use super::source::Source;
use super::statement::{Bind, Dialect, Statement};

/// Created by the first migration that needs it, in each folder of `migrations/`, with the one column `readableFrom
/// VARCHAR(50) NOT NULL`. The greatest row counts. Reverting the migration removes its row.
const TABLE: &str = "atlassian_connect_schema";
const READABLE_FROM: &str = r#"SELECT MAX("readableFrom") AS "version" FROM "atlassian_connect_schema""#;

/// Why this binary must not use the database. `None`: it may.
pub(super) fn too_new(
    connection: &mut dyn SqlConnection,
    dialect: &Dialect,
    source: Source,
) -> QueryResult<Option<StoreError>> {
    let exists = Statement::new(dialect, dialect.table_exists);
    if connection.rows::<NumberRow>(&exists, &[Bind::Text(TABLE)])?.is_empty() {
        return Ok(None);
    }
    let rows = connection.rows::<VersionRow>(&Statement::new(dialect, READABLE_FROM), &[])?;
    let needed = rows.into_iter().next().and_then(|row| row.version);
    let newest = source.steps()?.pop().map(|step| step.version);
    Ok(needed.filter(|needed| newest.as_ref() < Some(needed)).map(|needed| {
        StoreError::Configuration(format!(
            "the database's schema is too new for this binary: it needs the migration {needed}, and the newest \
             that it has is {}; deploy the newer release again, or name another store",
            newest.unwrap_or_default()
        ))
    }))
}
