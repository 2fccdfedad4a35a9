//! Checks that the tables in the code match those that the migrations create.

use std::any::type_name;

use atlassian_connect_actix::Addon;
use atlassian_connect_actix::database::DbConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::fake_host::must;

/// The columns of a `table!`, each with its name and its SQL type.
pub trait Columns {
    /// (name, the type as diesel writes it), in the order of the table.
    fn columns() -> Vec<(&'static str, &'static str)>;
}

macro_rules! columns {
    ($($column:ident)+) => {
        impl<$($column),+> Columns for ($($column,)+)
        where
            $($column: diesel::Column, $column::SqlType: 'static),+
        {
            fn columns() -> Vec<(&'static str, &'static str)> {
                vec![$(($column::NAME, type_name::<$column::SqlType>())),+]
            }
        }
    };
}

columns!(A);
columns!(A B);
columns!(A B C);
columns!(A B C D);
columns!(A B C D E);
columns!(A B C D E F);
columns!(A B C D E F G);
columns!(A B C D E F G H);
columns!(A B C D E F G H I);
columns!(A B C D E F G H I J);
columns!(A B C D E F G H I J K);
columns!(A B C D E F G H I J K L);
columns!(A B C D E F G H I J K L M);
columns!(A B C D E F G H I J K L M N);
columns!(A B C D E F G H I J K L M N O);
columns!(A B C D E F G H I J K L M N O P);

#[derive(QueryableByName)]
struct ColumnInfo {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    nullable: String,
}

/// The databases' names for the types that diesel's types are stored as.
const KINDS: [(&str, &[&str]); 11] = [
    ("SmallInt", &["smallint"]),
    ("Integer", &["integer", "int"]),
    ("BigInt", &["bigint", "integer"]),
    ("Float", &["real", "float"]),
    ("Double", &["double precision", "double", "real"]),
    ("Text", &["text", "varchar", "char", "character varying", "mediumtext", "longtext"]),
    ("Binary", &["blob", "bytea", "varbinary", "longblob", "mediumblob"]),
    ("Bool", &["boolean", "bool", "tinyint"]),
    ("Date", &["date"]),
    ("Time", &["time", "time without time zone"]),
    ("Timestamp", &["timestamp", "datetime", "timestamp without time zone"]),
];

/// Fails the test if the database of `addon` has no table `T`, or if a column differs in its name, its type, or whether
/// it may be null. Run it against every database that the app supports.
///
/// ```no_run
/// # async fn check(host: atlassian_connect_testing::TestHost) {
/// diesel::table! {
///     notes (id) {
///         id -> BigInt,
///         text -> Text,
///     }
/// }
///
/// atlassian_connect_testing::assert_schema::<notes::table>(host.addon(), "notes").await;
/// # }
/// ```
pub async fn assert_schema<T>(addon: &Addon, table: &str)
where
    T: diesel::Table,
    T::AllColumns: Columns,
{
    let name = table.to_owned();
    let database = must(addon.database(), "the app has no database");
    let found = must(database.read(move |connection| columns_of(connection, &name)).await, "the schema cannot be read");
    let expected = T::AllColumns::columns();
    assert!(!found.is_empty(), "the database has no table {table}: the migrations do not create it");
    let names = |found: &[ColumnInfo]| found.iter().map(|found| found.name.clone()).collect::<Vec<_>>();
    let known: Vec<_> = expected.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known, names(&found), "the columns of {table}: in the code, in the database");
    for ((name, kind), column) in expected.iter().zip(&found) {
        let is_nullable = kind.contains("Nullable<");
        assert_eq!(is_nullable, column.nullable == "YES", "{table}.{name}: nullable in the code, in the database");
        let kind = kind.trim_end_matches('>').rsplit("::").next().unwrap_or_default();
        let stored: &[&str] = KINDS.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, stored)| stored);
        let column_kind = column.kind.to_ascii_lowercase();
        let bare = column_kind.split('(').next().unwrap_or_default().trim();
        assert!(stored.contains(&bare), "{table}.{name} is {kind} in the code, and {bare} in the database");
    }
}

// only builds with the feature support MySQL
#[allow(clippy::match_wildcard_for_single_variants)]
fn columns_of(connection: &mut DbConnection, table: &str) -> QueryResult<Vec<ColumnInfo>> {
    let text = match connection {
        DbConnection::Sqlite(_) => {
            "SELECT name, type AS kind, CASE WHEN \"notnull\" = 1 OR pk > 0 THEN 'NO' ELSE 'YES' END AS nullable \
             FROM pragma_table_info('{table}') ORDER BY cid"
        }
        DbConnection::Postgres(_) => {
            "SELECT column_name::text AS name, data_type::text AS kind, is_nullable::text AS nullable \
             FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '{table}' \
             ORDER BY ordinal_position"
        }
        // MySQL, in builds that support it
        #[allow(unreachable_patterns)]
        _ => {
            "SELECT column_name AS name, CAST(data_type AS CHAR) AS kind, CAST(is_nullable AS CHAR) AS nullable \
             FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '{table}' \
             ORDER BY ordinal_position"
        }
    };
    // the name comes from the test's own code
    diesel::sql_query(text.replace("{table}", &table.replace('\'', "''"))).load(connection)
}
