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

use super::site_origin::{is_of_site, site_origin};
use crate::error::Error;
use crate::host::{HostClient, HostError};
use crate::outbound::{STRANGER_LIFETIME, UNASKED_LIFETIME};
use crate::state::State;
use crate::tenants::{Tenant, is_key};

/// The property that tells the clientKey of a site. Neither it nor `installationId` survives the end of Connect: what
/// is found is stored.
///
/// Source: Atlassian, "Migrate the Connect clientKey".
const PROPERTY: &str = "connect_client_key_019cdff3-8bfb-71fe-9628-875b700aebb8";

/// What is known of an invocation whose tenant is looked for.
pub(super) struct Asked<'a> {
    pub(super) state: &'a State,
    pub(super) installation_id: &'a str,
    pub(super) site_ari: Option<String>,
    /// By the token.
    pub(super) site_url: Option<&'a str>,
    /// The invocation brought the app's token, with which the site can be asked.
    pub(super) may_ask: bool,
    /// The product, as the app.
    pub(super) host: &'a dyn Fn() -> HostClient,
}

/// See [`ForgeInvocation::tenant`](super::ForgeInvocation::tenant).
pub(super) async fn tenant_of(invocation: &Asked<'_>) -> Result<Option<Arc<Tenant>>, Error> {
    let (tenants, id) = (&invocation.state.tenants, invocation.installation_id);
    if let Some(tenant) = tenants.of_installation(id).await? {
        if let Some(site) = &invocation.site_ari
            && tenants.of_installation(site).await?.is_none_or(|known| known.client_key() != tenant.client_key())
        {
            tenants.associate(site, tenant.client_key()).await?;
        }
        return Ok(Some(tenant));
    }
    let Some(site) = &invocation.site_ari else { return Ok(None) };
    let found = match tenants.of_installation(site).await? {
        Some(tenant) => Some(tenant),
        None => invocation.answer().await?,
    };
    if let Some(tenant) = &found {
        tracing::info!(
            client_key = tenant.client_key(),
            installation_id = id,
            "a Forge installation is a Connect tenant's"
        );
        tenants.associate(id, tenant.client_key()).await?;
        tenants.associate(site, tenant.client_key()).await?;
    }
    Ok(found)
}

impl Asked<'_> {
    /// The tenant that the site names when it is asked.
    async fn answer(&self) -> Result<Option<Arc<Tenant>>, Error> {
        let (state, id) = (self.state, self.installation_id);
        let is_stranger = state.outbound.strangers.get(id).is_some_and(|until| Instant::now() < until);
        if !self.may_ask || is_stranger {
            return Ok(None);
        }
        let host = (self.host)();
        let key = state.descriptor().key().to_owned();
        let path = format!("/rest/atlassian-connect/1/addons/{key}/properties/{PROPERTY}");
        let property = async {
            let response = host.get(path).body_limit(16 * 1024).send().await?;
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
        let Some(site) = site_origin(self.site_url, self.site_ari.as_deref(), &host).await else {
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
        self.state.outbound.strangers.insert(self.installation_id.to_owned(), until);
    }
}
