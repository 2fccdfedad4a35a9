//! Whether this binary understands the schema of a database.
//!
//! Steps add, so that binaries of several releases may share a database, and a step that an old one does not know is
//! no hindrance to it. The first step that an old binary would go wrong with makes the table
//! `atlassian_connect_schema` and writes a row: the version of the oldest step that a binary has to know. No step does
//! that yet; every release looks.

use diesel::result::QueryResult;

use super::StoreError;
use super::connection::SqlConnection;
use super::source::Source;
use super::statement::{Bind, Dialect, Statement};

/// Made by the first step that needs it, in each folder of `migrations/`, with the one column `readableFrom VARCHAR(50)
/// NOT NULL`. The greatest row counts; a revert of the step takes its row away.
const TABLE: &str = "atlassian_connect_schema";
const READABLE_FROM: &str = r#"SELECT MAX("readableFrom"), NULL FROM "atlassian_connect_schema""#;

/// Why this binary must not touch the database; `None`: it may.
pub(super) fn too_new(
    connection: &mut dyn SqlConnection,
    dialect: &Dialect,
    source: Source,
) -> QueryResult<Option<StoreError>> {
    let exists = Statement::new(dialect, dialect.table_exists);
    if connection.rows(&exists, &[Bind::Text(TABLE)])?.is_empty() {
        return Ok(None);
    }
    let rows = connection.rows(&Statement::new(dialect, READABLE_FROM), &[])?;
    let needed = rows.into_iter().next().and_then(|(needed, _)| needed);
    let newest = source.steps()?.pop().map(|step| step.version);
    Ok(needed.filter(|needed| newest.as_ref() < Some(needed)).map(|needed| {
        StoreError::Configuration(format!(
            "the database's schema is too new for this binary: it has to know the migration {needed}, and the newest \
             that it knows is {}; deploy the newer release again, or name another store",
            newest.unwrap_or_default()
        ))
    }))
}
