//! The fake host's authorization server: tokens to act as a user.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;
use serde_json::json;

use super::journal::{Issued, Journal, lock};
use super::must;
use crate::jwt::{SharedSecret, Unverified, now};

/// What the server answers.
#[derive(Debug, Clone)]
pub enum TokenAnswer {
    /// A token, if the assertion holds.
    Token,
    /// This status and text.
    Other(u16, String),
    /// A token, after this time.
    Late(Duration),
}

/// A server that gives out tokens as Atlassian's does, checks the assertions, counts, and can be told to fail.
#[derive(Debug)]
pub struct TokenServer {
    url: String,
    requests: Arc<AtomicUsize>,
    lifetime: Arc<AtomicI64>,
    answer: Arc<Mutex<TokenAnswer>>,
}

#[derive(Deserialize)]
struct Form {
    grant_type: String,
    assertion: String,
    #[serde(default)]
    scope: Option<String>,
}

impl TokenServer {
    pub(super) fn start(journal: &Arc<Journal>) -> Self {
        let (requests, lifetime) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicI64::new(900)));
        let answer = Arc::new(Mutex::new(TokenAnswer::Token));
        let listener = must(std::net::TcpListener::bind(("127.0.0.1", 0)), "no port for the token server");
        let url = format!("http://{}", must(listener.local_addr(), "no address"));
        let shared =
            (url.clone(), Arc::clone(journal), Arc::clone(&requests), Arc::clone(&lifetime), Arc::clone(&answer));
        let server = HttpServer::new(move || {
            let shared = shared.clone();
            let token = move |form: web::Form<Form>| {
                let (url, journal, requests, lifetime, answer) = shared.clone();
                async move {
                    let number = requests.fetch_add(1, Ordering::SeqCst) + 1;
                    let answer = lock(&answer).clone();
                    match answer {
                        TokenAnswer::Other(status, text) => {
                            return HttpResponse::build(must(status.try_into(), "no status")).body(text);
                        }
                        TokenAnswer::Late(time) => tokio::time::sleep(time).await,
                        TokenAnswer::Token => {}
                    }
                    let lifetime = lifetime.load(Ordering::SeqCst);
                    match assertion(&journal, &url, &form) {
                        Ok((client_key, account_id)) => {
                            let token = format!("user-token-{number}");
                            let issued = Issued { client_key, account_id, expires_at: now() + lifetime };
                            journal.issue(token.clone(), issued);
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
        let server = must(server.workers(1).disable_signals().listen(listener), "the token server does not listen");
        actix_web::rt::spawn(server.run());
        Self { url, requests, lifetime, answer }
    }

    /// What `AC_AUTHORIZATION_SERVER_URL` is set to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often it was asked for a token.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Makes it answer otherwise from now on.
    pub fn answer(&self, answer: TokenAnswer) {
        *lock(&self.answer) = answer;
    }

    /// How long its tokens live from now on, in seconds; 900.
    pub fn lifetime(&self, seconds: i64) {
        self.lifetime.store(seconds, Ordering::SeqCst);
    }
}

/// The clientKey and the account id that an assertion is good for.
///
/// Source: Atlassian, "User impersonation for Connect apps"; RFC 7523.
fn assertion(journal: &Journal, url: &str, form: &Form) -> Result<(String, String), String> {
    #[derive(Deserialize)]
    struct Tenant {
        tnt: String,
        iat: i64,
        exp: i64,
    }
    if form.grant_type != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return Err(format!("the grant type is {}", form.grant_type));
    }
    if form.scope.as_deref().is_some_and(|scope| scope.is_empty() || scope != scope.to_uppercase()) {
        return Err(format!("the scope is {:?}", form.scope));
    }
    let unverified = Unverified::parse(&form.assertion, 16 * 1024).map_err(|error| error.to_string())?;
    let named = |urn: Option<&str>, kind| urn.and_then(|urn| urn.strip_prefix(kind)).map(str::to_owned);
    let client = named(unverified.claims().iss.as_deref(), "urn:atlassian:connect:clientid:");
    let tenant =
        client.and_then(|id| journal.tenant_of_oauth_client(&id)).ok_or("iss names no client that is known")?;
    unverified.verify_hs256(&SharedSecret::new(&tenant.shared_secret)).map_err(|error| error.to_string())?;
    let claims: Tenant = payload(&form.assertion).ok_or("it lacks tnt, iat or exp")?;
    let verified = unverified.into_claims();
    verified.check_time(now(), 0).map_err(|error| error.to_string())?;
    if claims.exp - claims.iat > 120 {
        return Err("it lives longer than two minutes".into());
    }
    if claims.tnt != tenant.base_url {
        return Err(format!("tnt is {}, not {}", claims.tnt, tenant.base_url));
    }
    if verified.aud.first() != Some(url) {
        return Err(format!("aud is {:?}, not {url}", verified.aud));
    }
    let user = named(verified.sub.as_deref(), "urn:atlassian:connect:useraccountid:").filter(|id| !id.is_empty());
    Ok((tenant.client_key, user.ok_or("sub names no user")?))
}

/// The claims, of whatever shape.
fn payload<T: serde::de::DeserializeOwned>(token: &str) -> Option<T> {
    use base64::Engine as _;
    let segment = token.split('.').nth(1)?;
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestTenant;

    #[test]
    fn an_assertion_is_checked_as_a_whole() {
        const SERVER: &str = "http://127.0.0.1:1";
        let tenant = TestTenant::new();
        let journal = Journal::default();
        journal.know(&tenant);
        let good = json!({
            "iss": format!("urn:atlassian:connect:clientid:{}", tenant.oauth_client_id()),
            "sub": "urn:atlassian:connect:useraccountid:mia",
            "tnt": tenant.base_url, "aud": SERVER, "iat": now(), "exp": now() + 60,
        });
        let check = |claims: &serde_json::Value, scope: Option<&str>| {
            let form = Form {
                grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer".into(),
                assertion: tenant.sign(claims),
                scope: scope.map(str::to_owned),
            };
            assertion(&journal, SERVER, &form)
        };
        assert_eq!(check(&good, None), Ok((tenant.client_key.clone(), "mia".into())));
        assert_eq!(check(&good, Some("READ WRITE")), Ok((tenant.client_key.clone(), "mia".into())));
        assert!(check(&good, Some("read")).is_err());
        for (claim, value) in [
            ("iss", json!("urn:atlassian:connect:clientid:other")),
            ("sub", json!("mia")),
            ("sub", json!("urn:atlassian:connect:useraccountid:")),
            ("tnt", json!("https://other.atlassian.net")),
            ("aud", json!("https://other.example")),
            ("exp", json!(now() - 1)),
            ("exp", json!(now() + 600)),
        ] {
            let mut claims = good.clone();
            claims[claim] = value;
            assert!(check(&claims, None).is_err(), "{claims}");
        }
    }
}
