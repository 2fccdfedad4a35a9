//! Records on another backend: a map under a lock stands in for your database.

use std::collections::BTreeMap;

use atlassian_connect_store::{RecordChange, Records, StoreError, async_trait};
use parking_lot::Mutex;
use serde_json::Value;

#[derive(Default)]
pub struct Shelf(Mutex<BTreeMap<String, Value>>);

#[async_trait]
impl Records for Shelf {
    async fn read(&self, name: &str) -> Result<Option<Value>, StoreError> {
        Ok(self.0.lock().get(name).cloned())
    }

    async fn scan(&self, from: &str, limit: usize) -> Result<Vec<(String, Value)>, StoreError> {
        let records = self.0.lock();
        Ok(records.range(from.to_owned()..).take(limit).map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    async fn commit(&self, changes: Vec<RecordChange>) -> Result<bool, StoreError> {
        let mut records = self.0.lock();
        if changes.iter().any(|change| records.get(&change.name) != change.expected.as_ref()) {
            return Ok(false);
        }
        for RecordChange { name, value, .. } in changes {
            match value {
                Some(value) => drop(records.insert(name, value)),
                None => drop(records.remove(&name)),
            }
        }
        Ok(true)
    }
}
