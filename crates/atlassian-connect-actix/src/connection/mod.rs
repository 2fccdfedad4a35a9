//! The connections of clients: deadlines, and limits on the memory that unauthenticated clients can use.
//!
//! actix-http times only the first request head of a connection, and it goes on reading while an answer cannot be
//! written. So the server runs on our own stream ([`ClientStream`]). It passes one request at a time to the HTTP code,
//! and nothing while the client does not read its answer. A middleware ([`watch`]) tells the record of the connection
//! ([`Connection`]) where requests and answers begin and end. Each worker has a [`Pool`] of its connections, which
//! checks all of them twice a second and closes those that are overdue.

mod body;
mod framing;
mod limits;
mod pool;
mod progress;
mod record;
mod stream;
mod watch;

use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use actix_web::HttpRequest;

pub use body::StreamedBody;
pub(crate) use body::WatchedBody;
use framing::Framing;
pub(crate) use limits::PoolLimits;
pub(crate) use pool::{KEEP_ALIVE, Pool};
pub(crate) use progress::Cut;
use progress::Permit;
use record::Record;
pub(crate) use stream::ClientStream;
pub(crate) use watch::{WatchedAnswer, declared_length, watch};

/// The state of one connection. The stream, the middleware and the pool share it; all run on one thread.
pub(crate) struct Connection {
    pool: Rc<Pool>,
    record: Rc<Record>,
}

impl Connection {
    /// A new connection of `pool`, with its number there; `None` if there is no room for it.
    fn admit(pool: &Rc<Pool>) -> Option<(u64, Rc<Self>)> {
        let (id, record) = pool.admit()?;
        Some((id, Rc::new(Self { pool: Rc::clone(pool), record })))
    }

    /// The connection that brought `request`; `None` if the add-on is mounted in another server.
    pub(crate) fn of(request: &HttpRequest) -> Option<Rc<Self>> {
        request.conn_data::<Rc<Self>>().cloned()
    }

    /// Marks the sender of the current request as authenticated. Its bytes no longer count against the limit, and a
    /// stop of the server waits for its answer.
    pub(crate) fn prove(&self) {
        let released = self.record.progress.borrow_mut().prove();
        self.pool.release(released);
    }

    /// A request has been read up to its body, if it has one. `headers`: the number of its headers.
    fn begin(&self, body: Option<Framing>, headers: usize) {
        let has_body = body.is_some();
        let counted = self.record.progress.borrow_mut().begin(Instant::now(), body, headers);
        self.pool.hold(counted, &self.record);
        if has_body {
            self.wake_reader();
        }
    }

    /// The answer has this number of bytes, which are kept until the client reads them.
    fn answers(&self, bytes: usize) {
        let counted = self.record.progress.borrow_mut().answers(bytes);
        self.pool.hold(counted, &self.record);
    }

    /// The answer has been passed to the HTTP code completely, or never will be.
    fn answered(&self) {
        let released = self.record.progress.borrow_mut().answered(Instant::now());
        self.pool.release(released);
        self.wake_reader();
    }

    /// Whether the stream may read, and how much.
    fn permit(&self) -> Permit {
        self.record.progress.borrow_mut().permit()
    }

    /// This number of bytes of a head has been received; `has_ended`: the head is complete.
    fn received_head(&self, bytes: usize, has_ended: bool) {
        let counted = self.record.progress.borrow_mut().received_head(Instant::now(), bytes, has_ended);
        self.pool.hold(counted, &self.record);
    }

    /// These bytes have been received. Returns how many of them belong to the body.
    fn received_body(&self, bytes: &[u8]) -> usize {
        let (own, counted) = self.record.progress.borrow_mut().received_body(Instant::now(), bytes);
        self.pool.hold(counted, &self.record);
        own
    }

    /// A compressed body of the current request was inflated to this number of bytes, which are kept.
    pub(crate) fn inflated(&self, bytes: usize) {
        let counted = self.record.progress.borrow_mut().inflated(bytes);
        self.pool.hold(counted, &self.record);
    }

    /// Nothing can be written: the client does not read.
    fn blocked(&self) {
        self.record.progress.borrow_mut().blocked(Instant::now());
    }

    /// This number of bytes has been written.
    fn wrote(&self, bytes: usize) {
        let (was_blocked, released) = self.record.progress.borrow_mut().wrote(Instant::now(), bytes);
        self.pool.release(released);
        if was_blocked {
            self.wake_reader();
        }
    }

    /// The socket is closed.
    fn ended(&self, id: u64) {
        let mut progress = self.record.progress.borrow_mut();
        self.pool.dismiss(id, progress.is_condemned);
        self.pool.release(progress.end());
    }

    /// The handler waits for more of the body.
    fn wants_body(&self, waiting: &Waker) {
        self.record.progress.borrow_mut().wants_body(Instant::now(), waiting);
        self.wake_reader();
    }

    /// The handler has read this number of bytes of the body.
    fn consumed(&self, bytes: usize) {
        self.record.progress.borrow_mut().consumed(Instant::now(), bytes);
        self.wake_reader();
    }

    /// The handler reads no more of the body.
    fn body_over(&self) {
        self.record.progress.borrow_mut().body_over();
    }

    /// The handler reads the body as a stream, which may be slow and is not kept.
    fn streams(&self) {
        let released = self.record.progress.borrow_mut().streams();
        self.pool.release(released);
    }

    fn cut_off(&self) -> Option<Cut> {
        self.record.progress.borrow().body.cut
    }

    /// The client has closed its side.
    fn hung_up(&self) {
        self.record.progress.borrow_mut().has_hung_up = true;
        self.record.hang_up.notify_waiters();
    }

    /// The stream was not allowed to read, and wants to be woken when it is.
    fn starve(&self) {
        self.record.progress.borrow_mut().is_starved = true;
    }

    fn wake_reader(&self) {
        let mut progress = self.record.progress.borrow_mut();
        if std::mem::take(&mut progress.is_starved)
            && let Some(task) = &progress.task
        {
            task.wake_by_ref();
        }
    }

    /// The task that drives the connection, to be woken when something changes.
    fn driven_by(&self, task: &Waker) {
        let mut progress = self.record.progress.borrow_mut();
        if progress.task.as_ref().is_none_or(|known| !known.will_wake(task)) {
            progress.task = Some(task.clone());
        }
    }

    /// Whether the pool wants the connection closed.
    fn is_condemned(&self) -> bool {
        self.record.progress.borrow().is_condemned
    }
}

/// Waits until the client of `request` closes its side, which most clients do when they give up. Use it for work that
/// is useless without the client. If the connection belongs to another server, it waits for ever.
pub(crate) async fn hung_up(request: &HttpRequest) {
    let Some(connection) = Connection::of(request) else { return std::future::pending().await };
    loop {
        let hang_up = connection.record.hang_up.notified();
        if connection.record.progress.borrow().has_hung_up {
            return;
        }
        hang_up.await;
    }
}

/// Marks the sender of `request` as authenticated.
pub(crate) fn prove(request: &HttpRequest) {
    if let Some(connection) = Connection::of(request) {
        connection.prove();
    }
}
