//! A store that counts, waits and fails as a test asks, written on the public trait like an app's own store.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atlassian_connect_actix::store::{KeyPage, MemoryStore, Place, Store, StoreError, StoreFuture, TenantPage};
use serde_json::Value;
use tokio::sync::watch;

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Nothing,
    /// The store is unavailable.
    Everything,
    /// Writes are refused.
    Writes,
    /// Writes panic.
    Panic,
    /// Writes never end.
    Hang,
}

pub(crate) struct FakeStore {
    inner: MemoryStore,
    /// When reads of installations began.
    reads: Mutex<Vec<Instant>>,
    /// While this is true, reads have their result but do not return it.
    held: watch::Sender<bool>,
    delay: Mutex<Duration>,
    failure: Mutex<Failure>,
}

impl FakeStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(),
            reads: Mutex::default(),
            held: watch::Sender::new(false),
            delay: Mutex::default(),
            failure: Mutex::new(Failure::Nothing),
        })
    }

    pub(crate) fn reads(&self) -> Vec<Instant> {
        self.reads.lock().unwrap().clone()
    }

    /// How long reads take from now on.
    pub(crate) fn delay(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    pub(crate) fn fail(&self, failure: Failure) {
        *self.failure.lock().unwrap() = failure;
    }

    fn check(&self, is_write: bool) -> Result<(), StoreError> {
        let failure = *self.failure.lock().unwrap();
        match failure {
            Failure::Everything => Err(StoreError::Unavailable("db-7.internal:5432 refused the connection".into())),
            Failure::Panic if is_write => panic!("a bug of the store's"),
            Failure::Writes if is_write => Err(StoreError::Refused("the disk of db-7.internal is full".into())),
            _ => Ok(()),
        }
    }

    fn or<'a, T: Send + 'a>(&'a self, is_write: bool, work: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        Box::pin(async move {
            self.check(is_write)?;
            if is_write && *self.failure.lock().unwrap() == Failure::Hang {
                return std::future::pending().await;
            }
            work.await
        })
    }
}

impl Store for FakeStore {
    fn get<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>> {
        self.or(false, self.inner.get(client_key, key))
    }

    fn set<'a>(&'a self, client_key: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()> {
        self.or(true, Box::pin(async move { self.inner.set(client_key, key, value).await }))
    }

    fn delete<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, bool> {
        self.or(true, Box::pin(async move { self.inner.delete(client_key, key).await }))
    }

    fn installations<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, Vec<Value>> {
        Box::pin(async move {
            self.reads.lock().unwrap().push(Instant::now());
            self.check(false)?;
            let found = self.inner.installations(client_key).await;
            let delay = *self.delay.lock().unwrap();
            tokio::time::sleep(delay).await;
            let released = self.held.subscribe().wait_for(|held| !held).await.is_ok();
            assert!(released, "the store is still there");
            found
        })
    }

    fn save_installation<'a>(
        &'a self,
        client_key: &'a str,
        installation: &'a Value,
        installation_id: Option<&'a str>,
    ) -> StoreFuture<'a, ()> {
        // the memory store writes when it is called, not when it is awaited
        let write = async move { self.inner.save_installation(client_key, installation, installation_id).await };
        self.or(true, Box::pin(write))
    }

    fn uninstall<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool> {
        self.or(true, Box::pin(async move { self.inner.uninstall(client_key).await }))
    }

    fn tenants<'a>(&'a self, after: Option<&'a str>, limit: usize) -> StoreFuture<'a, TenantPage> {
        self.or(false, self.inner.tenants(after, limit))
    }

    fn stored_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage> {
        self.or(false, self.inner.stored_keys(from, limit))
    }

    fn remove<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool> {
        self.or(true, Box::pin(async move { self.inner.remove(client_key).await }))
    }

    fn client_key_of_installation<'a>(&'a self, installation_id: &'a str) -> StoreFuture<'a, Option<String>> {
        self.or(false, self.inner.client_key_of_installation(installation_id))
    }

    fn associate<'a>(&'a self, installation_id: &'a str, client_key: &'a str) -> StoreFuture<'a, ()> {
        self.or(true, Box::pin(async move { self.inner.associate(installation_id, client_key).await }))
    }

    fn forge_get<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>> {
        self.or(false, self.inner.forge_get(installation_id, key))
    }

    fn forge_set<'a>(&'a self, installation_id: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()> {
        self.or(true, Box::pin(async move { self.inner.forge_set(installation_id, key, value).await }))
    }

    fn forge_delete<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, bool> {
        self.or(true, Box::pin(async move { self.inner.forge_delete(installation_id, key).await }))
    }

    fn values<'a>(&'a self, place: Place<'a>) -> StoreFuture<'a, Vec<Value>> {
        self.or(false, self.inner.values(place))
    }

    fn exchange<'a>(&'a self, place: Place<'a>, expected: &'a Value, value: &'a Value) -> StoreFuture<'a, bool> {
        self.or(true, Box::pin(async move { self.inner.exchange(place, expected, value).await }))
    }

    fn purge<'a>(&'a self, client_key: &'a str, before: u64) -> StoreFuture<'a, bool> {
        self.or(true, Box::pin(async move { self.inner.purge(client_key, before).await }))
    }

    fn forge_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage> {
        self.or(false, self.inner.forge_keys(from, limit))
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        self.or(false, self.inner.ping())
    }
}
