//! The public keys that sign lifecycle callbacks, from the key server of the host's domain.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use moka::sync::Cache;
use url::Url;

use super::KeyError;
use super::permits::{Limits, Permits};
use super::servers::servers_of;
use crate::flight::Flights;
use crate::jwt::PublicKey;
use crate::measure;

/// How long an id is remembered as genuine: further requests for it need no permit.
const MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a "no such key" of a key server is cached.
const ABSENCE_LIFETIME: Duration = Duration::from_secs(30);
/// The most keys; Atlassian has a handful.
const CAPACITY: u64 = 100;
/// The most key servers with permits: four domains and an override, with room for more.
const SERVERS: u64 = 16;
/// How long a server may take for a complete answer. With its fallback, the caller waits at most twice as long.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest key id, in bytes.
const LONGEST_ID: usize = 128;
/// The PEM file of an RSA key of 16,384 bits has 2.8 kB.
const MAX_KEY_BYTES: usize = 16 * 1024;
/// Fetches of ids that no server has had a key for yet. With two servers of 5 seconds each, at most 80 are running.
const LIMITS: Limits = Limits {
    burst: 20,
    pause: Duration::from_millis(200),
    again_burst: 10,
    again_pause: Duration::from_secs(1),
    longest_wait: Duration::from_secs(1),
};

/// How long a key is cached.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// A key of this age is fetched again before it is used. The key of an id never changes; the limit is for withdrawn
    /// keys.
    lifetime: Duration,
    /// If the server is unavailable, a key is used until this age.
    stale: Duration,
    /// After a failure, the server is not asked for a known key for this long.
    pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(3600),
            stale: Duration::from_secs(24 * 3600),
            pause: Duration::from_secs(5),
        }
    }
}

/// Fetches install keys over TLS and caches them, with a size limit and a lifetime. Single flight: one fetch per key at
/// a time.
///
/// Anybody can make up a key id, so fetches of unknown ids need a permit. Each key server has its own permits. An id
/// for which a server has had a key needs no permit.
#[derive(Debug)]
pub struct InstallKeys {
    override_url: Option<Url>,
    patience: Patience,
    keys: Cache<String, Known>,
    absent: Cache<String, String>,
    flights: Flights<String, Result<PublicKey, KeyError>>,
    permits: Cache<String, Arc<Permits>>,
}

/// A key from a server.
#[derive(Debug, Clone)]
struct Known {
    key: PublicKey,
    fetched: Instant,
    /// When the last renewal failed.
    failed: Option<Instant>,
}

impl InstallKeys {
    /// `override_url` replaces every key server (`CONNECT_KEYS_CDN_URL`).
    #[must_use]
    pub fn new(override_url: Option<Url>) -> Self {
        Self::with(override_url, Patience::default())
    }

    fn with(override_url: Option<Url>, patience: Patience) -> Self {
        Self {
            override_url,
            patience,
            keys: Cache::builder().max_capacity(CAPACITY).time_to_live(MEMORY).build(),
            absent: Cache::builder().max_capacity(10 * CAPACITY).time_to_live(ABSENCE_LIFETIME).build(),
            flights: Flights::new(),
            permits: Cache::builder().max_capacity(SERVERS).build(),
        }
    }

    /// The key `kid` for hosts in the domain of `host`, a host name.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn get(&self, kid: &str, host: &str) -> Result<PublicKey, KeyError> {
        self.get_from(self.servers(host), kid).await
    }

    /// The key `kid` of a single server.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn get_of_server(&self, server: &str, kid: &str) -> Result<PublicKey, KeyError> {
        self.get_from(vec![server.to_owned()], kid).await
    }

    async fn get_from(&self, servers: Vec<String>, kid: &str) -> Result<PublicKey, KeyError> {
        if !is_key_id(kid) {
            return Err(KeyError::Id);
        }
        let Some(server) = servers.first() else { return Err(KeyError::Id) };
        // the keys of one server say nothing about another's
        let id = format!("{server}/{kid}");
        if let Some(known) = self.keys.get(&id).filter(|known| self.is_fresh(known)) {
            return Ok(known.key);
        }
        if let Some(reason) = self.absent.get(&id) {
            return Err(KeyError::Unknown(reason));
        }
        let fetch = || async {
            // the last flight may have ended between our look and our joining
            match self.keys.get(&id) {
                Some(known) if self.is_fresh(&known) => Ok(known.key),
                Some(known) => self.renew(&servers, kid, &id, known).await,
                None => self.fetch_unknown(&servers, kid, &id).await,
            }
        };
        self.flights.join(id.clone(), fetch).await
    }

    fn is_fresh(&self, known: &Known) -> bool {
        known.fetched.elapsed() < self.patience.lifetime
    }

    /// Fetches a key again that the server has had before.
    async fn renew(&self, servers: &[String], kid: &str, id: &str, known: Known) -> Result<PublicKey, KeyError> {
        let failed_just_now = known.failed.is_some_and(|failed| failed.elapsed() < self.patience.pause);
        let result = if failed_just_now {
            Err(KeyError::Unavailable("it failed a moment ago".into()))
        } else {
            self.fetch(servers, kid, id).await
        };
        let Err(KeyError::Unavailable(reason)) = result else { return result };
        if !failed_just_now {
            self.keys.insert(id.to_owned(), Known { failed: Some(Instant::now()), ..known.clone() });
        }
        if known.fetched.elapsed() < self.patience.stale { Ok(known.key) } else { Err(KeyError::Unavailable(reason)) }
    }

    /// Fetches an id that may be made up.
    async fn fetch_unknown(&self, servers: &[String], kid: &str, id: &str) -> Result<PublicKey, KeyError> {
        let server = servers.first().cloned().unwrap_or_default();
        let permits = self.permits.get_with(server, || Arc::new(Permits::new(LIMITS)));
        if !permits.acquire(Some(kid)).await {
            return Err(KeyError::NotAsked("too many unknown key ids were requested recently"));
        }
        let result = self.fetch(servers, kid, id).await;
        if result.is_ok() {
            permits.give_back();
        }
        result
    }

    /// Fetches a key and caches the servers' answer.
    async fn fetch(&self, servers: &[String], kid: &str, id: &str) -> Result<PublicKey, KeyError> {
        let result = fetch_from(servers, kid).await;
        match &result {
            Ok(key) => {
                self.keys.insert(id.to_owned(), Known { key: key.clone(), fetched: Instant::now(), failed: None });
            }
            Err(KeyError::Unknown(reason)) => {
                self.keys.invalidate(id);
                self.absent.insert(id.to_owned(), reason.clone());
            }
            Err(_) => {}
        }
        result
    }

    /// The key servers for hosts in the domain of `host`, as URLs without a trailing slash, in the order in which they
    /// are asked.
    #[must_use]
    pub fn servers(&self, host: &str) -> Vec<String> {
        match &self.override_url {
            Some(url) => vec![url.as_str().trim_end_matches('/').to_owned()],
            None => servers_of(host).iter().map(|&server| server.to_owned()).collect(),
        }
    }
}

/// Whether `kid` may be put into a URL as it is: segments of plain characters, joined by `/`. It must not lead to
/// another server, out of the server's path, or into a query.
///
/// Source: Atlassian's ASAP specification, "Key identifiers"; key servers name keys like `connect-install/a1b2c3.pem`.
fn is_key_id(kid: &str) -> bool {
    (1..=LONGEST_ID).contains(&kid.len()) && kid.split('/').all(is_plain_segment)
}

fn is_plain_segment(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    let is_dots = segment.bytes().all(|byte| byte == b'.');
    segment.bytes().all(is_plain) && !is_dots
}

async fn fetch_from(servers: &[String], kid: &str) -> Result<PublicKey, KeyError> {
    let (mut unavailable, mut unknown) = (None, None);
    for server in servers {
        let fetched = fetch(server, kid).await;
        measure::key_fetch("install", super::outcome(&fetched));
        match fetched {
            Ok(key) => return Ok(key),
            Err(error) => {
                tracing::warn!(server, kid, %error, "this server returned no install key");
                let slot = if matches!(error, KeyError::Unavailable(_)) { &mut unavailable } else { &mut unknown };
                *slot = Some(error);
            }
        }
    }
    // that one server does not know a key says little while another cannot be asked
    Err(unavailable.or(unknown).unwrap_or(KeyError::Id))
}

async fn fetch(server: &str, kid: &str) -> Result<PublicKey, KeyError> {
    let exchange = async {
        let request = crate::transport::client().get(format!("{server}/{kid}"));
        let mut response = request.send().await.map_err(|error| KeyError::Unavailable(error.to_string()))?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(KeyError::Unavailable(format!("it answered {status}")));
            }
            status => return Err(KeyError::Unknown(format!("it answered {status}"))),
        }
        let body = response.body().limit(MAX_KEY_BYTES).await;
        let body = body.map_err(|error| KeyError::Unavailable(error.to_string()))?;
        PublicKey::from_pem(&body).map_err(|_| KeyError::Unknown("its answer is not a PEM public key".into()))
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(KeyError::Unavailable(format!("no answer within {} s", TIMEOUT.as_secs()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use atlassian_connect_testing::KeyServer;
    use atlassian_connect_testing::internal::KeyAnswer;

    #[test]
    fn a_key_id_is_plain_segments() {
        for good in [
            "a",
            "0a1b-2c",
            "connect.key_1",
            "connect-install/a1b2c3.pem",
            "a/b/c/d",
            "a+b/.well-known",
            "a..b/..c",
            &"k".repeat(128),
        ] {
            assert!(is_key_id(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "...",
            "/",
            "/a",
            "a/",
            "a//b",
            "../x",
            "a/..",
            "a/./b",
            "a/../b",
            "a/%2e%2e/b",
            "https://evil.example/k",
            "a;b",
            "a:b",
            "a?b",
            "a#b",
            "a%2Fb",
            "a\\b",
            "a b",
            "ä",
            "a\n",
            "@evil.example",
            &"k".repeat(129),
        ] {
            assert!(!is_key_id(bad), "{bad}");
        }
    }

    const OLD: Duration = Duration::ZERO;

    fn keys(server: &KeyServer, patience: Patience) -> InstallKeys {
        InstallKeys::with(Some(server.url().parse().unwrap()), patience)
    }

    #[actix_web::test]
    async fn an_old_key_is_used_while_its_server_is_away_and_fetches_are_rate_limited() {
        let server = KeyServer::start();
        let keys = keys(&server, Patience { lifetime: OLD, ..Patience::default() });
        for fetches in 1..=3 {
            assert!(keys.get(KeyServer::KID, "a.atlassian.net").await.is_ok());
            assert_eq!(server.fetches(), fetches, "an old key is fetched again before it is used");
        }
        server.answer(KeyAnswer::Other(503, String::new()));
        for _ in 0..20 {
            assert!(keys.get(KeyServer::KID, "a.atlassian.net").await.is_ok());
        }
        assert_eq!(server.fetches(), 4);
    }

    #[actix_web::test]
    async fn a_key_that_is_too_old_is_not_used() {
        let server = KeyServer::start();
        let keys = keys(&server, Patience { lifetime: OLD, stale: OLD, ..Patience::default() });
        assert!(keys.get(KeyServer::KID, "a.atlassian.net").await.is_ok());
        server.answer(KeyAnswer::Other(503, String::new()));
        for _ in 0..20 {
            let key = keys.get(KeyServer::KID, "a.atlassian.net").await;
            assert!(matches!(key, Err(KeyError::Unavailable(_))), "{key:?}");
        }
        assert_eq!(server.fetches(), 2);
    }

    #[actix_web::test]
    async fn a_withdrawn_key_is_unknown() {
        let server = KeyServer::start();
        let keys = keys(&server, Patience { lifetime: OLD, ..Patience::default() });
        assert!(keys.get(KeyServer::KID, "a.atlassian.net").await.is_ok());
        server.answer(KeyAnswer::Other(404, String::new()));
        for _ in 0..5 {
            let key = keys.get(KeyServer::KID, "a.atlassian.net").await;
            assert!(matches!(key, Err(KeyError::Unknown(_))), "{key:?}");
        }
        assert_eq!(server.fetches(), 2);
    }

    #[actix_web::test]
    async fn a_known_key_is_renewed_without_a_permit() {
        let server = KeyServer::start();
        let keys = keys(&server, Patience { lifetime: OLD, stale: OLD, ..Patience::default() });
        assert!(keys.get(KeyServer::KID, "a.atlassian.net").await.is_ok());
        let made_up: Vec<_> = (0..200).map(|i| format!("made-up-{i}")).collect();
        let made_up = made_up.iter().map(|kid| keys.get(kid, "a.atlassian.net"));
        let results = futures_util::future::join_all(made_up).await;
        assert!(results.iter().any(|result| matches!(result, Err(KeyError::NotAsked(_)))));
        for _ in 0..20 {
            assert!(keys.get(KeyServer::KID, "a.atlassian.net").await.is_ok());
        }
    }

    #[actix_web::test]
    async fn a_flood_for_one_server_does_not_affect_another() {
        let (server, other) = (KeyServer::start(), KeyServer::start());
        let keys = InstallKeys::new(None);
        let made_up: Vec<_> = (0..200).map(|i| format!("made-up-{i}")).collect();
        let made_up = made_up.iter().map(|kid| keys.get_of_server(server.url(), kid));
        let results = futures_util::future::join_all(made_up).await;
        assert!(results.iter().any(|result| matches!(result, Err(KeyError::NotAsked(_)))));
        assert!(keys.get_of_server(other.url(), KeyServer::KID).await.is_ok());
    }
}
