//! Whether the Connect tenants of an app that is on Forge are associated with Forge.

use std::time::Duration;

use super::diagnosis::Diagnosis;
use crate::association::counted;
use crate::messages::doctor as message;
use crate::store_access::existing_store;
use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::descriptor::Descriptor;

/// How long the counting may take.
const COUNTING: Duration = Duration::from_secs(10);
const CHECK: &str = "association";

/// `None` for an app that is not on both Connect and Forge, or without tenants, and where the store cannot be read,
/// which is another finding.
pub(super) async fn check(
    builder: &AddonBuilder,
    config: &Config,
    descriptor: Option<&Descriptor>,
) -> Option<Diagnosis> {
    let has_connect = descriptor.is_some_and(|descriptor| !descriptor.is_of_forge());
    if config.app_id().is_none() || !has_connect {
        return None;
    }
    let counting = async {
        let (store, _) = existing_store(builder, &config.store).await?;
        counted(store.as_ref(), config).await
    };
    let Ok(counted) = tokio::time::timeout(COUNTING, counting).await else {
        let seconds = COUNTING.as_secs();
        return Some(Diagnosis::ok(CHECK, format!("not counted within {seconds} s; `tenants migration` counts")));
    };
    match counted.ok()? {
        (_, 0, _) => None,
        (0, all, _) => {
            Some(Diagnosis::ok(CHECK, format!("{all} installed tenants, all associated with Forge or stale")))
        }
        (open, all, left) => {
            let (open, all) = (open.to_string(), all.to_string());
            let values = [("count", open.as_str()), ("all", &all), ("left", &left)];
            Some(Diagnosis::warning(&message::NOT_ASSOCIATED, &values))
        }
    }
}
