//! Where a value stands, and all the places that there are.

use super::{KeyPage, Store, StoreError};

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// Under a key of a tenant.
    Tenant {
        /// The tenant's clientKey.
        client_key: &'a str,
        /// The value's key.
        key: &'a str,
    },
    /// Under a key of a Forge installation.
    Forge {
        /// The installation's id.
        installation_id: &'a str,
        /// The value's key.
        key: &'a str,
    },
}

impl<'a> Place<'a> {
    /// Under `key` of the tenant `client_key`.
    #[must_use]
    pub fn of_tenant(client_key: &'a str, key: &'a str) -> Self {
        Self::Tenant { client_key, key }
    }

    /// Under `key` of the Forge installation `installation_id`.
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

/// Owners that are read in one go. Redis, which has no order, walks over all its keys for each page.
const PAGE: usize = 2000;

/// The keys of everything in a store, page by page: first the tenants', then the Forge installations'.
#[derive(Debug, Default)]
pub struct KeyPages {
    from: Option<String>,
    is_forge: bool,
    is_done: bool,
}

impl KeyPages {
    /// The next page, and whether its owners are Forge installations; `None`: that was all.
    ///
    /// # Errors
    /// What the store answers.
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
