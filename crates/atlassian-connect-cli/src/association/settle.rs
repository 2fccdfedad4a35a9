//! The second step of `tenants associate`: which tenant each site belongs to, and what follows from it.

use std::collections::{BTreeMap, HashMap};

use super::deployment::Deployment;
use super::overview::{ForgeRow, Overview, Record};
use super::tenant::Tenant;
use super::walk::Walk;
use crate::failure::Failure;
use crate::output::{complain, plain, some_of};
use crate::progress::Progress;
use atlassian_connect_actix::Error;
use atlassian_connect_actix::internal::association::{By, Check, Joined, associate_installation, join};
use atlassian_connect_actix::internal::installation::{plain_of, product_of_key, site_key};

/// What it did.
#[derive(Debug, Default)]
pub(super) struct Done {
    sites: usize,
    installations: usize,
    /// (clientKey, why it could not be associated).
    pub(super) failed: Vec<(String, String)>,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let several = |count: usize| if count == 1 { "" } else { "s" };
        let (sites, installations) = (self.sites, self.installations);
        write!(f, "associated {sites} site{}", several(sites))?;
        write!(f, " and {installations} Forge installation{}", several(installations))
    }
}

impl Done {
    /// Says what failed.
    pub(super) fn complain(&self) {
        let Some((_, reason)) = self.failed.first() else { return };
        let names = some_of(self.failed.iter().map(|(client_key, _)| client_key.as_str()));
        complain(&format!(
            "{} could not be associated, the first because of: {}. Run this again for them: {names}",
            self.failed.len(),
            plain(reason)
        ));
    }
}

/// Associates by the records of all runs.
pub(super) struct Settlement<'a> {
    walk: &'a Walk<'a>,
    overview: Overview,
    /// Whether a tenant gives way to another one, once that is known.
    gives_way: HashMap<String, bool>,
    pub(super) done: Done,
}

/// A site that at least one tenant was accepted at.
struct AcceptedSite {
    key: String,
    claimants: Vec<String>,
    holder: Option<String>,
    /// Whether its settings have moved.
    is_done: bool,
    installations: Vec<Installation>,
}

/// An installation on a site.
struct Installation {
    id: String,
    /// Its tenant.
    owner: Option<String>,
    /// The keys of its other products that no tenant claims.
    unclaimed: Vec<String>,
}

impl<'a> Settlement<'a> {
    pub(super) fn new(walk: &'a Walk<'a>, overview: Overview) -> Self {
        Self { walk, overview, gives_way: HashMap::new(), done: Done::default() }
    }

    pub(super) async fn run(&mut self) -> Result<(), Failure> {
        let sites = sites(&self.overview, Deployment::of(self.walk.config()));
        let progress = Progress::start("associating sites", Some(sites.len()));
        for site in sites {
            self.settle(&site).await?;
            progress.advance();
        }
        Ok(())
    }

    async fn settle(&mut self, site: &AcceptedSite) -> Result<(), Failure> {
        let mut accepted = site.claimants.clone();
        if accepted.len() > 1 {
            // after an import the site refuses the older one
            accepted.clear();
            for claimant in &site.claimants {
                if !self.gives_way(claimant).await? {
                    accepted.push(claimant.clone());
                }
            }
        }
        let [tenant] = accepted.as_slice() else {
            for claimant in &accepted {
                self.mark(claimant, Check::Ambiguous).await?;
            }
            return Ok(());
        };
        let is_holder = site.holder.as_ref() == Some(tenant);
        if let Some(holder) = site.holder.as_ref().filter(|_| !is_holder)
            && !self.has_another_product(holder, &site.key)
            && !self.gives_way(holder).await?
        {
            return self.mark(tenant, Check::Ambiguous).await;
        }
        self.mark(tenant, Check::Accepted).await?;
        if !is_holder || !site.is_done {
            let joined = self.join(&site.key, tenant).await;
            if !self.has_succeeded(tenant, joined)? {
                return Ok(());
            }
            self.done.sites += usize::from(!is_holder);
        }
        for installation in &site.installations {
            self.settle_installation(installation, tenant).await?;
        }
        Ok(())
    }

    async fn settle_installation(&mut self, installation: &Installation, tenant: &str) -> Result<(), Failure> {
        let Installation { id, owner, unclaimed } = installation;
        if owner.as_deref() == Some(tenant) {
            return Ok(());
        }
        if let Some(owner) = owner
            && !self.gives_way(owner).await?
        {
            return Ok(());
        }
        let associated = associate_installation(self.walk.state(), id, tenant, By::TenantInfo).await;
        if !self.has_succeeded(tenant, associated)? {
            return Ok(());
        }
        self.done.installations += 1;
        // until now its data was under the key of one of its products, which need not be the tenant's
        for key in unclaimed {
            if self.walk.store().client_key_of_installation(key).await?.is_none() {
                let joined = self.join(key, tenant).await;
                self.done.sites += usize::from(self.has_succeeded(tenant, joined)?);
            }
        }
        Ok(())
    }

    /// Whether a tenant holds the key of a product that is not its own. An installation with several products brought it
    /// that key, while nobody else claimed it.
    fn has_another_product(&self, client_key: &str, site: &str) -> bool {
        let tenant = self.overview.tenants.get(client_key);
        tenant.is_some_and(|tenant| product_of_key(site) != Some(tenant.product.as_str()))
    }

    /// Whether a tenant loses what it holds to one that the site accepts: it is not installed, or its own site has
    /// refused it in this run.
    async fn gives_way(&mut self, client_key: &str) -> Result<bool, Failure> {
        if let Some(known) = self.gives_way.get(client_key) {
            return Ok(*known);
        }
        let gives_way = match self.overview.tenants.get(client_key) {
            None => true,
            Some(tenant) => {
                if self.walk.result_of(client_key).is_none() {
                    self.walk.prove_again(tenant).await?;
                }
                self.walk.result_of(client_key) == Some(Check::Stale)
            }
        };
        self.gives_way.insert(client_key.to_owned(), gives_way);
        Ok(gives_way)
    }

    /// Writes a result if it is another one than is written.
    async fn mark(&mut self, client_key: &str, result: Check) -> Result<(), Failure> {
        let Some(tenant) = self.overview.tenants.get(client_key) else { return Ok(()) };
        // it may have been proved again since the overview was read
        let read = || tenant.current_record().map(|record| record.result);
        let written = self.walk.result_of(client_key).or_else(read);
        if written != Some(result) && written != Some(Check::Renamed) {
            self.walk.mark(tenant, result).await?;
        }
        Ok(())
    }

    /// Whether the site is the tenant's now. It is not if the tenant has uninstalled the app since the walk began.
    async fn join(&self, site: &str, tenant: &str) -> Result<bool, Error> {
        Ok(join(self.walk.state(), site, tenant, By::TenantInfo).await? != Joined::TenantGone)
    }

    /// Notes a failure of one tenant. Without the store nothing else would succeed either.
    fn has_succeeded(&mut self, client_key: &str, outcome: Result<bool, Error>) -> Result<bool, Failure> {
        match outcome {
            Ok(has_succeeded) => Ok(has_succeeded),
            Err(error @ Error::Unavailable { .. }) => Err(Failure::Message(error.to_string())),
            Err(error) => {
                self.done.failed.push((client_key.to_owned(), error.to_string()));
                Ok(false)
            }
        }
    }
}

/// The sites that tenants were accepted at, with everything that is known of each.
fn sites(overview: &Overview, deployment: Deployment<'_>) -> Vec<AcceptedSite> {
    let mut accepted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for tenant in overview.tenants.values() {
        if let Some(key) = accepted_site(tenant) {
            accepted.entry(key).or_default().push(tenant.client_key.clone());
        }
    }
    let site = |key: String, claimants: &[String]| {
        let (claimants, holder, installations) = (claimants.to_vec(), None, Vec::new());
        (key.clone(), AcceptedSite { key, claimants, holder, is_done: false, installations })
    };
    let mut sites: BTreeMap<String, AcceptedSite> = BTreeMap::new();
    if deployment.has_plain_keys() {
        sites.extend(accepted.iter().map(|(plain, claimants)| site(plain.clone(), claimants)));
    }
    for row in &overview.forge {
        let Record::Installation(Some(record)) = &row.record else { continue };
        for key in record.sites.iter().filter(|_| deployment.owns(record)) {
            let suffixed = plain_of(key).and_then(|plain| accepted.get(plain));
            sites.extend(suffixed.map(|claimants| site(key.clone(), claimants)));
        }
    }
    for ForgeRow { id, owner, record } in &overview.forge {
        match record {
            Record::Site(record) => {
                let Some(site) = sites.get_mut(id) else { continue };
                site.holder.clone_from(owner);
                let current = record.as_ref().filter(|record| owner.as_ref() == Some(&record.client_key));
                site.is_done = current.is_some_and(|record| record.is_done && record.is_swept);
            }
            Record::Installation(record) => {
                // with several products, the first has the key of the tenant
                let keys = || record.iter().flat_map(|record| &record.sites);
                let unclaimed = keys().filter(|key| !sites.contains_key(*key)).cloned().collect();
                let known = keys().find(|key| sites.contains_key(*key));
                if let Some(site) = known.and_then(|key| sites.get_mut(key)) {
                    site.installations.push(Installation { id: id.clone(), owner: owner.clone(), unclaimed });
                }
            }
        }
    }
    sites.into_values().collect()
}

/// The key of the site that has accepted a tenant.
fn accepted_site(tenant: &Tenant) -> Option<String> {
    let record = tenant.current_record()?;
    let is_accepted = matches!(record.result, Check::Accepted | Check::Ambiguous);
    record.cloud_id.as_ref().filter(|_| is_accepted).and_then(|cloud_id| site_key(tenant.product, cloud_id))
}
