//! Statements written once for every SQL database, and how diesel runs them.

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::Error;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Nullable, Text};

use super::source::{Migrations, Source};

/// What differs between the databases.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    /// The quote of identifiers.
    pub quote: char,
    /// The type of a text, in a cast.
    pub text: &'static str,
    /// A bound JSON text, on its way into a JSON column.
    pub json: &'static str,
    /// What stands around a text that is to be compared byte by byte, whatever the database's language.
    pub bytes: [&'static str; 2],
    /// Whether `=` takes texts for equal that are not: by case, by accents, by spaces at the end.
    pub is_loose: bool,
    /// Holds the lock of one kind (an integer, `{kind}`) and one bound text until the transaction ends, and answers
    /// `1`; `None`: a transaction excludes every other writer by itself.
    pub lock: Option<&'static str>,
    /// Tells other nodes of one bound text, at the transaction's end; `None`: nobody can listen.
    pub notify: Option<&'static str>,
    /// Answers a row when the table of the bound (unquoted) name can be read.
    pub table_exists: &'static str,
    /// Run before the migrations, within [`super::database::Access::Migrate`].
    pub before_migrations: &'static [&'static str],
    /// Keeps other nodes' migrations away until these have ended, and answers `1`; as `lock` otherwise.
    pub lock_migrations: Option<&'static str>,
    /// Those migrations that are for this database.
    pub source: fn(&Migrations) -> Source,
}

impl Dialect {
    /// `expression`, a text, to be compared or sorted byte by byte.
    pub(crate) fn bytes(&self, expression: &str) -> String {
        let [before, after] = self.bytes;
        format!("{before}{expression}{after}")
    }

    /// `expression` as a text.
    pub(crate) fn text(&self, expression: &str) -> String {
        format!("CAST({expression} AS {})", self.text)
    }

    /// That the text `column` is `value` (`?`, or another column) byte by byte. Where `=` alone is loose it stands
    /// there besides: an index of the column's own order answers it.
    pub(crate) fn same(&self, column: &str, value: &str) -> String {
        if !self.is_loose {
            return format!("{column} = {value}");
        }
        let again = if value == "?" { "?again" } else { value };
        format!("({column} = {value} AND {} = {})", self.bytes(column), self.bytes(again))
    }
}

/// An embedded migration, by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// What the database remembers of it: `20261122000001`.
    pub version: String,
    /// `2026-11-22-000001_create_addon_settings`.
    pub name: String,
}

/// A statement of one dialect, cut at its placeholders: diesel puts those in as the backend writes them.
#[derive(Debug)]
pub(super) struct Statement {
    head: String,
    tail: Vec<(Hole, String)>,
}

/// A placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    /// Of the next value.
    Next,
    /// Of the value before once more.
    Again,
}

impl Statement {
    /// Translates `template`: `?` binds a text or integer, `?again` the same once more, `@json` binds a JSON text,
    /// `@val` reads the JSON column as text; identifiers stand in double quotes. A table's name never holds `?` or `@`:
    /// [`super::tables`] sees to it.
    pub(crate) fn new(dialect: &Dialect, template: &str) -> Self {
        let text = template
            .replace("@json", dialect.json)
            .replace("@val", &dialect.text(r#""val""#))
            .replace('"', dialect.quote.encode_utf8(&mut [0; 4]));
        let mut pieces = text.split('?');
        let head = pieces.next().unwrap_or_default().to_owned();
        let tail = pieces.map(|piece| match piece.strip_prefix("again") {
            Some(piece) => (Hole::Again, piece.to_owned()),
            None => (Hole::Next, piece.to_owned()),
        });
        Self { tail: tail.collect(), head }
    }
}

/// A value for a placeholder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bind<'a> {
    Text(&'a str),
    Integer(i64),
}

/// What every SELECT of ours answers: two texts. Fewer kinds of rows mean one path for all backends.
pub(super) type Row = (Option<String>, Option<String>);

/// A statement with its values. Unlike diesel's `sql_query` it says that the text never changes, so that each
/// connection prepares it once: half the round trips on PostgreSQL.
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
        for (hole, piece) in &self.statement.tail {
            if *hole == Hole::Next {
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
    type SqlType = (Nullable<Text>, Nullable<Text>);
}

impl<C> RunQueryDsl<C> for Bound<'_> {}

#[cfg(test)]
mod tests {
    use diesel::debug_query;
    use diesel::pg::Pg;
    use diesel::sqlite::Sqlite;

    use super::*;
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
    fn a_loose_database_compares_twice_and_binds_one_value_twice() {
        let loose = Dialect { bytes: ["bytes(", ")"], is_loose: true, ..sqlite::DIALECT.clone() };
        let template = format!(r#"SELECT 1 FROM "T" t WHERE {} AND "id" = ?"#, loose.same("t.\"key\"", "?"));
        let statement = Statement::new(&loose, &template);
        let sql = debug_query::<Sqlite, _>(&Bound { statement: &statement, binds: &BINDS }).to_string();
        insta::assert_snapshot!(
            sql,
            @r#"SELECT 1 FROM "T" t WHERE (t."key" = ? AND bytes(t."key") = bytes(?)) AND "id" = ? -- binds: ["{}", "{}", 7]"#
        );
        assert_eq!(sqlite::DIALECT.same("a", "b"), "a = b");
        assert_eq!(loose.same("a", "b"), "(a = b AND bytes(a) = bytes(b))");
    }

    #[test]
    fn a_missing_value_is_an_error() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        let statement = Statement::new(&sqlite::DIALECT, "SELECT ?, ?");
        let outcome = Bound { statement: &statement, binds: &BINDS[..1] }.load::<Row>(&mut connection);
        assert!(matches!(outcome, Err(Error::QueryBuilderError(_))), "{outcome:?}");
    }
}
