//! A store in memory, for tests. All data is lost when the process ends.

mod events;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;

use self::events::Events;
use super::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, EventQueue, KeyPage,
    OwnerKind, Place, Store, StoreError, TenantPage, as_installation, check_keys, now,
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
    events: Events,
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

    /// Never held across an await.
    fn data(&self) -> MutexGuard<'_, Data> {
        // A panic while the lock is held cannot leave a half-written value.
        self.data.lock()
    }
}

fn get(values: &Values, owner: &str, key: &str) -> Option<Value> {
    values.get(owner)?.get(key).cloned()
}

fn set(values: &mut Values, owner: &str, key: &str, value: &Value) -> Result<(), StoreError> {
    check_keys(&[owner, key])?;
    values.entry(owner.to_owned()).or_default().insert(key.to_owned(), value.clone());
    Ok(())
}

fn sorted(values: &HashMap<String, Value>) -> Vec<String> {
    let mut keys: Vec<_> = values.keys().cloned().collect();
    keys.sort();
    keys
}

fn keys(values: &Values, from: Option<&str>, limit: usize) -> KeyPage {
    let from = Bound::Included(from.unwrap_or_default());
    let mut known = values.range::<str, _>((from, Bound::Unbounded));
    let owners = known.by_ref().take(limit.max(1)).map(|(name, values)| (name.clone(), sorted(values))).collect();
    KeyPage { owners, next: known.next().map(|(name, _)| name.clone()) }
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

    fn of(&mut self, kind: OwnerKind) -> &mut Values {
        match kind {
            OwnerKind::Tenant => &mut self.tenants,
            OwnerKind::Forge => &mut self.forge,
        }
    }

    fn exchange(
        &mut self,
        place: Place<'_>,
        expected: Option<&Value>,
        value: Option<&Value>,
    ) -> Result<bool, StoreError> {
        check_keys(&[place.owner(), place.key()])?;
        let values = self.of(place.kind());
        if get(values, place.owner(), place.key()).as_ref() != expected {
            return Ok(false);
        }
        match value {
            Some(value) => set(values, place.owner(), place.key(), value)?,
            None => drop(remove(values, place.owner(), place.key())),
        }
        Ok(true)
    }

    fn purge(&mut self, client_key: &str, before: u64) -> bool {
        let has = |key| get(&self.tenants, client_key, key);
        let since = has(CLIENT_INFO_UNINSTALLED_AT).and_then(|since| since.as_u64());
        let is_uninstalled = has(CLIENT_INFO).is_none() && has(CLIENT_INFO_UNINSTALLED).is_some();
        is_uninstalled && since.is_some_and(|since| since <= before) && self.remove(client_key)
    }

    fn remove(&mut self, client_key: &str) -> bool {
        let Self { tenants, forge, associations, .. } = self;
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

#[async_trait]
impl Store for MemoryStore {
    async fn values(&self, place: Place<'_>) -> Result<Vec<Value>, StoreError> {
        Ok(get(self.data().of(place.kind()), place.owner(), place.key()).into_iter().collect())
    }

    async fn set(&self, place: Place<'_>, value: &Value) -> Result<(), StoreError> {
        set(self.data().of(place.kind()), place.owner(), place.key(), value)
    }

    async fn delete(&self, place: Place<'_>) -> Result<bool, StoreError> {
        Ok(remove(self.data().of(place.kind()), place.owner(), place.key()).is_some())
    }

    async fn exchange(
        &self,
        place: Place<'_>,
        expected: Option<&Value>,
        value: Option<&Value>,
    ) -> Result<bool, StoreError> {
        self.data().exchange(place, expected, value)
    }

    async fn keys(&self, kind: OwnerKind, owner: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.data().of(kind).get(owner).map(sorted).unwrap_or_default())
    }

    async fn key_page(&self, kind: OwnerKind, from: Option<&str>, limit: usize) -> Result<KeyPage, StoreError> {
        Ok(keys(self.data().of(kind), from, limit))
    }

    async fn save_installation(
        &self,
        client_key: &str,
        installation: &Value,
        installation_id: Option<&str>,
    ) -> Result<(), StoreError> {
        self.data().save_installation(client_key, installation, installation_id)
    }

    async fn uninstall(&self, client_key: &str) -> Result<bool, StoreError> {
        self.data().uninstall(client_key)
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<TenantPage, StoreError> {
        Ok(self.data().tenants(after, limit))
    }

    async fn remove(&self, client_key: &str) -> Result<bool, StoreError> {
        Ok(self.data().remove(client_key))
    }

    async fn purge(&self, client_key: &str, before: u64) -> Result<bool, StoreError> {
        Ok(self.data().purge(client_key, before))
    }

    async fn client_key_of_installation(&self, installation_id: &str) -> Result<Option<String>, StoreError> {
        Ok(self.data().associations.get(installation_id).cloned())
    }

    async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        check_keys(&[installation_id, client_key])?;
        self.data().associations.insert(installation_id.to_owned(), client_key.to_owned());
        Ok(())
    }

    fn events(&self) -> Option<&dyn EventQueue> {
        Some(self)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
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
