//! The tenants in the store, installed or not.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::output::plain;
use atlassian_connect_actix::store::internal::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, redact,
};
use atlassian_connect_actix::store::{OwnerKind, Place, Store, StoreError};

/// The prefix of the framework's own keys and owners.
const OWN: &str = "atlassian-connect:";

/// Whether a key, or the owner of a row, is the framework's own.
pub(super) fn is_own(name: &str) -> bool {
    name.starts_with(OWN)
}

/// How many tenants are read at once. Redis has no order, so each page walks over all its keys.
const PAGE: usize = 2000;

/// A tenant.
pub(super) struct Known {
    pub client_key: String,
    /// The keys of its values. A key with two rows appears twice.
    keys: Vec<String>,
    /// The payload of its last install: the active one, or else the one of an uninstalled tenant.
    pub installation: Option<Value>,
}

/// The state of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Installed,
    Uninstalled,
    /// Only rows that a later install replaced.
    Superseded,
    /// Values without an installation.
    None,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::None => "none",
        }
    }
}

impl Known {
    /// Reads the installation.
    pub(crate) async fn opened(mut self, store: &dyn Store) -> Result<Self, StoreError> {
        self.installation = match store.installations(&self.client_key).await?.into_iter().next() {
            None => store.get(Place::of_tenant(&self.client_key, CLIENT_INFO_UNINSTALLED)).await?,
            installation => installation,
        };
        Ok(self)
    }

    /// Reads the installation, or leaves it out if it cannot be decrypted or parsed.
    pub(crate) async fn opened_if_possible(self, store: &dyn Store) -> Result<Self, StoreError> {
        let unread = Self { client_key: self.client_key.clone(), keys: self.keys.clone(), installation: None };
        match self.opened(store).await {
            Err(StoreError::Sealed(_) | StoreError::Refused(_)) => Ok(unread),
            outcome => outcome,
        }
    }

    fn rows(&self, key: &str) -> usize {
        self.keys.iter().filter(|known| *known == key).count()
    }

    /// The number of active rows. ACE's index is not unique, so there may be more than one.
    pub(crate) fn rows_in_use(&self) -> usize {
        self.rows(CLIENT_INFO)
    }

    pub(crate) fn rows_superseded(&self) -> usize {
        self.rows(CLIENT_INFO_SUPERSEDED)
    }

    pub(crate) fn state(&self) -> State {
        match (self.rows_in_use(), self.rows(CLIENT_INFO_UNINSTALLED), self.rows_superseded()) {
            (1.., _, _) => State::Installed,
            (_, 1.., _) => State::Uninstalled,
            (_, _, 1..) => State::Superseded,
            _ => State::None,
        }
    }

    /// The keys of the app's own values, in order.
    pub(crate) fn further_keys(&self) -> Vec<&str> {
        let of_installation =
            [CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, CLIENT_INFO_SUPERSEDED];
        let mut keys: Vec<_> =
            self.keys.iter().map(String::as_str).filter(|key| !of_installation.contains(key) && !is_own(key)).collect();
        keys.dedup();
        keys
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.installation.as_ref()?.get(name)?.as_str()
    }

    /// The base URL in the installation, with a password redacted.
    pub(crate) fn base_url(&self) -> Option<String> {
        self.field("baseUrl").map(redact)
    }

    /// `jira`, `confluence` …
    pub(crate) fn product(&self) -> Option<&str> {
        self.field("productType")
    }

    /// The tenant as JSON, without its values.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "clientKey": self.client_key,
            "baseUrl": self.base_url(),
            "product": self.product(),
            "state": self.state().name(),
            "installations": self.rows_in_use(),
            "superseded": self.rows_superseded(),
        })
    }
}

/// The state as text: `installed`, `installed, 2 rows`, `uninstalled, 1 superseded` …
impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.write_str(if state == State::None { "no installation" } else { state.name() })?;
        if self.rows_in_use() > 1 {
            write!(f, ", {} rows", self.rows_in_use())?;
        }
        match (state, self.rows_superseded()) {
            (State::Superseded, _) | (_, 0) => Ok(()),
            (_, superseded) => write!(f, ", {superseded} superseded"),
        }
    }
}

/// The clientKey and the base URL, for a message.
pub(super) fn named(tenant: &Known) -> String {
    let name = plain(&tenant.client_key);
    tenant.base_url().map_or_else(|| name.clone(), |url| format!("{name} ({})", plain(&url)))
}

/// All tenants, ordered by clientKey.
pub(super) async fn all(store: &dyn Store) -> Result<Vec<Known>, StoreError> {
    let mut installed = installed(store).await?;
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let page = store.key_page(OwnerKind::Tenant, from.as_deref(), PAGE).await?;
        for (client_key, keys) in page.owners {
            let installation = match installed.remove(&client_key) {
                None if keys.iter().any(|key| key == CLIENT_INFO_UNINSTALLED) => {
                    store.get(Place::of_tenant(&client_key, CLIENT_INFO_UNINSTALLED)).await?
                }
                installation => installation,
            };
            all.push(Known { client_key, keys, installation });
        }
        from = page.next;
        if from.is_none() {
            return Ok(all);
        }
    }
}

async fn installed(store: &dyn Store) -> Result<BTreeMap<String, Value>, StoreError> {
    let (mut installed, mut after) = (BTreeMap::new(), None);
    loop {
        let page = store.tenants(after.as_deref(), PAGE).await?;
        installed.extend(page.tenants);
        after = page.next;
        if after.is_none() {
            return Ok(installed);
        }
    }
}

/// One tenant, without its installation. `None`: the store has nothing of it.
pub(super) async fn one(store: &dyn Store, client_key: &str) -> Result<Option<Known>, StoreError> {
    // `key_page` and not `keys`: a key with two rows counts twice
    let page = store.key_page(OwnerKind::Tenant, Some(client_key), 1).await?;
    let found = page.owners.into_iter().find(|(known, _)| known == client_key);
    Ok(found.map(|(client_key, keys)| Known { client_key, keys, installation: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_by_the_rows_that_there_are() {
        for (keys, state, words) in [
            (&[CLIENT_INFO][..], State::Installed, "installed"),
            (&[CLIENT_INFO, CLIENT_INFO, "x"], State::Installed, "installed, 2 rows"),
            (&[CLIENT_INFO, CLIENT_INFO_SUPERSEDED], State::Installed, "installed, 1 superseded"),
            (&[CLIENT_INFO, CLIENT_INFO_UNINSTALLED], State::Installed, "installed"),
            (&[CLIENT_INFO_UNINSTALLED, CLIENT_INFO_SUPERSEDED], State::Uninstalled, "uninstalled, 1 superseded"),
            (&[CLIENT_INFO_SUPERSEDED], State::Superseded, "superseded"),
            (&["x"], State::None, "no installation"),
        ] {
            let keys = keys.iter().map(|&key| key.to_owned()).collect();
            let known = Known { client_key: "c".to_owned(), keys, installation: None };
            assert_eq!((known.state(), known.to_string().as_str()), (state, words));
        }
    }
}
