//! The address of a value, and the list of all addresses.

use super::{KeyPage, Store, StoreError};

/// Whose values: tenants and Forge installations have tables of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnerKind {
    /// Tenants, by their clientKeys.
    Tenant,
    /// Forge installations, by their ids.
    Forge,
}

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

    /// The value `key` of `owner`, which is a clientKey or an installationId.
    #[must_use]
    pub fn new(kind: OwnerKind, owner: &'a str, key: &'a str) -> Self {
        match kind {
            OwnerKind::Tenant => Self::of_tenant(owner, key),
            OwnerKind::Forge => Self::of_forge(owner, key),
        }
    }

    /// Whether the owner is a tenant or a Forge installation.
    #[must_use]
    pub fn kind(self) -> OwnerKind {
        match self {
            Self::Tenant { .. } => OwnerKind::Tenant,
            Self::Forge { .. } => OwnerKind::Forge,
        }
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
#[derive(Debug)]
pub struct KeyPages {
    from: Option<String>,
    /// `None`: there are no more pages.
    kind: Option<OwnerKind>,
}

impl Default for KeyPages {
    fn default() -> Self {
        Self { from: None, kind: Some(OwnerKind::Tenant) }
    }
}

impl KeyPages {
    /// Only those of Forge installations.
    #[must_use]
    pub fn of_forge() -> Self {
        Self { from: None, kind: Some(OwnerKind::Forge) }
    }

    /// The next page, and whose keys it has. `None`: there are no more pages.
    ///
    /// # Errors
    /// The store's error.
    pub async fn next(&mut self, store: &dyn Store) -> Result<Option<(KeyPage, OwnerKind)>, StoreError> {
        let Some(kind) = self.kind else { return Ok(None) };
        let mut page = store.key_page(kind, self.from.as_deref(), PAGE).await?;
        self.from = page.next.take();
        if self.from.is_none() {
            self.kind = (kind == OwnerKind::Tenant).then_some(OwnerKind::Forge);
        }
        Ok(Some((page, kind)))
    }
}
