//! What stays under the keys of sites that belong to a tenant, and goes with the tenant's other data.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::output::{complain, some_of};
use atlassian_connect_actix::internal::association::{
    INSTALLATION, SITE, SiteRecord, installation_record, site_record,
};
use atlassian_connect_actix::internal::installation::is_site_key;
use atlassian_connect_actix::store::internal::KeyPages;
use atlassian_connect_actix::store::{Place, Store, StoreError};

/// How many single reads are under way at the same time.
const READS: usize = 16;

/// The sites of the tenants that are to be removed.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// By clientKey.
    sites: HashMap<String, Vec<SiteWithSettings>>,
    /// Sites whose record could not be read.
    unread: usize,
}

#[derive(Debug)]
struct SiteWithSettings {
    key: String,
    /// The keys of the values that stay there.
    kept: Vec<String>,
    /// The last call of a Forge installation on it.
    seen: Option<u64>,
}

impl Kept {
    /// Reads the records of all sites, once for all tenants.
    pub(crate) async fn read(store: &dyn Store, is_removed: impl Fn(&str) -> bool) -> Result<Self, StoreError> {
        let (sites, installations) = rows(store).await?;
        let reads = stream::iter(sites).map(async |key| {
            let record = readable(site_record(store, &key).await)?;
            Ok::<_, StoreError>((key, record))
        });
        let records: Vec<_> = reads.buffered(READS).try_collect().await?;
        let mut found = Self::default();
        for (key, record) in records {
            match record {
                None => found.unread += 1,
                Some(Some(SiteRecord { client_key, kept, .. })) if is_removed(&client_key) => {
                    found.sites.entry(client_key).or_default().push(SiteWithSettings { key, kept, seen: None });
                }
                Some(_) => {}
            }
        }
        if found.sites.values().flatten().any(|site| !site.kept.is_empty()) {
            found.look_at(store, installations).await?;
        }
        Ok(found)
    }

    /// Finds the last calls from the sites.
    async fn look_at(&mut self, store: &dyn Store, installations: Vec<String>) -> Result<(), StoreError> {
        let mut seen: HashMap<String, u64> = HashMap::new();
        let reads = stream::iter(installations).map(async |id| readable(installation_record(store, &id).await));
        let mut reads = std::pin::pin!(reads.buffered(READS));
        while let Some(record) = reads.try_next().await? {
            for site in record.flatten().iter().flat_map(|record| record.sites.iter().map(|site| (site, record.seen))) {
                let last = seen.entry(site.0.clone()).or_default();
                *last = (*last).max(site.1);
            }
        }
        for site in self.sites.values_mut().flatten() {
            site.seen = seen.get(&site.key).copied();
        }
        Ok(())
    }

    /// Removes what is kept for a tenant, and the records of its sites. `uninstalled` is the time since which it is not
    /// installed: a Forge installation that has called since works with the values under the key of its site, which stay.
    pub(crate) async fn remove_of(
        &self,
        store: &dyn Store,
        client_key: &str,
        uninstalled: Option<u64>,
    ) -> Result<(), StoreError> {
        let mut in_use = Vec::new();
        for SiteWithSettings { key, kept, seen } in self.sites.get(client_key).into_iter().flatten() {
            // the site may have another tenant by now
            if site_record(store, key).await?.is_none_or(|record| record.client_key != client_key) {
                continue;
            }
            if uninstalled.is_some_and(|since| seen.is_some_and(|seen| seen > since)) {
                in_use.push(key.as_str());
            } else {
                for name in kept {
                    store.delete(Place::of_tenant(key, name)).await?;
                }
            }
            store.delete(Place::of_forge(key, SITE)).await?;
        }
        if !in_use.is_empty() {
            complain(&format!(
                "settings under the key of a site stay, because Forge installations use them: {}",
                some_of(in_use.into_iter())
            ));
        }
        Ok(())
    }

    /// Says what could not be read.
    pub(crate) fn complain(&self) {
        if self.unread > 0 {
            complain(&format!(
                "the records of {} sites could not be read. Settings of removed tenants may be left under the keys of \
                 these sites; run this again with the store's encryption keys",
                self.unread
            ));
        }
    }
}

/// The keys of sites with a record, and the ids of installations with one.
async fn rows(store: &dyn Store) -> Result<(Vec<String>, Vec<String>), StoreError> {
    let (mut sites, mut installations, mut pages) = (Vec::new(), Vec::new(), KeyPages::of_forge());
    while let Some((page, _)) = pages.next(store).await? {
        for (id, keys) in page.owners {
            let has = |wanted: &str| keys.iter().any(|key| key == wanted);
            if is_site_key(&id) && has(SITE) {
                sites.push(id);
            } else if has(INSTALLATION) {
                installations.push(id);
            }
        }
    }
    Ok((sites, installations))
}

/// `None`: it cannot be decrypted or parsed.
fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Sealed(_) | StoreError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
