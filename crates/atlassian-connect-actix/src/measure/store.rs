//! [`MeasuredStore`]: a store whose operations are measured and traced.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::store_operation;
use crate::store::{
    Changes, EventQueue, FoundEvent, KeyPage, OwnerKind, Place, PoolState, QueuedEvent, Store, StoreError, TakenEvent,
    TenantPage, async_trait,
};
use crate::trace;

/// A store around another one that measures each operation: how long it takes, and how it fails. Each is a span of a
/// trace, too.
pub(crate) struct MeasuredStore {
    pub(crate) inner: Arc<dyn Store>,
    /// The backend, as traces name it: `postgresql`.
    pub(crate) system: &'static str,
}

impl MeasuredStore {
    async fn measured<T>(
        &self,
        name: &'static str,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let result = trace::store_operation(self.system, name, kind, operation).await;
        store_operation(name, begun, result.as_ref().err().map(kind));
        result
    }
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
        self.measured("values", self.inner.values(place)).await
    }

    async fn get(&self, place: Place<'_>) -> Result<Option<Value>, StoreError> {
        self.measured("get", self.inner.get(place)).await
    }

    async fn set(&self, place: Place<'_>, value: &Value) -> Result<(), StoreError> {
        self.measured("set", self.inner.set(place, value)).await
    }

    async fn delete(&self, place: Place<'_>) -> Result<bool, StoreError> {
        self.measured("delete", self.inner.delete(place)).await
    }

    async fn exchange(
        &self,
        place: Place<'_>,
        expected: Option<&Value>,
        value: Option<&Value>,
    ) -> Result<bool, StoreError> {
        self.measured("exchange", self.inner.exchange(place, expected, value)).await
    }

    async fn keys(&self, kind: OwnerKind, owner: &str) -> Result<Vec<String>, StoreError> {
        self.measured("keys", self.inner.keys(kind, owner)).await
    }

    async fn key_page(&self, kind: OwnerKind, from: Option<&str>, limit: usize) -> Result<KeyPage, StoreError> {
        self.measured("key_page", self.inner.key_page(kind, from, limit)).await
    }

    async fn installations(&self, client_key: &str) -> Result<Vec<Value>, StoreError> {
        self.measured("installations", self.inner.installations(client_key)).await
    }

    async fn save_installation(
        &self,
        client_key: &str,
        installation: &Value,
        installation_id: Option<&str>,
    ) -> Result<(), StoreError> {
        self.measured("save_installation", self.inner.save_installation(client_key, installation, installation_id))
            .await
    }

    async fn uninstall(&self, client_key: &str) -> Result<bool, StoreError> {
        self.measured("uninstall", self.inner.uninstall(client_key)).await
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<TenantPage, StoreError> {
        self.measured("tenants", self.inner.tenants(after, limit)).await
    }

    async fn remove(&self, client_key: &str) -> Result<bool, StoreError> {
        self.measured("remove", self.inner.remove(client_key)).await
    }

    async fn purge(&self, client_key: &str, before: u64) -> Result<bool, StoreError> {
        self.measured("purge", self.inner.purge(client_key, before)).await
    }

    async fn client_key_of_installation(&self, installation_id: &str) -> Result<Option<String>, StoreError> {
        self.measured("client_key_of_installation", self.inner.client_key_of_installation(installation_id)).await
    }

    async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        self.measured("associate", self.inner.associate(installation_id, client_key)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.measured("ping", self.inner.ping()).await
    }

    fn changes(&self) -> Option<Changes> {
        self.inner.changes()
    }

    fn events(&self) -> Option<&dyn EventQueue> {
        self.inner.events().map(|_| self as _)
    }

    fn pool(&self) -> Option<PoolState> {
        self.inner.pool()
    }
}

impl MeasuredStore {
    /// The queue of the inner store, for which [`Store::events`] has looked.
    fn queue(&self) -> Result<&dyn EventQueue, StoreError> {
        self.inner.events().ok_or_else(|| StoreError::configuration("the store has no queue of events"))
    }
}

#[async_trait]
impl EventQueue for MeasuredStore {
    async fn add(&self, event: &QueuedEvent, until: u64, done_before: u64) -> Result<bool, StoreError> {
        self.measured("add_event", self.queue()?.add(event, until, done_before)).await
    }

    async fn renew(&self, id: &str, attempts: u32, until: u64) -> Result<bool, StoreError> {
        self.measured("renew_event", self.queue()?.renew(id, attempts, until)).await
    }

    async fn finish(&self, id: &str, at: u64) -> Result<(), StoreError> {
        self.measured("finish_event", self.queue()?.finish(id, at)).await
    }

    async fn find(&self, start: &str) -> Result<Vec<FoundEvent>, StoreError> {
        self.measured("find_events", self.queue()?.find(start)).await
    }

    async fn take_over(&self, ended: u64, until: u64, limit: usize) -> Result<Vec<TakenEvent>, StoreError> {
        self.measured("take_over_events", self.queue()?.take_over(ended, until, limit)).await
    }

    async fn forget(&self, before: u64) -> Result<u64, StoreError> {
        self.measured("forget_events", self.queue()?.forget(before)).await
    }
}
