//! The numbers of the report.

use std::collections::BTreeMap;

use super::end_of_connect::Phase;
use super::overview::Overview;
use super::standing::Standing;
use atlassian_connect_actix::internal::association::{Answer, InstallationRecord};

/// Whether an installation is known to be on Forge alone: its site has no clientKey. From the end of Connect on no site has
/// one, so that this answer says nothing.
pub(super) fn is_on_forge_alone(record: &InstallationRecord) -> bool {
    let asked = record.asked.max(record.asked_by_page);
    record.answer == Some(Answer::None) && asked.is_none_or(|asked| !Phase::at(asked).has_ended())
}

/// The numbers of the report.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) tenants: BTreeMap<Standing, usize>,
    /// The stale tenants that something is associated with.
    pub(super) stale_with_links: usize,
    /// The sites with settings that could not move to the tenant.
    pub(super) kept: usize,
    /// The Forge installations without a tenant: those that are known to be on Forge alone, and the others.
    pub(super) forge_alone: usize,
    pub(super) unknown: usize,
    /// All Forge installations.
    pub(super) installations: usize,
}

impl Counts {
    pub(super) fn of(overview: &Overview) -> Self {
        let mut counts = Self::default();
        for tenant in overview.tenants.values() {
            let standing = overview.standing(tenant);
            *counts.tenants.entry(standing).or_default() += 1;
            counts.stale_with_links += usize::from(standing == Standing::Stale && !tenant.links.is_empty());
            counts.kept += tenant.links.iter().filter(|link| !link.kept.is_empty()).count();
        }
        counts.installations = overview.installations();
        for (_, record) in overview.without_tenant() {
            if record.is_some_and(is_on_forge_alone) {
                counts.forge_alone += 1;
            } else {
                counts.unknown += 1;
            }
        }
        counts
    }

    pub(super) fn with(&self, standing: Standing) -> usize {
        self.tenants.get(&standing).copied().unwrap_or_default()
    }

    /// All installed tenants.
    pub(super) fn all(&self) -> usize {
        self.tenants.values().sum()
    }

    /// The tenants that are in use and not associated.
    pub(super) fn open(&self) -> usize {
        self.tenants.iter().filter(|(standing, _)| standing.is_open()).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2027-01-31.
    const END: u64 = 1_801_353_600;

    #[test]
    fn after_the_end_of_connect_no_answer_says_that_there_is_no_tenant() {
        for (answer, asked, asked_by_page, expected) in [
            (Some(Answer::None), Some(END - 1), None, true),
            (Some(Answer::None), None, Some(END - 1), true),
            (Some(Answer::None), None, None, true),
            (Some(Answer::None), Some(END), None, false),
            (Some(Answer::None), Some(END - 1), Some(END), false),
            (Some(Answer::None), Some(u64::MAX), None, false),
            (Some(Answer::Refused), Some(END - 1), None, false),
            (None, None, None, false),
        ] {
            let record = InstallationRecord { answer, asked, asked_by_page, ..InstallationRecord::default() };
            assert_eq!(is_on_forge_alone(&record), expected, "{record:?}");
        }
    }
}
