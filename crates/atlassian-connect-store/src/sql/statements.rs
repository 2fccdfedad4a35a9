//! All SQL statements, written once for all databases.

use super::events::Events;
use crate::statement::{Dialect, Statement};

/// The statements on a table of values. Tenants' and Forge installations' differ only in names.
pub(super) struct Values {
    pub update: Statement,
    pub insert: Statement,
    pub delete: Statement,
    /// All keys of an owner.
    pub delete_all: Statement,
    /// Each row of a key, newest first.
    pub rows: Statement,
    /// One row, if it still holds the expected text.
    pub exchange: Statement,
    /// The same, for its removal.
    pub delete_one: Statement,
    /// The rows of an owner, without their values.
    pub keys: Statement,
    /// The rows of a page of owners, without their values.
    pub key_page: Statement,
}

impl Values {
    pub(super) fn new(dialect: &Dialect, table: &str, owner: &str) -> Self {
        let statement = |template: &str| Statement::new(dialect, template);
        let one = format!("{} AND {}", dialect.same(&format!(r#""{owner}""#), "?"), dialect.same(r#""key""#, "?"));
        let of_owner = dialect.same(&format!(r#""{owner}""#), "?");
        let row_id = dialect.integer(r#""id""#);
        let (bytes, of_page) = (dialect.bytes(&format!(r#""{owner}""#)), dialect.bytes("?"));
        Self {
            update: statement(&format!(r#"UPDATE "{table}" SET "val" = @json WHERE {one}"#)),
            insert: statement(&format!(r#"INSERT INTO "{table}" ("{owner}", "key", "val") VALUES (?, ?, @json)"#)),
            delete: statement(&format!(r#"DELETE FROM "{table}" WHERE {one}"#)),
            rows: statement(&format!(
                r#"SELECT {row_id} AS "row_id", "{owner}" AS "owner", "key" AS "key", @val AS "val" FROM "{table}"
                    WHERE {one} ORDER BY "id" DESC"#
            )),
            exchange: statement(&format!(
                r#"UPDATE "{table}" SET "val" = @json WHERE "id" = ? AND {} = {}"#,
                dialect.bytes("@val"),
                dialect.bytes("?")
            )),
            delete_one: statement(&format!(
                r#"DELETE FROM "{table}" WHERE "id" = ? AND {} = {}"#,
                dialect.bytes("@val"),
                dialect.bytes("?")
            )),
            delete_all: statement(&format!(r#"DELETE FROM "{table}" WHERE {of_owner}"#)),
            keys: statement(&format!(
                r#"SELECT {row_id} AS "row_id", "{owner}" AS "owner", "key" AS "key", NULL AS "val" FROM "{table}"
                    WHERE {of_owner} AND "key" IS NOT NULL AND "val" IS NOT NULL"#
            )),
            // a join, because not every database supports LIMIT inside IN
            key_page: statement(&format!(
                r#"SELECT {row_id} AS "row_id", t."{owner}" AS "owner", t."key" AS "key", NULL AS "val"
                    FROM "{table}" AS t JOIN
                    (SELECT MIN("{owner}") AS "owner" FROM "{table}"
                        WHERE {bytes} >= {of_page} AND "key" IS NOT NULL AND "val" IS NOT NULL
                        GROUP BY {bytes} ORDER BY {bytes} LIMIT ?) AS page ON {same}
                    WHERE t."key" IS NOT NULL AND t."val" IS NOT NULL ORDER BY {owner_bytes}, {key_bytes}"#,
                same = dialect.same(&format!(r#"t."{owner}""#), r#"page."owner""#),
                owner_bytes = dialect.bytes(&format!(r#"t."{owner}""#)),
                key_bytes = dialect.bytes(r#"t."key""#),
            )),
        }
    }
}

pub(super) struct Statements {
    pub settings: Values,
    pub forge: Values,
    pub events: Events,
    /// All rows of an installation, active or not, newest first, without their values.
    pub installation_rows: Statement,
    pub rewrite: Statement,
    pub rename: Statement,
    pub tenants: Statement,
    /// The ids of a tenant's Forge installations.
    pub installations_of: Statement,
    pub client_key: Statement,
    pub reassociate: Statement,
    pub associate: Statement,
    pub dissociate: Statement,
    pub lock_tenant: Option<Statement>,
    pub lock_installation: Option<Statement>,
    pub notify: Option<Statement>,
    pub ping: Statement,
}

impl Statements {
    pub(super) fn new(dialect: &Dialect, table: &str) -> Self {
        let statement = |template: &str| Statement::new(dialect, template);
        let lock = |kind: &str| dialect.lock.map(|lock| statement(&lock.replace("{kind}", kind)));
        let (client_key, client_key_of_t) = (r#""clientKey""#, r#"t."clientKey""#);
        let (of_tenant, of_id) = (dialect.same(client_key, "?"), dialect.same(r#""installationId""#, "?"));
        let row_id = dialect.integer(r#""id""#);
        let key_is = dialect.same(r#""key""#, "?");
        Self {
            settings: Values::new(dialect, table, "clientKey"),
            forge: Values::new(dialect, "ForgeSettings", "installationId"),
            events: Events::new(dialect),
            installation_rows: statement(&format!(
                r#"SELECT {row_id} AS "row_id", "clientKey" AS "owner", "key" AS "key", NULL AS "val" FROM "{table}"
                    WHERE {of_tenant} AND ({key_is} OR {key_is}) ORDER BY "id" DESC"#
            )),
            rewrite: statement(&format!(r#"UPDATE "{table}" SET "key" = ?, "val" = @json WHERE "id" = ?"#)),
            rename: statement(&format!(r#"UPDATE "{table}" SET "key" = ? WHERE "id" = ?"#)),
            tenants: statement(&format!(
                r#"SELECT {row_id} AS "row_id", t."clientKey" AS "owner", "key" AS "key", @val AS "val"
                    FROM "{table}" AS t
                    WHERE {key_is} AND {bytes} > {after} AND "val" IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM "{table}" AS newer WHERE {same_tenant} AND {same_key}
                        AND newer."id" > t."id" AND newer."val" IS NOT NULL)
                    ORDER BY {bytes} LIMIT ?"#,
                bytes = dialect.bytes(client_key_of_t),
                after = dialect.bytes("?"),
                same_tenant = dialect.same(r#"newer."clientKey""#, client_key_of_t),
                same_key = dialect.same(r#"newer."key""#, r#"t."key""#),
            )),
            installations_of: statement(&format!(
                r#"SELECT "installationId" AS "installation_id", "clientKey" AS "client_key"
                    FROM "InstallationClientKeys" WHERE {of_tenant}"#
            )),
            client_key: statement(&format!(
                r#"SELECT "installationId" AS "installation_id", "clientKey" AS "client_key"
                    FROM "InstallationClientKeys" WHERE {of_id} ORDER BY "id" DESC"#
            )),
            reassociate: statement(&format!(r#"UPDATE "InstallationClientKeys" SET "clientKey" = ? WHERE {of_id}"#)),
            associate: statement(
                r#"INSERT INTO "InstallationClientKeys" ("clientKey", "installationId") VALUES (?, ?)"#,
            ),
            dissociate: statement(&format!(r#"DELETE FROM "InstallationClientKeys" WHERE {of_tenant}"#)),
            // Two kinds of locks, always taken in this order, so that transactions cannot deadlock.
            lock_tenant: lock("1097094738"),
            lock_installation: lock("1097094739"),
            notify: dialect.notify.map(statement),
            ping: statement(r#"SELECT @one AS "number""#),
        }
    }
}

/// The SQL that each database gets, to be read in `snapshots/`.
#[cfg(test)]
mod tests {
    use diesel::debug_query;

    use super::*;
    use crate::statement::{Bind, Bound};

    /// Each statement with its name. A new one that is missing here does not compile.
    fn named(statements: &Statements) -> Vec<(String, &Statement)> {
        let Statements {
            settings,
            forge,
            events,
            installation_rows,
            rewrite,
            rename,
            tenants,
            installations_of,
            client_key,
            reassociate,
            associate,
            dissociate,
            lock_tenant,
            lock_installation,
            notify,
            ping,
        } = statements;
        let mut all = Vec::new();
        for (table, values) in [("settings", settings), ("forge", forge)] {
            let Values { update, insert, delete, delete_all, rows, exchange, delete_one, keys, key_page } = values;
            let of_table = [
                ("update", update),
                ("insert", insert),
                ("delete", delete),
                ("delete_all", delete_all),
                ("rows", rows),
                ("exchange", exchange),
                ("delete_one", delete_one),
                ("keys", keys),
                ("key_page", key_page),
            ];
            all.extend(of_table.map(|(name, statement)| (format!("{table}.{name}"), statement)));
        }
        let Events { insert, replace, renew, finish, find, expired, take, forget } = events;
        let of_events = [
            ("insert", insert),
            ("replace", replace),
            ("renew", renew),
            ("finish", finish),
            ("find", find),
            ("expired", expired),
            ("take", take),
            ("forget", forget),
        ];
        all.extend(of_events.map(|(name, statement)| (format!("events.{name}"), statement)));
        let others = [
            ("installation_rows", Some(installation_rows)),
            ("rewrite", Some(rewrite)),
            ("rename", Some(rename)),
            ("tenants", Some(tenants)),
            ("installations_of", Some(installations_of)),
            ("client_key", Some(client_key)),
            ("reassociate", Some(reassociate)),
            ("associate", Some(associate)),
            ("dissociate", Some(dissociate)),
            ("lock_tenant", lock_tenant.as_ref()),
            ("lock_installation", lock_installation.as_ref()),
            ("notify", notify.as_ref()),
            ("ping", Some(ping)),
        ];
        all.extend(others.into_iter().filter_map(|(name, statement)| Some((name.to_owned(), statement?))));
        all
    }

    macro_rules! assert_sql {
        ($name:literal, $backend:ty, $dialect:expr) => {
            let statements = Statements::new(&$dialect, "AddonSettings");
            let sql = named(&statements).into_iter().map(|(name, statement)| {
                // more values than any statement has
                let bound = Bound { statement, binds: &[Bind::Text(""); 8] };
                let shown = debug_query::<$backend, _>(&bound).to_string();
                let (sql, _) = shown.split_once(" -- binds").unwrap();
                // without the indentation of this file
                let lines: Vec<_> = sql.lines().map(str::trim).collect();
                format!("-- {name}\n{};\n", lines.join("\n  "))
            });
            let sql = sql.collect::<Vec<_>>().join("\n");
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!($name, sql);
            });
        };
    }

    #[test]
    fn sqlite_gets_this_sql() {
        assert_sql!("sqlite", diesel::sqlite::Sqlite, crate::sqlite::DIALECT);
    }

    #[test]
    fn postgres_gets_this_sql() {
        assert_sql!("postgres", diesel::pg::Pg, crate::postgres::DIALECT);
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn mysql_gets_this_sql() {
        assert_sql!("mysql", diesel::mysql::Mysql, crate::mysql::DIALECT);
    }
}
