//! The store on Redis, with the keys and texts of atlassian-connect-express.
//!
//! Its values are JSON texts. A text that is not valid JSON is a string, as in ACE. Every write is one script
//! ([`scripts`]); [`names`] decides whose a Redis key is.
//!
//! Nodes are notified: a script that changes an installation also publishes its tenant, and each node listens on a
//! second connection.
//!
//! The acceptance suite runs on Debian's `redis-server` 7.0.

mod connection;
mod names;
mod scan;
mod scripts;

use std::collections::BTreeSet;

use ::redis::{Cmd, ScriptInvocation};
use serde_json::Value;

use self::connection::{Listener, Server};
use self::names::{OWNERS, Space, Spot};
use super::attempt::Attempt;
use super::listen::{self, CHANNEL};
use super::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, Changes, KeyPage, Place,
    Store, StoreError, StoreFuture, TenantPage, as_installation, check_keys, fits, now,
};
use crate::config::StoreConfig;

/// A store in Redis.
pub struct RedisStore {
    server: Server,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

/// Parses the text as JSON. ACE stores strings unquoted, so a text that is not valid JSON is a string.
fn parse(bytes: Vec<u8>) -> Result<Value, StoreError> {
    let text = String::from_utf8(bytes).map_err(|_| StoreError::Refused("a value is not valid UTF-8".to_owned()))?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn get(key: &str) -> Cmd {
    Cmd::get(key)
}

/// The four keys of an installation, in the order that the scripts expect.
fn installation_keys(script: &mut ScriptInvocation<'_>, client_key: &str) {
    for key in [CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, CLIENT_INFO_SUPERSEDED] {
        script.key(format!("{client_key}:{key}"));
    }
}

/// A script for the value at `spot`, which first checks the value's owner.
fn about<'a>(script: &'a ::redis::Script, spot: &Spot<'_>, arguments: &[&str]) -> ScriptInvocation<'a> {
    let mut script = script.prepare_invoke();
    for key in spot.redis_keys() {
        script.key(key);
    }
    script.arg(spot.owner);
    for argument in arguments.iter().copied().chain(spot.rivals()) {
        script.arg(argument);
    }
    script
}

fn too_late() -> StoreError {
    StoreError::Unavailable("Redis reached the write after its deadline, so it was not done".to_owned())
}

fn space(place: Place<'_>) -> Space {
    match place {
        Place::Tenant { .. } => Space::Tenants,
        Place::Forge { .. } => Space::Forge,
    }
}

impl RedisStore {
    /// Connects to the Redis that `config` names.
    ///
    /// # Errors
    /// [`StoreError::Configuration`], with what to do, if the URL, the password or the certificate cannot work.
    /// [`StoreError::Unavailable`] if the server is not reachable.
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        Ok(Self { server: Server::open(config).await? })
    }

    async fn text(&self, spot: &Spot<'_>) -> Result<Option<Vec<u8>>, StoreError> {
        if spot.is_contested() {
            self.server.ask_script(&about(&scripts::GET, spot, &[])).await
        } else {
            self.server.ask(&get(&spot.redis_key)).await
        }
    }

    async fn value(&self, spot: Option<Spot<'_>>) -> Result<Option<Value>, StoreError> {
        let Some(spot) = spot else { return Ok(None) };
        self.text(&spot).await?.map(parse).transpose()
    }

    async fn put(&self, space: Space, owner: &str, key: &str, value: &Value) -> Result<(), StoreError> {
        let spot = Spot::writable(space, owner, key)?;
        let is_recorded = if spot.is_recorded { "1" } else { "0" };
        let script = about(&scripts::SET, &spot, &[&value.to_string(), is_recorded]);
        if self.server.write(&script).await? {
            return Ok(());
        }
        Err(StoreError::Refused(
            "Redis already has another owner's value under this name, and the two could not be told apart".to_owned(),
        ))
    }

    async fn take(&self, spot: Option<Spot<'_>>) -> Result<bool, StoreError> {
        let Some(spot) = spot else { return Ok(false) };
        self.server.write(&about(&scripts::DELETE, &spot, &[])).await
    }

    async fn exchanged(&self, place: Place<'_>, expected: &Value, value: &Value) -> Result<bool, StoreError> {
        let spot = Spot::writable(space(place), place.owner(), place.key())?;
        let Some(held) = self.text(&spot).await? else { return Ok(false) };
        if parse(held.clone())? != *expected {
            return Ok(false);
        }
        // compared as stored, because one value can be written in several ways
        let held = String::from_utf8(held).unwrap_or_default();
        self.server.write(&about(&scripts::EXCHANGE, &spot, &[&held, &value.to_string()])).await
    }

    async fn save(&self, client_key: &str, installation: &Value, id: Option<&str>) -> Result<(), StoreError> {
        check_keys(&[client_key, id.unwrap_or_default()])?;
        names::check_owner(client_key)?;
        let mut script = scripts::SAVE.prepare_invoke();
        installation_keys(&mut script, client_key);
        script.key(names::associated(client_key));
        script.arg(client_key).arg(installation.to_string()).arg(CHANNEL).arg(self.server.limit().await?);
        if let Some(id) = id {
            script.key(names::association(id)).arg(id);
        }
        Attempt::current().commit()?;
        if self.server.write(&script).await? { Ok(()) } else { Err(too_late()) }
    }

    /// Whether a tenant can have this name here. Reading under one that cannot finds nothing.
    fn can_be(client_key: &str) -> bool {
        fits(client_key) && names::check_owner(client_key).is_ok()
    }

    async fn end(&self, client_key: &str) -> Result<bool, StoreError> {
        if !Self::can_be(client_key) {
            return Ok(false);
        }
        let ids = scan::associations(&self.server, client_key).await?;
        let mut script = scripts::UNINSTALL.prepare_invoke();
        installation_keys(&mut script, client_key);
        script.key(names::associated(client_key));
        for id in &ids {
            script.key(names::association(id));
        }
        script.arg(client_key).arg(now()).arg(CHANNEL).arg(self.server.limit().await?);
        Attempt::current().commit()?;
        match self.server.write::<i64>(&script).await? {
            -1 => Err(too_late()),
            was_installed => Ok(was_installed > 0),
        }
    }

    /// `before`: only if uninstalled since then.
    async fn clear(&self, client_key: &str, before: Option<u64>) -> Result<bool, StoreError> {
        if !Self::can_be(client_key) {
            return Ok(false);
        }
        let ids = self.ids_of(client_key).await?;
        let (values, of_forge) = scan::values_of(&self.server, client_key, &ids).await?;
        let mut script = scripts::REMOVE.prepare_invoke();
        installation_keys(&mut script, client_key);
        script.key(names::associated(client_key)).key(OWNERS);
        for id in &ids {
            script.key(names::association(id));
        }
        let before = before.map(|before| before.to_string()).unwrap_or_default();
        script.arg(client_key).arg(CHANNEL).arg(ids.len()).arg(values.len()).arg(before);
        script.key(values);
        for found in of_forge {
            let association = ids.iter().position(|id| *id == found.owner).unwrap_or_default();
            script.key(found.redis_key).arg(association + 1);
        }
        Ok(self.server.write::<u64>(&script).await? > 0)
    }

    /// The Forge installations that may belong to the tenant: those that this store associated, and those of ACE.
    async fn ids_of(&self, client_key: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut ids = scan::associations(&self.server, client_key).await?;
        ids.extend(self.server.ask::<Vec<String>>(&Cmd::smembers(names::associated(client_key))).await?);
        Ok(ids)
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<TenantPage, StoreError> {
        let (tenants, more) = scan::installed(&self.server, after.unwrap_or_default(), limit.max(1)).await?;
        let next = if more { tenants.last().cloned() } else { None };
        if tenants.is_empty() {
            return Ok(TenantPage::default());
        }
        let mut command = ::redis::cmd("MGET");
        for client_key in &tenants {
            command.arg(format!("{client_key}:{CLIENT_INFO}"));
        }
        let texts: Vec<Option<Vec<u8>>> = self.server.ask(&command).await?;
        let there = tenants.into_iter().zip(texts).filter_map(|(client_key, text)| Some((client_key, text?)));
        let tenants = there.map(|(client_key, text)| Ok((client_key, as_installation(parse(text)?))));
        Ok(TenantPage { tenants: tenants.collect::<Result<_, StoreError>>()?, next })
    }
}

impl Store for RedisStore {
    fn get<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>> {
        Box::pin(self.value(Spot::new(Space::Tenants, client_key, key)))
    }

    fn set<'a>(&'a self, client_key: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()> {
        Box::pin(self.put(Space::Tenants, client_key, key, value))
    }

    fn delete<'a>(&'a self, client_key: &'a str, key: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(self.take(Spot::new(Space::Tenants, client_key, key)))
    }

    fn installations<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let installation = self.value(Spot::new(Space::Tenants, client_key, CLIENT_INFO)).await?;
            Ok(installation.map(as_installation).into_iter().collect())
        })
    }

    fn values<'a>(&'a self, place: Place<'a>) -> StoreFuture<'a, Vec<Value>> {
        Box::pin(async move {
            Ok(self.value(Spot::new(space(place), place.owner(), place.key())).await?.into_iter().collect())
        })
    }

    fn exchange<'a>(&'a self, place: Place<'a>, expected: &'a Value, value: &'a Value) -> StoreFuture<'a, bool> {
        Box::pin(self.exchanged(place, expected, value))
    }

    fn save_installation<'a>(
        &'a self,
        client_key: &'a str,
        installation: &'a Value,
        installation_id: Option<&'a str>,
    ) -> StoreFuture<'a, ()> {
        Box::pin(self.save(client_key, installation, installation_id))
    }

    fn uninstall<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(self.end(client_key))
    }

    fn tenants<'a>(&'a self, after: Option<&'a str>, limit: usize) -> StoreFuture<'a, TenantPage> {
        Box::pin(self.page(after, limit))
    }

    fn stored_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage> {
        Box::pin(scan::keys(&self.server, Space::Tenants, from, limit))
    }

    fn remove<'a>(&'a self, client_key: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(self.clear(client_key, None))
    }

    fn purge<'a>(&'a self, client_key: &'a str, before: u64) -> StoreFuture<'a, bool> {
        Box::pin(self.clear(client_key, Some(before)))
    }

    fn client_key_of_installation<'a>(&'a self, installation_id: &'a str) -> StoreFuture<'a, Option<String>> {
        Box::pin(async move {
            if !fits(installation_id) {
                return Ok(None);
            }
            self.server.ask(&get(&names::association(installation_id))).await
        })
    }

    fn associate<'a>(&'a self, installation_id: &'a str, client_key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            check_keys(&[installation_id, client_key])?;
            names::check_owner(client_key)?;
            let mut script = scripts::ASSOCIATE.prepare_invoke();
            script.key(names::association(installation_id)).key(names::associated(client_key));
            script.arg(client_key).arg(installation_id);
            self.server.write::<bool>(&script).await.map(drop)
        })
    }

    fn forge_get<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, Option<Value>> {
        Box::pin(self.value(Spot::new(Space::Forge, installation_id, key)))
    }

    fn forge_set<'a>(&'a self, installation_id: &'a str, key: &'a str, value: &'a Value) -> StoreFuture<'a, ()> {
        Box::pin(self.put(Space::Forge, installation_id, key, value))
    }

    fn forge_delete<'a>(&'a self, installation_id: &'a str, key: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(self.take(Spot::new(Space::Forge, installation_id, key)))
    }

    fn forge_keys<'a>(&'a self, from: Option<&'a str>, limit: usize) -> StoreFuture<'a, KeyPage> {
        Box::pin(scan::keys(&self.server, Space::Forge, from, limit))
    }

    fn changes(&self) -> Option<Changes> {
        Some(listen::changes(Listener(self.server.connector())))
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.server.ask::<::redis::Value>(&::redis::cmd("PING")).await.map(drop) })
    }
}
