//! The report for people.

use super::counts::{Counts, is_on_forge_alone};
use super::end_of_connect::{Phase, day};
use super::overview::{ForgeRow, Overview};
use super::standing::Standing;
use super::tenant::{Link, Tenant};
use crate::output::{columns, plain};
use atlassian_connect_actix::internal::association::{Answer, By, InstallationRecord};
use atlassian_connect_actix::store::internal::redact;

/// The note of an associated tenant whose site refuses the tenant's secret: on Forge alone it has no use for it.
pub(super) const REFUSES: &str = "its site refuses Connect";

pub(super) fn report(overview: &Overview, counts: &Counts, phase: Phase) -> String {
    let mut parts = Vec::new();
    if !overview.tenants.is_empty() {
        let heading = ["CLIENT KEY", "BASE URL", "STATUS", "BY", "CHECKED", "CONNECT SEEN", "FORGE SEEN"];
        let rows = overview.tenants.values().map(|row| tenant(row, overview.standing(row)));
        parts.push(columns(&std::iter::once(heading.map(str::to_owned)).chain(rows).collect::<Vec<_>>()));
    }
    if counts.forge_alone + counts.unknown > 0 {
        let heading = ["FORGE INSTALLATION WITHOUT A TENANT", "SITE", "STATUS", "FORGE SEEN"];
        let rows = overview.without_tenant().map(|(row, record)| installation(row, record));
        parts.push(columns(&std::iter::once(heading.map(str::to_owned)).chain(rows).collect::<Vec<_>>()));
    }
    parts.push(summary(counts, phase));
    parts.join("\n\n")
}

/// The numbers, the time that is left, and what to do.
pub(super) fn summary(counts: &Counts, phase: Phase) -> String {
    let mut lines = vec![numbers(counts), phase.countdown()];
    lines.extend(advice(counts, phase).into_iter().map(|advice| format!("-> {advice}")));
    lines.join("\n")
}

fn numbers(counts: &Counts) -> String {
    let all = counts.all();
    let others = Standing::ALL.into_iter().filter(|standing| *standing != Standing::Associated);
    let others: Vec<String> = others
        .filter_map(|standing| match counts.with(standing) {
            0 => None,
            count => Some(format!("{count} {}", standing.name())),
        })
        .collect();
    let others = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    let tenants = format!("{} of {all} installed tenants associated{others}", counts.with(Standing::Associated));
    let Counts { installations, forge_alone, unknown, .. } = counts;
    let forge = match forge_alone + unknown {
        0 => format!("{installations} Forge installations"),
        without => format!(
            "{installations} Forge installations, {without} without a tenant: {forge_alone} on Forge alone, {unknown} \
             not known"
        ),
    };
    format!("{tenants}\n{forge}")
}

/// What helps, for what there is.
fn advice(counts: &Counts, phase: Phase) -> Vec<String> {
    let mut advice = Vec::new();
    let mut for_some = |count: usize, text: &str| {
        if count > 0 {
            advice.push(text.to_owned());
        }
    };
    let with = |standing| counts.with(standing);
    for_some(
        counts.kept,
        "settings of some sites stay under the key of the site, since the tenant has other values under the same names \
         (--json lists them)",
    );
    if phase.has_ended() {
        for_some(
            counts.open() + counts.unknown,
            "the site's property and tenant_info no longer help: without Connect no site names or accepts its \
             clientKey. Compare the site URLs of the Forge installations without a tenant with the base URLs of the \
             tenants without one (--json has both), confirm each pair with the customer, and copy the data in the \
             app's own code",
        );
        if phase == Phase::Today {
            for_some(counts.open(), "sites may still answer today: run `tenants associate` once more");
        }
        for_some(counts.open(), "keep the data of tenants that are not associated until a customer asks for it");
        return advice;
    }
    for_some(
        with(Standing::Unchecked),
        "unchecked: run `tenants associate`. Bitbucket's tenants, and those of a deployment for another environment than \
         production, are found when Forge calls the app",
    );
    for_some(
        with(Standing::Unreachable),
        "unreachable: run `tenants associate` again later, which asks these sites again",
    );
    for_some(
        with(Standing::Renamed),
        "renamed: the site tells the app its new URL with the next `installed`. Let an administrator update the app \
         there, then run `tenants associate`",
    );
    for_some(
        with(Standing::Refused),
        "refused: the address refuses the tenant, but the tenant calls. Its site has probably another name, which the \
         next `installed` tells. Let an administrator update the app there, then run `tenants associate`",
    );
    for_some(
        with(Standing::Ambiguous),
        "ambiguous: run `tenants associate --again`. If the sites still accept several clientKeys, ask the customer \
         which one is in use. Remove the other one with `tenants remove` only if nothing is associated with it and it \
         has not called lately, and run it once more",
    );
    for_some(
        with(Standing::Unusable),
        "unusable: no sharedSecret, no base URL, or a host that is not in AC_HOST_WHITELIST; `doctor` says which",
    );
    for_some(
        with(Standing::Stale).saturating_sub(counts.stale_with_links),
        "stale: the site refuses the tenant's secret, and nobody has called in its name for a week. The app was \
         uninstalled there, or the address belongs to another customer now. Its data stays where it is. Once you know \
         that the customer has left, `tenants remove` deletes it",
    );
    for_some(
        counts.stale_with_links,
        "stale, with Forge installations or sites: the same, but keep them. They count as associated again as soon as \
         one of them calls",
    );
    for_some(
        counts.unknown,
        "Forge installations that are not known: Forge has to call the app once with a token of its own. An hourly \
         scheduledTrigger does",
    );
    advice
}

fn tenant(tenant: &Tenant, standing: Standing) -> [String; 7] {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let at = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), day);
    let record = tenant.record.as_ref();
    let detail = match standing {
        Standing::Renamed => record.and_then(|record| record.moved_to.as_deref()).map(plain),
        Standing::Associated if tenant.is_refused() => Some(REFUSES.to_owned()),
        Standing::Stale | Standing::Refused | Standing::Unreachable => {
            record.and_then(|record| record.status).map(|s| s.to_string())
        }
        _ => None,
    };
    let status = detail.map_or_else(|| standing.name().to_owned(), |detail| format!("{} ({detail})", standing.name()));
    [
        plain(&tenant.client_key),
        or_dash(plain(&redact(&tenant.base_url))),
        status,
        or_dash(how(&tenant.links).join(", ")),
        at(record.map(|record| record.at)),
        at(tenant.seen),
        at(tenant.seen_on_forge()),
    ]
}

/// How a tenant came to its installations and sites, each once.
pub(super) fn how(links: &[Link]) -> Vec<&'static str> {
    let mut ways: Vec<By> = links.iter().filter_map(|link| link.by).collect();
    ways.sort_unstable();
    ways.dedup();
    ways.into_iter()
        .map(|by| match by {
            By::Installed => "installed",
            By::Property => "property",
            By::Site => "site",
            By::TenantInfo => "tenantInfo",
        })
        .collect()
}

fn installation(row: &ForgeRow, record: Option<&InstallationRecord>) -> [String; 4] {
    let site = record.and_then(|record| record.site_url.as_deref().or(record.sites.first().map(String::as_str)));
    let seen = record.map(|record| record.seen).filter(|seen| *seen > 0);
    [
        plain(&row.id),
        site.map_or_else(|| "-".to_owned(), plain),
        known(record).to_owned(),
        seen.map_or_else(|| "-".to_owned(), day),
    ]
}

/// Whether an installation is on Forge alone, and if that is not known, why.
fn known(record: Option<&InstallationRecord>) -> &'static str {
    match record.and_then(|record| record.answer) {
        Some(Answer::None) if record.is_some_and(is_on_forge_alone) => "on Forge alone",
        Some(Answer::None) => "not known: it was asked after the end of Connect",
        Some(Answer::UnknownTenant) => "not known: it names a tenant that is not installed",
        Some(Answer::OtherSite) => "not known: it names the tenant of another site",
        Some(Answer::NoSiteUrl) => "not known: the URL of its site could not be found out",
        Some(Answer::Refused) => "not known: the site refused the token",
        Some(Answer::Unreachable) => "not known: the site did not answer",
        None => "not known: not asked yet",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(tenants: &[(Standing, usize)], unknown: usize) -> Counts {
        Counts {
            tenants: tenants.iter().copied().collect(),
            forge_alone: 1,
            unknown,
            installations: 7,
            ..Counts::default()
        }
    }

    #[test]
    fn what_to_do_depends_on_the_date() {
        let counts = counts(&[(Standing::Associated, 3), (Standing::Unchecked, 1), (Standing::Stale, 1)], 2);
        insta::assert_snapshot!(summary(&counts, Phase::Before(64)), @r"
        3 of 5 installed tenants associated; 1 unchecked, 1 stale
        7 Forge installations, 3 without a tenant: 1 on Forge alone, 2 not known
        64 days are left until Connect ends on 2027-01-31
        -> unchecked: run `tenants associate`. Bitbucket's tenants, and those of a deployment for another environment than production, are found when Forge calls the app
        -> stale: the site refuses the tenant's secret, and nobody has called in its name for a week. The app was uninstalled there, or the address belongs to another customer now. Its data stays where it is. Once you know that the customer has left, `tenants remove` deletes it
        -> Forge installations that are not known: Forge has to call the app once with a token of its own. An hourly scheduledTrigger does
        ");
        insta::assert_snapshot!(summary(&counts, Phase::Today), @r"
        3 of 5 installed tenants associated; 1 unchecked, 1 stale
        7 Forge installations, 3 without a tenant: 1 on Forge alone, 2 not known
        Connect ends today, 2027-01-31
        -> the site's property and tenant_info no longer help: without Connect no site names or accepts its clientKey. Compare the site URLs of the Forge installations without a tenant with the base URLs of the tenants without one (--json has both), confirm each pair with the customer, and copy the data in the app's own code
        -> sites may still answer today: run `tenants associate` once more
        -> keep the data of tenants that are not associated until a customer asks for it
        ");
        insta::assert_snapshot!(summary(&counts, Phase::After(3)), @r"
        3 of 5 installed tenants associated; 1 unchecked, 1 stale
        7 Forge installations, 3 without a tenant: 1 on Forge alone, 2 not known
        Connect ended 3 days ago, on 2027-01-31
        -> the site's property and tenant_info no longer help: without Connect no site names or accepts its clientKey. Compare the site URLs of the Forge installations without a tenant with the base URLs of the tenants without one (--json has both), confirm each pair with the customer, and copy the data in the app's own code
        -> keep the data of tenants that are not associated until a customer asks for it
        ");
    }

    #[test]
    fn there_is_nothing_to_do_if_all_are_associated() {
        let counts = counts(&[(Standing::Associated, 3)], 0);
        for phase in [Phase::Before(1), Phase::Today, Phase::After(1)] {
            assert!(!summary(&counts, phase).contains("->"), "{phase:?}");
        }
    }

    #[test]
    fn each_standing_that_needs_something_has_its_advice() {
        for standing in Standing::ALL.into_iter().filter(|standing| *standing != Standing::Associated) {
            let advice = advice(&counts(&[(standing, 1)], 0), Phase::Before(9));
            assert!(matches!(advice.as_slice(), [one] if one.starts_with(standing.name())), "{advice:?}");
        }
    }

    #[test]
    fn nothing_that_is_associated_is_to_be_removed() {
        let mut counts = counts(&[(Standing::Stale, 2)], 0);
        counts.stale_with_links = 2;
        let advice = advice(&counts, Phase::Before(9));
        assert!(
            matches!(advice.as_slice(), [one] if one.contains("keep them") && !one.contains("remove")),
            "{advice:?}"
        );
    }
}
