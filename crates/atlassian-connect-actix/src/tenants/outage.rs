//! While the store is unavailable: tenants that this node knows are served without it, and it is asked rarely.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::flight::Flights;
use crate::measure::{self, CacheRead};
use crate::panics;
use crate::store::{Reason, Store, StoreError};

/// The time between a failure and the next question to the store.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a request whose tenant is known waits for the store.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a probe may take. The stores' own deadlines are shorter.
const PROBE: Duration = Duration::from_secs(6);
/// How long a failure says something about the store. Longer than a pause and a probe.
const RECENT: Duration = Duration::from_secs(10);

/// What the last answers of the store said.
#[derive(Debug, Clone)]
enum Health {
    Answers,
    /// A read was late. What is not known is still asked for.
    Late {
        at: Instant,
    },
    /// It was unavailable.
    Away {
        at: Instant,
        reason: Reason,
    },
}

/// Whether the store is unavailable, and the probes that find out when it is back.
pub(super) struct Outage {
    store: Arc<dyn Store>,
    health: Mutex<Health>,
    /// When the last probe in the background began.
    begun: Mutex<Option<Instant>>,
    probes: Flights<(), Result<(), StoreError>>,
}

impl Outage {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, health: Mutex::new(Health::Answers), begun: Mutex::new(None), probes: Flights::new() }
    }

    /// Reads the store, and keeps in mind whether it was available.
    pub(super) async fn watch<T>(&self, read: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let answer = read.await;
        match &answer {
            Err(StoreError::Unavailable(reason)) => self.away(reason),
            // an error is an answer, too
            _ => self.answers(),
        }
        answer
    }

    /// Refuses a read at once if the store was unavailable a moment ago. Later it waits for a probe, which all share.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub(super) async fn admit(&self) -> Result<(), StoreError> {
        let Health::Away { at, reason } = self.health() else { return Ok(()) };
        if at.elapsed() < PAUSE {
            return Err(StoreError::Unavailable(reason));
        }
        match self.probe().await {
            Err(error @ StoreError::Unavailable(_)) => Err(error),
            _ => Ok(()),
        }
    }

    /// The answer of `read`. If the store is unavailable, it is what `kept` still has.
    ///
    /// # Errors
    /// The store's error.
    pub(super) async fn or_kept<T>(
        self: &Arc<Self>,
        read: impl Future<Output = Result<T, StoreError>>,
        kept: impl Fn() -> Option<T>,
    ) -> Result<T, StoreError> {
        if kept().is_none() {
            return read.await;
        }
        let kept = || kept().inspect(|_| measure::cache_read(CacheRead::Stale));
        if !matches!(self.health(), Health::Answers) {
            self.probe_in_background();
            if let Some(kept) = kept() {
                return Ok(kept);
            }
        }
        // `kept` is asked again after the wait: meanwhile the tenant may have been uninstalled, or its time is over
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(Err(error @ StoreError::Unavailable(_))) => kept().ok_or(error),
            Ok(answer) => answer,
            Err(_) => {
                self.late();
                kept().ok_or_else(|| StoreError::unavailable(format!("the store did not answer within {PATIENCE:?}")))
            }
        }
    }

    fn health(&self) -> Health {
        let health = self.health.lock().clone();
        match health {
            Health::Late { at } | Health::Away { at, .. } if at.elapsed() > RECENT => Health::Answers,
            health => health,
        }
    }

    fn answers(&self) {
        let before = std::mem::replace(&mut *self.health.lock(), Health::Answers);
        if matches!(before, Health::Away { .. }) {
            tracing::info!("the store answers again");
        }
    }

    fn away(&self, reason: &Reason) {
        let now = Health::Away { at: Instant::now(), reason: reason.clone() };
        let before = std::mem::replace(&mut *self.health.lock(), now);
        if !matches!(before, Health::Away { .. }) {
            tracing::warn!(%reason, "the store is unavailable: only tenants that this node knows are served");
        }
    }

    fn late(&self) {
        let mut health = self.health.lock();
        if !matches!(*health, Health::Away { .. }) {
            *health = Health::Late { at: Instant::now() };
        }
    }

    /// Asks the store whether it answers, and keeps in mind what it says.
    ///
    /// # Errors
    /// The store's error.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let answer = self.store.ping().await;
        match (&answer, self.health()) {
            (Err(StoreError::Unavailable(reason)), _) => self.away(reason),
            // a store may answer a ping and still be late with reads
            (_, Health::Late { .. }) => {}
            _ => self.answers(),
        }
        answer
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let probe = async {
            tokio::time::timeout(PROBE, self.ping()).await.unwrap_or_else(|_| {
                let reason = Reason::from(format!("the store did not answer within {PROBE:?}"));
                self.away(&reason);
                Err(StoreError::Unavailable(reason))
            })
        };
        self.probes.join((), || probe).await
    }

    fn probe_in_background(self: &Arc<Self>) {
        let mut begun = self.begun.lock();
        if begun.is_some_and(|begun| begun.elapsed() < PAUSE) {
            return;
        }
        *begun = Some(Instant::now());
        let outage = Arc::clone(self);
        panics::spawn("a probe of the store", async move {
            // the probe itself keeps the result in mind
            let _ = outage.probe().await;
        });
    }
}
