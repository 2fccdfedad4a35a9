//! A store in memory, for tests. All data is lost when the process ends.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use futures_util::FutureExt;
use futures_util::future::ready;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;

use super::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, KeyPage, Place, Store,
    StoreError, StoreFuture, TenantPage, as_installation, check_keys, now,
};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    data: Mutex<Data>,
}

/// Values by owner (a tenant or a Forge installation) and key.
type Values = BTreeMap<String, HashMap<String, Value>>;

#[derive(Default)]
struct Data {
    tenants: Values,
    forge: Values,
    /// installationId -> clientKey.
    associations: HashMap<String, String>,
}

impl std::fmt::Debug for Data {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values are secrets.
        formatter
            .debug_struct("Data")
            .field("tenants", &self.tenants.len())
            .field("forge", &self.forge.len())
            .finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Never held across an await: every method below finishes before its future is polled.
    fn data(&self) -> MutexGuard<'_, Data> {
        // A panic while the lock is held cannot leave a half-written value.
        self.data.lock()
    }
}

fn answer<'a, T: Send + 'a>(result: Result<T, StoreError>) -> StoreFuture<'a, T> {
    ready(result).boxed()
}

fn get(values: &Values, owner: &str, key: &str) -> Option<Value> {
    values.get(owner)?.get(key).cloned()
}

fn set(values: &mut Values, owner: &str, key: &str, value: &Value) -> Result<(), StoreError> {
    check_keys(&[owner, key])?;
    values.entry(owner.to_owned()).or_default().insert(key.to_owned(), value.clone());
    Ok(())
}

fn keys(values: &Values, from: Option<&str>, limit: usize) -> KeyPage {
    let from = Bound::Included(from.unwrap_or_default());
    let mut known = values.range::<str, _>((from, Bound::Unbounded));
    let sorted = |values: &HashMap<String, Value>| {
        let mut keys: Vec<_> = values.keys().cloned().collect();
        keys.sort();
        keys
    };
    let tenants = known.by_ref().take(limit.max(1)).map(|(name, values)| (name.clone(), sorted(values))).collect();
    KeyPage { tenants, next: known.next().map(|(name, _)| name.clone()) }
}

fn remove(values: &mut Values, owner: &str, key: &str) -> Option<Value> {
    let of_owner = values.get_mut(owner)?;
    let removed = of_owner.remove(key);
    if of_owner.is_empty() {
        values.remove(owner);
    }
    removed
}

impl Data {
    fn save_installation(
        &mut self,
        client_key: &str,
        installation: &Value,
        installation_id: Option<&str>,
    ) -> Result<(), StoreError> {
        check_keys(&[client_key, installation_id.unwrap_or_default()])?;
        remove(&mut self.tenants, client_key, CLIENT_INFO_UNINSTALLED_AT);
        let revived = remove(&mut self.tenants, client_key, CLIENT_INFO_UNINSTALLED);
        if let (Some(old), Some(_)) = (revived, get(&self.tenants, client_key, CLIENT_INFO)) {
            set(&mut self.tenants, client_key, CLIENT_INFO_SUPERSEDED, &old)?;
        }
        set(&mut self.tenants, client_key, CLIENT_INFO, installation)?;
        if let Some(installation_id) = installation_id {
            self.associations.insert(installation_id.to_owned(), client_key.to_owned());
        }
        Ok(())
    }

    fn uninstall(&mut self, client_key: &str) -> Result<bool, StoreError> {
        self.associations.retain(|_, tenant| tenant != client_key);
        let Some(installation) = remove(&mut self.tenants, client_key, CLIENT_INFO) else { return Ok(false) };
        if let Some(old) = remove(&mut self.tenants, client_key, CLIENT_INFO_UNINSTALLED) {
            set(&mut self.tenants, client_key, CLIENT_INFO_SUPERSEDED, &old)?;
        }
        set(&mut self.tenants, client_key, CLIENT_INFO_UNINSTALLED, &installation)?;
        set(&mut self.tenants, client_key, CLIENT_INFO_UNINSTALLED_AT, &now().into())?;
        Ok(true)
    }

    fn tenants(&self, after: Option<&str>, limit: usize) -> TenantPage {
        let after = Bound::Excluded(after.unwrap_or_default());
        let mut installed =
            self.tenants.range::<str, _>((after, Bound::Unbounded)).filter_map(|(client_key, values)| {
                Some((client_key.clone(), as_installation(values.get(CLIENT_INFO)?.clone())))
            });
        let tenants: Vec<_> = installed.by_ref().take(limit.max(1)).collect();
        let next = installed.next().and_then(|_| tenants.last().map(|(client_key, _)| client_key.clone()));
        TenantPage { tenants, next }
    }

    fn of(&mut self, place: Place<'_>) -> &mut Values {
        match place {
            Place::Tenant { .. } => &mut self.tenants,
            Place::Forge { .. } => &mut self.forge,
        }
    }

    fn exchange(&mut self, place: Place<'_>, expected: &Value, value: &Value) -> Result<bool, StoreError> {
        check_keys(&[place.owner(), place.key()])?;
        let held = self.of(place).get_mut(place.owner()).and_then(|values| values.get_mut(place.key()));
        let Some(held) = held.filter(|held| *held == expected) else { return Ok(false) };
        held.clone_from(value);
        Ok(true)
    }

    fn purge(&mut self, client_key: &str, before: u64) -> bool {
        let has = |key| get(&self.tenants, client_key, key);
        let since = has(CLIENT_INFO_UNINSTALLED_AT).and_then(|since| since.as_u64());
        let is_uninstalled = has(CLIENT_INFO).is_none() && has(CLIENT_INFO_UNINSTALLED).is_some();
        is_uninstalled && since.is_some_and(|since| since <= before) && self.remove(client_key)
    }

    fn remove(&mut self, client_key: &str) -> bool {
        let Self { tenants, forge, associations } = self;
        let known = tenants.remove(client_key).is_some();
        let before = associations.len();
        associations.retain(|installation_id, tenant| {
            let goes = tenant == client_key;
            if goes {
                forge.remove(installation_id);
            }
            !goes
        });
        known || associations.len() < before
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>> {
        answer(Ok(get(&self.data().tenants, client_key, key)))
    }

    fn set<'a>(&'a self, client_key: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()> {
        answer(set(&mut self.data().tenants, client_key, key, value))
    }

    fn delete<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, bool> {
        answer(Ok(remove(&mut self.data().tenants, client_key, key).is_some()))
    }

    fn installations<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, Vec<Value>> {
        let installation = get(&self.data().tenants, client_key, CLIENT_INFO);
        answer(Ok(installation.map(as_installation).into_iter().collect()))
    }

    fn save_installation<'a>(
        &'a self,
        client_key: &'a str,
        installation: &'a Value,
        installation_id: Option<&'a str>,
    ) -> StoreFuture<'a, ()> {
        answer(self.data().save_installation(client_key, installation, installation_id))
    }

    fn uninstall<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool> {
        answer(self.data().uninstall(client_key))
    }

    fn tenants<'a>(&'a self, after: Option<&'a str>, limit: usize) -> StoreFuture<'a, TenantPage> {
        answer(Ok(self.data().tenants(after, limit)))
    }

    fn stored_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage> {
        answer(Ok(keys(&self.data().tenants, from, limit)))
    }

    fn forge_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage> {
        answer(Ok(keys(&self.data().forge, from, limit)))
    }

    fn values<'a>(&'a self, place: Place<'a>) -> StoreFuture<'a, Vec<Value>> {
        answer(Ok(get(self.data().of(place), place.owner(), place.key()).into_iter().collect()))
    }

    fn exchange<'a>(&'a self, place: Place<'a>, expected: &'a Value, value: &'a Value) -> StoreFuture<'a, bool> {
        answer(self.data().exchange(place, expected, value))
    }

    fn purge<'a>(&'a self, client_key: &'a str, before: u64) -> StoreFuture<'a, bool> {
        answer(Ok(self.data().purge(client_key, before)))
    }

    fn remove<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool> {
        answer(Ok(self.data().remove(client_key)))
    }

    fn client_key_of_installation<'a>(&'a self, installation_id: &'a str) -> StoreFuture<'a, Option<String>> {
        answer(Ok(self.data().associations.get(installation_id).cloned()))
    }

    fn associate<'a>(&'a self, installation_id: &'a str, client_key: &'a str) -> StoreFuture<'a, ()> {
        let associated = check_keys(&[installation_id, client_key]).map(|()| {
            self.data().associations.insert(installation_id.to_owned(), client_key.to_owned());
        });
        answer(associated)
    }

    fn forge_get<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>> {
        answer(Ok(get(&self.data().forge, installation_id, key)))
    }

    fn forge_set<'a>(&'a self, installation_id: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()> {
        answer(set(&mut self.data().forge, installation_id, key, value))
    }

    fn forge_delete<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, bool> {
        answer(Ok(remove(&mut self.data().forge, installation_id, key).is_some()))
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        answer(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let store = MemoryStore::new();
        set(&mut store.data().tenants, "tenant", CLIENT_INFO, &json!({ "sharedSecret": "hush" })).unwrap();
        let text = format!("{store:?}");
        assert!(text.contains('1') && !text.contains("hush"), "{text}");
    }
}
