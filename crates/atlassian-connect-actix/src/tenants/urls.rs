//! The newest tenant of a base URL. A site that is imported over another one keeps the URL and gets another clientKey;
//! the former tenant never says that it is gone.

use std::sync::Arc;

use super::{InstallationOwner, Tenant, Tenants};
use crate::store::StoreError;

/// Base URLs are associated with tenants as Forge installations are: an uninstall or a removal takes it back. `None` if
/// the URL says nothing about the site: Bitbucket's customers all have the same one.
fn id(tenant: &Tenant) -> Option<String> {
    let base_url = tenant.base_url();
    let id = format!("atlassian-connect:url:{base_url}");
    (!base_url.is_empty() && !tenant.is_of_bitbucket() && super::is_key(&id)).then_some(id)
}

impl Tenants {
    /// Records that this tenant has installed from its base URL. Returns whether it replaces another one.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn record_url(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let Some(id) = id(tenant) else { return Ok(false) };
        let former = self.owner(&id).await?;
        if matches!(&former, InstallationOwner::Tenant(known) if *known == *tenant.client_key()) {
            return Ok(false);
        }
        let (store, entries, key) =
            (Arc::clone(&self.store), Arc::clone(&self.entries), tenant.client_key().to_owned());
        let write = || async move {
            let associated = store.associate(&id, &key).await;
            entries.forget(&key);
            associated
        };
        self.queue.run(tenant.client_key(), None, write).await?;
        Ok(matches!(former, InstallationOwner::Tenant(_)))
    }

    /// Whether another tenant has installed from the same base URL since. It may be the same site with other data, or
    /// another customer's site under a name that was free: whose it is now, only the site knows.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn is_replaced(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let Some(id) = id(tenant) else { return Ok(false) };
        let newest = self.of_installation(&id).await?;
        let is_another = |newest: &Tenant| newest.client_key() != tenant.client_key();
        Ok(newest.is_some_and(|newest| is_another(&newest) && newest.base_url() == tenant.base_url()))
    }
}
