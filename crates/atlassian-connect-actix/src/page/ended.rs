//! Which installations have ended: their page and session tokens are refused at once, although they have not expired.

use std::time::Duration;

use moka::sync::Cache;
use serde_json::{Value, json};

use crate::jwt::now;
use crate::store::{Place, Store, StoreError};

/// The row of an installation.
const KEY: &str = "pagesEnded";
/// How long another node may not have noticed.
const LIFETIME: Duration = Duration::from_secs(2);
/// Installations that are remembered at most.
const CAPACITY: u64 = 10_000;
/// What begins so soon after the end is over as well, in seconds: an invocation token may be younger than the end and
/// come from before it, and clocks differ. An installation that goes on after all is taken again from then on.
const MARGIN: i64 = 120;

/// See the module.
#[derive(Debug)]
pub(crate) struct Ended(Cache<String, Option<i64>>);

impl Ended {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(CAPACITY).time_to_live(LIFETIME).build())
    }

    /// Whether what began then (seconds since 1970) belongs to an installation that has ended.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn is_over(&self, store: &dyn Store, installation: &str, began: i64) -> Result<bool, StoreError> {
        let at = if let Some(known) = self.0.get(installation) {
            known
        } else {
            let row = store.get(Place::of_forge(installation, KEY)).await?;
            let at = row.as_ref().and_then(Value::as_i64);
            // an end that was written meanwhile stays
            self.0.entry_by_ref(installation).or_insert(at).into_value()
        };
        Ok(at.is_some_and(|at| began <= at.saturating_add(MARGIN)))
    }

    /// The installation ends now.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn end(&self, store: &dyn Store, installation: &str) -> Result<(), StoreError> {
        let at = now();
        self.0.insert(installation.to_owned(), Some(at));
        store.set(Place::of_forge(installation, KEY), &json!(at)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[actix_web::test]
    async fn what_began_before_an_end_is_over_on_every_node() {
        let store = MemoryStore::new();
        let (node, other) = (Ended::new(), Ended::new());
        let began = now();
        for node in [&node, &other] {
            assert!(!node.is_over(&store, "i", began).await.unwrap());
        }
        node.end(&store, "i").await.unwrap();
        assert!(node.is_over(&store, "i", began).await.unwrap());
        assert!(Ended::new().is_over(&store, "i", began + 60).await.unwrap(), "a clock that is ahead");
        assert!(!Ended::new().is_over(&store, "i", began + 180).await.unwrap(), "it goes on after all");
        assert!(!node.is_over(&store, "j", began).await.unwrap());
    }
}
