//! The store on an SQL database: one code path for all of them, on ACE's tables.
//!
//! ACE's index is not unique, so "update, then insert if no row was updated" needs a lock against concurrent writes:
//! the transaction itself on SQLite (`BEGIN IMMEDIATE`), a lock on the tenant's name on PostgreSQL and MySQL.

mod events;
mod rows;
mod statements;

use std::sync::Arc;

use async_trait::async_trait;
use diesel::result::{Error, QueryResult};
use serde_json::Value;

use self::statements::{Statements, Values};
use super::attempt::{Attempt, abandoned};
use super::blocking::blocking;
use super::connection::{SqlConnection, take_lock};
use super::database::{Access, Database};
use super::row::{AssociationRow, NumberRow, ValueRow};
use super::statement::{Bind, Statement};
use super::store::PoolState;
use super::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, Changes, EventQueue,
    KeyPage, OwnerKind, Place, Store, StoreError, TenantPage, as_installation, check_keys, fits, now,
};

/// A store in an SQL database.
pub struct SqlStore {
    inner: Arc<Inner>,
}

struct Inner {
    database: Arc<dyn Database>,
    statements: Statements,
}

impl Values {
    fn set(&self, connection: &mut dyn SqlConnection, owner: &str, key: &str, value: &str) -> QueryResult<()> {
        let (owner, key, value) = (Bind::Text(owner), Bind::Text(key), Bind::Text(value));
        if connection.execute(&self.update, &[value, owner, key])? == 0 {
            connection.execute(&self.insert, &[owner, key, value])?;
        }
        Ok(())
    }
}

impl Statements {
    /// The rows of an installation, newest first, without their values.
    fn installation_rows(&self, connection: &mut dyn SqlConnection, client_key: &str) -> QueryResult<Vec<ValueRow>> {
        let binds = [Bind::Text(client_key), Bind::Text(CLIENT_INFO), Bind::Text(CLIENT_INFO_UNINSTALLED)];
        connection.rows(&self.installation_rows, &binds)
    }

    fn rename(&self, connection: &mut dyn SqlConnection, id: i64, key: &str) -> QueryResult<()> {
        connection.execute(&self.rename, &[Bind::Text(key), Bind::Integer(id)]).map(drop)
    }

    fn save_installation(
        &self,
        connection: &mut dyn SqlConnection,
        client_key: &str,
        installation: &str,
    ) -> QueryResult<()> {
        let mut rows = self.installation_rows(connection, client_key)?;
        connection.execute(&self.settings.delete, &[Bind::Text(client_key), Bind::Text(CLIENT_INFO_UNINSTALLED_AT)])?;
        // The newest active one, else the newest one of an uninstalled tenant. The sort is stable, so the order
        // remains.
        rows.sort_by_key(|row| row.key != CLIENT_INFO);
        let mut ids = rows.into_iter().map(|row| row.row_id);
        let Some(chosen) = ids.next() else {
            return self.settings.set(connection, client_key, CLIENT_INFO, installation);
        };
        let binds = [Bind::Text(CLIENT_INFO), Bind::Text(installation), Bind::Integer(chosen)];
        connection.execute(&self.rewrite, &binds)?;
        for other in ids {
            self.rename(connection, other, CLIENT_INFO_SUPERSEDED)?;
        }
        Ok(())
    }

    fn uninstall(&self, connection: &mut dyn SqlConnection, client_key: &str) -> QueryResult<bool> {
        connection.execute(&self.dissociate, &[Bind::Text(client_key)])?;
        let rows = self.installation_rows(connection, client_key)?;
        let active = rows.iter().find(|row| row.key == CLIENT_INFO);
        let Some(newest) = active.map(|row| row.row_id) else { return Ok(false) };
        for ValueRow { row_id: id, .. } in rows {
            let key = if id == newest { CLIENT_INFO_UNINSTALLED } else { CLIENT_INFO_SUPERSEDED };
            self.rename(connection, id, key)?;
        }
        self.settings.set(connection, client_key, CLIENT_INFO_UNINSTALLED_AT, &now().to_string())?;
        Ok(true)
    }

    fn remove(&self, connection: &mut dyn SqlConnection, client_key: &str) -> QueryResult<bool> {
        // the associations show whose the Forge values are
        let mut gone = 0;
        for AssociationRow { installation_id, .. } in
            connection.rows(&self.installations_of, &[Bind::Text(client_key)])?
        {
            gone += connection.execute(&self.forge.delete_all, &[Bind::Text(&installation_id)])?;
        }
        for statement in [&self.dissociate, &self.settings.delete_all] {
            gone += connection.execute(statement, &[Bind::Text(client_key)])?;
        }
        Ok(gone > 0)
    }

    fn associate(
        &self,
        connection: &mut dyn SqlConnection,
        installation_id: &str,
        client_key: &str,
    ) -> QueryResult<()> {
        lock(connection, self.lock_installation.as_ref(), installation_id)?;
        let binds = [Bind::Text(client_key), Bind::Text(installation_id)];
        if connection.execute(&self.reassociate, &binds)? == 0 {
            connection.execute(&self.associate, &binds)?;
        }
        Ok(())
    }
}

/// Holds a lock on `name` until the transaction ends, if the database has such a lock.
fn lock(connection: &mut dyn SqlConnection, statement: Option<&Statement>, name: &str) -> QueryResult<()> {
    statement.map_or(Ok(()), |statement| take_lock(connection, statement, &[Bind::Text(name)]))
}

/// Called before a tenant changes: locks out other writers until the transaction ends, and notifies the other nodes
/// then.
fn changing(connection: &mut dyn SqlConnection, statements: &Statements, client_key: &str) -> QueryResult<()> {
    lock(connection, statements.lock_tenant.as_ref(), client_key)?;
    match &statements.notify {
        Some(notify) => connection.execute(notify, &[Bind::Text(client_key)]).map(drop),
        None => Ok(()),
    }
}

/// Parses the stored text as JSON. The error names the row, never its value.
fn parse(owner: &str, key: &str, text: &str) -> Result<Value, StoreError> {
    serde_json::from_str(text).map_err(|error| {
        StoreError::refused(format!("the value of {key:?} of {owner:?} is not valid JSON")).caused_by(error)
    })
}

impl SqlStore {
    /// A store on `database` with the settings table `table`.
    pub(super) fn new(database: Arc<dyn Database>, table: &str) -> Self {
        let statements = Statements::new(database.dialect(), table);
        Self { inner: Arc::new(Inner { database, statements }) }
    }

    /// Runs `work` on the blocking pool.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        blocking("the operation on the store", move || work(&inner)).await?
    }

    /// Runs `work` with `keys` in one transaction. Locks out other writers to the first key. If nobody waits for it any
    /// more, it is rolled back.
    async fn write<T: Send + 'static, const N: usize>(
        &self,
        keys: [&str; N],
        work: impl Fn(&mut dyn SqlConnection, &Statements, [&str; N]) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (keys, attempt) = (keys.map(str::to_owned), Attempt::current());
        self.blocking(move |inner| {
            let keys = keys.each_ref().map(String::as_str);
            let written = inner.database.query(Access::Write, |connection| {
                // waiting for the database may have taken long
                if attempt.is_abandoned() {
                    return Err(Error::RollbackTransaction);
                }
                let answer = work(connection, &inner.statements, keys)?;
                attempt.commit().map_err(|_| Error::RollbackTransaction)?;
                Ok(answer)
            });
            if written.is_err() && attempt.is_abandoned() { Err(abandoned()) } else { written }
        })
        .await
    }
}

impl std::fmt::Debug for SqlStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SqlStore").finish_non_exhaustive()
    }
}

impl Statements {
    /// The statements on the values of tenants, or of Forge installations.
    fn of(&self, kind: OwnerKind) -> &Values {
        match kind {
            OwnerKind::Tenant => &self.settings,
            OwnerKind::Forge => &self.forge,
        }
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn values(&self, place: Place<'_>) -> Result<Vec<Value>, StoreError> {
        let (kind, owner, key) = (place.kind(), place.owner().to_owned(), place.key().to_owned());
        if !fits(&owner) || !fits(&key) {
            return Ok(Vec::new());
        }
        self.blocking(move |inner| {
            let values = inner.statements.of(kind);
            let rows = inner.database.query(Access::Read, |connection| values.rows(connection, &owner, &key))?;
            rows.into_iter().map(|(_, value)| parse(&owner, &key, &value)).collect()
        })
        .await
    }

    async fn set(&self, place: Place<'_>, value: &Value) -> Result<(), StoreError> {
        let (kind, names, value) = (place.kind(), [place.owner(), place.key()], value.to_string());
        check_keys(&names)?;
        self.write(names, move |connection, statements, [owner, key]| {
            lock(connection, statements.lock_tenant.as_ref(), owner)?;
            statements.of(kind).set(connection, owner, key, &value)
        })
        .await
    }

    async fn delete(&self, place: Place<'_>) -> Result<bool, StoreError> {
        let (kind, names) = (place.kind(), [place.owner(), place.key()]);
        if !names.into_iter().all(fits) {
            return Ok(false);
        }
        self.write(names, move |connection, statements, [owner, key]| {
            let binds = [Bind::Text(owner), Bind::Text(key)];
            Ok(connection.execute(&statements.of(kind).delete, &binds)? > 0)
        })
        .await
    }

    async fn exchange(
        &self,
        place: Place<'_>,
        expected: Option<&Value>,
        value: Option<&Value>,
    ) -> Result<bool, StoreError> {
        let (kind, names) = (place.kind(), [place.owner(), place.key()]);
        check_keys(&names)?;
        let (expected, value) = (expected.cloned(), value.map(Value::to_string));
        self.write(names, move |connection, statements, [owner, key]| {
            lock(connection, statements.lock_tenant.as_ref(), owner)?;
            statements.of(kind).exchange(connection, [owner, key], expected.as_ref(), value.as_deref())
        })
        .await
    }

    async fn keys(&self, kind: OwnerKind, owner: &str) -> Result<Vec<String>, StoreError> {
        let owner = owner.to_owned();
        if !fits(&owner) {
            return Ok(Vec::new());
        }
        self.blocking(move |inner| {
            let (statement, binds) = (&inner.statements.of(kind).keys, [Bind::Text(&owner)]);
            let rows =
                inner.database.query(Access::Read, |connection| connection.rows::<ValueRow>(statement, &binds))?;
            let mut keys: Vec<_> = rows.into_iter().map(|row| row.key).collect();
            keys.sort_unstable();
            keys.dedup();
            Ok(keys)
        })
        .await
    }

    async fn key_page(&self, kind: OwnerKind, from: Option<&str>, limit: usize) -> Result<KeyPage, StoreError> {
        let (from, limit) = (from.unwrap_or_default().to_owned(), limit.max(1));
        if !fits(&from) {
            return Ok(KeyPage::default());
        }
        self.blocking(move |inner| {
            // One more than requested, to see where the next page begins.
            let fetch = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let (statement, binds) = (&inner.statements.of(kind).key_page, [Bind::Text(&from), Bind::Integer(fetch)]);
            let rows =
                inner.database.query(Access::Read, |connection| connection.rows::<ValueRow>(statement, &binds))?;
            Ok(rows::key_page(rows, limit))
        })
        .await
    }

    async fn save_installation(
        &self,
        client_key: &str,
        installation: &Value,
        installation_id: Option<&str>,
    ) -> Result<(), StoreError> {
        check_keys(&[client_key, installation_id.unwrap_or_default()])?;
        let (installation, installation_id) = (installation.to_string(), installation_id.map(str::to_owned));
        self.write([client_key], move |connection, statements, [client_key]| {
            changing(connection, statements, client_key)?;
            statements.save_installation(connection, client_key, &installation)?;
            match &installation_id {
                Some(installation_id) => statements.associate(connection, installation_id, client_key),
                None => Ok(()),
            }
        })
        .await
    }

    async fn uninstall(&self, client_key: &str) -> Result<bool, StoreError> {
        if !fits(client_key) {
            return Ok(false);
        }
        self.write([client_key], |connection, statements, [client_key]| {
            changing(connection, statements, client_key)?;
            statements.uninstall(connection, client_key)
        })
        .await
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<TenantPage, StoreError> {
        let (after, limit) = (after.unwrap_or_default().to_owned(), limit.max(1));
        if !fits(&after) {
            return Ok(TenantPage::default());
        }
        self.blocking(move |inner| {
            // One more than requested, to see whether there is a next page.
            let fetch = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let binds = [Bind::Text(CLIENT_INFO), Bind::Text(&after), Bind::Integer(fetch)];
            let statement = &inner.statements.tenants;
            let rows =
                inner.database.query(Access::Read, |connection| connection.rows::<ValueRow>(statement, &binds))?;
            let more = rows.len() > limit;
            let tenants = rows
                .into_iter()
                .take(limit)
                .filter_map(|row| Some((row.owner, row.val?)))
                .map(|(client_key, value)| {
                    let installation = as_installation(parse(&client_key, CLIENT_INFO, &value)?);
                    Ok((client_key, installation))
                })
                .collect::<Result<Vec<_>, StoreError>>()?;
            let next = if more { tenants.last().map(|(client_key, _)| client_key.clone()) } else { None };
            Ok(TenantPage { tenants, next })
        })
        .await
    }

    async fn remove(&self, client_key: &str) -> Result<bool, StoreError> {
        if !fits(client_key) {
            return Ok(false);
        }
        self.write([client_key], |connection, statements, [client_key]| {
            changing(connection, statements, client_key)?;
            statements.remove(connection, client_key)
        })
        .await
    }

    async fn purge(&self, client_key: &str, before: u64) -> Result<bool, StoreError> {
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

    async fn client_key_of_installation(&self, installation_id: &str) -> Result<Option<String>, StoreError> {
        if !fits(installation_id) {
            return Ok(None);
        }
        let installation_id = installation_id.to_owned();
        self.blocking(move |inner| {
            let (statement, binds) = (&inner.statements.client_key, [Bind::Text(&installation_id)]);
            let rows = inner
                .database
                .query(Access::Read, |connection| connection.rows::<AssociationRow>(statement, &binds))?;
            Ok(rows.into_iter().next().map(|row| row.client_key))
        })
        .await
    }

    async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        check_keys(&[installation_id, client_key])?;
        self.write([installation_id, client_key], |connection, statements, [installation_id, client_key]| {
            statements.associate(connection, installation_id, client_key)
        })
        .await
    }

    fn pool(&self) -> Option<PoolState> {
        Some(self.inner.database.pool())
    }

    fn changes(&self) -> Option<Changes> {
        self.inner.database.changes()
    }

    fn events(&self) -> Option<&dyn EventQueue> {
        Some(self)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.blocking(|inner| {
            let ping = &inner.statements.ping;
            inner.database.query(Access::Read, |connection| connection.rows::<NumberRow>(ping, &[])).map(drop)
        })
        .await
    }
}
