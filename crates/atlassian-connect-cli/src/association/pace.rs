//! The pace of requests to sites, of all runs together: the next time is a row in the store.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use atlassian_connect_actix::internal::association::turn_of;
use atlassian_connect_actix::store::{Store, StoreError};

/// The row.
const ROW: &str = "pace of tenants associate";
/// The time between two requests to `tenant_info`, of all sites: a little more than half a second, so that there are never
/// more than two in a second, however they are counted.
const PAUSE: Duration = Duration::from_millis(550);

/// Lets the requests of this process pass one by one, each when it is its turn among all processes.
#[derive(Default)]
pub(super) struct Pace {
    line: Mutex<()>,
}

/// The head of the line.
pub(super) struct Head<'a> {
    _line: MutexGuard<'a, ()>,
}

impl Pace {
    /// Waits until the caller is at the head of the line. It need not take a turn.
    pub(super) async fn head(&self) -> Head<'_> {
        Head { _line: self.line.lock().await }
    }

    /// Waits for the caller's turn.
    pub(super) async fn turn(&self, store: &dyn Store) -> Result<(), StoreError> {
        self.head().await.turn(store).await
    }
}

impl Head<'_> {
    /// Waits for the turn. Others stay in the line until then: a process that is killed takes no further turn with it.
    pub(super) async fn turn(self, store: &dyn Store) -> Result<(), StoreError> {
        turn_of(store, ROW, PAUSE).await
    }
}
