//! The queue of events in the table `forge_events`. Unlike ACE's tables it has a unique id, and our own columns.
//!
//! A change is one statement that names the state it expects. So of two nodes that change a row at the same time, the
//! second finds no row to change, and needs no lock.

use async_trait::async_trait;

use super::SqlStore;
use crate::StoreError;
use crate::database::Access;
use crate::events::{EventQueue, FoundEvent, QueuedEvent, TakenEvent, check, ids_from, is_id, parse, seconds};
use crate::row::EventRow;
use crate::statement::{Bind, Dialect, Statement};

/// The statements on the queue.
pub(super) struct Events {
    /// Inserts an event unless its id is taken.
    pub insert: Statement,
    /// Makes a done event a waiting one.
    pub replace: Statement,
    pub renew: Statement,
    pub finish: Statement,
    /// A range of ids, without the bodies.
    pub find: Statement,
    /// The events whose lease has ended.
    pub expired: Statement,
    /// Takes one of them, if its lease is still the one that was read.
    pub take: Statement,
    pub forget: Statement,
}

impl Events {
    pub(super) fn new(dialect: &Dialect) -> Self {
        let statement = |template: &str| Statement::new(dialect, template);
        let (insert, unless_taken) = dialect.insert_new;
        let columns = r#""id" AS "id", "installation" AS "installation", "state" AS "state", "at" AS "at",
                    "attempts" AS "attempts""#;
        Self {
            insert: statement(&format!(
                r#"{insert} "forge_events" ("id", "installation", "state", "at", "attempts", "body")
                    VALUES (?, ?, 'waiting', ?, ?, ?) {unless_taken}"#
            )),
            replace: statement(
                r#"UPDATE "forge_events" SET "installation" = ?, "state" = 'waiting', "at" = ?, "attempts" = ?, "body" = ?
                    WHERE "id" = ? AND "state" = 'done' AND "at" < ?"#,
            ),
            renew: statement(
                r#"UPDATE "forge_events" SET "at" = ?, "attempts" = ? WHERE "id" = ? AND "state" = 'waiting'"#,
            ),
            finish: statement(r#"UPDATE "forge_events" SET "state" = 'done', "at" = ?, "body" = NULL WHERE "id" = ?"#),
            find: statement(&format!(
                r#"SELECT {columns}, NULL AS "body" FROM "forge_events" WHERE "id" >= ? AND "id" < ? ORDER BY "id""#
            )),
            expired: statement(&format!(
                r#"SELECT {columns}, "body" AS "body" FROM "forge_events"
                    WHERE "state" = 'waiting' AND "at" < ? ORDER BY "at" LIMIT ?"#
            )),
            take: statement(
                r#"UPDATE "forge_events" SET "at" = ? WHERE "id" = ? AND "state" = 'waiting' AND "at" = ?"#,
            ),
            forget: statement(r#"DELETE FROM "forge_events" WHERE "state" = 'done' AND "at" < ?"#),
        }
    }
}

fn taken(row: EventRow) -> TakenEvent {
    let body = parse(&row.id, row.body.as_deref());
    // only another program writes a number that does not fit
    let attempts = u32::try_from(row.attempts).unwrap_or(u32::MAX);
    TakenEvent { id: row.id, installation_id: row.installation, attempts, body }
}

#[async_trait]
impl EventQueue for SqlStore {
    async fn add(&self, event: &QueuedEvent, until: u64, done_before: u64) -> Result<bool, StoreError> {
        check(event)?;
        let (attempts, body) = (i64::from(event.attempts), event.body.to_string());
        self.write([&event.id, &event.installation_id], move |connection, statements, [id, installation]| {
            let (id, installation) = (Bind::Text(id), Bind::Text(installation));
            let (at, attempts, body) = (Bind::Integer(seconds(until)), Bind::Integer(attempts), Bind::Text(&body));
            if done_before > 0 {
                let binds = [installation, at, attempts, body, id, Bind::Integer(seconds(done_before))];
                if connection.execute(&statements.events.replace, &binds)? > 0 {
                    return Ok(true);
                }
            }
            Ok(connection.execute(&statements.events.insert, &[id, installation, at, attempts, body])? > 0)
        })
        .await
    }

    async fn renew(&self, id: &str, attempts: u32, until: u64) -> Result<bool, StoreError> {
        if !is_id(id) {
            return Ok(false);
        }
        self.write([id], move |connection, statements, [id]| {
            let binds = [Bind::Integer(seconds(until)), Bind::Integer(attempts.into()), Bind::Text(id)];
            Ok(connection.execute(&statements.events.renew, &binds)? > 0)
        })
        .await
    }

    async fn finish(&self, id: &str, at: u64) -> Result<(), StoreError> {
        if !is_id(id) {
            return Ok(());
        }
        self.write([id], move |connection, statements, [id]| {
            connection.execute(&statements.events.finish, &[Bind::Integer(seconds(at)), Bind::Text(id)]).map(drop)
        })
        .await
    }

    async fn find(&self, start: &str) -> Result<Vec<FoundEvent>, StoreError> {
        let Some(ids) = ids_from(start) else { return Ok(Vec::new()) };
        self.blocking(move |inner| {
            let (statement, binds) = (&inner.statements.events.find, [Bind::Text(&ids.start), Bind::Text(&ids.end)]);
            let rows =
                inner.database.query(Access::Read, |connection| connection.rows::<EventRow>(statement, &binds))?;
            let found = rows.into_iter().map(|row| {
                let done = (row.state == "done").then(|| u64::try_from(row.at).unwrap_or_default());
                FoundEvent { id: row.id, done }
            });
            Ok(found.collect())
        })
        .await
    }

    async fn take_over(&self, ended: u64, until: u64, limit: usize) -> Result<Vec<TakenEvent>, StoreError> {
        let (ended, until) = (Bind::Integer(seconds(ended)), Bind::Integer(seconds(until)));
        let limit = Bind::Integer(i64::try_from(limit).unwrap_or(i64::MAX));
        self.blocking(move |inner| {
            let events = &inner.statements.events;
            let rows = inner.database.query(Access::Write, |connection| {
                let mut rows = connection.rows::<EventRow>(&events.expired, &[ended, limit])?;
                // all nodes in the same order, so that two transactions never wait for each other
                rows.sort_by(|one, other| one.id.cmp(&other.id));
                let mut ours = Vec::new();
                for row in rows {
                    let binds = [until, Bind::Text(&row.id), Bind::Integer(row.at)];
                    if connection.execute(&events.take, &binds)? > 0 {
                        ours.push(row);
                    }
                }
                ours.sort_by_key(|row| row.at);
                Ok(ours)
            })?;
            Ok(rows.into_iter().map(taken).collect())
        })
        .await
    }

    async fn forget(&self, before: u64) -> Result<u64, StoreError> {
        self.write([], move |connection, statements, []| {
            let gone = connection.execute(&statements.events.forget, &[Bind::Integer(seconds(before))])?;
            Ok(u64::try_from(gone).unwrap_or(u64::MAX))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use diesel::QueryableByName;
    use diesel::prelude::*;
    use diesel::sql_types::Text;
    use diesel::sqlite::SqliteConnection;

    use super::*;
    use crate::sqlite::DIALECT;
    use crate::statement::Bound;

    #[derive(QueryableByName)]
    struct Plan {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    /// Otherwise a long queue would slow down each event.
    #[test]
    fn an_index_answers_each_search() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        let up = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/migrations/sqlite/2026-11-29-000001_create_forge_events/up.sql"
        ));
        diesel::connection::SimpleConnection::batch_execute(&mut connection, up).unwrap();
        let events = Events::new(&DIALECT);
        for statement in [&events.find, &events.expired, &events.take, &events.forget] {
            let bound = Bound { statement, binds: &[Bind::Integer(0); 8] };
            let shown = diesel::debug_query::<diesel::sqlite::Sqlite, _>(&bound).to_string();
            let (sql, _) = shown.split_once(" -- binds").unwrap();
            let plan = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load::<Plan>(&mut connection).unwrap();
            let plan: Vec<_> = plan.into_iter().map(|step| step.detail).collect();
            assert!(plan.len() == 1 && plan[0].starts_with("SEARCH forge_events USING "), "{sql}: {plan:?}");
        }
    }
}
