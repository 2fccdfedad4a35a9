//! What is known of a tenant.

use super::tenant::Tenant;
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::association::Check;

/// How far a tenant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Standing {
    /// A Forge installation, or its site, is associated with it.
    Associated,
    /// It was not asked yet.
    Unchecked,
    /// There was no useful answer.
    Unreachable,
    /// Its base URL leads to another address.
    Renamed,
    /// Its site refuses it, nothing is associated with it, and it calls: its site has another address.
    Refused,
    /// Other tenants claim the same site.
    Ambiguous,
    /// It cannot be asked: there is no secret, no base URL, or one that is not on the whitelist.
    Unusable,
    /// Its site refuses it, and neither it nor what is associated with it has called lately.
    Stale,
}

impl Standing {
    /// All, in the order of the report.
    pub(super) const ALL: [Self; 8] = [
        Self::Associated,
        Self::Unchecked,
        Self::Unreachable,
        Self::Renamed,
        Self::Refused,
        Self::Ambiguous,
        Self::Unusable,
        Self::Stale,
    ];

    /// `is_shared`: several tenants with the same base URL are not settled.
    pub(super) fn of(tenant: &Tenant, is_shared: bool) -> Self {
        let result = tenant.current_record().map(|record| record.result);
        match result {
            Some(Check::Stale) if !tenant.is_in_use() => return Self::Stale,
            Some(Check::Ambiguous) => return Self::Ambiguous,
            _ if !tenant.links.is_empty() => return Self::Associated,
            _ if tenant.product == Product::Bitbucket => return Self::Unchecked,
            _ if !tenant.is_askable() => return Self::Unusable,
            _ if is_shared && !tenant.is_refused() => return Self::Ambiguous,
            _ => {}
        }
        match result {
            Some(Check::Renamed) => Self::Renamed,
            Some(Check::Stale) => Self::Refused,
            Some(Check::Unreachable) => Self::Unreachable,
            // accepted, but the association is gone: the app was uninstalled and installed again
            _ => Self::Unchecked,
        }
    }

    /// The name in the report and in its JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Associated => "associated",
            Self::Unchecked => "unchecked",
            Self::Unreachable => "unreachable",
            Self::Renamed => "renamed",
            Self::Refused => "refused",
            Self::Ambiguous => "ambiguous",
            Self::Unusable => "unusable",
            Self::Stale => "stale",
        }
    }

    /// Whether the tenant is in use and not associated.
    pub(super) fn is_open(self) -> bool {
        !matches!(self, Self::Associated | Self::Stale)
    }
}

#[cfg(test)]
mod tests {
    use atlassian_connect_actix::config::{Config, Vars};
    use atlassian_connect_actix::internal::association::TenantRecord;
    use serde_json::json;

    use super::super::tenant::Link;
    use super::*;

    const DAY: u64 = 24 * 60 * 60;
    const CHECKED: u64 = 100 * DAY;

    fn refused(seen: Option<u64>, links: &[Option<u64>]) -> Tenant {
        let value = json!({ "clientKey": "c", "sharedSecret": "0123456789abcdef", "baseUrl": "https://a.example" });
        let config = Config::from_parts(None, &Vars::from([("APP_ENV", "test")])).unwrap();
        let mut tenant = Tenant::read("c".to_owned(), &value, &config);
        tenant.record = Some(TenantRecord {
            at: CHECKED,
            result: Check::Stale,
            origin: tenant.origin.clone(),
            cloud_id: None,
            status: Some(401),
            moved_to: None,
        });
        tenant.seen = seen;
        let link =
            |seen: &Option<u64>| Link { id: "i".to_owned(), is_site: false, by: None, seen: *seen, kept: Vec::new() };
        tenant.links = links.iter().map(link).collect();
        tenant
    }

    #[test]
    fn a_tenant_that_calls_is_not_stale() {
        let (long_ago, lately, later) = (Some(CHECKED - 7 * DAY - 1), Some(CHECKED - 7 * DAY), Some(CHECKED + 1));
        for (seen, links, standing) in [
            (None, &[][..], Standing::Stale),
            (long_ago, &[], Standing::Stale),
            (lately, &[], Standing::Refused),
            (later, &[], Standing::Refused),
            (Some(u64::MAX), &[], Standing::Refused),
            (None, &[None], Standing::Stale),
            (None, &[long_ago], Standing::Stale),
            (None, &[long_ago, lately], Standing::Associated),
            (long_ago, &[later], Standing::Associated),
            (lately, &[None], Standing::Associated),
            (later, &[long_ago], Standing::Associated),
        ] {
            let tenant = refused(seen, links);
            assert_eq!(Standing::of(&tenant, false), standing, "{seen:?} {links:?}");
            assert_eq!(Standing::of(&tenant, true), standing, "{seen:?} {links:?}");
        }
    }
}
