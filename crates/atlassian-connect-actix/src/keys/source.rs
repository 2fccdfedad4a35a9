//! Sources of public keys: the interface of Atlassian's servers and of any other source.

use std::fmt::Debug;

use futures_util::future::LocalBoxFuture;

use super::{ForgeKeys, InstallKeys, KeyError};
use crate::jwt::PublicKey;

/// A key that may have to be fetched.
pub type KeyFuture<'a> = LocalBoxFuture<'a, Result<PublicKey, KeyError>>;

/// The tenants that the keys of a source may install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Any tenant whose site is on the whitelist. Only Atlassian's servers should have it.
    AllTenants,
    /// Only the sites of this source. They need not be on the whitelist. A clientKey that the store knows from another
    /// site is refused, see [`InstallKeySource::may_replace`].
    OwnSites,
}

/// A source of the keys that sign `installed` and `uninstalled`. Only the first source that has the site is asked for
/// the key.
pub trait InstallKeySource: Debug + Send + Sync {
    /// Whether the site with this base URL belongs to this source. The URL comes from the sender and is not verified
    /// yet.
    fn has_site(&self, base_url: &str) -> bool;

    /// The tenants that its keys may install.
    fn authority(&self) -> Authority;

    /// With [`Authority::OwnSites`]: whether an install may replace a stored tenant with this base URL.
    fn may_replace(&self, base_url: &str) -> bool {
        self.has_site(base_url)
    }

    /// The key `kid`, for a site with the host name `host`.
    fn key<'a>(&'a self, kid: &'a str, host: &'a str) -> KeyFuture<'a>;
}

/// A source of the keys that sign Forge's invocation tokens. Only the first source that has the installation is asked
/// for the key.
pub trait ForgeKeySource: Debug + Send + Sync {
    /// Whether the installation with this ARI belongs to this source. The ARI comes from the token and is not verified
    /// yet.
    fn has_installation(&self, installation_id: &str) -> bool;

    /// The app (the bare id) that its invocations are for, if the configuration has no `appId`.
    fn app_id(&self) -> Option<&str> {
        None
    }

    /// The key `kid`. Without an id, the key of a set with a single one. `label` is the Isolated Cloud that the token
    /// claims to belong to.
    fn key<'a>(&'a self, kid: Option<&'a str>, label: Option<&'a str>) -> KeyFuture<'a>;
}

/// Atlassian's key servers.
impl InstallKeySource for InstallKeys {
    fn has_site(&self, _: &str) -> bool {
        true
    }

    fn authority(&self) -> Authority {
        Authority::AllTenants
    }

    fn key<'a>(&'a self, kid: &'a str, host: &'a str) -> KeyFuture<'a> {
        Box::pin(self.get(kid, host))
    }
}

/// Forge's key sets.
impl ForgeKeySource for ForgeKeys {
    fn has_installation(&self, _: &str) -> bool {
        true
    }

    fn key<'a>(&'a self, kid: Option<&'a str>, label: Option<&'a str>) -> KeyFuture<'a> {
        Box::pin(self.get(kid, label))
    }
}
