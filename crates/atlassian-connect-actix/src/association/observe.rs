//! Looks at the installation of an invocation, in the background.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use secrecy::SecretString;

use super::ask;
use super::draft::Draft;
use super::join::{self, Joined};
use super::record::{By, InstallationRecord, SEEN_ON_FORGE, Seen, save_tenant_record, site_record};
use crate::error::Error;
use crate::installation::product_of_key;
use crate::outbound::Means;
use crate::panics;
use crate::state::State;
use crate::store::internal::now;
use crate::tenants::Tenant;

/// How long an installation is left alone after it was looked at.
const REST: Duration = Duration::from_secs(24 * 60 * 60);
/// The same after it was associated: what was written meanwhile by pages that did not know it has to move, too.
const REST_OF_FRESH: Duration = Duration::from_secs(16 * 60);
/// The same after a failure: the store was unavailable, or a listener failed.
const REST_OF_FAILURE: Duration = Duration::from_secs(60);
/// When an invocation is recorded again, in seconds.
const DAY: u64 = 24 * 60 * 60;
/// How long the last invocations of an installation that ends may take, in seconds.
const ENDING: u64 = 10 * 60;

/// A product of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SiteOf {
    /// The key of its site.
    pub(crate) key: String,
    /// The base URL of its API.
    pub(crate) api: String,
}

/// What an invocation says about its installation.
pub(crate) struct Observed {
    pub(crate) installation_id: String,
    /// The first has the key under which the app stores data without a Connect tenant.
    pub(crate) sites: Vec<SiteOf>,
    pub(crate) site_url: Option<String>,
    pub(crate) app: Option<String>,
    pub(crate) environment: Option<String>,
    /// Whether the site may be asked: the Connect app belongs to the first Forge app, in the environment of this
    /// deployment.
    pub(crate) has_connect: bool,
    pub(crate) app_token: Option<SecretString>,
    /// Whether Forge itself sent the token, and not a page.
    pub(crate) is_sure: bool,
}

/// Looks at an installation if it is time to. Returns at once.
pub(crate) fn observe(state: &Data<State>, installation_id: &str, means: Means, observed: impl FnOnce() -> Observed) {
    let Some(waiting) = state.outbound.associations.begin(installation_id, means) else { return };
    let (state, observed) = (state.clone(), observed());
    panics::spawn("finding the tenant of a Forge installation", async move {
        let (_waiting, associations) = (waiting, &state.outbound.associations);
        let Some(_place) = associations.place().await else { return };
        let id = observed.installation_id.as_str();
        match look(&state, &observed).await {
            Ok(Outcome::Settled) => associations.rest(id, Means::Tenant, REST),
            Ok(Outcome::Fresh) => associations.rest(id, Means::Tenant, REST_OF_FRESH),
            Ok(Outcome::Unknown) => associations.rest(id, means, REST),
            Err(error) => {
                tracing::warn!(installation_id = id, %error, "the tenant of a Forge installation could not be found out");
                associations.rest(id, means, REST_OF_FAILURE);
            }
        }
    });
}

/// What a look has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The tenant is not known.
    Unknown,
    /// The tenant is known, and its data has moved. Another look is due soon.
    Fresh,
    /// There is nothing left to do.
    Settled,
}

/// A tenant, and how it was found.
struct Found {
    tenant: Arc<Tenant>,
    by: By,
    /// Whether only the site can say if that is still right.
    is_in_doubt: bool,
    /// Whether it is proved, so that it replaces another tenant that is stored for the installation.
    is_proved: bool,
}

async fn look(state: &Data<State>, observed: &Observed) -> Result<Outcome, Error> {
    let (tenants, id) = (&state.tenants, observed.installation_id.as_str());
    let mut draft = Draft::read(tenants.store().as_ref(), id).await?;
    draft.record = describe(draft.record, observed, now());
    let mut found = known(state, observed, &draft.record).await?;
    if found.as_ref().is_none_or(|found| found.is_in_doubt) {
        found = match ask::tenant_of_site(state, observed, &mut draft).await? {
            Some(tenant) => Some(Found { tenant, by: By::Property, is_in_doubt: false, is_proved: true }),
            // that takes time: another node may have found the tenant meanwhile
            None => known(state, observed, &draft.record).await?,
        };
    }
    let Some(found) = found else {
        draft.write(|record| describe(record, observed, now())).await?;
        note_data_in_use(state, observed).await?;
        return Ok(Outcome::Unknown);
    };
    let client_key = found.tenant.client_key();
    let mut outcome = Outcome::Settled;
    // the settings are the tenant's before the installation is
    for site in sites_of(state, observed, &found).await? {
        match join::join(state, site, client_key, found.by).await? {
            Joined::TenantGone => return Ok(Outcome::Unknown),
            Joined::Fresh => outcome = Outcome::Fresh,
            Joined::Settled => {}
        }
    }
    if !found.is_proved && has_another(state, id, client_key).await? {
        draft.write(|record| describe(record, observed, now())).await?;
        return Ok(Outcome::Fresh);
    }
    if !tenants.is_associated(id, client_key).await? {
        tracing::info!(client_key, installation_id = id, by = ?found.by, "a Forge installation belongs to a Connect tenant");
        if !tenants.associate(id, client_key).await? {
            return Ok(Outcome::Unknown);
        }
    }
    let settled = |record| {
        let mut record = InstallationRecord { named: None, ..describe(record, observed, now()) };
        if record.client_key.as_deref() != Some(client_key) {
            (record.client_key, record.by, record.at) = (Some(client_key.to_owned()), Some(found.by), Some(now()));
        }
        record
    };
    draft.write(settled).await?;
    Ok(outcome)
}

/// A tenant that has uninstalled the Connect app may go on through Forge, with the data under its clientKey: a purge has
/// to leave it.
async fn note_data_in_use(state: &State, observed: &Observed) -> Result<(), Error> {
    let keys: Vec<String> = observed.sites.iter().map(|site| site.key.clone()).collect();
    let key = state.tenants.key_of_data(&keys).await?;
    if !keys.contains(&key) {
        save_tenant_record(state.tenants.store().as_ref(), &key, SEEN_ON_FORGE, &Seen { at: now() }).await?;
    }
    Ok(())
}

/// The tenant that is stored for the installation, else for one of its sites.
async fn known(state: &State, observed: &Observed, record: &InstallationRecord) -> Result<Option<Found>, Error> {
    let tenants = &state.tenants;
    if let Some(tenant) = tenants.of_installation(&observed.installation_id).await? {
        let is_recorded = record.client_key.as_deref() == Some(tenant.client_key());
        let since = record.at.filter(|_| is_recorded);
        let by = record.by.filter(|_| is_recorded).unwrap_or(By::Installed);
        let mut is_in_doubt = tenants.is_replaced(&tenant).await?;
        for site in observed.sites.iter().filter(|site| is_own(site, observed, &tenant)) {
            let Some(other) = tenants.of_installation(&site.key).await? else { continue };
            if other.client_key() == tenant.client_key() {
                continue;
            }
            let proof = site_record(tenants.store().as_ref(), &site.key).await?;
            let proof = proof.filter(|proof| proof.client_key == other.client_key());
            let is_proved = |by: Option<By>| matches!(by, Some(By::Property | By::TenantInfo));
            if proof.is_some_and(|proof| is_proved(proof.by) && since.is_none_or(|since| since < proof.at)) {
                return Ok(Some(Found { tenant: other, by: By::Site, is_in_doubt: false, is_proved: true }));
            }
            is_in_doubt = true;
        }
        return Ok(Some(Found { tenant, by, is_in_doubt, is_proved: false }));
    }
    for site in &observed.sites {
        if let Some(tenant) = tenants.of_site(&site.key).await? {
            let is_in_doubt = tenants.is_replaced(&tenant).await?;
            return Ok(Some(Found { tenant, by: By::Site, is_in_doubt, is_proved: false }));
        }
    }
    Ok(None)
}

/// Whether an installation or a site is associated with another installed tenant by now, not as this node has it cached.
async fn has_another(state: &State, id: &str, client_key: &str) -> Result<bool, Error> {
    match state.tenants.store().client_key_of_installation(id).await? {
        Some(other) if other != client_key => Ok(state.tenants.current(&other).await?.is_some()),
        _ => Ok(false),
    }
}

/// Whether the tenant is the one of this product.
fn is_own(site: &SiteOf, observed: &Observed, tenant: &Tenant) -> bool {
    observed.sites.len() == 1 || product_of_key(&site.key) == Some(tenant.product().as_str())
}

/// The sites of the installation that belong to its tenant: the one that the tenant is, and those that have none. What
/// another tenant has stays with it, unless this one is proved.
async fn sites_of<'a>(state: &State, observed: &'a Observed, found: &Found) -> Result<Vec<&'a str>, Error> {
    let mut sites = Vec::new();
    for site in &observed.sites {
        let is_free = !has_another(state, &site.key, found.tenant.client_key()).await?;
        if is_free || (found.is_proved && is_own(site, observed, &found.tenant)) {
            sites.push(site.key.as_str());
        }
    }
    Ok(sites)
}

/// The record with what the invocation says.
fn describe(record: InstallationRecord, observed: &Observed, now: u64) -> InstallationRecord {
    let is_seen = now.abs_diff(record.seen) < DAY;
    InstallationRecord {
        sites: observed.sites.iter().map(|site| site.key.clone()).collect(),
        site_url: observed.site_url.clone().or(record.site_url),
        app: observed.app.clone().or(record.app),
        environment: observed.environment.clone().or(record.environment),
        ended: record.ended.filter(|ended| now.abs_diff(*ended) < ENDING),
        seen: if is_seen { record.seen } else { now },
        ..record
    }
}
