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

/// How long a key is used before its server is asked for it again. Keys do not change under their id; the limit is for
/// those that are withdrawn.
const KEY_LIFETIME: Duration = Duration::from_secs(3600);
/// Where the server is away, a key is used until it has this age.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// How long an id is remembered as one that the server had a key for: to ask for it again needs no permit.
const MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long after a failed renewal of a known key the server is not asked for it again.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);
/// How long a key server's "no such key" is believed.
const ABSENCE_LIFETIME: Duration = Duration::from_secs(30);
/// Keys at most; Atlassian has a handful.
const CAPACITY: u64 = 100;
/// Key servers whose permits are counted: four domains, an override, a host in this process.
const SERVERS: u64 = 16;
/// A server has this long to answer whole; with its fallback the caller waits twice that at most.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A PEM file of an RSA key of 16,384 bits has 2.8 kB.
const MAX_KEY_BYTES: usize = 16 * 1024;
/// Fetches of ids that no server has had a key for yet. With two servers of 5 seconds each, at most 80 are under way.
const LIMITS: Limits = Limits {
    burst: 20,
    pause: Duration::from_millis(200),
    again_burst: 10,
    again_pause: Duration::from_secs(1),
    longest_wait: Duration::from_secs(1),
};

/// Fetches install keys over TLS and keeps them: bounded, for a time, one fetch for one key at once.
///
/// Anybody can make up the id of a key, so that fetches of unknown ids need a permit. Each key server has permits of
/// its own. An id that a server has had a key for needs none any more.
#[derive(Debug)]
pub struct InstallKeys {
    override_url: Option<Url>,
    keys: Cache<String, Known>,
    absent: Cache<String, String>,
    flights: Flights<String, Result<PublicKey, KeyError>>,
    permits: Cache<String, Arc<Permits>>,
}

/// A key that a server has answered with.
#[derive(Debug, Clone)]
struct Known {
    key: PublicKey,
    fetched: Instant,
    /// The last renewal failed at this time.
    failed: Option<Instant>,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.fetched.elapsed() < KEY_LIFETIME
    }

    fn is_usable(&self) -> bool {
        self.fetched.elapsed() < STALE
    }

    fn failed_a_moment_ago(&self) -> bool {
        self.failed.is_some_and(|failed| failed.elapsed() < RENEWAL_PAUSE)
    }
}

impl InstallKeys {
    /// `override_url` takes the place of every key server (`CONNECT_KEYS_CDN_URL`).
    #[must_use]
    pub fn new(override_url: Option<Url>) -> Self {
        Self {
            override_url,
            keys: Cache::builder().max_capacity(CAPACITY).time_to_live(MEMORY).build(),
            absent: Cache::builder().max_capacity(10 * CAPACITY).time_to_live(ABSENCE_LIFETIME).build(),
            flights: Flights::new(),
            permits: Cache::builder().max_capacity(SERVERS).build(),
        }
    }

    /// The key `kid` for hosts of the domain of `host` (a host name).
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn get(&self, kid: &str, host: &str) -> Result<PublicKey, KeyError> {
        self.get_from(self.servers(host), kid).await
    }

    /// The key `kid` of one server alone.
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
        // a key of one server says nothing about another server's
        let id = format!("{server}/{kid}");
        if let Some(known) = self.keys.get(&id).filter(Known::is_fresh) {
            return Ok(known.key);
        }
        if let Some(reason) = self.absent.get(&id) {
            return Err(KeyError::Unknown(reason));
        }
        let fetch = || async {
            // the run before may have ended between our look and our joining
            match self.keys.get(&id) {
                Some(known) if known.is_fresh() => Ok(known.key),
                Some(known) => self.renew(&servers, kid, &id, known).await,
                None => self.fetch_unknown(&servers, kid, &id).await,
            }
        };
        self.flights.join(id.clone(), fetch).await
    }

    /// Asks again for a key that the server has had before.
    async fn renew(&self, servers: &[String], kid: &str, id: &str, mut known: Known) -> Result<PublicKey, KeyError> {
        let result = if known.failed_a_moment_ago() {
            Err(KeyError::Unavailable("it has failed a moment ago".into()))
        } else {
            self.fetch(servers, kid, id).await
        };
        match result {
            Err(KeyError::Unavailable(reason)) => {
                if !known.failed_a_moment_ago() {
                    known.failed = Some(Instant::now());
                    self.keys.insert(id.to_owned(), known.clone());
                }
                if known.is_usable() { Ok(known.key) } else { Err(KeyError::Unavailable(reason)) }
            }
            result => result,
        }
    }

    /// Asks for an id that may be made up.
    async fn fetch_unknown(&self, servers: &[String], kid: &str, id: &str) -> Result<PublicKey, KeyError> {
        let server = servers.first().cloned().unwrap_or_default();
        let permits = self.permits.get_with(server, || Arc::new(Permits::new(LIMITS)));
        if !permits.acquire(Some(kid)).await {
            return Err(KeyError::NotAsked("too many unknown key ids were asked for just now"));
        }
        let result = self.fetch(servers, kid, id).await;
        if result.is_ok() {
            permits.give_back();
        }
        result
    }

    /// Fetches and remembers what the servers say.
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

    /// The key servers for hosts of the domain of `host`, as URLs without a slash at the end; the first one is asked
    /// first.
    #[must_use]
    pub fn servers(&self, host: &str) -> Vec<String> {
        match &self.override_url {
            Some(url) => vec![url.as_str().trim_end_matches('/').to_owned()],
            None => servers_of(host).iter().map(|&server| server.to_owned()).collect(),
        }
    }
}

/// Whether `kid` is one path segment that needs no escaping.
fn is_key_id(kid: &str) -> bool {
    (1..=128).contains(&kid.len())
        && kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && kid.bytes().any(|byte| byte != b'.')
}

async fn fetch_from(servers: &[String], kid: &str) -> Result<PublicKey, KeyError> {
    let (mut unavailable, mut unknown) = (None, None);
    for server in servers {
        match fetch(server, kid).await {
            Ok(key) => return Ok(key),
            Err(error) => {
                tracing::warn!(server, kid, %error, "no install key from this server");
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
                return Err(KeyError::Unavailable(format!("it answers {status}")));
            }
            status => return Err(KeyError::Unknown(format!("it answers {status}"))),
        }
        let body = response.body().limit(MAX_KEY_BYTES).await;
        let body = body.map_err(|error| KeyError::Unavailable(error.to_string()))?;
        PublicKey::from_pem(&body).map_err(|_| KeyError::Unknown("what it answers is no PEM public key".into()))
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(KeyError::Unavailable(format!("no answer within {} s", TIMEOUT.as_secs()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_is_one_plain_segment() {
        for good in ["a", "0a1b-2c", "connect.key_1", &"k".repeat(128)] {
            assert!(is_key_id(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
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
}
