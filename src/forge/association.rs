//! Whose Connect tenant a Forge installation is, or was.
//!
//! The `installed` callback names the installation, but an installation gets another id when it is made anew, and not
//! every tenant was installed while the payload had one. The site outlives both: what is once known of an installation
//! is remembered for its site, and where nothing is known, the site is asked. The `installed` callback is signed; what
//! the site says is believed of its own tenant alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use serde_json::Value;

use super::site_origin::is_of_site;
use crate::auth::ForgeInvocation;
use crate::error::Error;
use crate::host::HostError;
use crate::outbound::{STRANGER_LIFETIME, UNASKED_LIFETIME};
use crate::tenants::{Tenant, is_key};

/// The property that tells the clientKey of a site. Neither it nor `installationId` survives the end of Connect: what
/// is found is stored.
///
/// Source: Atlassian, "Migrate the Connect clientKey".
const PROPERTY: &str = "connect_client_key_019cdff3-8bfb-71fe-9628-875b700aebb8";

impl ForgeInvocation {
    /// The Connect tenant of this site: by the installation, else by the site itself, else as the site says when it is
    /// asked as the app (once in ten minutes at most, in ten seconds where it gave no answer). What the site says
    /// counts only for a tenant whose base URL or display URL is that site's. What is found is stored, and found at
    /// once from then on.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is away. A site that cannot be asked is no error.
    pub async fn tenant(&self) -> Result<Option<Arc<Tenant>>, Error> {
        let (tenants, site) = (&self.state().tenants, self.site_ari());
        if let Some(tenant) = self.connect_tenant().await? {
            if let Some(site) = &site
                && tenants.of_installation(site).await?.is_none_or(|known| known.client_key() != tenant.client_key())
            {
                tenants.associate(site, tenant.client_key()).await?;
            }
            return Ok(Some(tenant));
        }
        let Some(site) = site else { return Ok(None) };
        let found = match tenants.of_installation(&site).await? {
            Some(tenant) => Some(tenant),
            None => self.asked().await?,
        };
        if let Some(tenant) = &found {
            tracing::info!(
                client_key = tenant.client_key(),
                installation_id = self.installation_id(),
                "a Forge installation is a Connect tenant's"
            );
            tenants.associate(self.installation_id(), tenant.client_key()).await?;
            tenants.associate(&site, tenant.client_key()).await?;
        }
        Ok(found)
    }

    /// The name under which the add-on keeps what belongs to this tenant: the clientKey where there is a Connect
    /// tenant, so that nothing has to move; else the site's ARI; else the installation's.
    ///
    /// # Errors
    /// As [`ForgeInvocation::tenant`].
    pub async fn tenant_key(&self) -> Result<String, Error> {
        Ok(match self.tenant().await? {
            Some(tenant) => tenant.client_key().to_owned(),
            None => self.site_ari().unwrap_or_else(|| self.installation_id().to_owned()),
        })
    }

    async fn asked(&self) -> Result<Option<Arc<Tenant>>, Error> {
        let (state, id) = (self.state(), self.installation_id());
        let is_stranger = state.outbound.strangers.get(id).is_some_and(|until| Instant::now() < until);
        if self.app_token().is_none() || is_stranger {
            return Ok(None);
        }
        let key = state.descriptor().key().to_owned();
        let path = format!("/rest/atlassian-connect/1/addons/{key}/properties/{PROPERTY}");
        let property = async {
            let response = self.host().get(path).body_limit(16 * 1024).send().await?;
            match response.status() {
                StatusCode::OK => response.json::<Value>().await.map(Some),
                StatusCode::NOT_FOUND => Ok(Some(Value::Null)),
                _ => Ok(None),
            }
        };
        let property = property.await.unwrap_or_else(|error: HostError| {
            tracing::debug!(%error, "the site could not be asked for its clientKey");
            None
        });
        // whoever looks at a page can send a token beside its invocation that is none: that is no answer of the site's
        let believed = if property.is_some() { STRANGER_LIFETIME } else { UNASKED_LIFETIME };
        let property = property.unwrap_or_default();
        let client_key = property["value"].as_str().filter(|client_key| is_key(client_key));
        let tenant = match client_key {
            Some(client_key) => state.tenants.current(client_key).await?,
            None => None,
        };
        let Some(tenant) = tenant else {
            self.remember_stranger(believed);
            return Ok(None);
        };
        // the property says whose data the app would show: a site must not name another one's tenant
        let Some(site) = self.site_origin().await else {
            tracing::warn!(
                client_key = tenant.client_key(),
                installation_id = id,
                "the URL of a site that names a Connect tenant is not known: it is not associated"
            );
            self.remember_stranger(UNASKED_LIFETIME);
            return Ok(None);
        };
        if !is_of_site(&tenant, &site) {
            tracing::warn!(
                client_key = tenant.client_key(),
                base_url = tenant.base_url(),
                site,
                installation_id = id,
                "a site names the Connect tenant of another site: it is not associated"
            );
            self.remember_stranger(STRANGER_LIFETIME);
            return Ok(None);
        }
        Ok(Some(tenant))
    }

    /// Does not ask the site again for so long.
    fn remember_stranger(&self, lifetime: Duration) {
        let until = Instant::now() + lifetime;
        self.state().outbound.strangers.insert(self.installation_id().to_owned(), until);
    }
}
