//! Reads rows, and writes those that hold what is expected.

use diesel::result::QueryResult;
use serde_json::Value;

use super::{Statements, Values};
use crate::connection::SqlConnection;
use crate::row::ValueRow;
use crate::statement::Bind;
use crate::{CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, KeyPage};

impl Values {
    /// The id and the text of each row with a value, newest first.
    pub(super) fn rows(
        &self,
        connection: &mut dyn SqlConnection,
        owner: &str,
        key: &str,
    ) -> QueryResult<Vec<(i64, String)>> {
        let rows = connection.rows::<ValueRow>(&self.rows, &[Bind::Text(owner), Bind::Text(key)])?;
        Ok(rows.into_iter().filter_map(|row| Some((row.row_id, row.val?))).collect())
    }

    /// Adds a value, replaces one or removes one, if what is expected is there. ACE takes no lock, so the database has to check that a row still holds the
    /// text that was read.
    pub(super) fn exchange(
        &self,
        connection: &mut dyn SqlConnection,
        [owner, key]: [&str; 2],
        expected: Option<&Value>,
        value: Option<&str>,
    ) -> QueryResult<bool> {
        let rows = self.rows(connection, owner, key)?;
        let Some(expected) = expected else {
            if let (true, Some(value)) = (rows.is_empty(), value) {
                self.set(connection, owner, key, value)?;
            }
            return Ok(rows.is_empty());
        };
        let mut exchanged = 0;
        for (id, text) in rows {
            if serde_json::from_str(&text).is_ok_and(|held: Value| held == *expected) {
                let (id, text) = (Bind::Integer(id), Bind::Text(&text));
                exchanged += match value {
                    Some(value) => connection.execute(&self.exchange, &[Bind::Text(value), id, text])?,
                    None => connection.execute(&self.delete_one, &[id, text])?,
                };
            }
        }
        Ok(exchanged > 0)
    }
}

impl Statements {
    /// Since when a tenant is uninstalled. `None`: it is not, or nobody knows.
    pub(super) fn uninstalled_at(
        &self,
        connection: &mut dyn SqlConnection,
        client_key: &str,
    ) -> QueryResult<Option<u64>> {
        let rows = self.installation_rows(connection, client_key)?;
        let has = |key: &str| rows.iter().any(|row| row.key == key);
        if has(CLIENT_INFO) || !has(CLIENT_INFO_UNINSTALLED) {
            return Ok(None);
        }
        let times = self.settings.rows(connection, client_key, CLIENT_INFO_UNINSTALLED_AT)?;
        Ok(times.first().and_then(|(_, time)| time.parse().ok()))
    }
}

/// The page with at most `limit` owners. `rows` are in order, and have one owner more if there is a next page.
pub(super) fn key_page(rows: Vec<ValueRow>, limit: usize) -> KeyPage {
    let mut owners: Vec<(String, Vec<String>)> = Vec::new();
    for ValueRow { owner, key, .. } in rows {
        match owners.last_mut() {
            Some((last, keys)) if *last == owner => keys.push(key),
            _ => owners.push((owner, vec![key])),
        }
    }
    let next = (owners.len() > limit).then(|| owners.pop()).flatten().map(|(owner, _)| owner);
    KeyPage { owners, next }
}
