//! Lists in Redis. Redis does not sort keys, so each page is the smallest names that one scan over all keys finds. Only
//! one page is kept in memory.
//!
//! An index of our own would miss ACE's writes, so lists use `SCAN`. Keys of other programs in the same database are
//! left alone: a key is listed if it is an installation's, if the hash of owners has it, or if it begins with a
//! tenant's name.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::connection::RedisClient;
use super::names::{self, OWNERS, Owner};
use crate::{CLIENT_INFO, KeyPage, OwnerKind, StoreError, fits};

/// How many keys Redis looks at per step of a scan.
const STEP: usize = 1000;

/// A scan over the keys that match a pattern. Redis returns every key that exists during the whole scan; it may return
/// one twice.
pub(super) struct Scan<'a> {
    client: &'a RedisClient,
    pattern: String,
    cursor: Option<u64>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(client: &'a RedisClient, pattern: impl Into<String>) -> Self {
        Self { client, pattern: pattern.into(), cursor: Some(0) }
    }

    /// Some keys, often none. `None`: the scan is complete. Keys that are not valid UTF-8 belong to other programs.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<String>>, StoreError> {
        let Some(cursor) = self.cursor else { return Ok(None) };
        let mut command = ::redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(&self.pattern).arg("COUNT").arg(STEP);
        let (next, keys): (u64, Vec<Vec<u8>>) = self.client.ask(&command).await?;
        self.cursor = Some(next).filter(|next| *next != 0);
        Ok(Some(keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect()))
    }
}

/// A value that was found.
pub(super) struct FoundValue {
    pub redis_key: String,
    pub kind: OwnerKind,
    pub owner: String,
    /// The value's key.
    pub key: String,
}

impl FoundValue {
    fn new(redis_key: &str, kind: OwnerKind, owner: &str) -> Option<Self> {
        let prefix = if kind == OwnerKind::Forge { "forge:" } else { "" };
        let key = redis_key.strip_prefix(prefix)?.strip_prefix(owner)?.strip_prefix(':')?;
        Some(Self { redis_key: redis_key.to_owned(), kind, owner: owner.to_owned(), key: key.to_owned() })
    }
}

/// The values among `redis_keys`, with their owners. Keys of other programs are left out.
pub(super) async fn owned(client: &RedisClient, redis_keys: &[String]) -> Result<Vec<FoundValue>, StoreError> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for redis_key in redis_keys {
        match names::read(redis_key) {
            Some((kind, Owner::Known(owner, _))) => found.extend(FoundValue::new(redis_key, kind, owner)),
            Some((kind, Owner::OneOf(rivals))) => open.push((redis_key, kind, rivals)),
            None => {}
        }
    }
    if open.is_empty() {
        return Ok(found);
    }
    let mut recorded = ::redis::cmd("HMGET");
    recorded.arg(OWNERS);
    for (redis_key, ..) in &open {
        recorded.arg(redis_key);
    }
    let recorded: Vec<Option<String>> = client.ask(&recorded).await?;
    let mut of_ace = Vec::new();
    for ((redis_key, kind, rivals), owner) in open.into_iter().zip(recorded) {
        match owner {
            Some(owner) => found.extend(FoundValue::new(redis_key, kind, &owner)),
            None => of_ace.push((redis_key, kind, rivals)),
        }
    }
    let proofs = of_ace.iter().flat_map(|(_, kind, rivals)| rivals.iter().flat_map(|name| kind.proofs(name)));
    let there = those_that_exist(client, proofs.collect()).await?;
    for (redis_key, kind, rivals) in &of_ace {
        let is_proven = |name: &&&str| kind.proofs(name).iter().any(|proof| there.contains(proof));
        if let Some(owner) = rivals.iter().find(is_proven) {
            found.extend(FoundValue::new(redis_key, *kind, owner));
        }
    }
    Ok(found)
}

async fn those_that_exist(client: &RedisClient, keys: HashSet<String>) -> Result<HashSet<String>, StoreError> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let mut commands = ::redis::pipe();
    for key in &keys {
        commands.exists(key);
    }
    let exist: Vec<bool> = client.ask_all(&commands).await?;
    Ok(keys.into_iter().zip(exist).filter_map(|(key, exists)| exists.then_some(key)).collect())
}

/// The keys of one owner's values.
pub(super) async fn keys(client: &RedisClient, kind: OwnerKind, owner: &str) -> Result<Vec<String>, StoreError> {
    let mut keys = BTreeSet::new();
    if !fits(owner) {
        return Ok(Vec::new());
    }
    let mut scan = Scan::new(client, format!("{}{}:*", kind.prefix(), names::literal(owner)));
    while let Some(redis_keys) = scan.next().await? {
        let of_owner = owned(client, &redis_keys).await?.into_iter();
        keys.extend(of_owner.filter(|found| found.kind == kind && found.owner == owner).map(|found| found.key));
    }
    Ok(keys.into_iter().collect())
}

/// The first `limit` owners of values from `from` on, and one more that shows where the next page begins.
pub(super) async fn key_page(
    client: &RedisClient,
    kind: OwnerKind,
    from: Option<&str>,
    limit: usize,
) -> Result<KeyPage, StoreError> {
    let (from, limit) = (from.unwrap_or_default(), limit.max(1));
    let mut owners = BTreeMap::<String, BTreeSet<String>>::new();
    let mut scan = Scan::new(client, if kind == OwnerKind::Forge { "forge:*:*" } else { "*:*" });
    while let Some(mut redis_keys) = scan.next().await? {
        // names after this one are not on this page, so their owners need not be looked up
        let is_full = owners.len() > limit;
        let last = if is_full { owners.last_key_value().map(|(last, _)| last.as_str()) } else { None };
        let is_near = |name: &str| name >= from && last.is_none_or(|last| name <= last);
        redis_keys.retain(|redis_key| match names::read(redis_key) {
            Some((of, Owner::Known(name, _))) => of == kind && is_near(name),
            Some((of, Owner::OneOf(rivals))) => of == kind && rivals.into_iter().any(is_near),
            None => false,
        });
        for found in owned(client, &redis_keys).await? {
            if found.kind == kind && found.owner.as_str() >= from {
                owners.entry(found.owner).or_default().insert(found.key);
                if owners.len() > limit + 1 {
                    owners.pop_last();
                }
            }
        }
    }
    let next = if owners.len() > limit { owners.pop_last().map(|(owner, _)| owner) } else { None };
    Ok(KeyPage { owners: owners.into_iter().map(|(owner, keys)| (owner, keys.into_iter().collect())).collect(), next })
}

/// The first `limit` clientKeys after `after` with an installed add-on, and whether there are more.
pub(super) async fn installed(
    client: &RedisClient,
    after: &str,
    limit: usize,
) -> Result<(BTreeSet<String>, bool), StoreError> {
    let mut tenants = BTreeSet::new();
    let mut scan = Scan::new(client, "*:clientInfo");
    while let Some(redis_keys) = scan.next().await? {
        for redis_key in &redis_keys {
            let Some((OwnerKind::Tenant, Owner::Known(owner, CLIENT_INFO))) = names::read(redis_key) else { continue };
            if owner > after {
                tenants.insert(owner.to_owned());
            }
            if tenants.len() > limit + 1 {
                tenants.pop_last();
            }
        }
    }
    let more = tenants.len() > limit;
    if more {
        tenants.pop_last();
    }
    Ok((tenants, more))
}

/// The most keys that a scan for one tenant may look at, because a request of the host waits for it.
const AT_MOST: usize = 2_000_000;

/// The associations of a tenant, including those that ACE made.
pub(super) async fn associations(client: &RedisClient, client_key: &str) -> Result<BTreeSet<String>, StoreError> {
    let mut ids = BTreeSet::new();
    let mut scan = Scan::new(client, "installation:*;");
    for _ in 0..AT_MOST / STEP {
        let Some(redis_keys) = scan.next().await? else { return Ok(ids) };
        if redis_keys.is_empty() {
            continue;
        }
        let mut command = ::redis::cmd("MGET");
        command.arg(&redis_keys);
        let tenants: Vec<Option<Vec<u8>>> = client.ask(&command).await?;
        for (redis_key, tenant) in redis_keys.iter().zip(tenants) {
            if let (Some(id), true) =
                (names::associated_id(redis_key), tenant.as_deref() == Some(client_key.as_bytes()))
            {
                ids.insert(id.to_owned());
            }
        }
    }
    tracing::warn!(
        client_key,
        keys = AT_MOST,
        "not all keys of Redis were looked at for the tenant's Forge installations"
    );
    Ok(ids)
}

/// What [`super::scripts::REMOVE`] needs: the tenant's further values, and those of the installations `ids`.
pub(super) async fn values_of(
    client: &RedisClient,
    client_key: &str,
    ids: &BTreeSet<String>,
) -> Result<(Vec<String>, Vec<FoundValue>), StoreError> {
    let (mut values, mut of_forge) = (BTreeSet::new(), BTreeMap::new());
    let mut patterns = vec![format!("{}:*", names::literal(client_key))];
    patterns.extend((!ids.is_empty()).then(|| "forge:*:*".to_owned()));
    for pattern in patterns {
        let mut scan = Scan::new(client, pattern);
        while let Some(redis_keys) = scan.next().await? {
            for found in owned(client, &redis_keys).await? {
                match found.kind {
                    OwnerKind::Tenant if found.owner == client_key => drop(values.insert(found.redis_key)),
                    OwnerKind::Forge if ids.contains(&found.owner) => {
                        of_forge.insert(found.redis_key.clone(), found);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok((values.into_iter().collect(), of_forge.into_values().collect()))
}
