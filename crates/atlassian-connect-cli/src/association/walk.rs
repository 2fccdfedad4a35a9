//! The first step of `tenants associate`: asks the sites, and writes what they say.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};

use actix_web::web;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::end_of_connect::Phase;
use super::overview::Overview;
use super::pace::Pace;
use super::site::{self, Named, Proof, Verdict};
use super::tenant::Tenant;
use crate::failure::Failure;
use crate::progress::Progress;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::host::HostClient;
use atlassian_connect_actix::internal::association::{CHECKED, Check, TenantRecord, save_tenant_record, tenant_record};
use atlassian_connect_actix::internal::state::State;
use atlassian_connect_actix::internal::tenants::origin_of;
use atlassian_connect_actix::store::Store;
use atlassian_connect_actix::store::internal::now;
use atlassian_connect_actix::{Addon, Error};

/// How many sites are asked at the same time: one that is silent holds its place for up to 20 seconds.
const AT_ONCE: usize = 40;
/// How long a result counts, in seconds.
const SETTLED: u64 = 24 * 60 * 60;

/// A walk over the tenants' sites.
pub(super) struct Walk<'a> {
    addon: &'a Addon,
    state: web::Data<State>,
    pace: Pace,
    /// When it began, in seconds since 1970.
    begun: u64,
    has_ended: bool,
    /// The results of this walk, by clientKey.
    results: RefCell<HashMap<String, Check>>,
}

/// Who asks the site of a tenant.
struct Asker {
    client: HostClient,
    /// The key under which the tenant installed the app.
    app_key: String,
}

/// How many sites answered what.
#[derive(Debug, Default)]
pub(super) struct Asked {
    of: BTreeMap<&'static str, usize>,
}

impl Asked {
    fn count(&mut self, result: Check) {
        let name = match result {
            Check::Accepted => "accepted",
            Check::Stale => "refused",
            Check::Renamed => "renamed",
            Check::Unreachable | Check::Ambiguous => "without an answer",
        };
        *self.of.entry(name).or_default() += 1;
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: usize = self.of.values().sum();
        if all == 0 {
            return f.write_str("no tenant had to be asked");
        }
        let parts: Vec<String> = self.of.iter().map(|(name, count)| format!("{count} {name}")).collect();
        write!(f, "asked for {all} tenant{}: {}", if all == 1 { "" } else { "s" }, parts.join(", "))
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(addon: &'a Addon) -> Self {
        let begun = now();
        let has_ended = Phase::at(begun).has_ended();
        Self {
            addon,
            state: addon.shared_state(),
            pace: Pace::default(),
            begun,
            has_ended,
            results: RefCell::default(),
        }
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.addon.state().tenants.store().as_ref()
    }

    pub(super) fn config(&self) -> &Config {
        self.addon.config()
    }

    /// The result of a tenant in this walk, if it was asked.
    pub(super) fn result_of(&self, client_key: &str) -> Option<Check> {
        self.results.borrow().get(client_key).copied()
    }

    pub(super) fn state(&self) -> &web::Data<State> {
        &self.state
    }

    /// Asks the sites of all tenants whose result is not settled.
    pub(super) async fn ask(&self, known: &Overview, again: bool) -> Result<Asked, Failure> {
        let mut by_origin: BTreeMap<&str, Vec<&Tenant>> = BTreeMap::new();
        for tenant in known.tenants.values().filter(|tenant| is_due(tenant, again, self.begun)) {
            if let Some(origin) = &tenant.origin {
                by_origin.entry(origin).or_default().push(tenant);
            }
        }
        let total = by_origin.values().map(Vec::len).sum();
        let progress = Progress::start("asking the sites of tenants", Some(total));
        let asking = stream::iter(from_anywhere(by_origin.into_iter().collect()))
            .map(|(origin, tenants)| self.ask_origin(origin, tenants, &progress))
            .buffer_unordered(AT_ONCE);
        asking
            .try_fold(Asked::default(), |mut asked, results| async move {
                for result in results {
                    asked.count(result);
                }
                Ok(asked)
            })
            .await
    }

    /// Asks one origin for all its tenants: Jira's and Confluence's, and those of before an import.
    async fn ask_origin(
        &self,
        origin: &str,
        tenants: Vec<&Tenant>,
        progress: &Progress,
    ) -> Result<Vec<Check>, Failure> {
        let (mut results, mut named) = (Vec::new(), None);
        let head = self.pace.head().await;
        if self.has_been_asked(&tenants).await? {
            for _ in tenants {
                progress.advance();
            }
            return Ok(results);
        }
        head.turn(self.store()).await?;
        for tenant in tenants {
            if !self.has_been_asked(&[tenant]).await?
                && let Some(Asker { client, app_key }) = self.asker(tenant, origin).await?
            {
                let named = if let Some(known) = &named {
                    known
                } else {
                    let turn = async || self.pace.turn(self.store()).await;
                    named.insert(site::cloud_id(&client.anonymous(), origin, turn).await?)
                };
                let proof =
                    if named.is_final() { Proof::Unknown(None) } else { site::proof(&client, origin, &app_key).await };
                let verdict = Verdict::of(named, &proof, self.has_ended);
                results.push(verdict.result);
                self.write(&tenant.client_key, verdict, origin, named).await?;
            }
            progress.advance();
        }
        Ok(results)
    }

    /// Whether another run has asked for all these tenants since this one began. Its results count as this run's.
    async fn has_been_asked(&self, tenants: &[&Tenant]) -> Result<bool, Failure> {
        for tenant in tenants {
            let record = tenant_record::<TenantRecord>(self.store(), &tenant.client_key, CHECKED).await?;
            if record == tenant.record {
                return Ok(false);
            }
            if let Some(record) = record.filter(|record| record.origin == tenant.origin) {
                self.results.borrow_mut().insert(tenant.client_key.clone(), record.result);
            }
        }
        Ok(true)
    }

    /// The client of a tenant. `None`: since its base URL was read, it has uninstalled the app, or another address was
    /// stored. Then `origin` may be another customer's site, whose cloudId this client must not prove.
    async fn asker(&self, tenant: &Tenant, origin: &str) -> Result<Option<Asker>, Failure> {
        let client = match self.addon.http_client(&tenant.client_key).await {
            Ok(client) => client,
            Err(Error::Unauthorized { .. }) => return Ok(None),
            Err(error) => return Err(Failure::Message(error.to_string())),
        };
        let Some(current) = client.tenant() else { return Ok(None) };
        if origin_of(current.base_url()).as_deref() != Some(origin) {
            return Ok(None);
        }
        let app_key = current.signing_key(self.addon.state().descriptor().key()).to_owned();
        Ok(Some(Asker { client, app_key }))
    }

    /// Asks again whether the site still knows a tenant, and writes the result.
    pub(super) async fn prove_again(&self, tenant: &Tenant) -> Result<(), Failure> {
        let Some(origin) = tenant.origin.as_ref().filter(|_| tenant.is_askable()) else { return Ok(()) };
        self.pace.turn(self.store()).await?;
        let Some(Asker { client, app_key }) = self.asker(tenant, origin).await? else { return Ok(()) };
        let proof = site::proof(&client, origin, &app_key).await;
        let known = tenant.current_record().and_then(|record| record.cloud_id.clone());
        let named = known.map_or(Named::Unnamed(None), Named::CloudId);
        let verdict = Verdict::of(&named, &proof, self.has_ended);
        self.write(&tenant.client_key, verdict, origin, &named).await
    }

    /// Writes another result for a tenant whose site has accepted it.
    pub(super) async fn mark(&self, tenant: &Tenant, result: Check) -> Result<(), Failure> {
        let Some(record) = tenant.current_record() else { return Ok(()) };
        self.save(&tenant.client_key, TenantRecord { result, ..record.clone() }).await
    }

    async fn write(&self, client_key: &str, verdict: Verdict, origin: &str, named: &Named) -> Result<(), Failure> {
        let Verdict { result, status, moved_to } = verdict;
        let cloud_id = match named {
            Named::CloudId(id) if result == Check::Accepted => Some(id.clone()),
            _ => None,
        };
        let record = TenantRecord { at: 0, result, origin: Some(origin.to_owned()), cloud_id, status, moved_to };
        self.save(client_key, record).await
    }

    async fn save(&self, client_key: &str, record: TenantRecord) -> Result<(), Failure> {
        self.results.borrow_mut().insert(client_key.to_owned(), record.result);
        let record = TenantRecord { at: now(), ..record };
        Ok(save_tenant_record(self.store(), client_key, CHECKED, &record).await?)
    }
}

/// The same list from a random place on: two runs at the same time do not ask the same site at the same time.
fn from_anywhere<T>(mut list: Vec<T>) -> Vec<T> {
    let random = RandomState::new().hash_one(());
    let place = usize::try_from(random).unwrap_or_default().checked_rem(list.len());
    list.rotate_left(place.unwrap_or_default());
    list
}

/// Whether a tenant's site is to be asked.
fn is_due(tenant: &Tenant, again: bool, now: u64) -> bool {
    if !tenant.is_askable() {
        return false;
    }
    let Some(record) = tenant.current_record().filter(|_| !again) else { return true };
    // a record of the future is one of a wrong clock
    let is_recent = now.checked_sub(record.at).is_some_and(|age| age < SETTLED);
    match record.result {
        Check::Accepted => tenant.links.is_empty() && !is_recent,
        Check::Unreachable => true,
        // a site that calls is neither uninstalled nor another one
        Check::Stale => !is_recent || tenant.has_called_since(record.at),
        Check::Renamed | Check::Ambiguous => !is_recent,
    }
}
