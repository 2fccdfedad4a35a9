//! What is stored about associations, besides the associations themselves ([`Store::client_key_of_installation`]).
//!
//! | row | value |
//! |---|---|
//! | Forge installation, [`INSTALLATION`] | [`InstallationRecord`] |
//! | a site's key ([`crate::installation::site_keys`]) as an installation, [`SITE`] | [`SiteRecord`] |
//! | tenant, [`SITES`] | the keys of its sites |
//! | tenant, [`CHECKED`] | [`TenantRecord`] |
//! | tenant, [`SEEN`] | [`Seen`] |
//! | tenant, [`SEEN_ON_FORGE`] | [`Seen`], of one that has uninstalled the Connect app and goes on through Forge |
//!
//! All times are in seconds since 1970. A value that cannot be read counts as none: it is written anew.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::store::{Place, Store, StoreError};

pub use crate::tenants::{SEEN, SEEN_ON_FORGE, SITE, Seen};

/// The key of the record of a Forge installation.
pub const INSTALLATION: &str = "atlassian-connect:installation";
/// The key of the list of sites that belong to a tenant, below its clientKey.
pub const SITES: &str = "atlassian-connect:sites";
/// The key of the result of `tenants associate`, below a clientKey.
pub const CHECKED: &str = "atlassian-connect:checked";
/// How an installation or a site was associated with its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// The `installed` callback of Connect named the installation.
    Installed,
    /// The site's property named the clientKey.
    Property,
    /// Another installation on the same site was associated before.
    Site,
    /// `tenant_info` named the site's cloudId, and the site accepted a call that was signed with the tenant's secret.
    TenantInfo,
}

/// The last result of asking a site for its clientKey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// The property is not there: the site does not have the Connect app, or not any more. From the end of Connect on no
    /// site has it.
    None,
    /// The property names a tenant that is not installed here.
    UnknownTenant,
    /// The property names the tenant of another site: a renamed site, a clone, or a lie.
    OtherSite,
    /// The URL of the site could not be found out.
    NoSiteUrl,
    /// The site refused the token.
    Refused,
    /// No answer, or not a useful one.
    Unreachable,
}

/// A Forge installation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstallationRecord {
    /// Its tenant when this was written. [`Store::client_key_of_installation`] says what is true now.
    pub client_key: Option<String>,
    /// How it was associated.
    pub by: Option<By>,
    /// When it was associated.
    pub at: Option<u64>,
    /// The keys of its sites. The first is the key of the tenant where there is no Connect tenant.
    pub sites: Vec<String>,
    /// The origin of the site that people see.
    pub site_url: Option<String>,
    /// The id of the app.
    pub app: Option<String>,
    /// `PRODUCTION`, `STAGING`, `DEVELOPMENT`.
    pub environment: Option<String>,
    /// The last invocation; written at most once a day.
    pub seen: u64,
    /// When the site was last asked with a token that Forge itself had sent.
    pub asked: Option<u64>,
    /// When the site was last asked with a token that came with a page.
    pub asked_by_page: Option<u64>,
    /// Which of its products was asked last with a token that Forge itself had sent.
    pub asked_site: Option<String>,
    /// What the last answer of each product was.
    pub answers: BTreeMap<String, Answer>,
    /// What they say together: that there is no clientKey only if each of them says so.
    pub answer: Option<Answer>,
    /// What a site has named, until it is found out whether that tenant is of this site.
    pub named: Option<Named>,
    /// When Forge said that the installation ends. An invocation takes it back.
    pub ended: Option<u64>,
}

/// A clientKey, and the key of the site that has named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// The site.
    pub site: String,
    /// What it has named.
    pub client_key: String,
}

/// A site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SiteRecord {
    /// The tenant.
    pub client_key: String,
    /// How it was associated.
    pub by: Option<By>,
    /// When it was associated.
    pub at: u64,
    /// Whether its settings have moved to the clientKey, and the app was told.
    pub is_done: bool,
    /// Whether that was done once more, some time later: a node or a page that did not know of it may have written under
    /// the site's key until then.
    pub is_swept: bool,
    /// The keys of settings that stay under the site's key, because the tenant has another value, or because they were
    /// written during the move.
    pub kept: Vec<String>,
    /// What was copied to the tenant: a hash of the value by key. A tenant's value that is still the copy is not its own.
    pub copies: BTreeMap<String, String>,
}

/// The result of `tenants associate` for a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantRecord {
    /// When it was checked.
    pub at: u64,
    /// The result.
    pub result: Check,
    /// The origin that was asked. The record says nothing about a tenant with another base URL.
    #[serde(default)]
    pub origin: Option<String>,
    /// The site's cloudId, if that origin named it and accepted the tenant as well.
    #[serde(default)]
    pub cloud_id: Option<String>,
    /// The status of the answer that decided, if it was an answer.
    #[serde(default)]
    pub status: Option<u16>,
    /// Where a renamed site is now: an origin.
    #[serde(default)]
    pub moved_to: Option<String>,
}

/// What became of a tenant at its base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// The site accepted a call that was signed with the tenant's secret.
    Accepted,
    /// The site refused it (401, 403, 404): the app was uninstalled there, or the site is another one.
    Stale,
    /// The base URL leads to another origin.
    Renamed,
    /// No answer, or not a useful one.
    Unreachable,
    /// Another tenant was accepted for the same site.
    Ambiguous,
}

macro_rules! records {
    ($($(#[$doc:meta])* $read:ident, $save:ident: $type:ident at $key:ident);* $(;)?) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// What the store answers.
        pub async fn $read(store: &dyn Store, id: &str) -> Result<Option<$type>, StoreError> {
            Ok(store.get(Place::of_forge(id, $key)).await?.and_then(|value| $type::deserialize(value).ok()))
        }

        /// Writes it.
        ///
        /// # Errors
        /// What the store answers.
        pub async fn $save(store: &dyn Store, id: &str, record: &$type) -> Result<(), StoreError> {
            store.set(Place::of_forge(id, $key), &value(record)?).await
        }
    )*};
}

records! {
    /// Reads the record of a Forge installation.
    installation_record, save_installation_record: InstallationRecord at INSTALLATION;
    /// Reads the record of a site.
    site_record, save_site_record: SiteRecord at SITE;
}

/// Reads a record of a tenant.
///
/// # Errors
/// What the store answers.
pub async fn tenant_record<T: DeserializeOwned>(
    store: &dyn Store,
    client_key: &str,
    key: &str,
) -> Result<Option<T>, StoreError> {
    Ok(store.get(Place::of_tenant(client_key, key)).await?.and_then(|value| T::deserialize(value).ok()))
}

/// Writes a record of a tenant.
///
/// # Errors
/// What the store answers.
pub async fn save_tenant_record(
    store: &dyn Store,
    client_key: &str,
    key: &str,
    record: &impl Serialize,
) -> Result<(), StoreError> {
    store.set(Place::of_tenant(client_key, key), &value(record)?).await
}

pub(super) fn value(record: &impl Serialize) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(record).map_err(|error| StoreError::refused("the record is not valid JSON").caused_by(error))
}
