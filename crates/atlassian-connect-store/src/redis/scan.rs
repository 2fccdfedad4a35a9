//! Lists: Redis has no order of keys, so each page is the smallest names that one walk over all keys finds. No more than
//! a page is kept of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::connection::Server;
use super::names::{self, OWNERS, Owner, Space};
use crate::{CLIENT_INFO, KeyPage, StoreError};

/// Keys that Redis looks at before it answers.
const STEP: usize = 1000;

/// A walk over the keys of a pattern. Redis promises every key that is there from its beginning to its end; it may show
/// one twice.
pub(super) struct Walk<'a> {
    server: &'a Server,
    pattern: String,
    cursor: Option<u64>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(server: &'a Server, pattern: impl Into<String>) -> Self {
        Self { server, pattern: pattern.into(), cursor: Some(0) }
    }

    /// Some keys, often none; `None`: that was all. One that is no UTF-8 is none of ours or ACE's.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<String>>, StoreError> {
        let Some(cursor) = self.cursor else { return Ok(None) };
        let mut command = ::redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(&self.pattern).arg("COUNT").arg(STEP);
        let (next, keys): (u64, Vec<Vec<u8>>) = self.server.ask(&command).await?;
        self.cursor = Some(next).filter(|next| *next != 0);
        Ok(Some(keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect()))
    }
}

/// A value that was found.
pub(super) struct Found {
    pub redis_key: String,
    pub space: Space,
    pub owner: String,
    /// The value's key.
    pub key: String,
}

impl Found {
    fn new(redis_key: &str, space: Space, owner: &str) -> Option<Self> {
        let prefix = if space == Space::Forge { "forge:" } else { "" };
        let key = redis_key.strip_prefix(prefix)?.strip_prefix(owner)?.strip_prefix(':')?;
        Some(Self { redis_key: redis_key.to_owned(), space, owner: owner.to_owned(), key: key.to_owned() })
    }
}

/// The values among `redis_keys`, with whose they are. What belongs to nobody, as other programs' keys, is left out.
pub(super) async fn owned(server: &Server, redis_keys: &[String]) -> Result<Vec<Found>, StoreError> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for redis_key in redis_keys {
        match names::read(redis_key) {
            Some((space, Owner::Known(owner, _))) => found.extend(Found::new(redis_key, space, owner)),
            Some((space, Owner::OneOf(rivals))) => open.push((redis_key, space, rivals)),
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
    let recorded: Vec<Option<String>> = server.ask(&recorded).await?;
    let mut of_ace = Vec::new();
    for ((redis_key, space, rivals), owner) in open.into_iter().zip(recorded) {
        match owner {
            Some(owner) => found.extend(Found::new(redis_key, space, &owner)),
            None => of_ace.push((redis_key, space, rivals)),
        }
    }
    let proofs = of_ace.iter().flat_map(|(_, space, rivals)| rivals.iter().flat_map(|name| space.proofs(name)));
    let there = those_that_exist(server, proofs.collect()).await?;
    for (redis_key, space, rivals) in &of_ace {
        let is_proven = |name: &&&str| space.proofs(name).iter().any(|proof| there.contains(proof));
        if let Some(owner) = rivals.iter().find(is_proven) {
            found.extend(Found::new(redis_key, *space, owner));
        }
    }
    Ok(found)
}

async fn those_that_exist(server: &Server, keys: HashSet<String>) -> Result<HashSet<String>, StoreError> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let mut commands = ::redis::pipe();
    for key in &keys {
        commands.exists(key);
    }
    let exist: Vec<bool> = server.ask_all(&commands).await?;
    Ok(keys.into_iter().zip(exist).filter_map(|(key, exists)| exists.then_some(key)).collect())
}

/// The first `limit` owners of values from `from` on, and one more that tells where the next page begins.
pub(super) async fn keys(
    server: &Server,
    space: Space,
    from: Option<&str>,
    limit: usize,
) -> Result<KeyPage, StoreError> {
    let (from, limit) = (from.unwrap_or_default(), limit.max(1));
    let mut owners = BTreeMap::<String, BTreeSet<String>>::new();
    let mut walk = Walk::new(server, if space == Space::Forge { "forge:*:*" } else { "*:*" });
    while let Some(mut redis_keys) = walk.next().await? {
        // whose names are not of this page, whoever has them, need not be asked for
        let last = owners.last_key_value().filter(|_| owners.len() > limit).map(|(last, _)| last.as_str());
        let is_near = |name: &str| name >= from && last.is_none_or(|last| name <= last);
        redis_keys.retain(|redis_key| match names::read(redis_key) {
            Some((of, Owner::Known(name, _))) => of == space && is_near(name),
            Some((of, Owner::OneOf(rivals))) => of == space && rivals.into_iter().any(is_near),
            None => false,
        });
        for found in owned(server, &redis_keys).await? {
            if found.space == space && found.owner.as_str() >= from {
                owners.entry(found.owner).or_default().insert(found.key);
                if owners.len() > limit + 1 {
                    owners.pop_last();
                }
            }
        }
    }
    let next = if owners.len() > limit { owners.pop_last().map(|(owner, _)| owner) } else { None };
    Ok(KeyPage { tenants: owners.into_iter().map(|(owner, keys)| (owner, keys.into_iter().collect())).collect(), next })
}

/// The first `limit` clientKeys after `after` under which the add-on is installed, and whether there are more.
pub(super) async fn installed(
    server: &Server,
    after: &str,
    limit: usize,
) -> Result<(BTreeSet<String>, bool), StoreError> {
    let mut tenants = BTreeSet::new();
    let mut walk = Walk::new(server, "*:clientInfo");
    while let Some(redis_keys) = walk.next().await? {
        for redis_key in &redis_keys {
            let Some((Space::Tenants, Owner::Known(owner, CLIENT_INFO))) = names::read(redis_key) else { continue };
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

/// Keys that a walk for one tenant's sake may look at: a request of the host waits for it.
const AT_MOST: usize = 2_000_000;

/// The associations of a tenant, also those that ACE made.
pub(super) async fn associations(server: &Server, client_key: &str) -> Result<BTreeSet<String>, StoreError> {
    let mut ids = BTreeSet::new();
    let mut walk = Walk::new(server, "installation:*;");
    for _ in 0..AT_MOST / STEP {
        let Some(redis_keys) = walk.next().await? else { return Ok(ids) };
        if redis_keys.is_empty() {
            continue;
        }
        let mut command = ::redis::cmd("MGET");
        command.arg(&redis_keys);
        let tenants: Vec<Option<Vec<u8>>> = server.ask(&command).await?;
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

/// What [`super::scripts::REMOVE`] needs to know of a tenant: its further values, and those of `ids`.
pub(super) async fn values_of(
    server: &Server,
    client_key: &str,
    ids: &BTreeSet<String>,
) -> Result<(Vec<String>, Vec<Found>), StoreError> {
    let (mut values, mut of_forge) = (BTreeSet::new(), BTreeMap::new());
    let mut patterns = vec![format!("{}:*", names::literal(client_key))];
    patterns.extend((!ids.is_empty()).then(|| "forge:*:*".to_owned()));
    for pattern in patterns {
        let mut walk = Walk::new(server, pattern);
        while let Some(redis_keys) = walk.next().await? {
            for found in owned(server, &redis_keys).await? {
                match found.space {
                    Space::Tenants if found.owner == client_key => drop(values.insert(found.redis_key)),
                    Space::Forge if ids.contains(&found.owner) => {
                        of_forge.insert(found.redis_key.clone(), found);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok((values.into_iter().collect(), of_forge.into_values().collect()))
}
