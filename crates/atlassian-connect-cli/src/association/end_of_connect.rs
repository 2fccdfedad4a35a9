//! The end of Connect, and how far away it is.
//!
//! Source: Atlassian, "Connect end of support" (CHANGE-3383): 31 January 2027.

use atlassian_connect_actix::internal::association::END_OF_CONNECT;
use time::OffsetDateTime;

/// The day on which Connect ends.
pub(super) const DATE: &str = "2027-01-31";
const DAY: u64 = 24 * 60 * 60;

/// Where a moment is, compared with the end of Connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// So many days are left, at least one.
    Before(u64),
    /// It is the day itself.
    Today,
    /// It was so many days ago, at least one.
    After(u64),
}

impl Phase {
    /// The phase at a time in seconds since 1970. Days are those of UTC.
    pub(super) fn at(now: u64) -> Self {
        let (today, end) = (now / DAY, END_OF_CONNECT / DAY);
        match (end.saturating_sub(today), today.saturating_sub(end)) {
            (0, 0) => Self::Today,
            (0, ago) => Self::After(ago),
            (left, _) => Self::Before(left),
        }
    }

    /// Whether Connect has ended. The day itself counts: from then on a site's refusal says nothing about a tenant.
    pub(super) fn has_ended(self) -> bool {
        !matches!(self, Self::Before(_))
    }

    /// The days that are left; 0 from the day itself on.
    pub(super) fn days_left(self) -> u64 {
        match self {
            Self::Before(days) => days,
            Self::Today | Self::After(_) => 0,
        }
    }

    /// The days that are left, in words.
    pub(super) fn countdown(self) -> String {
        match self {
            Self::Before(1) => format!("1 day is left until Connect ends on {DATE}"),
            Self::Before(days) => format!("{days} days are left until Connect ends on {DATE}"),
            Self::Today => format!("Connect ends today, {DATE}"),
            Self::After(1) => format!("Connect ended yesterday, on {DATE}"),
            Self::After(days) => format!("Connect ended {days} days ago, on {DATE}"),
        }
    }
}

/// The day of a time in seconds since 1970: `2026-11-28`.
pub(super) fn day(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.map_or_else(|| "-".to_owned(), |time| time.date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_follow_the_date() {
        assert_eq!(day(END_OF_CONNECT), DATE);
        for (now, phase, words) in [
            (1_795_897_397, Phase::Before(64), "64 days are left until Connect ends on 2027-01-31"),
            (END_OF_CONNECT - DAY, Phase::Before(1), "1 day is left until Connect ends on 2027-01-31"),
            (END_OF_CONNECT - 1, Phase::Before(1), "1 day is left until Connect ends on 2027-01-31"),
            (END_OF_CONNECT, Phase::Today, "Connect ends today, 2027-01-31"),
            (END_OF_CONNECT + DAY - 1, Phase::Today, "Connect ends today, 2027-01-31"),
            (END_OF_CONNECT + DAY, Phase::After(1), "Connect ended yesterday, on 2027-01-31"),
            (END_OF_CONNECT + 9 * DAY + 1, Phase::After(9), "Connect ended 9 days ago, on 2027-01-31"),
        ] {
            assert_eq!((Phase::at(now), phase.countdown().as_str()), (phase, words), "{now}");
            assert_eq!(phase.has_ended(), now >= END_OF_CONNECT, "{now}");
            assert_eq!(phase.days_left() > 0, now < END_OF_CONNECT, "{now}");
        }
    }

    #[test]
    fn a_day_is_written_as_a_date() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(1_795_897_397), "2026-11-28");
        assert_eq!(day(u64::MAX), "-", "a record of another program may hold anything");
    }
}
