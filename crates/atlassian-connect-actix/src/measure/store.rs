//! [`MeasuredStore`]: a store whose operations are measured.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::store_operation;
use crate::store::{
    Changes, EventQueue, FoundEvent, KeyPage, OwnerKind, Place, PoolState, QueuedEvent, Store, StoreError, TakenEvent,
    TenantPage, async_trait,
};

/// A store around another one that measures each operation: how long it takes, and how it fails.
pub(crate) struct MeasuredStore(pub(crate) Arc<dyn Store>);

async fn measured<T>(
    name: &'static str,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let begun = Instant::now();
    let result = operation.await;
    store_operation(name, begun, result.as_ref().err().map(kind));
    result
}

fn kind(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(..) => "unavailable",
        StoreError::Refused(..) => "refused",
        StoreError::Sealed(..) => "sealed",
        StoreError::Configuration(..) => "configuration",
        _ => "other",
    }
}

#[async_trait]
impl Store for MeasuredStore {
    async fn values(&self, place: Place<'_>) -> Result<Vec<Value>, StoreError> {
        measured("values", self.0.values(place)).await
    }

    async fn get(&self, place: Place<'_>) -> Result<Option<Value>, StoreError> {
        measured("get", self.0.get(place)).await
    }

    async fn set(&self, place: Place<'_>, value: &Value) -> Result<(), StoreError> {
        measured("set", self.0.set(place, value)).await
    }

    async fn delete(&self, place: Place<'_>) -> Result<bool, StoreError> {
        measured("delete", self.0.delete(place)).await
    }

    async fn exchange(
        &self,
        place: Place<'_>,
        expected: Option<&Value>,
        value: Option<&Value>,
    ) -> Result<bool, StoreError> {
        measured("exchange", self.0.exchange(place, expected, value)).await
    }

    async fn keys(&self, kind: OwnerKind, owner: &str) -> Result<Vec<String>, StoreError> {
        measured("keys", self.0.keys(kind, owner)).await
    }

    async fn key_page(&self, kind: OwnerKind, from: Option<&str>, limit: usize) -> Result<KeyPage, StoreError> {
        measured("key_page", self.0.key_page(kind, from, limit)).await
    }

    async fn installations(&self, client_key: &str) -> Result<Vec<Value>, StoreError> {
        measured("installations", self.0.installations(client_key)).await
    }

    async fn save_installation(
        &self,
        client_key: &str,
        installation: &Value,
        installation_id: Option<&str>,
    ) -> Result<(), StoreError> {
        measured("save_installation", self.0.save_installation(client_key, installation, installation_id)).await
    }

    async fn uninstall(&self, client_key: &str) -> Result<bool, StoreError> {
        measured("uninstall", self.0.uninstall(client_key)).await
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<TenantPage, StoreError> {
        measured("tenants", self.0.tenants(after, limit)).await
    }

    async fn remove(&self, client_key: &str) -> Result<bool, StoreError> {
        measured("remove", self.0.remove(client_key)).await
    }

    async fn purge(&self, client_key: &str, before: u64) -> Result<bool, StoreError> {
        measured("purge", self.0.purge(client_key, before)).await
    }

    async fn client_key_of_installation(&self, installation_id: &str) -> Result<Option<String>, StoreError> {
        measured("client_key_of_installation", self.0.client_key_of_installation(installation_id)).await
    }

    async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        measured("associate", self.0.associate(installation_id, client_key)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        measured("ping", self.0.ping()).await
    }

    fn changes(&self) -> Option<Changes> {
        self.0.changes()
    }

    fn events(&self) -> Option<&dyn EventQueue> {
        self.0.events().map(|_| self as _)
    }

    fn pool(&self) -> Option<PoolState> {
        self.0.pool()
    }
}

impl MeasuredStore {
    /// The queue of the inner store, for which [`Store::events`] has looked.
    fn queue(&self) -> Result<&dyn EventQueue, StoreError> {
        self.0.events().ok_or_else(|| StoreError::configuration("the store has no queue of events"))
    }
}

#[async_trait]
impl EventQueue for MeasuredStore {
    async fn add(&self, event: &QueuedEvent, until: u64, done_before: u64) -> Result<bool, StoreError> {
        measured("add_event", self.queue()?.add(event, until, done_before)).await
    }

    async fn renew(&self, id: &str, attempts: u32, until: u64) -> Result<bool, StoreError> {
        measured("renew_event", self.queue()?.renew(id, attempts, until)).await
    }

    async fn finish(&self, id: &str, at: u64) -> Result<(), StoreError> {
        measured("finish_event", self.queue()?.finish(id, at)).await
    }

    async fn find(&self, start: &str) -> Result<Vec<FoundEvent>, StoreError> {
        measured("find_events", self.queue()?.find(start)).await
    }

    async fn take_over(&self, ended: u64, until: u64, limit: usize) -> Result<Vec<TakenEvent>, StoreError> {
        measured("take_over_events", self.queue()?.take_over(ended, until, limit)).await
    }

    async fn forget(&self, before: u64) -> Result<u64, StoreError> {
        measured("forget_events", self.queue()?.forget(before)).await
    }
}
