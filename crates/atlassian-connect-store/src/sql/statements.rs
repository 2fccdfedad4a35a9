//! Every statement, once for all databases.

use crate::statement::{Dialect, Statement};

/// The statements on a table of values: tenants' and Forge installations' differ in names only.
pub(super) struct Values {
    /// Newest first; a row without a value, which only other hands can have written, counts as none.
    pub select: Statement,
    pub update: Statement,
    pub insert: Statement,
    pub delete: Statement,
    /// Under every key of an owner.
    pub delete_all: Statement,
    /// (id, value) of each row, newest first.
    pub rows: Statement,
    /// Of one row, if it still holds what it held.
    pub exchange: Statement,
    pub keys: Statement,
}

impl Values {
    pub(super) fn new(dialect: &Dialect, table: &str, owner: &str) -> Self {
        let statement = |template: &str| Statement::new(dialect, template);
        let one = format!("{} AND {}", dialect.same(&format!(r#""{owner}""#), "?"), dialect.same(r#""key""#, "?"));
        let (bytes, of_page) = (dialect.bytes(&format!(r#""{owner}""#)), dialect.bytes("?"));
        Self {
            select: statement(&format!(r#"SELECT "key", @val FROM "{table}" WHERE {one} ORDER BY "id" DESC"#)),
            update: statement(&format!(r#"UPDATE "{table}" SET "val" = @json WHERE {one}"#)),
            insert: statement(&format!(r#"INSERT INTO "{table}" ("{owner}", "key", "val") VALUES (?, ?, @json)"#)),
            delete: statement(&format!(r#"DELETE FROM "{table}" WHERE {one}"#)),
            rows: statement(&format!(
                r#"SELECT {id}, @val FROM "{table}" WHERE {one} ORDER BY "id" DESC"#,
                id = dialect.text(r#""id""#)
            )),
            exchange: statement(&format!(
                r#"UPDATE "{table}" SET "val" = @json WHERE "id" = ? AND {} = {}"#,
                dialect.bytes("@val"),
                dialect.bytes("?")
            )),
            delete_all: statement(&format!(
                r#"DELETE FROM "{table}" WHERE {}"#,
                dialect.same(&format!(r#""{owner}""#), "?")
            )),
            // a join, as not every database limits what stands in IN
            keys: statement(&format!(
                r#"SELECT t."{owner}", t."key" FROM "{table}" AS t JOIN
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
    /// All rows of an installation, in use or not, newest first.
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
        let key_is = dialect.same(r#""key""#, "?");
        Self {
            settings: Values::new(dialect, table, "clientKey"),
            forge: Values::new(dialect, "ForgeSettings", "installationId"),
            installation_rows: statement(&format!(
                r#"SELECT {id}, "key" FROM "{table}" WHERE {of_tenant} AND ({key_is} OR {key_is}) ORDER BY "id" DESC"#,
                id = dialect.text(r#""id""#)
            )),
            rewrite: statement(&format!(r#"UPDATE "{table}" SET "key" = ?, "val" = @json WHERE "id" = ?"#)),
            rename: statement(&format!(r#"UPDATE "{table}" SET "key" = ? WHERE "id" = ?"#)),
            tenants: statement(&format!(
                r#"SELECT t."clientKey", @val FROM "{table}" AS t
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
                r#"SELECT "installationId", NULL FROM "InstallationClientKeys" WHERE {of_tenant}"#
            )),
            client_key: statement(&format!(
                r#"SELECT "installationId", "clientKey" FROM "InstallationClientKeys" WHERE {of_id} ORDER BY "id" DESC"#
            )),
            reassociate: statement(&format!(r#"UPDATE "InstallationClientKeys" SET "clientKey" = ? WHERE {of_id}"#)),
            associate: statement(
                r#"INSERT INTO "InstallationClientKeys" ("clientKey", "installationId") VALUES (?, ?)"#,
            ),
            dissociate: statement(&format!(r#"DELETE FROM "InstallationClientKeys" WHERE {of_tenant}"#)),
            // Two kinds, always taken in this order, so that no two transactions wait for each other.
            lock_tenant: lock("1097094738"),
            lock_installation: lock("1097094739"),
            notify: dialect.notify.map(statement),
            ping: statement("SELECT '1', '1'"),
        }
    }
}
