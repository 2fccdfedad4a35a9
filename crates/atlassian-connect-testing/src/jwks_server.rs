//! The keys of the fake Forge platform.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::fake_host::{InstallKey, must};

/// Two key pairs per process, because generating one takes longer than most tests.
static KEYS: LazyLock<[InstallKey; 2]> =
    LazyLock::new(|| [JwksServer::KID, JwksServer::NEXT_KID].map(|kid| must(InstallKey::generate(kid), "no key pair")));

/// The server's answer to a request for the key set.
#[derive(Debug, Clone)]
pub enum JwksAnswer {
    /// The set.
    Keys,
    /// This status and text.
    Other(u16, String),
}

/// A server with Forge's key set. It counts its fetches, rotates its keys, and can simulate failures.
#[derive(Debug)]
pub struct JwksServer {
    url: String,
    fetches: Arc<AtomicUsize>,
    state: Arc<Mutex<(Vec<usize>, JwksAnswer)>>,
    handle: ServerHandle,
}

impl JwksServer {
    /// The id of its first key.
    pub const KID: &'static str = "forge-key-1";
    /// The id of the key after [`JwksServer::rotate`].
    pub const NEXT_KID: &'static str = "forge-key-2";

    /// Starts it on a free port of the loopback interface.
    #[must_use]
    pub fn start() -> Self {
        let fetches = Arc::new(AtomicUsize::new(0));
        let state = Arc::new(Mutex::new((vec![0], JwksAnswer::Keys)));
        let shared = (Arc::clone(&fetches), Arc::clone(&state));
        let server = HttpServer::new(move || {
            let (fetches, state) = shared.clone();
            App::new().default_service(web::to(move || {
                fetches.fetch_add(1, Ordering::SeqCst);
                let (keys, answer) = state.lock().clone();
                std::future::ready(match answer {
                    JwksAnswer::Keys => HttpResponse::Ok().json(json!({ "keys": set(&keys) })),
                    JwksAnswer::Other(status, text) => {
                        HttpResponse::build(must(status.try_into(), "no status")).body(text)
                    }
                })
            }))
        });
        let server =
            must(server.workers(1).disable_signals().bind(("127.0.0.1", 0)), "cannot bind a port for the key set");
        let port = server.addrs().first().map_or(0, std::net::SocketAddr::port);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url: format!("http://127.0.0.1:{port}/jwks.json"), fetches, state, handle }
    }

    /// The value for `AC_FORGE_JWKS_URL`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many requests it has received.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// Changes its answers.
    pub fn answer(&self, answer: JwksAnswer) {
        self.state.lock().1 = answer;
    }

    /// Replaces the first key by the next one.
    pub fn rotate(&self) {
        self.state.lock().0 = vec![1];
    }

    /// Serves both keys.
    pub fn overlap(&self) {
        self.state.lock().0 = vec![0, 1];
    }

    /// Signs `claims` with RS256 like the platform, with a key that it currently serves.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let newest = self.state.lock().0.last().copied().unwrap_or(0);
        must(KEYS[newest].sign(claims), "the token cannot be signed")
    }

    /// The same under another key id.
    #[must_use]
    pub fn sign_as(kid: &str, claims: &Value) -> String {
        must(KEYS[0].signer().sign(kid, claims), "the token cannot be signed")
    }

    /// The signature of a token with the first two segments `message`, to simulate a faulty header.
    #[must_use]
    pub fn signature(message: &str) -> String {
        must(KEYS[0].signer().signature(message), "the token cannot be signed")
    }

    /// Stops answering.
    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

fn set(keys: &[usize]) -> Vec<Value> {
    keys.iter().map(|&index| KEYS[index].signer().public_jwk(KEYS[index].kid())).collect()
}
