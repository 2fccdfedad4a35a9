//! Writes that change a tenant: installs, uninstalls, associations. Each waits for its turn.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Installation, Tenant, Tenants, candidates};
use crate::audit;
use crate::store::StoreError;
use crate::store::internal::Arrival;

/// The result of an uninstall.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Uninstalled {
    /// Whether there was an installation.
    pub was_installed: bool,
    /// The tenant before the uninstall; `None` if there was none, or none that was usable.
    pub tenant: Option<Arc<Tenant>>,
}

/// How long an install waits for what was stored before.
const LOOK: Duration = Duration::from_secs(1);

/// A tenant that was stored.
#[derive(Debug)]
pub struct Saved {
    /// As it is from now on.
    pub tenant: Arc<Tenant>,
    /// As it was, if it was installed.
    pub before: Option<Arc<Tenant>>,
}

impl Tenants {
    /// Associates a Forge installation or a site with a tenant, if that is still installed when it is this write's turn.
    /// Returns whether it is.
    ///
    /// # Errors
    /// The store's error; [`StoreError::Unavailable`] if the turn does not come in time.
    pub async fn associate(&self, installation_id: &str, client_key: &str) -> Result<bool, StoreError> {
        let (store, entries) = (Arc::clone(&self.store), Arc::clone(&self.entries));
        let (id, key) = (installation_id.to_owned(), client_key.to_owned());
        let write = || async move {
            if store.installations(&key).await?.is_empty() {
                return Ok(false);
            }
            let associated = store.associate(&id, &key).await;
            entries.forget(&key);
            associated.map(|()| true)
        };
        let is_associated = self.queue.run(client_key, None, write).await? == Some(true);
        if is_associated {
            audit::associated(client_key, installation_id);
        }
        Ok(is_associated)
    }

    /// Stores an installation. Returns its tenant as later requests will see it, and as it was before.
    ///
    /// Installs and uninstalls of one tenant apply in the order in which their requests arrived at this process. `None`
    /// if a later one is already done, which would have replaced this one. If the caller goes away, the write is
    /// dropped where the store supports it; what has already been sent is completed.
    ///
    /// # Errors
    /// The store's error; [`StoreError::Refused`] if the installation has no secret, [`StoreError::Unavailable`] if it
    /// takes too long.
    pub async fn save(
        &self,
        arrival: Arrival,
        installation: &Installation,
        payload: &Value,
    ) -> Result<Option<Saved>, StoreError> {
        let tenant = Tenant::new(installation.clone(), &self.further_ancestors)
            .ok_or_else(|| StoreError::refused("an installation without a sharedSecret is not stored"))?;
        let (store, entries) = (Arc::clone(&self.store), Arc::clone(&self.entries));
        let (installation, payload) = (installation.clone(), payload.clone());
        let further_ancestors = Arc::clone(&self.further_ancestors);
        let write = || async move {
            let (client_key, id) = (&installation.client_key, installation.installation_id.as_deref());
            // only for the audit log: the install does not depend on it
            let before = tokio::time::timeout(LOOK, store.installations(client_key)).await;
            let before = before.ok().and_then(Result::ok).unwrap_or_default();
            let before = candidates(client_key, &before, &further_ancestors).first().cloned();
            let saved = store.save_installation(client_key, &payload, id.filter(|id| !id.is_empty())).await;
            entries.forget(client_key);
            saved.map(|()| before)
        };
        let saved = self.queue.run(tenant.client_key(), Some(arrival), write).await?;
        Ok(saved.map(|before| Saved { tenant: Arc::new(tenant), before }))
    }

    /// Marks the tenant as uninstalled: its secret is no longer accepted. In order with installs, see
    /// [`Tenants::save`].
    ///
    /// # Errors
    /// The store's error; [`StoreError::Unavailable`] if it takes too long.
    pub async fn uninstall(&self, arrival: Arrival, client_key: &str) -> Result<Option<Uninstalled>, StoreError> {
        let (store, entries) = (Arc::clone(&self.store), Arc::clone(&self.entries));
        let (key, further_ancestors) = (client_key.to_owned(), Arc::clone(&self.further_ancestors));
        let write = || async move {
            // if the store is unavailable, the tenant must not be served from the cache until it is back
            entries.forget(&key);
            let tenant = candidates(&key, &store.installations(&key).await?, &further_ancestors).first().cloned();
            let uninstalled = store.uninstall(&key).await;
            entries.forget(&key);
            Ok(Uninstalled { was_installed: uninstalled?, tenant })
        };
        self.queue.run(client_key, Some(arrival), write).await
    }
}
