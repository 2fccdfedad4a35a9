//! One JSON Web Key Set of one server: cached, with rate-limited fetches.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use moka::sync::Cache;
use parking_lot::RwLock;
use serde::Deserialize;

use super::KeyError;
use super::permits::{Limits, Permits};
use crate::flight::Flights;
use crate::jwt::PublicKey;
use crate::measure;
use crate::panics;

/// How long the server may take for a complete answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A set of a hundred keys has 60 kB.
const MAX_SET_BYTES: usize = 256 * 1024;
/// The most keys of one set.
const MAX_KEYS: usize = 100;

/// How long keys are cached, and how often their server is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// A set of this age is fetched again in the background: no caller waits.
    pub renewal: Duration,
    /// A set of this age is fetched again before it is used.
    pub lifetime: Duration,
    /// If the server is unavailable, a set is used until this age.
    pub stale: Duration,
    /// The burst of fetches; rotations and restarts need few.
    pub burst: u32,
    /// One more fetch is allowed after this time.
    pub pause: Duration,
    /// The same for repeated ids whose server was not asked, in a separate token bucket.
    pub again_burst: u32,
    /// An id that a fetch did not find is not fetched again for this long.
    pub absence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            renewal: Duration::from_secs(1800),
            lifetime: Duration::from_secs(3600),
            stale: Duration::from_secs(24 * 3600),
            burst: 5,
            pause: Duration::from_secs(5),
            again_burst: 2,
            absence: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// Callers do not wait for a permit: the next fetch comes soon, and the platform tries again.
    pub(super) fn permits(self) -> Permits {
        Permits::new(Limits {
            burst: self.burst,
            pause: self.pause,
            again_burst: self.again_burst,
            again_pause: self.pause,
            longest_wait: Duration::ZERO,
        })
    }
}

/// One key set of one server.
#[derive(Debug)]
pub(super) struct KeySet {
    pub(super) url: String,
    patience: Patience,
    held: RwLock<Option<Arc<Fetched>>>,
    /// Ids that the server did not have.
    absent: Cache<String, ()>,
    flights: Flights<(), Result<Arc<Fetched>, KeyError>>,
    permits: Permits,
    /// Whether a renewal is running.
    renewing: AtomicBool,
}

/// A renewal, which ends when this is dropped: done, panicked or cancelled.
struct Renewal(Arc<KeySet>);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.renewing.store(false, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Fetched {
    keys: HashMap<String, PublicKey>,
    /// When the fetch began.
    begun: Instant,
    /// When it ended.
    at: Instant,
}

impl Fetched {
    fn find(&self, kid: Option<&str>) -> Option<&PublicKey> {
        match kid {
            Some(kid) => self.keys.get(kid),
            None if self.keys.len() == 1 => self.keys.values().next(),
            None => None,
        }
    }
}

impl KeySet {
    pub(super) fn new(url: String, patience: Patience) -> Self {
        Self {
            url,
            patience,
            held: RwLock::new(None),
            absent: Cache::builder().max_capacity(1000).time_to_live(patience.absence).build(),
            flights: Flights::new(),
            permits: patience.permits(),
            renewing: AtomicBool::new(false),
        }
    }

    pub(super) async fn get(self: &Arc<Self>, kid: Option<&str>) -> Result<PublicKey, KeyError> {
        let held = self.held();
        let known = held.as_ref().and_then(|held| Some((held.at.elapsed(), held.find(kid)?)));
        if let Some((age, key)) = known
            && age < self.patience.lifetime
        {
            if age >= self.patience.renewal {
                self.renew(held.as_ref().map(|held| held.at));
            }
            return Ok(key.clone());
        }
        if known.is_none() && kid.is_some_and(|kid| self.absent.contains_key(kid)) {
            return Err(KeyError::Unknown("it was asked for this id a moment ago".into()));
        }
        let called = Instant::now();
        match self.refresh(held.as_ref().map(|held| held.at), kid).await {
            Ok(fetched) => match fetched.find(kid) {
                Some(key) => Ok(key.clone()),
                // joined a fetch that may have been answered before the key was published
                None if fetched.begun < called => Err(KeyError::NotAsked("a fetch was under way")),
                None => {
                    if let Some(kid) = kid {
                        self.absent.insert(kid.to_owned(), ());
                    }
                    Err(KeyError::Unknown("its key set has no such id".into()))
                }
            },
            Err(error) => match known.filter(|(age, _)| *age < self.patience.stale) {
                Some((_, key)) => Ok(key.clone()),
                None => Err(error),
            },
        }
    }

    /// Fetches a newer set in the background, one at a time, after a call has found `seen` old.
    fn renew(self: &Arc<Self>, seen: Option<Instant>) {
        if self.renewing.swap(true, Ordering::SeqCst) {
            return;
        }
        let renewal = Renewal(Arc::clone(self));
        panics::spawn("renewing the keys of Forge", async move {
            // a failure is retried by the next call
            let _ = renewal.0.refresh(seen, None).await;
        });
    }

    fn held(&self) -> Option<Arc<Fetched>> {
        self.held.read().clone()
    }

    /// A set that is newer than `seen`: from a fetch that is under way, or from one that begins now for `kid`.
    async fn refresh(&self, seen: Option<Instant>, kid: Option<&str>) -> Result<Arc<Fetched>, KeyError> {
        let fetch = || async {
            // the last flight may have ended between our look and our joining
            if let Some(held) = self.held().filter(|held| Some(held.at) > seen) {
                return Ok(held);
            }
            if !self.permits.acquire(kid).await {
                return Err(KeyError::NotAsked("too many unknown key ids were requested recently"));
            }
            let begun = Instant::now();
            let fetched = tokio::time::timeout(TIMEOUT, fetch(&self.url)).await;
            let late = || KeyError::Unavailable(format!("no answer within {} s", TIMEOUT.as_secs()));
            let fetched = fetched.unwrap_or_else(|_| Err(late()));
            measure::key_fetch("forge", super::outcome(&fetched));
            match fetched {
                Ok(keys) => {
                    let fetched = Arc::new(Fetched { keys, begun, at: Instant::now() });
                    *self.held.write() = Some(Arc::clone(&fetched));
                    Ok(fetched)
                }
                Err(error) => {
                    tracing::warn!(url = self.url, %error, "the keys of Forge could not be fetched");
                    Err(error)
                }
            }
        };
        self.flights.join((), fetch).await
    }
}

/// A JSON Web Key (RFC 7517, 4), with the members that an RSA key needs.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

/// The usable keys of a set, by id. Other types of keys are skipped (RFC 7517, 5).
fn read(body: &[u8]) -> Result<HashMap<String, PublicKey>, KeyError> {
    let unusable = |what: &str| KeyError::Unavailable(what.to_owned());
    let Jwks { keys } = serde_json::from_slice(body).map_err(|_| unusable("its answer is not a key set"))?;
    let usable = keys.into_iter().take(MAX_KEYS).filter_map(|key| {
        let Jwk { kty, kid, purpose, alg, n, e } = serde_json::from_value(key).ok()?;
        let signs = kty == "RSA"
            && purpose.is_none_or(|purpose| purpose == "sig")
            && alg.is_none_or(|algorithm| algorithm == "RS256");
        signs.then(|| Some((kid.unwrap_or_default(), PublicKey::from_jwk_members(&n, &e).ok()?)))?
    });
    let keys: HashMap<_, _> = usable.collect();
    // an empty set would lock everybody out
    if keys.is_empty() { Err(unusable("its key set has no key for RS256")) } else { Ok(keys) }
}

async fn fetch(url: &str) -> Result<HashMap<String, PublicKey>, KeyError> {
    let away = |reason: &dyn std::fmt::Display| KeyError::Unavailable(reason.to_string());
    let mut response = crate::transport::client().get(url).send().await.map_err(|error| away(&error))?;
    if response.status() != StatusCode::OK {
        return Err(KeyError::Unavailable(format!("it answered {}", response.status())));
    }
    read(&response.body().limit(MAX_SET_BYTES).await.map_err(|error| away(&error))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_renewal_ends_when_it_panics_or_is_cancelled() {
        let set = Arc::new(KeySet::new(String::new(), Patience::default()));
        for panics in [true, false] {
            set.renewing.store(true, Ordering::SeqCst);
            let renewal = Renewal(Arc::clone(&set));
            let task = panics::spawn("a test", async move {
                let _renewal = renewal;
                assert!(!panics, "boom");
                std::future::pending::<()>().await;
            });
            tokio::task::yield_now().await;
            task.abort();
            drop(task.await);
            assert!(!set.renewing.load(Ordering::SeqCst), "panics: {panics}");
        }
    }

    #[test]
    fn the_rsa_keys_of_a_set_are_read() {
        let n = "u".repeat(341) + "g";
        let jwk = |more: &str| format!(r#"{{"kty":"RSA","kid":"a","n":"{n}","e":"AQAB"{more}}}"#);
        for (set, ids) in [
            (jwk(""), 1),
            (jwk(r#","use":"sig","alg":"RS256","x5c":["…"]"#), 1),
            (format!("{},{}", jwk(""), r#"{"kty":"EC","kid":"b","crv":"P-256"},{"kty":7},3"#), 1),
            (format!("{},{}", jwk(""), jwk("").replace(r#""a""#, r#""b""#)), 2),
        ] {
            assert_eq!(read(format!(r#"{{"keys":[{set}]}}"#).as_bytes()).unwrap().len(), ids, "{set}");
        }
        for body in [
            String::new(),
            "<html>".into(),
            r#"{"keys":[]}"#.into(),
            r#"{"keys":{}}"#.into(),
            format!("[{}]", jwk("")),
            format!(r#"{{"keys":[{}]}}"#, jwk(r#","use":"enc""#)),
            format!(r#"{{"keys":[{}]}}"#, jwk(r#","alg":"HS256""#)),
            r#"{"keys":[{"kty":"oct","kid":"a","k":"c2VjcmV0"}]}"#.into(),
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
