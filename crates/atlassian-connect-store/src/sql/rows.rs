//! Reads rows and keys.

use diesel::result::QueryResult;
use serde_json::Value;

use super::{SqlStore, Statements, Values, fits, lock, of};
use crate::connection::SqlConnection;
use crate::database::Access;
use crate::row::ValueRow;
use crate::statement::Bind;
use crate::{CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, KeyPage, Place, StoreError, check_keys};

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
}

impl Statements {
    /// Since when a tenant is uninstalled. `None`: it is not, or nobody knows.
    fn uninstalled_at(&self, connection: &mut dyn SqlConnection, client_key: &str) -> QueryResult<Option<u64>> {
        let rows = self.installation_rows(connection, client_key)?;
        let has = |key: &str| rows.iter().any(|row| row.key == key);
        if has(CLIENT_INFO) || !has(CLIENT_INFO_UNINSTALLED) {
            return Ok(None);
        }
        let times = self.settings.rows(connection, client_key, CLIENT_INFO_UNINSTALLED_AT)?;
        Ok(times.first().and_then(|(_, time)| time.parse().ok()))
    }
}

impl SqlStore {
    pub(super) async fn key_page(
        &self,
        of: fn(&Statements) -> &Values,
        from: Option<&str>,
        limit: usize,
    ) -> Result<KeyPage, StoreError> {
        let (from, limit) = (from.unwrap_or_default().to_owned(), limit.max(1));
        if !fits(&from) {
            return Ok(KeyPage::default());
        }
        self.blocking(move |inner| {
            // One more than requested, to see where the next page begins.
            let fetch = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let (statement, binds) = (&of(&inner.statements).keys, [Bind::Text(&from), Bind::Integer(fetch)]);
            let rows =
                inner.database.query(Access::Read, |connection| connection.rows::<ValueRow>(statement, &binds))?;
            let mut tenants: Vec<(String, Vec<String>)> = Vec::new();
            for ValueRow { owner, key, .. } in rows {
                match tenants.last_mut() {
                    Some((last, keys)) if *last == owner => keys.push(key),
                    _ => tenants.push((owner, vec![key])),
                }
            }
            let next = (tenants.len() > limit).then(|| tenants.pop()).flatten().map(|(client_key, _)| client_key);
            Ok(KeyPage { tenants, next })
        })
        .await
    }

    pub(super) async fn exchange_rows(
        &self,
        place: Place<'_>,
        expected: &Value,
        value: &Value,
    ) -> Result<bool, StoreError> {
        check_keys(&[place.owner(), place.key()])?;
        let (of, expected, value) = (of(place), expected.clone(), value.to_string());
        self.write([place.owner(), place.key()], move |connection, statements, [owner, key]| {
            lock(connection, statements.lock_tenant.as_ref(), owner)?;
            let values = of(statements);
            let mut exchanged = 0;
            for (id, text) in values.rows(connection, owner, key)? {
                if serde_json::from_str(&text).is_ok_and(|held: Value| held == expected) {
                    // ACE takes no lock, so the database has to check that the row still holds this text
                    let binds = [Bind::Text(&value), Bind::Integer(id), Bind::Text(&text)];
                    exchanged += connection.execute(&values.exchange, &binds)?;
                }
            }
            Ok(exchanged > 0)
        })
        .await
    }

    pub(super) async fn purge_if(&self, client_key: &str, before: u64) -> Result<bool, StoreError> {
        if !fits(client_key) {
            return Ok(false);
        }
        self.write([client_key], move |connection, statements, [client_key]| {
            lock(connection, statements.lock_tenant.as_ref(), client_key)?;
            match statements.uninstalled_at(connection, client_key)? {
                Some(since) if since <= before => statements.remove(connection, client_key),
                _ => Ok(false),
            }
        })
        .await
    }
}
