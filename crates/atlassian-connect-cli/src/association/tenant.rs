//! An installed Connect tenant.

use serde_json::Value;

use super::origin::askable_origin;
use atlassian_connect_actix::config::{Config, Product};
use atlassian_connect_actix::internal::association::{By, Check, TenantRecord};
use atlassian_connect_actix::internal::tenants::{Installation, product_of};

/// In seconds. Calls are recorded once a day.
const WEEK: u64 = 7 * 24 * 60 * 60;

/// An installed Connect tenant.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    pub(super) client_key: String,
    /// As stored; empty where an old installation has none.
    pub(super) base_url: String,
    pub(super) product: Product,
    /// The origin to ask; `None` if the base URL is missing, or not on the whitelist.
    pub(super) origin: Option<String>,
    pub(super) has_secret: bool,
    /// The Forge installation that the `installed` callback named.
    pub(super) installation_id: Option<String>,
    pub(super) record: Option<TenantRecord>,
    /// When it last called through Connect.
    pub(super) seen: Option<u64>,
    /// What is associated with it.
    pub(super) links: Vec<Link>,
}

/// A Forge installation, or the key of a site, that is associated with a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) id: String,
    pub(super) is_site: bool,
    /// How; `None` where an earlier release did it, which did not write that down.
    pub(super) by: Option<By>,
    /// The last invocation, of an installation.
    pub(super) seen: Option<u64>,
    /// The settings that stay under the key of the site, because the tenant has other values.
    pub(super) kept: Vec<String>,
}

impl Tenant {
    /// Its base URL without a trailing slash, and its product.
    pub(super) fn place(&self) -> (String, Product) {
        (self.base_url.trim_end_matches('/').to_ascii_lowercase(), self.product)
    }

    /// The record, unless it is about another base URL than the tenant has now.
    pub(super) fn current_record(&self) -> Option<&TenantRecord> {
        self.record.as_ref().filter(|record| record.origin == self.origin)
    }

    /// Whether its site has refused it.
    pub(super) fn is_refused(&self) -> bool {
        self.current_record().is_some_and(|record| record.result == Check::Stale)
    }

    /// Whether it has called through Connect since a time in seconds since 1970.
    pub(super) fn has_called_since(&self, at: u64) -> bool {
        self.seen.is_some_and(|seen| seen > at)
    }

    /// The last call through Forge.
    pub(super) fn seen_on_forge(&self) -> Option<u64> {
        self.links.iter().filter_map(|link| link.seen).max()
    }

    /// Whether it has called within the week before its site was asked, or later. Such a tenant is in use, whatever the
    /// site says: the customer may work on Forge alone, or the site may have a new name.
    pub(super) fn is_in_use(&self) -> bool {
        let Some(record) = self.current_record() else { return false };
        self.seen.max(self.seen_on_forge()).is_some_and(|seen| seen.saturating_add(WEEK) >= record.at)
    }

    /// Whether its site can be asked: Bitbucket has no `tenant_info`.
    pub(super) fn is_askable(&self) -> bool {
        self.has_secret && self.origin.is_some() && self.product != Product::Bitbucket
    }

    /// Reads a stored installation; the records are separate values.
    pub(super) fn read(client_key: String, value: &Value, config: &Config) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let base_url = text("baseUrl").unwrap_or_default().to_owned();
        Self {
            product: product_of(text("productType"), &base_url).unwrap_or_default(),
            origin: askable_origin(&base_url, config),
            has_secret: Installation::read(value).is_some_and(|installation| installation.has_usable_secret()),
            installation_id: text("installationId").map(str::to_owned),
            client_key,
            base_url,
            record: None,
            seen: None,
            links: Vec::new(),
        }
    }
}
