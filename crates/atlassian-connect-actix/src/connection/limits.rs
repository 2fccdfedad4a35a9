//! [`PoolLimits`].

use std::time::Duration;

use crate::config::Limits;

/// The time between two requests. actix-http closes after [`KEEP_ALIVE`](super::KEEP_ALIVE); this is for what
/// actix-http does not time.
const IDLE: Duration = Duration::from_secs(100);
/// How long an unauthenticated request, or an unread answer, can delay the stop of the server.
const STOP: Duration = Duration::from_secs(3);

/// The limits of one worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolLimits {
    /// The deadline of a head, from its first byte, and of the first byte of a new connection.
    pub(super) head: Duration,
    pub(super) idle: Duration,
    /// How long a body may take before [`PoolLimits::rate`] applies.
    pub(super) body: Duration,
    /// The minimum rate of bodies and answers, in bytes per second.
    pub(super) rate: u64,
    /// How long a client may read nothing of its answer.
    pub(super) stalled: Duration,
    pub(super) stop: Duration,
    /// The most connections.
    pub(super) connections: usize,
    /// The most bytes held for unauthenticated clients.
    pub(super) unproven: usize,
}

impl PoolLimits {
    /// The share of one of `workers` workers. `descriptors`: how many files and sockets the process may open.
    pub(crate) fn of_worker(limits: &Limits, workers: usize, descriptors: Option<u64>) -> Self {
        let workers = workers.max(1);
        let descriptors = descriptors.and_then(|all| usize::try_from(all).ok()).unwrap_or(usize::MAX);
        // the store, calls to hosts and files need some too
        let connections = limits.connections.min(descriptors - descriptors / 4).max(16);
        // one body of the largest size must always be accepted
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

    /// The most connections that are accepted: a few more, which exist only until others have made room.
    pub(crate) fn accepted(&self) -> usize {
        self.connections + self.connections / 8 + 8
    }

    /// How long this number of bytes may take.
    pub(super) fn at_rate(&self, bytes: u64) -> Duration {
        Duration::from_secs(bytes / self.rate.max(1))
    }
}
