//! Associates a site with a tenant. The data of the site follows.

use actix_web::web::Data;
use serde_json::json;

use super::draft::Draft;
use super::moving::{copy, keys_of, remove};
use super::record::{
    By, SITES, SiteRecord, installation_record, save_site_record, save_tenant_record, site_record, tenant_record,
};
use crate::emission::{Emission, names};
use crate::error::Error;
use crate::state::State;
use crate::store::internal::now;
use crate::store::{Store, StoreError};

/// How often a record is written that nodes write as well. The association itself does not depend on it.
const TRIES: usize = 5;
/// Until then a page, or a node that does not know of it, may write under the key of a site that was associated, in
/// seconds: the lifetime of a page's tokens.
const UNAWARE: u64 = 15 * 60;

/// How far the association of a site has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// The tenant is no longer installed: nothing was changed.
    TenantGone,
    /// The site is associated. A look some time later will move what was written meanwhile.
    Fresh,
    /// There is nothing left to do.
    Settled,
}

/// Associates a site with a tenant, if the tenant is installed.
///
/// The settings under the site's key move to the clientKey: where the tenant has another value, it stays, and so does
/// the one of the site ([`SiteRecord::kept`]). Then the app is told (`TenantAssociated`). Safe to repeat: what was
/// interrupted goes on. A call a quarter of an hour later does it all once more, for what was written meanwhile by
/// pages and nodes that did not know of it.
///
/// # Errors
/// [`Error::Unavailable`] when the store is unavailable, [`Error::Internal`] when a listener fails.
pub async fn join(state: &Data<State>, site: &str, client_key: &str, by: By) -> Result<Joined, Error> {
    let (tenants, store) = (&state.tenants, state.tenants.store().as_ref());
    let Some(tenant) = tenants.current(client_key).await? else { return Ok(Joined::TenantGone) };
    let known = site_record(store, site).await?.filter(|known| known.client_key == client_key);
    let is_associated = tenants.is_associated(site, client_key).await?;
    let is_done = is_associated && known.as_ref().is_some_and(|known| known.is_done);
    if let (true, Some(known)) = (is_done, &known) {
        if known.is_swept {
            return Ok(Joined::Settled);
        }
        if now().abs_diff(known.at) < UNAWARE {
            return Ok(Joined::Fresh);
        }
    }
    let mut record = known.unwrap_or_else(|| begun(client_key, by));
    let keys = keys_of(store, site).await?;
    // the copies are there before the association, so that the app finds a value at any time
    copy(store, site, &keys, &mut record).await?;
    if !is_associated && !tenants.associate(site, client_key).await? {
        return Ok(Joined::TenantGone);
    }
    note_site(store, client_key, site).await?;
    remove(store, site, &keys, &mut record).await?;
    if !record.kept.is_empty() {
        tracing::warn!(
            client_key,
            site,
            keys = record.kept.join(", "),
            "the tenant has other values under these keys, or the site's were written during the move: the site's stay under its key"
        );
    }
    save_site_record(store, site, &record).await?;
    let body = json!({ "from": site, "to": client_key });
    State::emit(state, Emission::new(names::TENANT_ASSOCIATED, Some(tenant), body), state.config.limits.listener)
        .await?;
    save_site_record(store, site, &SiteRecord { is_done: true, is_swept: is_done, ..record }).await?;
    tenants.forget(client_key);
    Ok(if is_done { Joined::Settled } else { Joined::Fresh })
}

/// Copies the settings of a site to the tenant that installs now and names the site's Forge installation: what the app
/// sets as defaults at an install must not come before them.
///
/// # Errors
/// What the store answers.
pub(crate) async fn bring_settings(state: &State, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
    let store = state.tenants.store().as_ref();
    let Some(installation) = installation_record(store, installation_id).await? else { return Ok(()) };
    let Some(site) = installation.sites.first() else { return Ok(()) };
    let known = site_record(store, site).await?;
    if known.as_ref().is_some_and(|known| known.client_key != client_key || known.is_done) {
        return Ok(());
    }
    let keys = keys_of(store, site).await?;
    if keys.is_empty() {
        return Ok(());
    }
    copy(store, site, &keys, &mut known.unwrap_or_else(|| begun(client_key, By::Installed))).await
}

/// The record of a site that begins to move.
fn begun(client_key: &str, by: By) -> SiteRecord {
    SiteRecord { client_key: client_key.to_owned(), by: Some(by), at: now(), ..SiteRecord::default() }
}

/// Associates an installation with a tenant, and records how. Returns `false` if the tenant is no longer installed.
///
/// # Errors
/// [`Error::Unavailable`] when the store is unavailable.
pub async fn associate_installation(
    state: &Data<State>,
    installation_id: &str,
    client_key: &str,
    by: By,
) -> Result<bool, Error> {
    let store = state.tenants.store().as_ref();
    let is_associated = state.tenants.associate(installation_id, client_key).await?;
    if is_associated {
        change(store, installation_id, |record| {
            (record.client_key, record.by, record.at) = (Some(client_key.to_owned()), Some(by), Some(now()));
        })
        .await?;
    }
    Ok(is_associated)
}

/// Records that Forge ends an installation. An invocation some time later takes it back.
///
/// # Errors
/// [`Error::Unavailable`] when the store is unavailable.
pub(crate) async fn end_installation(state: &State, installation_id: &str) -> Result<(), Error> {
    change(state.tenants.store().as_ref(), installation_id, |record| record.ended = Some(now())).await
}

/// Changes the record of an installation, which a node may change at the same time.
async fn change(
    store: &dyn Store,
    installation_id: &str,
    change: impl Fn(&mut super::InstallationRecord),
) -> Result<(), Error> {
    for _ in 0..TRIES {
        let mut draft = Draft::read(store, installation_id).await?;
        change(&mut draft.record);
        if draft.save().await? {
            break;
        }
    }
    Ok(())
}

/// Notes a site below its tenant.
async fn note_site(store: &dyn Store, client_key: &str, site: &str) -> Result<(), StoreError> {
    let mut sites: Vec<String> = tenant_record(store, client_key, SITES).await?.unwrap_or_default();
    if sites.iter().any(|known| known == site) {
        return Ok(());
    }
    sites.push(site.to_owned());
    save_tenant_record(store, client_key, SITES, &sites).await
}
