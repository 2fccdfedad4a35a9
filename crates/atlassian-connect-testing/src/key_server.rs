//! The install keys of the fake host.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use parking_lot::Mutex;
use serde_json::Value;

use crate::fake_host::{InstallKey, must};

/// One key pair per process, because generating one takes longer than most tests.
static KEY: LazyLock<InstallKey> = LazyLock::new(|| must(InstallKey::generate(KeyServer::KID), "no key pair"));

/// The server's answer to a request for a key.
#[derive(Debug, Clone)]
pub enum KeyAnswer {
    /// The key.
    Key,
    /// This status and text.
    Other(u16, String),
    /// The key, after this delay.
    Late(Duration),
    /// The key, under this id instead of [`KeyServer::KID`].
    KeyAt(String),
    /// The key; no answer for any other id.
    KeyOrSilence,
    /// A redirect to this URL.
    Elsewhere(String),
}

/// A server with the fake host's public key. It counts its fetches and can simulate failures.
#[derive(Debug)]
pub struct KeyServer {
    url: String,
    fetches: Arc<AtomicUsize>,
    answer: Arc<Mutex<KeyAnswer>>,
    handle: ServerHandle,
}

impl KeyServer {
    /// The id of its key.
    pub const KID: &'static str = "install-key-1";

    /// Starts it on a free port of the loopback interface.
    #[must_use]
    pub fn start() -> Self {
        let fetches = Arc::new(AtomicUsize::new(0));
        let answer = Arc::new(Mutex::new(KeyAnswer::Key));
        let (counter, answers) = (Arc::clone(&fetches), Arc::clone(&answer));
        let server = HttpServer::new(move || {
            let (counter, answers) = (Arc::clone(&counter), Arc::clone(&answers));
            App::new().default_service(web::to(move |request: actix_web::HttpRequest| {
                counter.fetch_add(1, Ordering::SeqCst);
                let answer = answers.lock().clone();
                let path = request.path().to_owned();
                let known = path == format!("/keys/{}", KEY.kid());
                async move {
                    match answer {
                        KeyAnswer::Key | KeyAnswer::KeyOrSilence if known => {
                            HttpResponse::Ok().body(Self::public_pem())
                        }
                        KeyAnswer::KeyAt(kid) if path == format!("/keys/{kid}") => {
                            HttpResponse::Ok().body(Self::public_pem())
                        }
                        KeyAnswer::Key | KeyAnswer::KeyAt(_) => HttpResponse::NotFound().body("NoSuchKey"),
                        KeyAnswer::KeyOrSilence => std::future::pending().await,
                        KeyAnswer::Late(time) => {
                            tokio::time::sleep(time).await;
                            HttpResponse::Ok().body(Self::public_pem())
                        }
                        KeyAnswer::Elsewhere(url) => HttpResponse::Found().insert_header(("Location", url)).finish(),
                        KeyAnswer::Other(status, text) => {
                            HttpResponse::build(must(status.try_into(), "no status")).body(text)
                        }
                    }
                }
            }))
        });
        let server =
            must(server.workers(1).disable_signals().bind(("127.0.0.1", 0)), "cannot bind a port for the key server");
        let port = server.addrs().first().map_or(0, std::net::SocketAddr::port);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url: format!("http://127.0.0.1:{port}/keys"), fetches, answer, handle }
    }

    /// The value for `CONNECT_KEYS_CDN_URL`.
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
    pub fn answer(&self, answer: KeyAnswer) {
        *self.answer.lock() = answer;
    }

    /// Signs `claims` with RS256, as the host does.
    #[must_use]
    pub fn sign(claims: &Value) -> String {
        must(KEY.sign(claims), "the token cannot be signed")
    }

    /// The same under another key id.
    #[must_use]
    pub fn sign_as(kid: &str, claims: &Value) -> String {
        must(KEY.signer().sign(kid, claims), "the token cannot be signed")
    }

    /// The signature of a token with the first two segments `message`, to simulate a faulty header.
    #[must_use]
    pub fn signature(message: &str) -> String {
        must(KEY.signer().signature(message), "the token cannot be signed")
    }

    /// Stops answering.
    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }

    /// Its key, in PEM.
    #[must_use]
    pub fn public_pem() -> String {
        must(KEY.public_pem(), "no public key")
    }
}
