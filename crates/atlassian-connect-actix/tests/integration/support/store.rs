//! A store that counts, waits and fails as a test asks, written on the public trait like an app's own store.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atlassian_connect_actix::store::{
    KeyPage, MemoryStore, OwnerKind, Place, Store, StoreError, TenantPage, async_trait,
};
use serde_json::Value;
use tokio::sync::watch;

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Nothing,
    /// The store is unavailable.
    Everything,
    /// The store answers, with an error.
    Refused,
    /// Writes are refused.
    Writes,
    /// Writes panic.
    Panic,
    /// Writes never end.
    Hang,
}

pub(crate) struct FakeStore {
    inner: Arc<MemoryStore>,
    /// When reads of installations began.
    reads: Mutex<Vec<Instant>>,
    /// How often it was asked for installations, or whether it answers.
    asked: AtomicUsize,
    /// While this is true, reads have their result but do not return it.
    held: watch::Sender<bool>,
    delay: Mutex<Duration>,
    failure: Mutex<Failure>,
}

impl FakeStore {
    pub(crate) fn new() -> Arc<Self> {
        Self::on(Arc::default())
    }

    /// The values of `inner`, but not its queue: as a release before the queue sees them.
    pub(crate) fn on(inner: Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            reads: Mutex::default(),
            asked: AtomicUsize::new(0),
            held: watch::Sender::new(false),
            delay: Mutex::default(),
            failure: Mutex::new(Failure::Nothing),
        })
    }

    pub(crate) fn reads(&self) -> Vec<Instant> {
        self.reads.lock().unwrap().clone()
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
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
            Failure::Everything => Err(StoreError::unavailable("db-7.internal:5432 refused the connection")),
            Failure::Refused => Err(StoreError::refused("db-7.internal has no such table")),
            Failure::Panic if is_write => panic!("a bug of the store's"),
            Failure::Writes if is_write => Err(StoreError::refused("the disk of db-7.internal is full")),
            _ => Ok(()),
        }
    }

    /// Fails, or never ends, as the test asks.
    async fn write(&self) -> Result<(), StoreError> {
        self.check(true)?;
        if *self.failure.lock().unwrap() == Failure::Hang {
            return std::future::pending().await;
        }
        Ok(())
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn values(&self, place: Place<'_>) -> Result<Vec<Value>, StoreError> {
        self.check(false)?;
        self.inner.values(place).await
    }

    async fn set(&self, place: Place<'_>, value: &Value) -> Result<(), StoreError> {
        self.write().await?;
        self.inner.set(place, value).await
    }

    async fn delete(&self, place: Place<'_>) -> Result<bool, StoreError> {
        self.write().await?;
        self.inner.delete(place).await
    }

    async fn exchange(
        &self,
        place: Place<'_>,
        expected: Option<&Value>,
        value: Option<&Value>,
    ) -> Result<bool, StoreError> {
        self.write().await?;
        self.inner.exchange(place, expected, value).await
    }

    async fn keys(&self, kind: OwnerKind, owner: &str) -> Result<Vec<String>, StoreError> {
        self.check(false)?;
        self.inner.keys(kind, owner).await
    }

    async fn key_page(&self, kind: OwnerKind, from: Option<&str>, limit: usize) -> Result<KeyPage, StoreError> {
        self.check(false)?;
        self.inner.key_page(kind, from, limit).await
    }

    async fn installations(&self, client_key: &str) -> Result<Vec<Value>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.reads.lock().unwrap().push(Instant::now());
        self.check(false)?;
        let found = self.inner.installations(client_key).await;
        let delay = *self.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        let released = self.held.subscribe().wait_for(|held| !held).await.is_ok();
        assert!(released, "the store is still there");
        found
    }

    async fn save_installation(
        &self,
        client_key: &str,
        installation: &Value,
        installation_id: Option<&str>,
    ) -> Result<(), StoreError> {
        self.write().await?;
        self.inner.save_installation(client_key, installation, installation_id).await
    }

    async fn uninstall(&self, client_key: &str) -> Result<bool, StoreError> {
        self.write().await?;
        self.inner.uninstall(client_key).await
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<TenantPage, StoreError> {
        self.check(false)?;
        self.inner.tenants(after, limit).await
    }

    async fn remove(&self, client_key: &str) -> Result<bool, StoreError> {
        self.write().await?;
        self.inner.remove(client_key).await
    }

    async fn purge(&self, client_key: &str, before: u64) -> Result<bool, StoreError> {
        self.write().await?;
        self.inner.purge(client_key, before).await
    }

    async fn client_key_of_installation(&self, installation_id: &str) -> Result<Option<String>, StoreError> {
        self.check(false)?;
        self.inner.client_key_of_installation(installation_id).await
    }

    async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        self.write().await?;
        self.inner.associate(installation_id, client_key).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.check(false)?;
        self.inner.ping().await
    }
}
