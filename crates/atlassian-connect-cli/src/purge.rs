//! `tenants purge`: removes the data of tenants that uninstalled long ago.

use std::collections::HashSet;
use std::str::FromStr;

use super::association::Kept;
use super::failure::{Exit, Failure};
use super::output::{columns, complain, confirmed, plain, print, some_of};
use super::progress::Progress;
use super::removal::Removal;
use atlassian_connect_actix::internal::association::{SEEN_ON_FORGE, Seen, tenant_record};
use atlassian_connect_actix::internal::audit;
use atlassian_connect_actix::store::internal::{
    CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, SealedStore,
};
use atlassian_connect_actix::store::internal::{KeyPages, now};
use atlassian_connect_actix::store::{OwnerKind, Place, Store, StoreError};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// How long ago a tenant must have uninstalled the add-on: 90d, 12w, 36h
    #[arg(long, value_name = "age")]
    older_than: Age,
    /// Only list who would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
}

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// A duration in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Age(u64);

impl FromStr for Age {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be a whole number of days, weeks or hours, such as 90d, 12w or 36h";
        let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
        let unit = match unit {
            "h" => HOUR,
            "d" => DAY,
            "w" => 7 * DAY,
            _ => return Err(wrong),
        };
        // digits only: parsing would accept a plus sign
        let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse::<u64>().ok()).flatten();
        number.and_then(|number| number.checked_mul(unit)).map(Self).ok_or(wrong)
    }
}

/// The uninstalled tenants.
#[derive(Default)]
struct Uninstalled {
    /// (clientKey, since when): uninstalled long enough ago.
    old: Vec<(String, u64)>,
    recent: usize,
    /// The time is unknown.
    untimed: Vec<String>,
    /// They go on through Forge, with the data under their clientKey.
    on_forge: Vec<String>,
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
            "{} kept, because the time of their uninstall is unknown (an earlier version did not record it); \
             remove them one by one with `tenants remove`: {names}",
            found.untimed.len()
        ));
    }
    if !found.on_forge.is_empty() {
        let names = some_of(found.on_forge.iter().map(String::as_str));
        complain(&format!(
            "{} kept, because they use their data through Forge since they uninstalled the Connect app: {names}",
            found.on_forge.len()
        ));
    }
    let (count, kept) = (found.old.len(), found.recent);
    if found.old.is_empty() {
        print(&format!("no tenants to remove from {place}; {kept} uninstalled more recently"));
        return Ok(Exit::Done);
    }
    if arguments.dry_run {
        print(&table(&found.old, now));
        print(&format!("{count} would be removed from {place}; {kept} uninstalled more recently"));
        return Ok(Exit::Done);
    }
    let names = some_of(found.old.iter().map(|(client_key, _)| client_key.as_str()));
    let what = format!("This permanently removes all data of {count} tenants from {place}: {names}.");
    if !arguments.yes && !confirmed(&what, "Remove them?")? {
        return Err(Failure::Message("nothing was removed".to_owned()));
    }
    let leaving: HashSet<&str> = found.old.iter().map(|(client_key, _)| client_key.as_str()).collect();
    let under_sites = Kept::read(store, |client_key| leaving.contains(client_key)).await?;
    let mut removed = 0_usize;
    let progress = Progress::start("removing tenants", Some(count));
    for (client_key, since) in &found.old {
        // a tenant that has installed the add-on again meanwhile stays
        if store.purge(client_key, before).await? {
            removed += 1;
            audit::purged(client_key);
            under_sites.remove_of(store, client_key, Some(*since)).await?;
            removal.tell(client_key).await?;
        }
        progress.advance();
    }
    drop(progress);
    under_sites.complain();
    print(&format!("removed {removed} tenants from {place}; {kept} uninstalled more recently"));
    Ok(Exit::Done)
}

async fn uninstalled(store: &dyn Store, before: u64) -> Result<Uninstalled, StoreError> {
    let (mut found, mut pages) = (Uninstalled::default(), KeyPages::default());
    let progress = Progress::start("looking at tenants", None);
    while let Some((page, OwnerKind::Tenant)) = pages.next(store).await? {
        for (client_key, keys) in page.owners {
            progress.advance();
            let has = |key: &str| keys.iter().any(|known| known == key);
            if has(CLIENT_INFO) || !has(CLIENT_INFO_UNINSTALLED) {
                continue;
            }
            let since = store.get(Place::of_tenant(&client_key, CLIENT_INFO_UNINSTALLED_AT)).await?;
            match since.and_then(|since| since.as_u64()) {
                Some(since) if since <= before => {
                    let seen: Option<Seen> = tenant_record(store, &client_key, SEEN_ON_FORGE).await?;
                    if seen.is_some_and(|seen| seen.at >= since) {
                        found.on_forge.push(client_key);
                    } else {
                        found.old.push((client_key, since));
                    }
                }
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
