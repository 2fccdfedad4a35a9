//! What the store knows: the installed tenants, the Forge installations and sites, and which belong together.
//!
//! It is read page by page, with several reads at once; with 100,000 tenants it fits in memory.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::standing::Standing;
use super::tenant::{Link, Tenant};
use crate::known::is_own;
use atlassian_connect_actix::config::{Config, Product};
use atlassian_connect_actix::internal::association::{
    By, CHECKED, INSTALLATION, InstallationRecord, SEEN, SITE, Seen, SiteRecord, TenantRecord, installation_record,
    site_record, tenant_record,
};
use atlassian_connect_actix::internal::installation::{is_site_key, site_key};
use atlassian_connect_actix::store::internal::KeyPages;
use atlassian_connect_actix::store::{OwnerKind, Store, StoreError};

/// How many tenants are read at once. Redis has no order, so each page walks over all its keys.
const PAGE: usize = 2000;
/// How many single reads are under way at the same time.
const READS: usize = 16;

/// A row of Forge: an installation, or the key of a site.
#[derive(Debug, Clone)]
pub(super) struct ForgeRow {
    pub(super) id: String,
    /// The tenant that it is associated with, installed or not.
    pub(super) owner: Option<String>,
    pub(super) record: Record,
}

/// What is written down about a row of Forge.
#[derive(Debug, Clone)]
pub(super) enum Record {
    Installation(Option<Box<InstallationRecord>>),
    Site(Option<SiteRecord>),
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Overview {
    /// By clientKey, in order.
    pub(super) tenants: BTreeMap<String, Tenant>,
    pub(super) forge: Vec<ForgeRow>,
    /// Base URLs that several tenants have that are not settled.
    shared: HashSet<(String, Product)>,
}

impl Overview {
    /// Reads the store. Changes nothing.
    pub(super) async fn read(store: &dyn Store, config: &Config) -> Result<Self, StoreError> {
        let mut tenants = installed(store, config).await?;
        let checked = records(store, &tenants).await?;
        for (client_key, record, seen) in checked {
            if let Some(tenant) = tenants.get_mut(&client_key) {
                (tenant.record, tenant.seen) = (record, seen);
            }
        }
        let mut forge = forge_rows(store, None).await?;
        let more = unlisted(tenants.values(), &forge);
        forge.extend(owners(store, more).await?);
        let mut overview = Self { tenants, forge, shared: HashSet::new() };
        overview.link();
        overview.find_shared();
        Ok(overview)
    }

    /// Reads what concerns one tenant, and nothing of the others: their values may be encrypted with a lost key.
    ///
    /// A store cannot list what is associated with a tenant, nor the owners of several rows at once. So the owner of each
    /// row of Forge is read, [`READS`] at a time, and the record only where it is this tenant.
    pub(super) async fn read_one(store: &dyn Store, mut tenant: Tenant) -> Result<Self, StoreError> {
        tenant.record = tenant_record(store, &tenant.client_key, CHECKED).await?;
        tenant.seen = tenant_record(store, &tenant.client_key, SEEN).await?.map(|seen: Seen| seen.at);
        let mut forge = forge_rows(store, Some(&tenant.client_key)).await?;
        let more = unlisted([&tenant], &forge);
        forge.extend(owners(store, more).await?);
        let tenants = BTreeMap::from([(tenant.client_key.clone(), tenant)]);
        let mut overview = Self { tenants, forge, shared: HashSet::new() };
        overview.link();
        Ok(overview)
    }

    fn link(&mut self) {
        for row in &self.forge {
            let Some(tenant) = row.owner.as_ref().and_then(|owner| self.tenants.get_mut(owner)) else { continue };
            let mut kept = Vec::new();
            let (is_site, by, seen) = match &row.record {
                Record::Installation(record) => {
                    let is_named = tenant.installation_id.as_deref() == Some(row.id.as_str());
                    let current =
                        record.as_ref().filter(|record| record.client_key.as_ref() == Some(&tenant.client_key));
                    let by = current.and_then(|record| record.by);
                    let seen = record.as_ref().map(|record| record.seen).filter(|seen| *seen > 0);
                    (false, by.or(is_named.then_some(By::Installed)), seen)
                }
                Record::Site(record) => {
                    let current = record.as_ref().filter(|record| record.client_key == tenant.client_key);
                    kept = current.map(|record| record.kept.clone()).unwrap_or_default();
                    (true, current.and_then(|record| record.by), None)
                }
            };
            tenant.links.push(Link { id: row.id.clone(), is_site, by, seen, kept });
        }
    }

    fn find_shared(&mut self) {
        let mut counts: HashMap<(String, Product), usize> = HashMap::new();
        for tenant in self.tenants.values().filter(|tenant| !tenant.base_url.is_empty()) {
            if matches!(Standing::of(tenant, false), Standing::Unchecked | Standing::Unreachable) {
                *counts.entry(tenant.place()).or_default() += 1;
            }
        }
        self.shared = counts.into_iter().filter(|(_, count)| *count > 1).map(|(place, _)| place).collect();
    }

    /// What is known of a tenant.
    pub(super) fn standing(&self, tenant: &Tenant) -> Standing {
        let is_shared = !self.shared.is_empty() && self.shared.contains(&tenant.place());
        Standing::of(tenant, is_shared)
    }

    /// The Forge installations without an installed tenant.
    pub(super) fn without_tenant(&self) -> impl Iterator<Item = (&ForgeRow, Option<&InstallationRecord>)> {
        self.forge.iter().filter_map(|row| match &row.record {
            Record::Installation(record) if !self.has_tenant(row) => Some((row, record.as_deref())),
            _ => None,
        })
    }

    /// How many Forge installations there are, with and without a tenant.
    pub(super) fn installations(&self) -> usize {
        self.forge.iter().filter(|row| matches!(row.record, Record::Installation(_))).count()
    }

    fn has_tenant(&self, row: &ForgeRow) -> bool {
        row.owner.as_ref().is_some_and(|owner| self.tenants.contains_key(owner))
    }
}

async fn installed(store: &dyn Store, config: &Config) -> Result<BTreeMap<String, Tenant>, StoreError> {
    let (mut tenants, mut after) = (BTreeMap::new(), None);
    loop {
        let page = store.tenants(after.as_deref(), PAGE).await?;
        for (client_key, value) in page.tenants {
            let tenant = Tenant::read(client_key.clone(), &value, config);
            tenants.insert(client_key, tenant);
        }
        after = page.next;
        if after.is_none() {
            return Ok(tenants);
        }
    }
}

type Checked = (String, Option<TenantRecord>, Option<u64>);

/// The records of installed tenants that have one.
async fn records(store: &dyn Store, tenants: &BTreeMap<String, Tenant>) -> Result<Vec<Checked>, StoreError> {
    let (mut found, mut pages) = (Vec::new(), KeyPages::default());
    while let Some((page, OwnerKind::Tenant)) = pages.next(store).await? {
        let wanted = page.owners.into_iter().filter_map(|(client_key, keys)| {
            let has = |wanted: &str| keys.iter().any(|key| key == wanted);
            let (is_checked, is_seen) = (has(CHECKED), has(SEEN));
            ((is_checked || is_seen) && tenants.contains_key(&client_key)).then_some((client_key, is_checked, is_seen))
        });
        let reads = stream::iter(wanted).map(|(client_key, is_checked, is_seen)| async move {
            let record = if is_checked { tenant_record(store, &client_key, CHECKED).await? } else { None };
            let seen: Option<Seen> = if is_seen { tenant_record(store, &client_key, SEEN).await? } else { None };
            Ok::<Checked, StoreError>((client_key, record, seen.map(|seen| seen.at)))
        });
        found.extend(reads.buffered(READS).try_collect::<Vec<_>>().await?);
    }
    Ok(found)
}

/// The installations and sites that have values: all of them, or those of one tenant.
async fn forge_rows(store: &dyn Store, of: Option<&str>) -> Result<Vec<ForgeRow>, StoreError> {
    let (mut rows, mut pages) = (Vec::new(), KeyPages::of_forge());
    while let Some((page, _)) = pages.next(store).await? {
        let wanted = page.owners.into_iter().filter(|(id, _)| !is_own(id));
        let reads =
            stream::iter(wanted).map(|(id, keys)| async move { forge_row(store, id, &keys, of).await }).buffered(READS);
        rows.extend(reads.try_collect::<Vec<_>>().await?.into_iter().flatten());
    }
    Ok(rows)
}

/// One row. `None`: it is not that of the tenant `of`.
async fn forge_row(
    store: &dyn Store,
    id: String,
    keys: &[String],
    of: Option<&str>,
) -> Result<Option<ForgeRow>, StoreError> {
    let owner = store.client_key_of_installation(&id).await?;
    if of.is_some() && owner.as_deref() != of {
        return Ok(None);
    }
    let has = |wanted: &str| keys.iter().any(|key| key == wanted);
    let record = match is_site_key(&id) {
        true if has(SITE) => Record::Site(site_record(store, &id).await?),
        true => Record::Site(None),
        false if has(INSTALLATION) => Record::Installation(installation_record(store, &id).await?.map(Box::new)),
        false => Record::Installation(None),
    };
    // one that has ended is neither without a tenant nor a sign that a tenant is known
    let has_ended = matches!(&record, Record::Installation(Some(record)) if record.ended.is_some());
    Ok((!has_ended).then_some(ForgeRow { id, owner, record }))
}

/// The installations and sites that are named somewhere and have no values: earlier releases wrote no records.
fn unlisted<'a>(tenants: impl IntoIterator<Item = &'a Tenant>, rows: &[ForgeRow]) -> HashSet<String> {
    let mut named: HashSet<String> = HashSet::new();
    for tenant in tenants {
        named.extend(tenant.installation_id.clone());
        let cloud_id = tenant.current_record().and_then(|record| record.cloud_id.as_deref());
        named.extend(cloud_id.and_then(|cloud_id| site_key(tenant.product, cloud_id)));
    }
    for row in rows {
        if let Record::Installation(Some(record)) = &row.record {
            named.extend(record.sites.iter().filter(|site| is_site_key(site)).cloned());
        }
    }
    for row in rows {
        named.remove(&row.id);
    }
    named
}

async fn owners(store: &dyn Store, ids: HashSet<String>) -> Result<Vec<ForgeRow>, StoreError> {
    let reads = stream::iter(ids).map(|id| forge_row(store, id, &[], None)).buffered(READS);
    let rows: Vec<Option<ForgeRow>> = reads.try_collect().await?;
    let mut rows: Vec<ForgeRow> = rows.into_iter().flatten().filter(|row| row.owner.is_some()).collect();
    // a set has no order, and a report should be the same each time
    rows.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(rows)
}
