//! Encryption at rest: a store that encrypts the values of another store.
//!
//! It is always used, with or without keys, so that an encrypted value is never mistaken for a plain one. Plain values,
//! as ACE writes them, are read unchanged and encrypted at their next write.

mod events;
pub(crate) mod keys;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::store::PoolState;
use super::{
    CLIENT_INFO, CLIENT_INFO_UNINSTALLED, Changes, EventQueue, KeyPage, OwnerKind, Place, Store, StoreError,
    TenantPage, as_installation,
};
use crate::encryption::EncryptionKey;
use keys::Keys;
pub use keys::key_id;

/// Encrypts what it writes to another store and decrypts what it reads. Names (clientKey, key, installationId) are not
/// encrypted, because the store finds values by them. Neither is [`super::CLIENT_INFO_UNINSTALLED_AT`].
///
/// Values are encrypted with XChaCha20-Poly1305 and bound to their address: one that is copied to another tenant's row
/// does not decrypt there. A value that no key decrypts is an error ([`StoreError::Sealed`]), both when it is read and
/// when it would be overwritten.
pub struct SealedStore {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) keys: Keys,
}

impl SealedStore {
    /// The first of `keys` encrypts, all of them decrypt. Without keys, values are written in clear.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, keys: &[EncryptionKey]) -> Self {
        Self { inner, keys: Keys::new(keys) }
    }

    /// Like [`SealedStore::new`], but checks the keys against one installation, so that an add-on does not start with
    /// the wrong ones.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] if they do not fit. A store that is unreachable or fails otherwise is not an error here.
    pub async fn tried(inner: Arc<dyn Store>, keys: &[EncryptionKey]) -> Result<Arc<Self>, StoreError> {
        let store = Self::new(inner, keys);
        match store.tenants(None, 1).await {
            Err(error @ StoreError::Sealed(_)) => Err(error),
            _ => Ok(Arc::new(store)),
        }
    }

    /// The id of the encrypting key. Stored values contain it; it says nothing else about the key.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.keys.first()
    }

    /// Refuses a write that would replace a value for which this node has no key, but another node may have one.
    async fn nothing_is_lost(&self, place: Place<'_>) -> Result<(), StoreError> {
        for held in self.inner.values(place).await? {
            // an altered value is useless to everybody
            if let Err(error @ StoreError::Sealed(_)) = self.keys.find(place, &held) {
                return Err(error);
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for SealedStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SealedStore").field("keys", &self.keys.ids().count()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SealedStore {
    async fn values(&self, place: Place<'_>) -> Result<Vec<Value>, StoreError> {
        let values = self.inner.values(place).await?;
        values.into_iter().map(|value| self.keys.open(place, value)).collect()
    }

    /// Of several rows only the newest is decrypted.
    async fn get(&self, place: Place<'_>) -> Result<Option<Value>, StoreError> {
        let value = self.inner.get(place).await?;
        value.map(|value| self.keys.open(place, value)).transpose()
    }

    async fn set(&self, place: Place<'_>, value: &Value) -> Result<(), StoreError> {
        let sealed = self.keys.seal(place, value)?;
        self.nothing_is_lost(place).await?;
        self.inner.set(place, &sealed).await
    }

    async fn delete(&self, place: Place<'_>) -> Result<bool, StoreError> {
        self.inner.delete(place).await
    }

    async fn exchange(
        &self,
        place: Place<'_>,
        expected: Option<&Value>,
        value: Option<&Value>,
    ) -> Result<bool, StoreError> {
        let sealed = value.map(|value| self.keys.seal(place, value)).transpose()?;
        let Some(expected) = expected else { return self.inner.exchange(place, None, sealed.as_ref()).await };
        let mut exchanged = false;
        for held in self.inner.values(place).await? {
            if self.keys.open(place, held.clone())? == *expected {
                exchanged |= self.inner.exchange(place, Some(&held), sealed.as_ref()).await?;
            }
        }
        Ok(exchanged)
    }

    async fn keys(&self, kind: OwnerKind, owner: &str) -> Result<Vec<String>, StoreError> {
        self.inner.keys(kind, owner).await
    }

    async fn key_page(&self, kind: OwnerKind, from: Option<&str>, limit: usize) -> Result<KeyPage, StoreError> {
        self.inner.key_page(kind, from, limit).await
    }

    async fn installations(&self, client_key: &str) -> Result<Vec<Value>, StoreError> {
        let place = Place::of_tenant(client_key, CLIENT_INFO);
        let values = self.inner.installations(client_key).await?;
        values.into_iter().map(|value| self.keys.open(place, value).map(as_installation)).collect()
    }

    async fn save_installation(
        &self,
        client_key: &str,
        installation: &Value,
        installation_id: Option<&str>,
    ) -> Result<(), StoreError> {
        let sealed = self.keys.seal(Place::of_tenant(client_key, CLIENT_INFO), installation)?;
        // a new install writes to the row of the uninstalled tenant
        for key in [CLIENT_INFO, CLIENT_INFO_UNINSTALLED] {
            self.nothing_is_lost(Place::of_tenant(client_key, key)).await?;
        }
        self.inner.save_installation(client_key, &sealed, installation_id).await
    }

    async fn uninstall(&self, client_key: &str) -> Result<bool, StoreError> {
        self.inner.uninstall(client_key).await
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<TenantPage, StoreError> {
        let TenantPage { tenants, next } = self.inner.tenants(after, limit).await?;
        let opened = tenants.into_iter().map(|(client_key, value)| {
            let installation = self.keys.open(Place::of_tenant(&client_key, CLIENT_INFO), value)?;
            Ok((client_key, as_installation(installation)))
        });
        Ok(TenantPage { tenants: opened.collect::<Result<_, StoreError>>()?, next })
    }

    async fn remove(&self, client_key: &str) -> Result<bool, StoreError> {
        self.inner.remove(client_key).await
    }

    async fn purge(&self, client_key: &str, before: u64) -> Result<bool, StoreError> {
        self.inner.purge(client_key, before).await
    }

    async fn client_key_of_installation(&self, installation_id: &str) -> Result<Option<String>, StoreError> {
        self.inner.client_key_of_installation(installation_id).await
    }

    async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        self.inner.associate(installation_id, client_key).await
    }

    fn pool(&self) -> Option<PoolState> {
        self.inner.pool()
    }

    fn changes(&self) -> Option<Changes> {
        self.inner.changes()
    }

    fn events(&self) -> Option<&dyn EventQueue> {
        self.inner.events().map(|_| self as _)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}
