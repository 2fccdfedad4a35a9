//! The tenants of sites, and where the data of a site is.

use std::sync::Arc;

use serde::Deserialize;

use super::{InstallationOwner, Tenant, Tenants};
use crate::store::{Place, StoreError};

/// The key of the record of a site, below the site's key.
pub const SITE: &str = "atlassian-connect:site";

/// What is read of the record of a site.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Moved {
    client_key: String,
    is_done: bool,
}

impl Tenants {
    /// The tenant of a site: the associated one, else the one to which the site's data has moved, if that is installed
    /// again.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn of_site(&self, site: &str) -> Result<Option<Arc<Tenant>>, StoreError> {
        if let Some(tenant) = self.of_installation(site).await? {
            return Ok(Some(tenant));
        }
        match self.data_key_of(site).await? {
            InstallationOwner::Tenant(client_key) => self.current(&client_key).await,
            InstallationOwner::Nobody => Ok(None),
        }
    }

    /// The tenant of the first of these sites that has one.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn of_sites(&self, sites: &[String]) -> Result<Option<Arc<Tenant>>, StoreError> {
        for site in sites {
            if let Some(tenant) = self.of_site(site).await? {
                return Ok(Some(tenant));
            }
        }
        Ok(None)
    }

    /// The key under which the data of an installation without a tenant is: the first of its sites' keys, or the
    /// clientKey to which that data has moved. A customer who uninstalls the Connect app and stays on Forge keeps the
    /// data.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn key_of_data(&self, sites: &[String]) -> Result<String, StoreError> {
        for site in sites {
            if let InstallationOwner::Tenant(client_key) = self.data_key_of(site).await? {
                return Ok(client_key);
            }
        }
        Ok(sites.first().cloned().unwrap_or_default())
    }

    /// The tenant to whose clientKey the data of a site has moved.
    async fn data_key_of(&self, site: &str) -> Result<InstallationOwner, StoreError> {
        if let Some(known) = self.entries.moved(site) {
            return Ok(known);
        }
        let read = async {
            self.outage.admit().await?;
            let seen = self.entries.seen();
            let value = self.outage.watch(self.store.get(Place::of_forge(site, SITE))).await?;
            let record = value.and_then(|value| Moved::deserialize(value).ok());
            let found = record.filter(|record| record.is_done && super::is_key(&record.client_key));
            let found = InstallationOwner::from(found.map(|record| record.client_key));
            self.entries.fill_moved(seen, site, &found);
            Ok(found)
        };
        self.outage.or_kept(read, || self.entries.kept_moved(site)).await
    }
}
