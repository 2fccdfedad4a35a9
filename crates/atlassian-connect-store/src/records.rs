//! A store on any backend that keeps named records and can change several of them atomically.

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, KeyPage, OwnerKind,
    Place, Store, StoreError, TenantPage, as_installation, check_keys, fits, now,
};

/// The name prefix of tenants' records, followed by the clientKey.
const TENANT: &str = "tenant:";
/// The name prefix of Forge installations' records, followed by the installationId.
const FORGE: &str = "forge:";
/// The associations of a record, as the keys of an object. A Forge installation has the clientKey of its tenant, a
/// tenant has the ids of its Forge installations.
const ASSOCIATED: &str = "associated";
/// The values of a record.
const VALUES: &str = "values";
/// How often a conflicting change is retried. Each conflict means that another change has succeeded.
const TRIES: usize = 1000;
/// How many records are read at once.
const PAGE: usize = 200;

/// One change of a commit.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordChange {
    /// The record's name: at most 262 characters, no NUL.
    pub name: String,
    /// The required current value. `None`: the record must not exist.
    pub expected: Option<Value>,
    /// The new value. `None`: the record is removed.
    pub value: Option<Value>,
}

/// Named JSON objects. The operations that a backend has to provide for [`RecordStore`] to make a [`Store`] of it.
///
/// A tenant is one record, a Forge installation another: `{"values": {key: value}, "associated": …}`. They contain
/// secrets: no value may appear in a log or an error. The order of an object's keys must be kept. Names are compared
/// byte by byte.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// The record of that name, as of the last commit.
    async fn read(&self, name: &str) -> Result<Option<Value>, StoreError>;

    /// The records whose name is at least `from`, in byte order of their names, at most `limit`.
    async fn scan(&self, from: &str, limit: usize) -> Result<Vec<(String, Value)>, StoreError>;

    /// Compare and swap: applies all changes if every record has its expected value, otherwise none. Returns whether
    /// they were applied. The commit is atomic and isolated from other commits.
    async fn commit(&self, changes: Vec<RecordChange>) -> Result<bool, StoreError>;
}

/// A [`Store`] on [`Records`]. Each writing method is one commit, retried if it conflicts with another.
pub struct RecordStore<R> {
    records: R,
}

/// The backend's own `Debug` may show secrets, so it is not used.
impl<R> std::fmt::Debug for RecordStore<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordStore").finish_non_exhaustive()
    }
}

/// A record that was read and may be changed.
struct Draft {
    name: String,
    read: Option<Value>,
    values: Map<String, Value>,
    associated: Map<String, Value>,
}

impl Draft {
    fn new(name: String, read: Option<Value>) -> Result<Self, StoreError> {
        let part = |part| match read.as_ref().map(|record| record.get(part)) {
            None | Some(None) => Ok(Map::new()),
            Some(Some(Value::Object(part))) => Ok(part.clone()),
            _ => Err(StoreError::refused(format!("the {part} of a record are not an object"))),
        };
        let (values, associated) = (part(VALUES)?, part(ASSOCIATED)?);
        Ok(Self { name, read, values, associated })
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.values.shift_remove(key)
    }

    /// The associated names: a Forge installation's tenant, or a tenant's Forge installations.
    fn associates(&self) -> Vec<String> {
        self.associated.keys().cloned().collect()
    }

    /// Associates this with `name`.
    fn associate(&mut self, name: &str) {
        self.associated.insert(name.to_owned(), Value::Bool(true));
    }

    /// The change that a commit makes to this record. A record that was only read takes part too: it must not have
    /// changed.
    fn change(self) -> RecordChange {
        let is_empty = self.values.is_empty() && self.associated.is_empty();
        let value = (!is_empty).then(|| {
            Value::Object(Map::from_iter([
                (VALUES.to_owned(), Value::Object(self.values)),
                (ASSOCIATED.to_owned(), Value::Object(self.associated)),
            ]))
        });
        RecordChange { name: self.name, expected: self.read, value }
    }
}

/// The records that a transaction has read, with its changes.
struct Transaction<'a> {
    records: &'a dyn Records,
    drafts: Vec<Draft>,
}

impl Transaction<'_> {
    /// The record of that name, read at most once.
    async fn draft(&mut self, prefix: &str, owner: &str) -> Result<&mut Draft, StoreError> {
        let name = format!("{prefix}{owner}");
        let index = if let Some(index) = self.drafts.iter().position(|draft| draft.name == name) {
            index
        } else {
            let read = self.records.read(&name).await?;
            self.drafts.push(Draft::new(name, read)?);
            self.drafts.len() - 1
        };
        Ok(&mut self.drafts[index])
    }

    async fn tenant(&mut self, client_key: &str) -> Result<&mut Draft, StoreError> {
        self.draft(TENANT, client_key).await
    }

    async fn forge(&mut self, installation_id: &str) -> Result<&mut Draft, StoreError> {
        self.draft(FORGE, installation_id).await
    }

    async fn values(&mut self, place: Place<'_>) -> Result<&mut Map<String, Value>, StoreError> {
        Ok(&mut self.draft(prefix(place.kind()), place.owner()).await?.values)
    }

    async fn associate(&mut self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        for former in self.forge(installation_id).await?.associates() {
            self.tenant(&former).await?.associated.shift_remove(installation_id);
        }
        let forge = self.forge(installation_id).await?;
        forge.associated.clear();
        forge.associate(client_key);
        self.tenant(client_key).await?.associate(installation_id);
        Ok(())
    }

    async fn install(&mut self, client_key: &str, installation: &Value) -> Result<(), StoreError> {
        let tenant = self.tenant(client_key).await?;
        tenant.take(CLIENT_INFO_UNINSTALLED_AT);
        let revived = tenant.take(CLIENT_INFO_UNINSTALLED);
        let replaced = tenant.values.insert(CLIENT_INFO.to_owned(), installation.clone());
        if let (Some(old), Some(_)) = (revived, replaced) {
            tenant.values.insert(CLIENT_INFO_SUPERSEDED.to_owned(), old);
        }
        Ok(())
    }

    async fn uninstall(&mut self, client_key: &str) -> Result<bool, StoreError> {
        let tenant = self.tenant(client_key).await?;
        let associated = tenant.associates();
        tenant.associated.clear();
        let installation = tenant.take(CLIENT_INFO);
        let was_installed = installation.is_some();
        if let Some(installation) = installation {
            if let Some(old) = tenant.values.insert(CLIENT_INFO_UNINSTALLED.to_owned(), installation) {
                tenant.values.insert(CLIENT_INFO_SUPERSEDED.to_owned(), old);
            }
            tenant.values.insert(CLIENT_INFO_UNINSTALLED_AT.to_owned(), now().into());
        }
        for installation_id in associated {
            self.forge(&installation_id).await?.associated.clear();
        }
        Ok(was_installed)
    }

    async fn remove(&mut self, client_key: &str) -> Result<bool, StoreError> {
        let tenant = self.tenant(client_key).await?;
        let (associated, known) = (tenant.associates(), tenant.read.is_some());
        tenant.values.clear();
        tenant.associated.clear();
        for installation_id in associated {
            let forge = self.forge(&installation_id).await?;
            forge.values.clear();
            forge.associated.clear();
        }
        Ok(known)
    }

    async fn purge(&mut self, client_key: &str, before: u64) -> Result<bool, StoreError> {
        let values = &self.tenant(client_key).await?.values;
        let since = values.get(CLIENT_INFO_UNINSTALLED_AT).and_then(Value::as_u64);
        let is_uninstalled = !values.contains_key(CLIENT_INFO) && values.contains_key(CLIENT_INFO_UNINSTALLED);
        if is_uninstalled && since.is_some_and(|since| since <= before) {
            return self.remove(client_key).await;
        }
        Ok(false)
    }
}

type Outcome<'t, T> = BoxFuture<'t, Result<T, StoreError>>;

/// Gives a closure the signature that [`RecordStore::change`] takes, because the compiler cannot infer it otherwise.
fn retriable<'a, T, F>(work: F) -> F
where
    F: for<'t> Fn(&'t mut Transaction<'a>) -> Outcome<'t, T> + Send + Sync,
{
    work
}

impl<R: Records> RecordStore<R> {
    /// A store over `records`.
    #[must_use]
    pub fn new(records: R) -> Self {
        Self { records }
    }

    /// Reads and changes records, and retries until no other commit has changed what was read.
    async fn change<'a, T>(
        &'a self,
        work: impl for<'t> Fn(&'t mut Transaction<'a>) -> Outcome<'t, T> + Send + Sync,
    ) -> Result<T, StoreError> {
        for _ in 0..TRIES {
            let mut transaction = Transaction { records: &self.records, drafts: Vec::new() };
            let outcome = work(&mut transaction).await?;
            let changes: Vec<_> = transaction.drafts.into_iter().map(Draft::change).collect();
            let is_same = changes.iter().all(|change| change.value == change.expected);
            if is_same || self.records.commit(changes).await? {
                return Ok(outcome);
            }
        }
        Err(StoreError::unavailable(format!("other writes changed the same records {TRIES} times")))
    }

    async fn values_of(&self, kind: OwnerKind, owner: &str) -> Result<Map<String, Value>, StoreError> {
        if !fits(owner) {
            return Ok(Map::new());
        }
        let name = format!("{}{owner}", prefix(kind));
        let read = self.records.read(&name).await?;
        Ok(Draft::new(name, read)?.values)
    }

    /// At most `limit` of the records under `prefix`, from `owner` on, that `pick` accepts; and the owner that the next
    /// page begins with.
    async fn page<T>(
        &self,
        prefix: &str,
        owner: &str,
        limit: usize,
        pick: impl Fn(&str, Map<String, Value>) -> Option<T>,
    ) -> Result<(Vec<T>, Option<String>), StoreError> {
        let (mut picked, mut from) = (Vec::new(), format!("{prefix}{owner}"));
        loop {
            let records = self.records.scan(&from, PAGE).await?;
            let is_last = records.len() < PAGE;
            for (name, record) in records {
                let Some(owner) = name.strip_prefix(prefix) else { return Ok((picked, None)) };
                let values = Draft::new(String::new(), Some(record))?.values;
                if let Some(taken) = pick(owner, values) {
                    if picked.len() == limit.max(1) {
                        return Ok((picked, Some(owner.to_owned())));
                    }
                    picked.push(taken);
                }
                // the smallest name after this one
                from = format!("{name}\0");
            }
            if is_last {
                return Ok((picked, None));
            }
        }
    }
}

fn prefix(kind: OwnerKind) -> &'static str {
    match kind {
        OwnerKind::Tenant => TENANT,
        OwnerKind::Forge => FORGE,
    }
}

fn sorted_keys(values: Map<String, Value>) -> Vec<String> {
    let mut keys: Vec<_> = values.into_iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys
}

#[async_trait]
impl<R: Records> Store for RecordStore<R> {
    async fn values(&self, place: Place<'_>) -> Result<Vec<Value>, StoreError> {
        let mut values = self.values_of(place.kind(), place.owner()).await?;
        Ok(values.shift_remove(place.key()).into_iter().collect())
    }

    async fn set(&self, place: Place<'_>, value: &Value) -> Result<(), StoreError> {
        check_keys(&[place.owner(), place.key()])?;
        let work = retriable(move |transaction| {
            async move {
                transaction.values(place).await?.insert(place.key().to_owned(), value.clone());
                Ok(())
            }
            .boxed()
        });
        self.change(work).await
    }

    async fn delete(&self, place: Place<'_>) -> Result<bool, StoreError> {
        if !fits(place.owner()) || !fits(place.key()) {
            return Ok(false);
        }
        let work = retriable(move |transaction| {
            async move { Ok(transaction.values(place).await?.shift_remove(place.key()).is_some()) }.boxed()
        });
        self.change(work).await
    }

    async fn exchange(
        &self,
        place: Place<'_>,
        expected: Option<&Value>,
        value: Option<&Value>,
    ) -> Result<bool, StoreError> {
        check_keys(&[place.owner(), place.key()])?;
        let work = retriable(move |transaction| {
            async move {
                let values = transaction.values(place).await?;
                if values.get(place.key()) != expected {
                    return Ok(false);
                }
                match value {
                    Some(value) => drop(values.insert(place.key().to_owned(), value.clone())),
                    None => drop(values.shift_remove(place.key())),
                }
                Ok(true)
            }
            .boxed()
        });
        self.change(work).await
    }

    async fn keys(&self, kind: OwnerKind, owner: &str) -> Result<Vec<String>, StoreError> {
        Ok(sorted_keys(self.values_of(kind, owner).await?))
    }

    async fn key_page(&self, kind: OwnerKind, from: Option<&str>, limit: usize) -> Result<KeyPage, StoreError> {
        let pick = |owner: &str, values: Map<String, Value>| {
            (!values.is_empty()).then(|| (owner.to_owned(), sorted_keys(values)))
        };
        let (owners, next) = self.page(prefix(kind), from.unwrap_or_default(), limit, pick).await?;
        Ok(KeyPage { owners, next })
    }

    async fn save_installation(
        &self,
        client_key: &str,
        installation: &Value,
        installation_id: Option<&str>,
    ) -> Result<(), StoreError> {
        check_keys(&[client_key, installation_id.unwrap_or_default()])?;
        let work = retriable(move |transaction| {
            async move {
                transaction.install(client_key, installation).await?;
                match installation_id {
                    Some(installation_id) => transaction.associate(installation_id, client_key).await,
                    None => Ok(()),
                }
            }
            .boxed()
        });
        self.change(work).await
    }

    async fn uninstall(&self, client_key: &str) -> Result<bool, StoreError> {
        let work = retriable(move |transaction| transaction.uninstall(client_key).boxed());
        if fits(client_key) { self.change(work).await } else { Ok(false) }
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<TenantPage, StoreError> {
        let pick = |owner: &str, mut values: Map<String, Value>| {
            if Some(owner) == after {
                return None;
            }
            let installation = values.shift_remove(CLIENT_INFO)?;
            Some((owner.to_owned(), as_installation(installation)))
        };
        let (tenants, next) = self.page(TENANT, after.unwrap_or_default(), limit, pick).await?;
        let next = next.and_then(|_| tenants.last().map(|(client_key, _)| client_key.clone()));
        Ok(TenantPage { tenants, next })
    }

    async fn remove(&self, client_key: &str) -> Result<bool, StoreError> {
        let work = retriable(move |transaction| transaction.remove(client_key).boxed());
        if fits(client_key) { self.change(work).await } else { Ok(false) }
    }

    async fn purge(&self, client_key: &str, before: u64) -> Result<bool, StoreError> {
        let work = retriable(move |transaction| transaction.purge(client_key, before).boxed());
        if fits(client_key) { self.change(work).await } else { Ok(false) }
    }

    async fn client_key_of_installation(&self, installation_id: &str) -> Result<Option<String>, StoreError> {
        if !fits(installation_id) {
            return Ok(None);
        }
        let name = format!("{FORGE}{installation_id}");
        let read = self.records.read(&name).await?;
        Ok(Draft::new(name, read)?.associates().pop())
    }

    async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        check_keys(&[installation_id, client_key])?;
        let work = retriable(move |transaction| transaction.associate(installation_id, client_key).boxed());
        self.change(work).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.records.read(TENANT).await.map(drop)
    }
}
