//! `tenants associate`: asks each tenant's site which one it is, and associates those that accept their tenant.
//!
//! It works in two steps. The first ([`Walk::ask`]) asks, and writes a record for each answer; it is slow, and may be
//! killed at any moment. The second ([`Settlement::run`]) associates by what is written, of this run and of earlier
//! ones.

use super::overview::Overview;
use super::report;
use super::settle::Settlement;
use super::walk::Walk;
use crate::failure::{Exit, Failure};
use crate::output::print;
use atlassian_connect_actix::Addon;
use atlassian_connect_actix::store::internal::now;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Ask all sites, also those that were asked within the last 24 hours or are associated
    #[arg(long)]
    again: bool,
}

/// Runs the command with the app and its listeners.
pub(crate) async fn run(arguments: &Arguments, addon: &Addon, place: &str) -> Result<Exit, Failure> {
    let walk = Walk::new(addon);
    let known = Overview::read(walk.store(), addon.config()).await?;
    if known.tenants.is_empty() {
        print(&format!("no tenants: no site has installed the add-on in {place}"));
        return Ok(Exit::Done);
    }
    let done = async {
        let asked = walk.ask(&known, arguments.again).await?;
        drop(known);
        let mut settlement = Settlement::new(&walk, Overview::read(walk.store(), addon.config()).await?);
        settlement.run().await?;
        Ok::<_, Failure>((asked, settlement.done))
    };
    let done = done.await;
    // waits for tasks that listeners have spawned
    addon.drain(addon.config().limits.listener).await;
    let (asked, settled) = done?;
    let now_known = Overview::read(walk.store(), addon.config()).await?;
    print(&format!("{asked}; {settled}"));
    settled.complain();
    let is_complete = report::in_short(&now_known, now()) && settled.failed.is_empty();
    Ok(if is_complete { Exit::Done } else { Exit::Failed })
}
