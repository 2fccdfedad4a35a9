//! The report for machines. Its shape is described in `docs/command-line.md`.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::counts::{Counts, is_on_forge_alone};
use super::end_of_connect::{DATE, Phase};
use super::overview::Overview;
use super::standing::Standing;
use super::tenant::{Link, Tenant};
use super::text::how;
use atlassian_connect_actix::internal::association::InstallationRecord;
use atlassian_connect_actix::store::internal::redact;

/// The report, whose lists are made while they are written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    end_of_connect: &'static str,
    days_left: u64,
    summary: Value,
    #[serde(serialize_with = "tenants")]
    tenants: &'a Overview,
    #[serde(serialize_with = "without_tenant")]
    without_tenant: &'a Overview,
}

impl<'a> Report<'a> {
    pub(super) fn of(overview: &'a Overview, counts: &Counts, phase: Phase) -> Self {
        let mut summary = json!({ "tenants": counts.all(), "open": counts.open() });
        for standing in Standing::ALL {
            summary[standing.name()] = counts.with(standing).into();
        }
        summary["kept"] = counts.kept.into();
        summary["forgeInstallations"] = counts.installations.into();
        summary["forgeAlone"] = counts.forge_alone.into();
        summary["forgeUnknown"] = counts.unknown.into();
        Self {
            end_of_connect: DATE,
            days_left: phase.days_left(),
            summary,
            tenants: overview,
            without_tenant: overview,
        }
    }
}

fn tenants<S: Serializer>(overview: &Overview, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(overview.tenants.values().map(|row| tenant(row, overview.standing(row))))
}

fn without_tenant<S: Serializer>(overview: &Overview, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(overview.without_tenant().map(|(row, record)| installation(&row.id, record)))
}

fn tenant(tenant: &Tenant, standing: Standing) -> Value {
    let ids = |is_site: bool| -> Vec<&str> {
        tenant.links.iter().filter(|link| link.is_site == is_site).map(|link| link.id.as_str()).collect()
    };
    let record = tenant.record.as_ref();
    json!({
        "clientKey": tenant.client_key,
        "baseUrl": (!tenant.base_url.is_empty()).then(|| redact(&tenant.base_url)),
        "product": tenant.product.as_str(),
        "status": standing.name(),
        "isRefused": tenant.is_refused(),
        "by": how(&tenant.links),
        "installations": ids(false),
        "sites": ids(true),
        "kept": tenant.links.iter().filter(|link| !link.kept.is_empty()).map(kept).collect::<Vec<_>>(),
        "checkedAt": record.map(|record| record.at),
        "checkedStatus": record.and_then(|record| record.status),
        "cloudId": record.and_then(|record| record.cloud_id.as_deref()),
        "movedTo": record.and_then(|record| record.moved_to.as_deref()),
        "connectSeenAt": tenant.seen,
        "forgeSeenAt": tenant.seen_on_forge(),
    })
}

fn kept(site: &Link) -> Value {
    json!({ "site": site.id, "keys": site.kept })
}

fn installation(id: &str, record: Option<&InstallationRecord>) -> Value {
    let seen = record.map(|record| record.seen).filter(|seen| *seen > 0);
    let answer = record.and_then(|record| record.answer);
    json!({
        "installationId": id,
        "isForgeAlone": record.is_some_and(is_on_forge_alone),
        "answer": answer,
        "askedAt": record.and_then(|record| record.asked.max(record.asked_by_page)),
        "siteUrl": record.and_then(|record| record.site_url.as_deref()),
        "sites": record.map(|record| record.sites.as_slice()).unwrap_or_default(),
        "app": record.and_then(|record| record.app.as_deref()),
        "environment": record.and_then(|record| record.environment.as_deref()),
        "forgeSeenAt": seen,
    })
}
