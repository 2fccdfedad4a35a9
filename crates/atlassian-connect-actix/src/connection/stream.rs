//! The stream between a socket and the HTTP code.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::TcpStream;
use actix_web::web::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::progress::Permit;
use super::{Connection, Pool};

/// A client's socket. It passes on the head of a request and no byte after it, then as much of the body as is asked
/// for. The next request waits until the answer to this one has been written.
pub(crate) struct ClientStream {
    socket: TcpStream,
    id: u64,
    connection: Rc<Connection>,
    /// Bytes that were read from the socket but not passed on yet.
    rest: BytesMut,
    line_ends: LineEnds,
}

impl ClientStream {
    /// Accepts a connection and waits for its first byte: until then it uses hardly any memory.
    pub(crate) async fn open(socket: TcpStream, pool: &Rc<Pool>) -> io::Result<Self> {
        limit_unsent(&socket);
        let (id, connection) = Connection::admit(pool).ok_or_else(|| io::Error::other("too many connections"))?;
        let stream = Self { socket, id, connection, rest: BytesMut::new(), line_ends: LineEnds::default() };
        poll_fn(|cx| {
            stream.connection.driven_by(cx.waker());
            stream.check()?;
            stream.socket.poll_read_ready(cx)
        })
        .await?;
        Ok(stream)
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()
    }

    pub(crate) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    fn check(&self) -> io::Result<()> {
        if self.connection.is_condemned() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    /// Passes nothing on for now. Returns whether there would be something. A broken connection is noticed all the
    /// same.
    fn hold(&self, cx: &mut Context<'_>) -> io::Result<bool> {
        if !self.rest.is_empty() {
            return Ok(true);
        }
        let mut byte = [0];
        match self.socket.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(peeked) => {
                if peeked? == 0 {
                    self.connection.hung_up();
                }
                Ok(true)
            }
            Poll::Pending => Ok(false),
        }
    }

    /// Fills `buf` with at most `limit` bytes, from those already read or from the socket.
    fn fill(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>, limit: usize) -> Poll<io::Result<()>> {
        let limit = limit.min(buf.remaining());
        if !self.rest.is_empty() {
            buf.put_slice(&self.rest.split_to(limit.min(self.rest.len())));
            if self.rest.is_empty() {
                self.rest = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        if limit == buf.remaining() {
            return Pin::new(&mut self.socket).poll_read(cx, buf);
        }
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(limit));
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl ClientStream {
    /// Fills `buf` with a part of a head. Returns whether there is any. Empty lines before a head are skipped (RFC
    /// 9112, 2.2): the HTTP code would examine all of them again with each further byte.
    fn fill_head(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buf.filled().len();
        for _ in 0..EMPTY_READS {
            ready!(self.fill(cx, buf, usize::MAX))?;
            let read = &buf.filled()[before..];
            if read.is_empty() {
                return Poll::Ready(Ok(false));
            }
            if self.line_ends.has_begun {
                return Poll::Ready(Ok(true));
            }
            let empty = read.iter().take_while(|&&byte| matches!(byte, b'\r' | b'\n')).count();
            if empty > 0 {
                let head = read[empty..].to_vec();
                buf.set_filled(before);
                buf.put_slice(&head);
            }
            if buf.filled().len() > before {
                return Poll::Ready(Ok(true));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Keeps the bytes after `end` in `buf` for later.
    fn keep_for_later(&mut self, buf: &mut ReadBuf<'_>, end: usize) {
        if buf.filled().len() > end {
            let mut rest = BytesMut::from(&buf.filled()[end..]);
            rest.unsplit(std::mem::take(&mut self.rest));
            self.rest = rest;
            buf.set_filled(end);
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.driven_by(cx.waker());
        this.check()?;
        let before = buf.filled().len();
        match this.connection.permit() {
            Permit::Nothing => {
                this.connection.starve();
                this.hold(cx)?;
                return Poll::Pending;
            }
            Permit::AfterParsing => {
                // if the HTTP code finds no request in what it has, it gets more
                if this.hold(cx)? {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            Permit::Head => {
                let is_at_end = !ready!(this.fill_head(cx, buf))?;
                if is_at_end {
                    return Poll::Ready(Ok(()));
                }
                let end = this.line_ends.end_of_head(&buf.filled()[before..]);
                if let Some(end) = end {
                    this.keep_for_later(buf, before + end);
                }
                this.connection.received_head(buf.filled().len() - before, end.is_some());
            }
            Permit::Body(room) => {
                ready!(this.fill(cx, buf, room))?;
                let own = this.connection.received_body(&buf.filled()[before..]);
                this.keep_for_later(buf, before + own);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.connection.driven_by(cx.waker());
        this.check()?;
        match Pin::new(&mut this.socket).poll_write(cx, buf) {
            Poll::Ready(Ok(written)) => {
                this.connection.wrote(written);
                Poll::Ready(Ok(written))
            }
            Poll::Pending => {
                this.connection.blocked();
                Poll::Pending
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.driven_by(cx.waker());
        this.check()?;
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.connection.ended(self.id);
    }
}

/// How many reads of only empty lines are done before other connections get their turn.
const EMPTY_READS: usize = 8;

/// How many unread bytes the system buffers, beyond those in flight. Linux buffers up to 4 MB by default.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 32 * 1024;

#[cfg(target_os = "linux")]
fn limit_unsent(socket: &TcpStream) {
    // if it cannot be set, the system's own limit applies
    let _ = socket2::SockRef::from(socket).set_tcp_notsent_lowat(UNSENT);
}

#[cfg(not(target_os = "linux"))]
fn limit_unsent(_: &TcpStream) {}

/// Finds the empty line that ends a head, in pieces of any size.
#[derive(Debug, Default)]
struct LineEnds {
    /// In a line of the head.
    has_begun: bool,
    /// After a line end, with nothing but carriage returns since.
    is_empty_line: bool,
}

impl LineEnds {
    /// Where the head ends, if it ends in `bytes`.
    fn end_of_head(&mut self, bytes: &[u8]) -> Option<usize> {
        let is_blank = |text: &[u8]| text.iter().all(|&byte| byte == b'\r');
        self.has_begun = true;
        let mut start = 0;
        while let Some(length) = bytes[start..].iter().position(|&byte| byte == b'\n') {
            let line = &bytes[start..start + length];
            start += length + 1;
            if self.is_empty_line && is_blank(line) {
                *self = Self::default();
                return Some(start);
            }
            self.is_empty_line = true;
        }
        self.is_empty_line &= is_blank(&bytes[start..]);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_empty_line() {
        for (bytes, end) in [
            ("GET / HTTP/1.1\r\n\r\n", Some(18)),
            ("GET / HTTP/1.1\r\nA: b\r\n\r\nGET", Some(24)),
            ("GET / HTTP/1.1\nA: b\n\nGET", Some(21)),
            ("\r\nGET / HTTP/1.1\r\n\r\n", Some(20)),
            ("\r\n\r\n", Some(4)),
            ("GET / HTTP/1.1\r\nA: b\r\n", None),
            ("", None),
            ("\r\r\r", None),
        ] {
            assert_eq!(LineEnds::default().end_of_head(bytes.as_bytes()), end, "{bytes:?}");
            let mut in_bytes = LineEnds::default();
            let found = bytes.bytes().position(|byte| in_bytes.end_of_head(&[byte]).is_some());
            assert_eq!(found.map(|at| at + 1), end, "{bytes:?}, byte by byte");
        }
    }
}
