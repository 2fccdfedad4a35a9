//! Records on another backend: a map under a lock stands in for your database.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use atlassian_connect_store::{RecordChange, Records, StoreFuture};
use serde_json::Value;

#[derive(Default)]
pub struct Shelf(Mutex<BTreeMap<String, Value>>);

impl Shelf {
    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut BTreeMap<String, Value>) -> T) -> StoreFuture<'_, T> {
        let done = work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(async move { Ok(done) })
    }
}

impl Records for Shelf {
    fn read<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<Value>> {
        self.with(|records| records.get(name).cloned())
    }

    fn scan<'a>(&'a self, from: &'a str, limit: usize) -> StoreFuture<'a, Vec<(String, Value)>> {
        self.with(|records| records.range(from.to_owned()..).take(limit).map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    fn commit(&self, changes: Vec<RecordChange>) -> StoreFuture<'_, bool> {
        self.with(|records| {
            let holds = changes.iter().all(|change| records.get(&change.name) == change.expected.as_ref());
            for RecordChange { name, value, .. } in changes.into_iter().filter(|_| holds) {
                match value {
                    Some(value) => drop(records.insert(name, value)),
                    None => drop(records.remove(&name)),
                }
            }
            holds
        })
    }
}
