//! The connections of clients: deadlines, and bounds on what is kept for a client that has not proven who it is.
//!
//! actix-http times the first request head of a connection and nothing else, and it goes on reading while an answer
//! cannot be written. So the server runs on a stream of our own ([`ClientStream`]), which hands the HTTP code one
//! request at a time, and nothing at all while the client does not read its answer. A middleware ([`watch`]) tells the
//! record of the connection ([`Connection`]) where requests and answers begin and end. Each worker has a [`Pool`] of its
//! connections, which looks at all of them twice a second and closes what is overdue.

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
pub(crate) use watch::{declared_length, watch};

/// What is known of one connection. The stream, the middleware and the pool share it; all live on one thread.
pub(crate) struct Connection {
    pool: Rc<Pool>,
    record: Rc<Record>,
}

impl Connection {
    /// A new connection of `pool`, with its number there; `None` where there is no room for it.
    fn admit(pool: &Rc<Pool>) -> Option<(u64, Rc<Self>)> {
        let (id, record) = pool.admit()?;
        Some((id, Rc::new(Self { pool: Rc::clone(pool), record })))
    }

    /// The connection that brought `request`; none where the add-on is mounted in somebody else's server.
    pub(crate) fn of(request: &HttpRequest) -> Option<Rc<Self>> {
        request.conn_data::<Rc<Self>>().cloned()
    }

    /// The sender of the current request has proven who it is: what it has sent no longer counts against the bound,
    /// and the server waits for its answer when it stops.
    pub(crate) fn prove(&self) {
        let released = self.record.progress.borrow_mut().prove();
        self.pool.release(released);
    }

    /// A request has been read up to its body, if it has one. `headers`: how many it has.
    fn begin(&self, body: Option<Framing>, headers: usize) {
        let has_body = body.is_some();
        let counted = self.record.progress.borrow_mut().begin(Instant::now(), body, headers);
        self.pool.hold(counted, &self.record);
        if has_body {
            self.wake_reader();
        }
    }

    /// The answer has so many bytes, which are kept until the client takes them.
    fn answers(&self, bytes: usize) {
        let counted = self.record.progress.borrow_mut().answers(bytes);
        self.pool.hold(counted, &self.record);
    }

    /// The answer has been handed to the HTTP code whole, or will never be.
    fn answered(&self) {
        let released = self.record.progress.borrow_mut().answered(Instant::now());
        self.pool.release(released);
        self.wake_reader();
    }

    /// Whether the stream may read, and how much.
    fn permit(&self) -> Permit {
        self.record.progress.borrow_mut().permit()
    }

    /// So many bytes of a head have been received; whether it has come to its end.
    fn received_head(&self, bytes: usize, has_ended: bool) {
        let counted = self.record.progress.borrow_mut().received_head(Instant::now(), bytes, has_ended);
        self.pool.hold(counted, &self.record);
    }

    /// These bytes have been received; how many of them are of the body.
    fn received_body(&self, bytes: &[u8]) -> usize {
        let (own, counted) = self.record.progress.borrow_mut().received_body(Instant::now(), bytes);
        self.pool.hold(counted, &self.record);
        own
    }

    /// A compressed body of the current request was inflated to so many bytes, which are kept.
    pub(crate) fn inflated(&self, bytes: usize) {
        let counted = self.record.progress.borrow_mut().inflated(bytes);
        self.pool.hold(counted, &self.record);
    }

    /// Nothing can be written: the client does not read.
    fn blocked(&self) {
        self.record.progress.borrow_mut().blocked(Instant::now());
    }

    /// So many bytes have been written.
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

    /// The handler has got so many bytes of the body.
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

    /// The stream was not allowed to read, and wants to be woken once it is.
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

/// Waits until the client of `request` closes its side, which most do when they give up. For work that must not be done
/// for a client that will never hear of it; where the connection is somebody else's, it waits for ever.
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

/// Notes that whoever sent `request` has proven who they are.
pub(crate) fn prove(request: &HttpRequest) {
    if let Some(connection) = Connection::of(request) {
        connection.prove();
    }
}
