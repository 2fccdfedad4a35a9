//! Clients that would like the add-on to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use atlassian_connect_testing::{KeyServer, TestTenant, claims_for};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::{interval, sleep, timeout};

use crate::honest::post;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    Idle,
    SlowHeads,
    SlowBodies,
    Unread,
    ForgedInstalls,
}

impl Attack {
    pub(crate) const ALL: [Self; 5] =
        [Self::Idle, Self::SlowHeads, Self::SlowBodies, Self::Unread, Self::ForgedInstalls];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "5000 idle",
            Self::SlowHeads => "5000 slow heads",
            Self::SlowBodies => "5000 slow bodies",
            Self::Unread => "1000 that do not read",
            Self::ForgedInstalls => "500 forged installs a second",
        }
    }

    /// Connections, or installs a second.
    fn count(self) -> f64 {
        match self {
            Self::Idle | Self::SlowHeads | Self::SlowBodies => 5000.0,
            Self::Unread => 1000.0,
            Self::ForgedInstalls => 500.0,
        }
    }
}

/// What is attacked, and with what.
pub(crate) struct Target {
    address: SocketAddr,
    /// A token for an install with good claims and a bad signature, up to its signature.
    forged: String,
    payload: String,
}

impl Target {
    pub(crate) fn of(address: &str) -> Self {
        let tenant = TestTenant::new();
        let mut claims = claims_for(&tenant, &format!("http://{address}"), "/installed");
        claims["exp"] = serde_json::json!(4_102_444_800_u64);
        let token = KeyServer::sign(&claims);
        let forged = token.rsplit_once('.').unwrap().0.to_owned();
        Self { address: address.parse().unwrap(), forged, payload: tenant.payload("add-on", "installed").to_string() }
    }

    async fn connect(&self, number: u64) -> Option<TcpStream> {
        let socket = TcpSocket::new_v4().ok()?;
        // a source of their own, or there would not be ports enough
        let source = [127, 0, 1, u8::try_from(number % 200 + 1).ok()?];
        socket.bind(SocketAddr::from((source, 0))).ok()?;
        timeout(Duration::from_secs(5), socket.connect(self.address)).await.ok()?.ok()
    }
}

/// Attackers at work.
pub(crate) struct Siege {
    runtime: Option<Runtime>,
    reconnects: Arc<AtomicU64>,
}

impl Siege {
    /// How often they had to connect again.
    pub(crate) fn end(mut self) -> u64 {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
        self.reconnects.load(Ordering::SeqCst)
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn start(attacks: &[Attack], scale: f64, target: &Arc<Target>, stop: &Arc<AtomicBool>) -> Siege {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let reconnects = Arc::new(AtomicU64::new(0));
    for attack in attacks {
        let count = (attack.count() * scale) as u64;
        if *attack == Attack::ForgedInstalls {
            runtime.spawn(forge(count, Arc::clone(target), Arc::clone(stop)));
            continue;
        }
        for number in 0..count {
            let (attack, target, stop) = (*attack, Arc::clone(target), Arc::clone(stop));
            let reconnects = Arc::clone(&reconnects);
            runtime.spawn(async move {
                sleep(Duration::from_micros(200 * number)).await;
                while !stop.load(Ordering::SeqCst) {
                    match target.connect(number).await {
                        Some(stream) => hold(attack, number, stream, &target).await,
                        None => sleep(Duration::from_millis(100)).await,
                    }
                    reconnects.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    Siege { runtime: Some(runtime), reconnects }
}

/// Holds one connection until the add-on closes it.
async fn hold(attack: Attack, number: u64, mut stream: TcpStream, target: &Target) {
    let mut chunk = [0; 4096];
    match attack {
        Attack::Idle => {
            let _ = stream.read(&mut chunk).await;
        }
        Attack::SlowHeads => trickle(stream, b"GET /hello-world HTTP/1.1\r\nHost: a\r\nX-A: ", b"a").await,
        Attack::SlowBodies => {
            let json = "application/json";
            let form = "application/x-www-form-urlencoded";
            let (path, kind) =
                [("/installed", json), ("/hello-world", form), ("/nowhere", form)][(number % 3) as usize];
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nAuthorization: JWT {}.{}\r\n\
                 Content-Length: 60000\r\n\r\n",
                target.forged,
                "A".repeat(342)
            );
            trickle(stream, head.as_bytes(), b"a").await;
        }
        Attack::Unread => {
            let many = "GET /atlassian-connect.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(12_000);
            let _ = timeout(Duration::from_secs(2), stream.write_all(many.as_bytes())).await;
            while stream_is_open(&mut stream).await {
                sleep(Duration::from_secs(1)).await;
            }
        }
        Attack::ForgedInstalls => {}
    }
}

/// Without reading from it: what can be written fails once the other side has closed.
async fn stream_is_open(stream: &mut TcpStream) -> bool {
    !matches!(timeout(Duration::from_millis(10), stream.write_all(b"G")).await, Ok(Err(_)))
}

/// Sends `first`, then `more` once a second, until an answer or the end comes.
async fn trickle(mut stream: TcpStream, first: &[u8], more: &[u8]) {
    if stream.write_all(first).await.is_err() {
        return;
    }
    let mut chunk = [0; 4096];
    loop {
        match timeout(Duration::from_secs(1), stream.read(&mut chunk)).await {
            Ok(Ok(1..)) => {}
            Ok(_) => return,
            Err(_) if stream.write_all(more).await.is_err() => return,
            Err(_) => {}
        }
    }
}

/// So many installs a second with good claims and a bad signature, half of them under keys that are made up.
fn forge(count: u64, target: Arc<Target>, stop: Arc<AtomicBool>) -> impl Future<Output = ()> {
    let signature = "A".repeat(342);
    async move {
        let mut tick = interval(Duration::from_millis(20));
        let mut number = 0;
        while !stop.load(Ordering::SeqCst) {
            tick.tick().await;
            for _ in 0..count.div_ceil(50) {
                number += 1;
                let forged = if number % 2 == 0 { target.forged.clone() } else { made_up(&target.forged, number) };
                let headers = format!("Authorization: JWT {forged}.{signature}\r\n");
                let request = post("/installed", "application/json", &headers, &target.payload);
                let target = Arc::clone(&target);
                tokio::spawn(async move {
                    let Some(mut stream) = target.connect(number).await else { return };
                    let _ = stream.write_all(request.as_bytes()).await;
                    let mut answer = Vec::new();
                    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
                });
            }
        }
    }
}

/// The same claims under a key that nobody has.
fn made_up(forged: &str, number: u64) -> String {
    use base64::Engine as _;
    let header = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": format!("made-up-{number}") });
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header.to_string());
    format!("{header}.{}", forged.split_once('.').unwrap().1)
}
