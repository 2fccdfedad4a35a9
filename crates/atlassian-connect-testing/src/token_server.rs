//! The fake host's authorization server: issues tokens for users.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use parking_lot::Mutex;
use serde_json::json;

use super::journal::Journal;
use crate::fake_host::{GrantForm, Issued, must};
use atlassian_connect_actix::internal::jwt::now;

/// The server's answers.
#[derive(Debug, Clone)]
pub enum TokenAnswer {
    /// A token, if the assertion is valid.
    Token,
    /// This status and text.
    Other(u16, String),
    /// A token, after this delay.
    Late(Duration),
}

/// A server that issues tokens like Atlassian's. It verifies assertions, counts requests, and can simulate failures.
#[derive(Debug)]
pub struct TokenServer {
    url: String,
    requests: Arc<AtomicUsize>,
    lifetime: Arc<AtomicI64>,
    answer: Arc<Mutex<TokenAnswer>>,
}

impl TokenServer {
    pub(super) fn start(journal: &Arc<Journal>) -> Self {
        let (requests, lifetime) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicI64::new(900)));
        let answer = Arc::new(Mutex::new(TokenAnswer::Token));
        let listener = must(std::net::TcpListener::bind(("127.0.0.1", 0)), "cannot bind a port for the token server");
        let url = format!("http://{}", must(listener.local_addr(), "no address"));
        let shared =
            (url.clone(), Arc::clone(journal), Arc::clone(&requests), Arc::clone(&lifetime), Arc::clone(&answer));
        let server = HttpServer::new(move || {
            let shared = shared.clone();
            let token = move |form: web::Form<GrantForm>| {
                let (url, journal, requests, lifetime, answer) = shared.clone();
                async move {
                    let number = requests.fetch_add(1, Ordering::SeqCst) + 1;
                    let answer = answer.lock().clone();
                    match answer {
                        TokenAnswer::Other(status, text) => {
                            return HttpResponse::build(must(status.try_into(), "no status")).body(text);
                        }
                        TokenAnswer::Late(time) => tokio::time::sleep(time).await,
                        TokenAnswer::Token => {}
                    }
                    let lifetime = lifetime.load(Ordering::SeqCst);
                    match form.check(&journal.ledger, &url) {
                        Ok((client_key, account_id)) => {
                            let token = format!("user-token-{number}");
                            let (account_id, expires_at) = (Some(account_id), now() + lifetime);
                            let issued = Issued { client_key, account_id, forge: false, scope: None, expires_at };
                            journal.ledger.issue(token.clone(), issued);
                            let body = json!({ "access_token": token, "expires_in": lifetime, "token_type": "Bearer" });
                            HttpResponse::Ok().json(body)
                        }
                        Err(reason) => {
                            journal.problem(format!("POST /oauth2/token: {reason}"));
                            let body = json!({ "error": "invalid_grant", "error_description": reason });
                            HttpResponse::BadRequest().json(body)
                        }
                    }
                }
            };
            App::new().route("/oauth2/token", web::post().to(token))
        });
        let server = must(server.workers(1).disable_signals().listen(listener), "the token server cannot listen");
        actix_web::rt::spawn(server.run());
        Self { url, requests, lifetime, answer }
    }

    /// The value for `AC_AUTHORIZATION_SERVER_URL`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many token requests it has received.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Changes its answers.
    pub fn answer(&self, answer: TokenAnswer) {
        *self.answer.lock() = answer;
    }

    /// Sets the lifetime of its tokens in seconds. The default is 900.
    pub fn lifetime(&self, seconds: i64) {
        self.lifetime.store(seconds, Ordering::SeqCst);
    }
}
