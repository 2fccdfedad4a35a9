//! What `tenants show` says about one tenant.

use serde_json::{Value, json};

use super::end_of_connect::day;
use super::overview::Overview;
use super::standing::Standing;
use super::tenant::Tenant;
use super::text::{REFUSES, how};
use crate::output::plain;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::store::{Store, StoreError};

/// The associations of a tenant.
pub(crate) struct OfTenant {
    status: &'static str,
    is_refused: bool,
    by: Vec<&'static str>,
    ids: Vec<String>,
    checked: Option<u64>,
    connect_seen: Option<u64>,
    forge_seen: Option<u64>,
}

impl OfTenant {
    /// `installation` is the stored one of an installed tenant.
    pub(crate) async fn read(
        store: &dyn Store,
        config: &Config,
        client_key: &str,
        installation: &Value,
    ) -> Result<Option<Self>, StoreError> {
        let tenant = Tenant::read(client_key.to_owned(), installation, config);
        let overview = Overview::read_one(store, tenant).await?;
        Ok(overview.tenants.get(client_key).map(|tenant| Self {
            status: overview.standing(tenant).name(),
            is_refused: tenant.is_refused(),
            by: how(&tenant.links),
            ids: tenant.links.iter().map(|link| link.id.clone()).collect(),
            checked: tenant.record.as_ref().map(|record| record.at),
            connect_seen: tenant.seen,
            forge_seen: tenant.seen_on_forge(),
        }))
    }

    /// Rows for a table: what is known.
    pub(crate) fn rows(&self) -> Vec<[String; 2]> {
        let by = if self.by.is_empty() { String::new() } else { format!(" ({})", self.by.join(", ")) };
        let is_noted = self.is_refused && self.status == Standing::Associated.name();
        let note = if is_noted { format!("; {REFUSES}") } else { String::new() };
        let ids: Vec<String> = self.ids.iter().map(|id| plain(id)).collect();
        let rows = [
            ("association", Some(format!("{}{by}{note}", self.status))),
            ("associated with", (!ids.is_empty()).then(|| ids.join(", "))),
            ("site last asked", self.checked.map(day)),
            ("seen through Connect", self.connect_seen.map(day)),
            ("seen through Forge", self.forge_seen.map(day)),
        ];
        rows.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?])).collect()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "status": self.status,
            "isRefused": self.is_refused,
            "by": self.by,
            "ids": self.ids,
            "checkedAt": self.checked,
            "connectSeenAt": self.connect_seen,
            "forgeSeenAt": self.forge_seen,
        })
    }
}
