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
mod errors;
mod events;
mod names;
mod scan;
mod scripts;

use std::collections::BTreeSet;

use ::redis::{Cmd, ScriptInvocation};
use async_trait::async_trait;
use serde_json::Value;

use self::connection::{Listener, RedisClient};
pub(super) use self::errors::code_of;
use self::names::{OWNERS, Spot};
use super::attempt::Attempt;
use super::listen::{self, CHANNEL};
use super::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, Changes, EventQueue,
    KeyPage, OwnerKind, Place, Store, StoreError, TenantPage, as_installation, check_keys, fits, now,
};
use crate::config::StoreConfig;

/// A store in Redis.
pub struct RedisStore {
    client: RedisClient,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

/// Parses the text as JSON. ACE stores strings unquoted, so a text that is not valid JSON is a string.
fn parse(bytes: Vec<u8>) -> Result<Value, StoreError> {
    let text =
        String::from_utf8(bytes).map_err(|error| StoreError::refused("a value is not valid UTF-8").caused_by(error))?;
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

/// A yes or no, as the scripts expect it.
fn flag(is_so: bool) -> &'static str {
    if is_so { "1" } else { "0" }
}

fn anothers() -> StoreError {
    StoreError::refused("Redis already has another owner's value under this name, and the two could not be told apart")
}

fn too_late() -> StoreError {
    StoreError::unavailable("Redis reached the write after its deadline, so it was not done")
}

impl RedisStore {
    /// Connects to the Redis that `config` names.
    ///
    /// # Errors
    /// [`StoreError::Configuration`], with what to do, if the URL, the password or the certificate cannot work.
    /// [`StoreError::Unavailable`] if the server is not reachable.
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        Ok(Self { client: RedisClient::open(config).await? })
    }

    async fn text(&self, spot: &Spot<'_>) -> Result<Option<Vec<u8>>, StoreError> {
        if spot.is_contested() {
            self.client.ask_script(&about(&scripts::GET, spot, &[])).await
        } else {
            self.client.ask(&get(&spot.redis_key)).await
        }
    }

    /// Whether a tenant can have this name here. Reading under one that cannot finds nothing.
    fn can_be(client_key: &str) -> bool {
        fits(client_key) && names::check_owner(client_key).is_ok()
    }

    /// `before`: only if uninstalled since then.
    async fn clear(&self, client_key: &str, before: Option<u64>) -> Result<bool, StoreError> {
        if !Self::can_be(client_key) {
            return Ok(false);
        }
        let ids = self.ids_of(client_key).await?;
        let (values, of_forge) = scan::values_of(&self.client, client_key, &ids).await?;
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
        Ok(self.client.write::<u64>(&script).await? > 0)
    }

    /// The Forge installations that may belong to the tenant: those that this store associated, and those of ACE.
    async fn ids_of(&self, client_key: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut ids = scan::associations(&self.client, client_key).await?;
        ids.extend(self.client.ask::<Vec<String>>(&Cmd::smembers(names::associated(client_key))).await?);
        Ok(ids)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn values(&self, place: Place<'_>) -> Result<Vec<Value>, StoreError> {
        let Some(spot) = Spot::new(place) else { return Ok(Vec::new()) };
        self.text(&spot).await?.map(parse).into_iter().collect()
    }

    async fn set(&self, place: Place<'_>, value: &Value) -> Result<(), StoreError> {
        let spot = Spot::writable(place)?;
        let script = about(&scripts::SET, &spot, &[&value.to_string(), flag(spot.is_recorded)]);
        if self.client.write(&script).await? {
            return Ok(());
        }
        Err(anothers())
    }

    async fn delete(&self, place: Place<'_>) -> Result<bool, StoreError> {
        let Some(spot) = Spot::new(place) else { return Ok(false) };
        self.client.write(&about(&scripts::DELETE, &spot, &[])).await
    }

    async fn exchange(
        &self,
        place: Place<'_>,
        expected: Option<&Value>,
        value: Option<&Value>,
    ) -> Result<bool, StoreError> {
        let spot = Spot::writable(place)?;
        // compared as stored, because one value can be written in several ways
        let held = match expected {
            Some(expected) => match self.text(&spot).await? {
                Some(held) if parse(held.clone())? == *expected => Some(String::from_utf8(held).unwrap_or_default()),
                _ => return Ok(false),
            },
            None => None,
        };
        let text = value.map(Value::to_string);
        let arguments = [
            flag(held.is_some()),
            held.as_deref().unwrap_or_default(),
            flag(text.is_some()),
            text.as_deref().unwrap_or_default(),
            flag(spot.is_recorded),
        ];
        match self.client.write::<i64>(&about(&scripts::EXCHANGE, &spot, &arguments)).await? {
            -1 if expected.is_none() => Err(anothers()),
            exchanged => Ok(exchanged > 0),
        }
    }

    async fn keys(&self, kind: OwnerKind, owner: &str) -> Result<Vec<String>, StoreError> {
        scan::keys(&self.client, kind, owner).await
    }

    async fn key_page(&self, kind: OwnerKind, from: Option<&str>, limit: usize) -> Result<KeyPage, StoreError> {
        scan::key_page(&self.client, kind, from, limit).await
    }

    async fn save_installation(
        &self,
        client_key: &str,
        installation: &Value,
        id: Option<&str>,
    ) -> Result<(), StoreError> {
        check_keys(&[client_key, id.unwrap_or_default()])?;
        names::check_owner(client_key)?;
        let mut script = scripts::SAVE.prepare_invoke();
        installation_keys(&mut script, client_key);
        script.key(names::associated(client_key));
        script.arg(client_key).arg(installation.to_string()).arg(CHANNEL).arg(self.client.limit().await?);
        if let Some(id) = id {
            script.key(names::association(id)).arg(id);
        }
        Attempt::current().commit()?;
        if self.client.write(&script).await? { Ok(()) } else { Err(too_late()) }
    }

    async fn uninstall(&self, client_key: &str) -> Result<bool, StoreError> {
        if !Self::can_be(client_key) {
            return Ok(false);
        }
        let ids = scan::associations(&self.client, client_key).await?;
        let mut script = scripts::UNINSTALL.prepare_invoke();
        installation_keys(&mut script, client_key);
        script.key(names::associated(client_key));
        for id in &ids {
            script.key(names::association(id));
        }
        script.arg(client_key).arg(now()).arg(CHANNEL).arg(self.client.limit().await?);
        Attempt::current().commit()?;
        match self.client.write::<i64>(&script).await? {
            -1 => Err(too_late()),
            was_installed => Ok(was_installed > 0),
        }
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<TenantPage, StoreError> {
        let (tenants, more) = scan::installed(&self.client, after.unwrap_or_default(), limit.max(1)).await?;
        let next = if more { tenants.last().cloned() } else { None };
        if tenants.is_empty() {
            return Ok(TenantPage::default());
        }
        let mut command = ::redis::cmd("MGET");
        for client_key in &tenants {
            command.arg(format!("{client_key}:{CLIENT_INFO}"));
        }
        let texts: Vec<Option<Vec<u8>>> = self.client.ask(&command).await?;
        let there = tenants.into_iter().zip(texts).filter_map(|(client_key, text)| Some((client_key, text?)));
        let tenants = there.map(|(client_key, text)| Ok((client_key, as_installation(parse(text)?))));
        Ok(TenantPage { tenants: tenants.collect::<Result<_, StoreError>>()?, next })
    }

    async fn remove(&self, client_key: &str) -> Result<bool, StoreError> {
        self.clear(client_key, None).await
    }

    async fn purge(&self, client_key: &str, before: u64) -> Result<bool, StoreError> {
        self.clear(client_key, Some(before)).await
    }

    async fn client_key_of_installation(&self, installation_id: &str) -> Result<Option<String>, StoreError> {
        if !fits(installation_id) {
            return Ok(None);
        }
        self.client.ask(&get(&names::association(installation_id))).await
    }

    async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        check_keys(&[installation_id, client_key])?;
        names::check_owner(client_key)?;
        let mut script = scripts::ASSOCIATE.prepare_invoke();
        script.key(names::association(installation_id)).key(names::associated(client_key));
        script.arg(client_key).arg(installation_id);
        self.client.write::<bool>(&script).await.map(drop)
    }

    fn changes(&self) -> Option<Changes> {
        Some(listen::changes(Listener(self.client.connector())))
    }

    fn events(&self) -> Option<&dyn EventQueue> {
        Some(self)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.client.ask::<::redis::Value>(&::redis::cmd("PING")).await.map(drop)
    }
}
