//! `tenants migration`: how far the move from Connect to Forge has come.

use super::counts::Counts;
use super::end_of_connect::Phase;
use super::overview::Overview;
use super::{json, text};
use crate::failure::{Exit, Failure};
use crate::output::{print, print_json};
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::store::internal::now;
use atlassian_connect_actix::store::{Store, StoreError};

/// Prints the report.
pub(crate) async fn migration(store: &dyn Store, config: &Config, as_json: bool) -> Result<Exit, Failure> {
    let (overview, now) = (Overview::read(store, config).await?, now());
    let counts = Counts::of(&overview);
    if as_json {
        print_json(&json::Report::of(&overview, &counts, Phase::at(now)));
    } else {
        print(&text::report(&overview, &counts, Phase::at(now)));
    }
    Ok(if counts.open() == 0 { Exit::Done } else { Exit::Failed })
}

/// Prints the numbers and what to do. Returns whether every tenant that is in use is associated.
pub(super) fn in_short(overview: &Overview, now: u64) -> bool {
    let counts = Counts::of(overview);
    print(&text::summary(&counts, Phase::at(now)));
    counts.open() == 0
}

/// How many tenants are in use and not associated, of how many that are installed, and the time that is left.
pub(crate) async fn counted(store: &dyn Store, config: &Config) -> Result<(usize, usize, String), StoreError> {
    let counts = Counts::of(&Overview::read(store, config).await?);
    Ok((counts.open(), counts.all(), Phase::at(now()).countdown()))
}
