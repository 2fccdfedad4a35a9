//! The progress of a connection: plain values and the rules between them, without a socket or a clock.

use std::task::Waker;
use std::time::{Duration, Instant};

use super::framing::Framing;
use super::limits::PoolLimits;

/// How many bytes of a body are read before its handler asks for them.
const AHEAD: usize = 64 * 1024;
/// The same for a chunked body: each chunk costs more memory than its bytes.
const AHEAD_OF_CHUNKS: usize = 8 * 1024;
/// The memory of a header beyond its bytes, measured with requests of a hundred headers.
const HEADER: usize = 400;
/// actix-http keeps no more than this of a head: it answers 431.
const MAX_HEAD: usize = 128 * 1024;

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No byte of the next request has arrived.
    Waiting,
    /// A part of a head has arrived.
    Head,
    /// A request is being handled or answered.
    Request,
}

/// Whether the stream may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// Not now.
    Nothing,
    /// Not now, but as soon as the HTTP code has processed what it got.
    AfterParsing,
    /// Up to the end of a head.
    Head,
    /// This number of bytes of a body.
    Body(usize),
}

/// Why a body is no longer waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It is too slow.
    Slow,
    /// Unauthenticated clients use too much memory, and this body is the slowest.
    Overload,
}

/// What the pool does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Close,
    CutBody,
}

/// The body of the current request.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// The part that is still to come. It is read even after the answer, if no handler has read it.
    framing: Framing,
    /// Whether the handler may still ask for it.
    is_open: bool,
    /// Bytes that were read but not passed to the handler.
    ahead: usize,
    /// Bytes that the handler has read.
    consumed: u64,
    /// Since when the handler has been waiting for more.
    waiting: Option<Instant>,
    /// How long it has waited before that.
    waited: Duration,
    /// Whether the route waives the minimum rate.
    may_be_slow: bool,
    pub(super) waker: Option<Waker>,
    pub(super) cut: Option<Cut>,
}

/// The answers that the client has to read.
#[derive(Debug, Default)]
struct Answer {
    /// Since when writing has been blocked.
    blocked: Option<Instant>,
    /// How long writing was blocked before that, since the request began.
    blocked_before: Duration,
    /// Bytes written since then.
    written: u64,
    /// Unwritten bytes of answers to unauthenticated clients.
    unsent: usize,
}

/// The progress of a connection.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // each is a separate fact
pub(super) struct Progress {
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// Whether a complete head has been passed on that may not have been parsed yet.
    has_whole_head: bool,
    /// Whether the sender of the current request is authenticated.
    is_proven: bool,
    /// Whether that of an earlier request was.
    was_proven: bool,
    /// Whether a request with a complete body has been answered: what follows is another request.
    has_answered: bool,
    /// Bytes received for the current request while its sender is not authenticated.
    held: usize,
    pub(super) body: Body,
    answer: Answer,
    pub(super) is_starved: bool,
    pub(super) is_condemned: bool,
    /// Whether the client closed its side while its request was being handled.
    pub(super) has_hung_up: bool,
    pub(super) task: Option<Waker>,
}

impl Progress {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Waiting,
            since: now,
            has_whole_head: false,
            is_proven: false,
            was_proven: false,
            has_answered: false,
            held: 0,
            body: Body::default(),
            answer: Answer::default(),
            is_starved: false,
            is_condemned: false,
            has_hung_up: false,
            task: None,
        }
    }

    /// Returns how many bytes more are held.
    pub(super) fn begin(&mut self, now: Instant, body: Option<Framing>, headers: usize) -> usize {
        self.enter(Phase::Request, now);
        self.has_whole_head = false;
        let (blocked, unsent) = (self.answer.blocked, self.answer.unsent);
        self.answer = Answer { blocked, unsent, ..Answer::default() };
        self.body = Body { is_open: body.is_some(), framing: body.unwrap_or_default(), ..Body::default() };
        let cost = headers.saturating_mul(HEADER);
        self.held = self.held.saturating_add(cost);
        cost
    }

    /// Returns how many bytes more are held.
    pub(super) fn answers(&mut self, bytes: usize) -> usize {
        if self.is_proven {
            return 0;
        }
        self.answer.unsent = self.answer.unsent.saturating_add(bytes);
        bytes
    }

    /// Returns how many bytes are no longer held.
    pub(super) fn answered(&mut self, now: Instant) -> usize {
        self.was_proven |= self.is_proven;
        self.is_proven = false;
        self.has_answered = self.body.framing.has_ended();
        self.enter(Phase::Waiting, now);
        self.body = Body { framing: std::mem::take(&mut self.body.framing), ..Body::default() };
        std::mem::take(&mut self.held)
    }

    /// Returns how many bytes are no longer held.
    pub(super) fn prove(&mut self) -> usize {
        self.is_proven = true;
        self.end()
    }

    /// Ends the connection or refuses its request. Returns how many bytes are no longer held.
    pub(super) fn end(&mut self) -> usize {
        std::mem::take(&mut self.held).saturating_add(std::mem::take(&mut self.answer.unsent))
    }

    pub(super) fn permit(&mut self) -> Permit {
        if self.answer.blocked.is_some() {
            return Permit::Nothing;
        }
        match self.phase {
            // the unread rest of the last body is passed on, to be dropped
            Phase::Waiting if !self.body.framing.has_ended() => Permit::Body(AHEAD.min(self.body.framing.most())),
            Phase::Waiting | Phase::Head if std::mem::take(&mut self.has_whole_head) => Permit::AfterParsing,
            Phase::Waiting | Phase::Head => Permit::Head,
            Phase::Request => {
                let body = &self.body;
                let ahead = if let Framing::Length(_) = body.framing { AHEAD } else { AHEAD_OF_CHUNKS };
                let room = ahead.saturating_sub(body.ahead).min(body.framing.most());
                if body.is_open && room > 0 { Permit::Body(room) } else { Permit::Nothing }
            }
        }
    }

    /// Returns how many bytes more are held.
    pub(super) fn received_head(&mut self, now: Instant, bytes: usize, has_ended: bool) -> usize {
        if self.phase == Phase::Waiting {
            self.enter(Phase::Head, now);
        }
        self.has_whole_head = has_ended;
        let held = self.held.saturating_add(bytes).min(MAX_HEAD.max(self.held));
        let more = held - self.held;
        self.held = held;
        more
    }

    /// Returns how many of the bytes belong to the body, and how many bytes more are held.
    pub(super) fn received_body(&mut self, now: Instant, bytes: &[u8]) -> (usize, usize) {
        let own = self.body.framing.take(bytes);
        if self.phase == Phase::Waiting {
            if self.body.framing.has_ended() {
                self.has_answered = true;
                self.enter(Phase::Waiting, now);
            }
            return (own, 0);
        }
        self.body.ahead = self.body.ahead.saturating_add(own);
        if self.is_proven || self.body.may_be_slow {
            return (own, 0);
        }
        self.held = self.held.saturating_add(own);
        (own, own)
    }

    /// Keeps this number of inflated bytes. Returns how many bytes more are held.
    pub(super) fn inflated(&mut self, bytes: usize) -> usize {
        if self.is_proven || self.body.may_be_slow {
            return 0;
        }
        self.held = self.held.saturating_add(bytes);
        bytes
    }

    /// The handler has read this number of bytes of the body.
    pub(super) fn consumed(&mut self, now: Instant, bytes: usize) {
        self.body.stop_waiting(now);
        self.body.ahead = self.body.ahead.saturating_sub(bytes);
        self.body.consumed = self.body.consumed.saturating_add(bytes as u64);
    }

    /// The handler waits for more of the body, so it has used all that arrived, except a part of a chunk's frame.
    pub(super) fn wants_body(&mut self, now: Instant, waker: &Waker) {
        self.body.ahead = 0;
        self.body.waiting.get_or_insert(now);
        if self.body.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            self.body.waker = Some(waker.clone());
        }
    }

    /// The handler asks for no more of the body.
    pub(super) fn body_over(&mut self) {
        self.body.is_open = false;
        self.body.waiting = None;
        self.body.waker = None;
    }

    /// The route reads a stream: it may be slow, and bytes that were read are not kept. Returns how many bytes are no
    /// longer held.
    pub(super) fn streams(&mut self) -> usize {
        self.body.may_be_slow = true;
        std::mem::take(&mut self.held)
    }

    pub(super) fn blocked(&mut self, now: Instant) {
        self.answer.blocked.get_or_insert(now);
    }

    /// Returns whether writing had been blocked, and how many bytes are no longer held.
    pub(super) fn wrote(&mut self, now: Instant, bytes: usize) -> (bool, usize) {
        self.answer.written = self.answer.written.saturating_add(bytes as u64);
        let released = bytes.min(self.answer.unsent);
        self.answer.unsent -= released;
        let blocked = self.answer.blocked.take();
        if let Some(since) = blocked {
            self.answer.blocked_before += now.saturating_duration_since(since);
        }
        (blocked.is_some(), released)
    }

    /// What to do with the connection now. `stopping`: since when the server stops.
    pub(super) fn verdict(&self, now: Instant, limits: &PoolLimits, stopping: Option<Instant>) -> Option<Verdict> {
        if self.is_condemned {
            return None;
        }
        let since = |then: Instant| now.saturating_duration_since(then);
        let stopping = stopping.map(since);
        let patience_is_over = stopping.is_some_and(|stopping| stopping >= limits.stop);
        if let Some(blocked) = self.answer.blocked.map(since) {
            let all = self.answer.blocked_before + blocked;
            let is_overdue = blocked >= limits.stalled || all >= limits.stalled + limits.at_rate(self.answer.written);
            return (is_overdue || (patience_is_over && blocked >= limits.stop)).then_some(Verdict::Close);
        }
        match self.phase {
            Phase::Waiting => {
                let limit = if self.has_answered { limits.idle } else { limits.head };
                (stopping.is_some() || since(self.since) >= limit).then_some(Verdict::Close)
            }
            Phase::Head => (stopping.is_some() || since(self.since) >= limits.head).then_some(Verdict::Close),
            Phase::Request if self.is_proven && stopping.is_some() => self.body_verdict(now, limits),
            Phase::Request if patience_is_over || (stopping.is_some() && self.body.waiting.is_some()) => {
                Some(Verdict::Close)
            }
            Phase::Request => self.body_verdict(now, limits),
        }
    }

    fn body_verdict(&self, now: Instant, limits: &PoolLimits) -> Option<Verdict> {
        if self.body.cut.is_some() {
            return None;
        }
        let waits = now.saturating_duration_since(self.body.waiting?);
        let is_overdue = if self.body.may_be_slow {
            waits >= limits.stalled
        } else {
            self.body.waited + waits >= limits.body + limits.at_rate(self.body.consumed)
        };
        is_overdue.then_some(Verdict::CutBody)
    }

    /// Whether the connection may be closed to make room, as a sort key: the smallest is closed first. Connections that
    /// were authenticated before come last. Within each group, those that have been in their phase for longest come
    /// first.
    pub(super) fn may_yield(&self) -> Option<(bool, Instant)> {
        let is_at_work = self.phase == Phase::Request && self.is_proven;
        (!is_at_work && !self.is_condemned).then_some((self.was_proven, self.since))
    }

    /// The rate at which the held bytes arrived, in bytes per second, if they may be dropped. A new request counts as
    /// slow only after a tenth of a second.
    pub(super) fn rate(&self, now: Instant) -> Option<f64> {
        let held = self.held.saturating_add(self.answer.unsent);
        if held == 0 || self.is_condemned || self.body.cut.is_some() || !self.waits_for_client() {
            return None;
        }
        let age = now.saturating_duration_since(self.since).as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // a rough figure is enough
        Some((held as f64 + 1024.0) / (age + 0.1))
    }

    fn waits_for_client(&self) -> bool {
        (self.phase == Phase::Head && !self.has_whole_head)
            || self.body.waiting.is_some()
            || self.answer.blocked.is_some()
    }

    pub(super) fn waits_for_body(&self) -> bool {
        self.phase == Phase::Request && self.body.waiting.is_some()
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.since = now;
    }
}

impl Body {
    fn stop_waiting(&mut self, now: Instant) {
        if let Some(since) = self.waiting.take() {
            let waited = now.saturating_duration_since(since);
            // a stream is timed anew with each chunk
            self.waited = if self.may_be_slow { Duration::ZERO } else { self.waited + waited };
        }
    }
}
