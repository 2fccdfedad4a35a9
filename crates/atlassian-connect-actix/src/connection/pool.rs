//! The connections of one worker: how many there may be, how much memory unauthenticated clients may use, and which
//! connections are overdue.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use actix_server::GracefulShutdownSignal;

use super::limits::PoolLimits;
use super::progress::{Cut, Verdict};
use super::record::Record;
use crate::measure::{self, Close};

/// How often the connections are checked.
const PULSE: Duration = Duration::from_millis(500);
/// The same, while more connections are overdue than are closed at once.
const NEXT_LOOK: Duration = Duration::from_millis(10);
/// How many connections are closed in one check. Many connections that were opened together are due together, and
/// closing them all would delay the other clients.
const AT_ONCE: usize = 8;
/// The same, while the server stops.
const STOPPING_PULSE: Duration = Duration::from_millis(50);
/// Longer than the idle timeout of the usual proxies, so that we never close a connection that they are about to use.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(95);
/// Room is made for this share of all connections at once, so that not every new connection has to search for an old
/// one.
const BATCH: usize = 64;

/// The connections of one worker.
pub(crate) struct Pool {
    limits: PoolLimits,
    connections: RefCell<HashMap<u64, Weak<Record>>>,
    next: Cell<u64>,
    held: Cell<usize>,
    /// Connections that are to be closed but have not noticed yet.
    leaving: Cell<usize>,
    stopping: Cell<Option<Instant>>,
}

impl Pool {
    /// The pool of the calling worker. It is maintained for as long as it is used. `stop` signals that the server
    /// stops.
    pub(crate) fn start(limits: PoolLimits, stop: GracefulShutdownSignal) -> Rc<Self> {
        let pool = Rc::new(Self {
            limits,
            connections: RefCell::default(),
            next: Cell::new(0),
            held: Cell::new(0),
            leaving: Cell::new(0),
            stopping: Cell::new(None),
        });
        actix_web::rt::spawn(look_after(Rc::downgrade(&pool), stop));
        pool
    }

    /// Adds a connection, if there is room for it or room can be made. When [`PoolLimits::accepted`] are there, the
    /// server takes no more from the system: those that wait there are neither closed nor seen.
    pub(super) fn admit(&self) -> Option<(u64, Rc<Record>)> {
        let count = self.connections.borrow().len();
        let is_full = count.saturating_sub(self.leaving.get()) >= self.limits.connections;
        if is_full && self.make_room() == 0 {
            measure::connection_without_room();
            if count >= self.limits.accepted() {
                return None;
            }
        }
        measure::connection_opened();
        let (id, record) = (self.next.get(), Rc::new(Record::new()));
        self.next.set(id.wrapping_add(1));
        self.connections.borrow_mut().insert(id, Rc::downgrade(&record));
        Some((id, record))
    }

    pub(super) fn dismiss(&self, id: u64, was_leaving: bool) {
        self.connections.borrow_mut().remove(&id);
        measure::connection_ended();
        if was_leaving {
            self.leaving.set(self.leaving.get().saturating_sub(1));
        }
    }

    /// Holds `bytes` more for `receiving`, an unauthenticated client. If that is too much, the slowest connections lose
    /// theirs. The one that is sending is spared, unless it is the only one.
    pub(super) fn hold(&self, bytes: usize, receiving: &Rc<Record>) {
        self.held.set(self.held.get().saturating_add(bytes));
        if bytes == 0 || self.held.get() <= self.limits.unproven {
            return;
        }
        let now = Instant::now();
        let others = self.all().into_iter().filter(|connection| !Rc::ptr_eq(connection, receiving));
        let mut slowest: Vec<(f64, Rc<Record>)> = others
            .filter_map(|connection| {
                let rate = connection.progress.borrow().rate(now)?;
                Some((rate, connection))
            })
            .collect();
        slowest.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        // frees somewhat more than needed, or each further byte would start the search again
        let enough = self.limits.unproven - self.limits.unproven / 8;
        let mut refused = 0;
        for connection in slowest.iter().map(|(_, connection)| connection).chain([receiving]) {
            if self.held.get() <= enough {
                break;
            }
            measure::connection_closed(Close::Memory);
            self.give_up(connection);
            refused += 1;
        }
        tracing::warn!(refused, "unauthenticated clients use too much memory: the slowest are refused");
    }

    pub(super) fn release(&self, bytes: usize) {
        self.held.set(self.held.get().saturating_sub(bytes));
    }

    /// Closes some of the connections that wait for their client. Returns how many.
    fn make_room(&self) -> usize {
        let mut waiting: Vec<_> = self
            .all()
            .into_iter()
            .filter_map(|connection| {
                let order = connection.progress.borrow().may_yield()?;
                Some((order, connection))
            })
            .collect();
        let count = (self.limits.connections / BATCH + 1).min(waiting.len());
        if count == 0 {
            return 0;
        }
        waiting.select_nth_unstable_by_key(count - 1, |(order, _)| *order);
        for (_, connection) in &waiting[..count] {
            measure::connection_closed(Close::Room);
            self.give_up(connection);
        }
        tracing::debug!(closed = count, "too many connections: those that waited longest were closed");
        count
    }

    /// Refuses the body of a connection, so that its sender can read why. A connection without one is closed.
    fn give_up(&self, connection: &Record) {
        let (waits_for_body, held) = {
            let mut progress = connection.progress.borrow_mut();
            (progress.waits_for_body(), progress.end())
        };
        self.release(held);
        if waits_for_body {
            connection.cut(Cut::Overload);
        } else {
            self.close(connection);
        }
    }

    fn close(&self, connection: &Record) {
        if connection.condemn() {
            self.leaving.set(self.leaving.get().saturating_add(1));
        }
    }

    /// Closes overdue connections. Returns whether there are more.
    fn look_at_all(&self) -> bool {
        let (now, stopping) = (Instant::now(), self.stopping.get());
        let mut left = if stopping.is_some() { usize::MAX } else { AT_ONCE };
        for connection in self.all() {
            let verdict = connection.progress.borrow().verdict(now, &self.limits, stopping);
            let Some(verdict) = verdict else { continue };
            if left == 0 {
                return true;
            }
            left -= 1;
            match verdict {
                Verdict::Close => {
                    measure::connection_closed(Close::Overdue);
                    self.close(&connection);
                }
                Verdict::CutBody => {
                    measure::connection_closed(Close::SlowBody);
                    connection.cut(Cut::Slow);
                }
            }
        }
        false
    }

    fn all(&self) -> Vec<Rc<Record>> {
        self.connections.borrow().values().filter_map(Weak::upgrade).collect()
    }
}

async fn look_after(pool: Weak<Pool>, stop: GracefulShutdownSignal) {
    let stopped = stop.notified();
    tokio::pin!(stopped);
    let (mut pause, mut stops) = (PULSE, false);
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = &mut stopped, if !stops => stops = true,
        }
        let Some(pool) = pool.upgrade() else { return };
        if stops && pool.stopping.get().is_none() {
            pool.stopping.set(Some(Instant::now()));
        }
        let has_more = pool.look_at_all();
        pause = match (stops, has_more) {
            (true, _) => STOPPING_PULSE,
            (false, true) => NEXT_LOOK,
            (false, false) => PULSE,
        };
    }
}
