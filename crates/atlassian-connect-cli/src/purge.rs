//! `tenants purge`: what is kept of tenants that went long ago.

use std::str::FromStr;

use super::failure::{Exit, Failure};
use super::output::{columns, complain, confirmed, plain, print, some_of};
use super::removal::Removal;
use atlassian_connect_actix::store::internal::{
    CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, SealedStore,
};
use atlassian_connect_actix::store::internal::{KeyPages, now};
use atlassian_connect_actix::store::{Store, StoreError};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// How long ago a tenant must have uninstalled the add-on: 90d, 12w, 36h
    #[arg(long, value_name = "age")]
    older_than: Age,
    /// Say who would go, and remove nobody
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// A span of time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Age(u64);

impl FromStr for Age {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write a whole number of days, weeks or hours, as in 90d, 12w or 36h";
        let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
        let unit = match unit {
            "h" => HOUR,
            "d" => DAY,
            "w" => 7 * DAY,
            _ => return Err(wrong),
        };
        // digits alone: a number may come with a plus
        let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse::<u64>().ok()).flatten();
        number.and_then(|number| number.checked_mul(unit)).map(Self).ok_or(wrong)
    }
}

/// The tenants that are uninstalled.
#[derive(Default)]
struct Uninstalled {
    /// (clientKey, since when): long enough.
    old: Vec<(String, u64)>,
    recent: usize,
    /// Nobody wrote down when.
    untimed: Vec<String>,
}

pub(super) async fn run(
    arguments: &Arguments,
    store: &SealedStore,
    place: &str,
    removal: &Removal,
) -> Result<Exit, Failure> {
    let now = now();
    let before = now.saturating_sub(arguments.older_than.0);
    let found = uninstalled(store, before).await?;
    if !found.untimed.is_empty() {
        let names = some_of(found.untimed.iter().map(String::as_str));
        complain(&format!(
            "{} kept, since nobody knows when they uninstalled the add-on (an earlier version did not write it down); \
             `tenants remove` removes them one by one: {names}",
            found.untimed.len()
        ));
    }
    let (count, kept) = (found.old.len(), found.recent);
    if found.old.is_empty() {
        print(&format!("nobody to remove from {place}; {kept} uninstalled later than that"));
        return Ok(Exit::Done);
    }
    if arguments.dry_run {
        print(&table(&found.old, now));
        print(&format!("{count} would be removed from {place}; {kept} uninstalled later than that"));
        return Ok(Exit::Done);
    }
    let names = some_of(found.old.iter().map(|(client_key, _)| client_key.as_str()));
    let what = format!("This removes everything that is stored for {count} tenants from {place}, for good: {names}.");
    if !arguments.yes && !confirmed(&what, "Remove them?")? {
        return Err(Failure::Told("nothing was removed".to_owned()));
    }
    let mut removed = 0_usize;
    for (client_key, _) in &found.old {
        // one that has installed the add-on again meanwhile stays
        if store.purge(client_key, before).await? {
            removed += 1;
            removal.tell(client_key).await?;
        }
    }
    print(&format!("removed {removed} tenants from {place}; {kept} uninstalled later than that"));
    Ok(Exit::Done)
}

async fn uninstalled(store: &dyn Store, before: u64) -> Result<Uninstalled, StoreError> {
    let (mut found, mut pages) = (Uninstalled::default(), KeyPages::default());
    while let Some((page, false)) = pages.next(store).await? {
        for (client_key, keys) in page.tenants {
            let has = |key: &str| keys.iter().any(|known| known == key);
            if has(CLIENT_INFO) || !has(CLIENT_INFO_UNINSTALLED) {
                continue;
            }
            let since = store.get(&client_key, CLIENT_INFO_UNINSTALLED_AT).await?;
            match since.and_then(|since| since.as_u64()) {
                Some(since) if since <= before => found.old.push((client_key, since)),
                Some(_) => found.recent += 1,
                None => found.untimed.push(client_key),
            }
        }
    }
    Ok(found)
}

fn table(old: &[(String, u64)], now: u64) -> String {
    let heading = ["CLIENT KEY", "UNINSTALLED"].map(str::to_owned);
    let days = |since: u64| format!("{} days ago", now.saturating_sub(since) / DAY);
    let rows = old.iter().map(|(client_key, since)| [plain(client_key), days(*since)]);
    columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_a_unit() {
        for (text, seconds) in [("90d", 7_776_000), ("12w", 7_257_600), ("36h", 129_600), ("0d", 0)] {
            assert_eq!(text.parse(), Ok(Age(seconds)), "{text}");
        }
        for text in ["", "d", "90", "90 d", "-1d", "+1d", "1.5d", "90D", "3m", "90dd", "9é", "99999999999999999999d"] {
            assert!(text.parse::<Age>().is_err(), "{text}");
        }
    }
}
