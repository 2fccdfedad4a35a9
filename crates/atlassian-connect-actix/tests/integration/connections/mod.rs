//! Clients that are slow, silent, greedy or do not read: how they are handled, and that others are not affected.

mod deadlines;
mod order;
mod room;
mod stop;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::StreamedBody;
use atlassian_connect_actix::auth::{ForgeInvocation, SessionToken};
use atlassian_connect_actix::forge::{self, ForgeBody};
use atlassian_connect_testing::TestHostBuilder;
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::support::fixture;

/// Much longer than the deadlines of these tests, much shorter than the usual ones.
const PATIENCE: Duration = Duration::from_secs(8);

/// Deadlines of a second.
fn hasty() -> TestHostBuilder {
    fixture::builder().workers(1).config(r#"{ "limits": { "head": 1, "stalled": 1 } }"#)
}

/// Routes that read bodies, and one whose answers are large.
fn routes(answered: &Arc<AtomicUsize>) -> impl Fn(&mut ServiceConfig) + Clone + Send + use<> {
    let answered = Arc::clone(answered);
    move |cfg| {
        let answered = Arc::clone(&answered);
        cfg.route("/form", web::post().to(|_: SessionToken, _: web::Bytes| async { "" }))
            .route("/json", web::post().to(|_: web::Json<Value>, _: SessionToken| async { "" }))
            .route("/public", web::post().to(|body: web::Bytes| async move { body.len().to_string() }))
            .route("/count", web::post().to(count))
            .route("/forge/body", web::post().to(|_: ForgeBody<Value>, _: ForgeInvocation| async { "" }))
            .configure(forge::events("/forge/events"))
            .route(
                "/large",
                web::get().to(move || {
                    answered.fetch_add(1, Ordering::SeqCst);
                    async { "x".repeat(100_000) }
                }),
            );
    }
}

async fn count(mut body: StreamedBody) -> Result<String, atlassian_connect_actix::Error> {
    let mut size = 0;
    while let Some(bytes) = body.next().await {
        size += bytes?.len();
    }
    Ok(size.to_string())
}

fn no_routes() -> impl Fn(&mut ServiceConfig) + Clone + Send {
    routes(&Arc::default())
}

/// A client of the loopback interface.
struct Client(TcpStream);

impl Client {
    fn to(base_url: &str) -> Self {
        let authority = base_url.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let stream = TcpStream::connect(authority).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn sending(base_url: &str, bytes: &str) -> Self {
        let mut client = Self::to(base_url);
        client.send(bytes.as_bytes());
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Everything until the server closes, which it must do in time.
    fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.0.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => all.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("the connection is still open: {error}"),
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The same, as the status of the answer; `None` if there is no answer.
    fn status(&mut self) -> Option<u16> {
        let answer = self.rest();
        answer.split(' ').nth(1).map(|status| status.parse().unwrap())
    }

    /// Reads one answer of a connection that stays open: its status and its body.
    fn answer(&mut self) -> (u16, String) {
        let (status, length) = self.answer_head();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status, String::from_utf8(body).unwrap())
    }

    /// Reads the answer to a HEAD, which has no body.
    fn head(&mut self) -> (u16, String) {
        (self.answer_head().0, String::new())
    }

    fn answer_head(&mut self) -> (u16, usize) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let lower = head.to_lowercase();
        let length = lower.split("content-length: ").nth(1).map_or("0", |rest| rest.split("\r\n").next().unwrap());
        (status, length.parse().unwrap())
    }
}

/// Runs `work`, which blocks, beside the server.
async fn beside<T: Send + 'static>(base_url: &str, work: impl FnOnce(&str) -> T + Send + 'static) -> T {
    let base_url = base_url.to_owned();
    crate::support::blocking(move || work(&base_url)).await
}

/// How long `work` takes.
async fn timed(work: impl Future<Output = ()>) -> Duration {
    let start = Instant::now();
    work.await;
    start.elapsed()
}
