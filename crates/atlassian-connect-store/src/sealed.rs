//! Encryption at rest: a store that encrypts the values of another store.
//!
//! It is always used, with or without keys, so that an encrypted value is never mistaken for a plain one. Plain values,
//! as ACE writes them, are read unchanged and encrypted at their next write.

mod convert;
mod keys;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

use super::{
    CLIENT_INFO, CLIENT_INFO_UNINSTALLED, Changes, KeyPage, Place, Store, StoreError, StoreFuture, TenantPage,
    as_installation,
};
use crate::encryption::EncryptionKey;
pub use convert::{Census, Conversion, ValueForm};
use keys::Keys;
pub use keys::key_id;

/// Encrypts what it writes to another store and decrypts what it reads. Names (clientKey, key, installationId) are not
/// encrypted, because the store finds values by them. Neither is [`super::CLIENT_INFO_UNINSTALLED_AT`].
///
/// Values are encrypted with XChaCha20-Poly1305 and bound to their address: one that is copied to another tenant's row
/// does not decrypt there. A value that no key decrypts is an error ([`StoreError::Sealed`]), both when it is read and
/// when it would be overwritten.
pub struct SealedStore {
    inner: Arc<dyn Store>,
    keys: Keys,
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

    async fn opened(&self, place: Place<'_>) -> Result<Vec<Value>, StoreError> {
        let values = self.inner.values(place).await?;
        values.into_iter().map(|value| self.keys.open(place, value)).collect()
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

    async fn put(&self, place: Place<'_>, value: &Value) -> Result<(), StoreError> {
        let sealed = self.keys.seal(place, value)?;
        self.nothing_is_lost(place).await?;
        match place {
            Place::Tenant { client_key, key } => self.inner.set(client_key, key, &sealed).await,
            Place::Forge { installation_id, key } => self.inner.forge_set(installation_id, key, &sealed).await,
        }
    }
}

impl std::fmt::Debug for SealedStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SealedStore").field("keys", &self.keys.ids().count()).finish_non_exhaustive()
    }
}

impl Store for SealedStore {
    fn get<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>> {
        Box::pin(async move {
            let value = self.inner.get(client_key, key).await?;
            value.map(|value| self.keys.open(Place::of_tenant(client_key, key), value)).transpose()
        })
    }

    fn set<'a>(&'a self, client_key: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()> {
        Box::pin(self.put(Place::of_tenant(client_key, key), value))
    }

    fn delete<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, bool> {
        self.inner.delete(client_key, key)
    }

    fn installations<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let place = Place::of_tenant(client_key, CLIENT_INFO);
            let values = self.inner.installations(client_key).await?;
            values.into_iter().map(|value| self.keys.open(place, value).map(as_installation)).collect()
        })
    }

    fn values<'a>(&'a self, place: Place<'a>) -> StoreFuture<'a, Vec<Value>> {
        Box::pin(self.opened(place))
    }

    fn exchange<'a>(&'a self, place: Place<'a>, expected: &'a Value, value: &'a Value) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let sealed = self.keys.seal(place, value)?;
            let mut exchanged = false;
            for held in self.inner.values(place).await? {
                if self.keys.open(place, held.clone())? == *expected {
                    exchanged |= self.inner.exchange(place, &held, &sealed).await?;
                }
            }
            Ok(exchanged)
        })
    }

    fn save_installation<'a>(
        &'a self,
        client_key: &'a str,
        installation: &'a Value,
        installation_id: Option<&'a str>,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let sealed = self.keys.seal(Place::of_tenant(client_key, CLIENT_INFO), installation)?;
            // a new install writes to the row of the uninstalled tenant
            for key in [CLIENT_INFO, CLIENT_INFO_UNINSTALLED] {
                self.nothing_is_lost(Place::of_tenant(client_key, key)).await?;
            }
            self.inner.save_installation(client_key, &sealed, installation_id).await
        })
    }

    fn uninstall<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool> {
        self.inner.uninstall(client_key)
    }

    fn tenants<'a>(&'a self, after: Option<&'a str>, limit: usize) -> StoreFuture<'a, TenantPage> {
        Box::pin(async move {
            let TenantPage { tenants, next } = self.inner.tenants(after, limit).await?;
            let opened = tenants.into_iter().map(|(client_key, value)| {
                let installation = self.keys.open(Place::of_tenant(&client_key, CLIENT_INFO), value)?;
                Ok((client_key, as_installation(installation)))
            });
            Ok(TenantPage { tenants: opened.collect::<Result<_, StoreError>>()?, next })
        })
    }

    fn stored_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage> {
        self.inner.stored_keys(from, limit)
    }

    fn remove<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool> {
        self.inner.remove(client_key)
    }

    fn purge<'a>(&'a self, client_key: &'a str, before: u64) -> StoreFuture<'a, bool> {
        self.inner.purge(client_key, before)
    }

    fn client_key_of_installation<'a>(&'a self, installation_id: &'a str) -> StoreFuture<'a, Option<String>> {
        self.inner.client_key_of_installation(installation_id)
    }

    fn associate<'a>(&'a self, installation_id: &'a str, client_key: &'a str) -> StoreFuture<'a, ()> {
        self.inner.associate(installation_id, client_key)
    }

    fn forge_get<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>> {
        Box::pin(async move {
            let value = self.inner.forge_get(installation_id, key).await?;
            value.map(|value| self.keys.open(Place::of_forge(installation_id, key), value)).transpose()
        })
    }

    fn forge_set<'a>(&'a self, installation_id: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()> {
        Box::pin(self.put(Place::of_forge(installation_id, key), value))
    }

    fn forge_delete<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, bool> {
        self.inner.forge_delete(installation_id, key)
    }

    fn changes(&self) -> Option<Changes> {
        self.inner.changes()
    }

    fn forge_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage> {
        self.inner.forge_keys(from, limit)
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        self.inner.ping()
    }
}
