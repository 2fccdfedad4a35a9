//! [`PoolLimits`].

use std::time::Duration;

use crate::config::Limits;

/// Between two requests. actix-http closes after [`KEEP_ALIVE`](super::KEEP_ALIVE); this is for what it does not time.
const IDLE: Duration = Duration::from_secs(100);
/// How long a request of somebody unknown, or an unread answer, holds up the stop of the server.
const STOP: Duration = Duration::from_secs(3);

/// The bounds of one worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolLimits {
    /// A head, from its first byte; the first byte of a new connection.
    pub(super) head: Duration,
    pub(super) idle: Duration,
    /// A body may be waited for this long before [`PoolLimits::rate`] counts.
    pub(super) body: Duration,
    /// Bytes a second at least, of bodies and of answers.
    pub(super) rate: u64,
    /// An answer of which the client reads nothing.
    pub(super) stalled: Duration,
    pub(super) stop: Duration,
    /// Connections.
    pub(super) connections: usize,
    /// Bytes held for clients that have not proven who they are.
    pub(super) unproven: usize,
}

impl PoolLimits {
    /// The share of one of `workers` workers. `descriptors`: how many files and sockets the process may open.
    pub(crate) fn of_worker(limits: &Limits, workers: usize, descriptors: Option<u64>) -> Self {
        let workers = workers.max(1);
        let descriptors = descriptors.and_then(|all| usize::try_from(all).ok()).unwrap_or(usize::MAX);
        // the store, calls of the host and files need some too
        let connections = limits.connections.min(descriptors - descriptors / 4).max(16);
        // one body of the largest size must always fit
        let largest = limits.body.max(limits.forge_body).saturating_mul(2);
        Self {
            head: limits.head,
            idle: IDLE,
            body: limits.head,
            rate: limits.body_rate,
            stalled: limits.stalled,
            stop: STOP,
            connections: connections.div_ceil(workers),
            unproven: (limits.unproven / workers).max(largest),
        }
    }

    /// Connections that are accepted: a few more, which are there only until others have made room.
    pub(crate) fn accepted(&self) -> usize {
        self.connections + self.connections / 8 + 8
    }

    /// How long so many bytes may take.
    pub(super) fn at_rate(&self, bytes: u64) -> Duration {
        Duration::from_secs(bytes / self.rate.max(1))
    }
}
