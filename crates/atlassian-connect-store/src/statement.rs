//! Statements written once for every SQL database, and how diesel runs them.

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::Error;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Text, Untyped};

use super::migration_list::{MigrationList, Migrations};

/// The differences between the databases.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    /// The quote character of identifiers.
    pub quote: char,
    /// The text type, for a cast.
    pub text: &'static str,
    /// The type of integers with 64 bits, for a cast.
    pub integer: &'static str,
    /// A bound JSON text, converted for a JSON column.
    pub json: &'static str,
    /// An expression, a text, for comparing or sorting byte by byte, whatever the database's collation.
    pub bytes: fn(&str) -> String,
    /// The condition that the text `column` equals `value` (`?`, or another column) byte by byte.
    pub same: fn(column: &str, value: &str) -> String,
    /// What begins and ends an INSERT that does nothing if the row's unique id is taken.
    pub insert_new: (&'static str, &'static str),
    /// Takes a lock on one kind (an integer, `{kind}`) and one bound text until the transaction ends, and returns 1.
    /// `None`: a transaction excludes every other writer anyway.
    pub lock: Option<&'static str>,
    /// Notifies other nodes with one bound text when the transaction ends. `None`: not supported.
    pub notify: Option<&'static str>,
    /// Returns a row if the table of the bound (unquoted) name can be read.
    pub table_exists: &'static str,
    /// Run before the migrations, inside [`super::database::Access::Migrate`].
    pub before_migrations: &'static [&'static str],
    /// Locks out other nodes' migrations until these have ended, and returns 1; otherwise like `lock`.
    pub lock_migrations: Option<&'static str>,
    /// The migrations that apply to this database.
    pub list: fn(&Migrations) -> MigrationList,
}

impl Dialect {
    pub(crate) fn bytes(&self, expression: &str) -> String {
        (self.bytes)(expression)
    }

    pub(crate) fn same(&self, column: &str, value: &str) -> String {
        (self.same)(column, value)
    }

    /// `expression` as a text.
    fn text(&self, expression: &str) -> String {
        format!("CAST({expression} AS {})", self.text)
    }

    /// `expression` as an integer with 64 bits.
    pub(crate) fn integer(&self, expression: &str) -> String {
        format!("CAST({expression} AS {})", self.integer)
    }
}

/// [`Dialect::same`] where `=` compares byte by byte.
pub(super) fn equals(column: &str, value: &str) -> String {
    format!("{column} = {value}")
}

/// The names of an embedded migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The version as the database stores it: `20261122000001`.
    pub version: String,
    /// `2026-11-22-000001_create_addon_settings`.
    pub name: String,
}

/// A statement of one dialect, split at its placeholders. Diesel inserts those in the backend's syntax.
#[derive(Debug)]
pub(super) struct Statement {
    head: String,
    tail: Vec<(Placeholder, String)>,
}

/// A placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    /// Binds the next value.
    Next,
    /// Binds the previous value again.
    Again,
}

impl Statement {
    /// Translates `template`: `?` binds a text or integer, `?again` the same value again, `@json` binds a JSON text,
    /// `@val` reads the JSON column as text, `@one` is the number 1. Identifiers are in double quotes. A table's name never contains `?` or
    /// `@`: [`super::tables`] checks that.
    pub(crate) fn new(dialect: &Dialect, template: &str) -> Self {
        let text = template
            .replace("@json", dialect.json)
            .replace("@val", &dialect.text(r#""val""#))
            .replace("@one", &dialect.integer("1"))
            .replace('"', dialect.quote.encode_utf8(&mut [0; 4]));
        let mut pieces = text.split('?');
        let head = pieces.next().unwrap_or_default().to_owned();
        let tail = pieces.map(|piece| match piece.strip_prefix("again") {
            Some(piece) => (Placeholder::Again, piece.to_owned()),
            None => (Placeholder::Next, piece.to_owned()),
        });
        Self { tail: tail.collect(), head }
    }

    /// Whether `word` is a word of the statement's text, such as the name of a table. A bound value is not.
    pub(crate) fn has_word(&self, word: &str) -> bool {
        let pieces = std::iter::once(&self.head).chain(self.tail.iter().map(|(_, piece)| piece));
        let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '$');
        pieces.flat_map(|piece| piece.split(|character| !is_part(character))).any(|found| found == word)
    }
}

/// A value for a placeholder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bind<'a> {
    Text(&'a str),
    Integer(i64),
}

/// A statement with its values. Unlike diesel's `sql_query`, it declares that the text never changes, so each
/// connection prepares it once. That halves the round trips on PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound<'a> {
    pub statement: &'a Statement,
    pub binds: &'a [Bind<'a>],
}

impl<DB> QueryFragment<DB> for Bound<'_>
where
    DB: Backend + HasSqlType<BigInt>,
    str: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let (mut binds, mut bind) = (self.binds.iter(), None);
        out.push_sql(&self.statement.head);
        for (placeholder, piece) in &self.statement.tail {
            if *placeholder == Placeholder::Next {
                bind = binds.next();
            }
            match bind {
                Some(Bind::Text(text)) => out.push_bind_param::<Text, str>(text)?,
                Some(Bind::Integer(integer)) => out.push_bind_param::<BigInt, i64>(integer)?,
                None => return Err(Error::QueryBuilderError("a placeholder without a value".into())),
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl QueryId for Bound<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Bound<'_> {
    /// The rows are read by the names of their columns.
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Bound<'_> {}

#[cfg(test)]
mod tests {
    use diesel::debug_query;
    use diesel::pg::Pg;
    use diesel::sqlite::Sqlite;

    use super::*;
    use crate::row::PairRow;
    use crate::{postgres, sqlite};

    const TEMPLATE: &str = r#"UPDATE "T" SET "val" = @json WHERE "id" = ?"#;
    const BINDS: [Bind<'static>; 2] = [Bind::Text("{}"), Bind::Integer(7)];

    #[test]
    fn each_dialect_gets_its_own_placeholders() {
        let statement = Statement::new(&postgres::DIALECT, TEMPLATE);
        let sql = debug_query::<Pg, _>(&Bound { statement: &statement, binds: &BINDS }).to_string();
        assert!(sql.starts_with(r#"UPDATE "T" SET "val" = CAST($1 AS json) WHERE "id" = $2"#), "{sql}");

        let statement = Statement::new(&sqlite::DIALECT, TEMPLATE);
        let sql = debug_query::<Sqlite, _>(&Bound { statement: &statement, binds: &BINDS }).to_string();
        assert!(sql.starts_with(r#"UPDATE "T" SET "val" = ? WHERE "id" = ?"#), "{sql}");
    }

    #[test]
    fn one_value_can_be_bound_twice() {
        let template = r#"SELECT 1 FROM "T" t WHERE (t."key" = ? AND bytes(t."key") = bytes(?again)) AND "id" = ?"#;
        let statement = Statement::new(&sqlite::DIALECT, template);
        let sql = debug_query::<Sqlite, _>(&Bound { statement: &statement, binds: &BINDS }).to_string();
        insta::assert_snapshot!(
            sql,
            @r#"SELECT 1 FROM "T" t WHERE (t."key" = ? AND bytes(t."key") = bytes(?)) AND "id" = ? -- binds: ["{}", "{}", 7]"#
        );
    }

    #[test]
    fn a_missing_value_is_an_error() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        let statement = Statement::new(&sqlite::DIALECT, "SELECT ?, ?");
        let outcome = Bound { statement: &statement, binds: &BINDS[..1] }.load::<PairRow>(&mut connection);
        assert!(matches!(outcome, Err(Error::QueryBuilderError(_))), "{outcome:?}");
    }
}
