//! Whatever makes a tenant another one: installs, uninstalls, associations. Each waits for its turn.

use std::sync::Arc;

use serde_json::Value;

use super::{Installation, Tenant, Tenants, candidates};
use crate::store::StoreError;
use crate::store::internal::Arrival;

/// What an uninstall has ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Uninstalled {
    /// Whether there was an installation.
    pub was_installed: bool,
    /// The tenant as it was; `None` where there was none, or none that could be used.
    pub tenant: Option<Arc<Tenant>>,
}

impl Tenants {
    /// Associates a Forge installation with a tenant, if that is installed when it is this write's turn.
    ///
    /// # Errors
    /// What the store answers; [`StoreError::Unavailable`] when the turn does not come in time.
    pub async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        let (store, entries) = (Arc::clone(&self.store), Arc::clone(&self.entries));
        let (id, key) = (installation_id.to_owned(), client_key.to_owned());
        let write = || async move {
            if store.installations(&key).await?.is_empty() {
                return Ok(());
            }
            let associated = store.associate(&id, &key).await;
            entries.forget(&key);
            associated
        };
        self.queue.run(client_key, None, write).await.map(drop)
    }

    /// Stores an installation; its tenant is answered as later requests will see it.
    ///
    /// Installs and uninstalls of one tenant count in the order in which their requests arrived at this process: `None`
    /// when a later one is done already, which would have replaced this one. One whose caller goes away before it is
    /// done is dropped, where the store can: what memory or a server has got is done.
    ///
    /// # Errors
    /// What the store answers; [`StoreError::Refused`] when the installation cannot open anything,
    /// [`StoreError::Unavailable`] when it takes too long.
    pub async fn save(
        &self,
        arrival: Arrival,
        installation: &Installation,
        payload: &Value,
    ) -> Result<Option<Arc<Tenant>>, StoreError> {
        let tenant = Tenant::new(installation.clone(), &self.further_ancestors)
            .ok_or_else(|| StoreError::Refused("an installation without a sharedSecret is not stored".into()))?;
        let (store, entries) = (Arc::clone(&self.store), Arc::clone(&self.entries));
        let (installation, payload) = (installation.clone(), payload.clone());
        let write = || async move {
            let (client_key, id) = (&installation.client_key, installation.installation_id.as_deref());
            let saved = store.save_installation(client_key, &payload, id.filter(|id| !id.is_empty())).await;
            entries.forget(client_key);
            saved
        };
        let saved = self.queue.run(tenant.client_key(), Some(arrival), write).await?;
        Ok(saved.map(|()| Arc::new(tenant)))
    }

    /// Marks the tenant as uninstalled: its secret opens nothing any more. In order with installs, see
    /// [`Tenants::save`].
    ///
    /// # Errors
    /// What the store answers; [`StoreError::Unavailable`] when it takes too long.
    pub async fn uninstall(&self, arrival: Arrival, client_key: &str) -> Result<Option<Uninstalled>, StoreError> {
        let (store, entries) = (Arc::clone(&self.store), Arc::clone(&self.entries));
        let (key, further_ancestors) = (client_key.to_owned(), Arc::clone(&self.further_ancestors));
        let write = || async move {
            let tenant = candidates(&key, &store.installations(&key).await?, &further_ancestors).first().cloned();
            let uninstalled = store.uninstall(&key).await;
            entries.forget(&key);
            Ok(Uninstalled { was_installed: uninstalled?, tenant })
        };
        self.queue.run(client_key, Some(arrival), write).await
    }
}
