//! The address of a value, and the list of all addresses.

use super::{KeyPage, Store, StoreError};

/// The address of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A value of a tenant.
    Tenant {
        /// The tenant's clientKey.
        client_key: &'a str,
        /// The value's key.
        key: &'a str,
    },
    /// A value of a Forge installation.
    Forge {
        /// The installation's id.
        installation_id: &'a str,
        /// The value's key.
        key: &'a str,
    },
}

impl<'a> Place<'a> {
    /// The value `key` of the tenant `client_key`.
    #[must_use]
    pub fn of_tenant(client_key: &'a str, key: &'a str) -> Self {
        Self::Tenant { client_key, key }
    }

    /// The value `key` of the Forge installation `installation_id`.
    #[must_use]
    pub fn of_forge(installation_id: &'a str, key: &'a str) -> Self {
        Self::Forge { installation_id, key }
    }

    /// The clientKey or the installationId.
    #[must_use]
    pub fn owner(self) -> &'a str {
        match self {
            Self::Tenant { client_key: owner, .. } | Self::Forge { installation_id: owner, .. } => owner,
        }
    }

    /// The value's key.
    #[must_use]
    pub fn key(self) -> &'a str {
        match self {
            Self::Tenant { key, .. } | Self::Forge { key, .. } => key,
        }
    }
}

/// How many owners are read at once. Redis has no order, so each page walks over all its keys.
const PAGE: usize = 2000;

/// The keys of all values in a store, page by page: first the tenants', then the Forge installations'.
#[derive(Debug, Default)]
pub struct KeyPages {
    from: Option<String>,
    is_forge: bool,
    is_done: bool,
}

impl KeyPages {
    /// Only those of Forge installations.
    #[must_use]
    pub fn of_forge() -> Self {
        Self { is_forge: true, ..Self::default() }
    }

    /// The next page, and whether its owners are Forge installations. `None`: there are no more pages.
    ///
    /// # Errors
    /// The store's error.
    pub async fn next(&mut self, store: &dyn Store) -> Result<Option<(KeyPage, bool)>, StoreError> {
        if self.is_done {
            return Ok(None);
        }
        let is_forge = self.is_forge;
        let mut page = if is_forge {
            store.forge_keys(self.from.as_deref(), PAGE).await?
        } else {
            store.stored_keys(self.from.as_deref(), PAGE).await?
        };
        self.from = page.next.take();
        if self.from.is_none() {
            self.is_done = is_forge;
            self.is_forge = true;
        }
        Ok(Some((page, is_forge)))
    }
}
