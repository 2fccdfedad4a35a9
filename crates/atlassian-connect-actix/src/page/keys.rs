//! The keys that sign the tokens of pages: those of `pageKeys`, or one that is made at first use and kept in the store.
//!
//! A key of the store stands in a row of its own under its id, and is never changed. A further row names the key that
//! signs and the one before it, which counts until the last token that it has signed has expired; no other key does. Where two nodes make the first
//! key at the same moment, one of the two is named in the end; what the other one has signed until then is good as long
//! as its key is young.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::random_text;
use crate::budget::Budget;
use crate::flight::Flights;
use crate::jwt::{JwtError, SharedSecret, now};
use crate::store::{Place, Store, StoreError};

/// The owner of the rows: no installation has such a name.
const OWNER: &str = "atlassian-connect:pages";
/// The row that names the keys that count.
const NAMED: &str = "currentKey";
/// How an id of a key begins, so that our tokens are told from those of hosts.
const PREFIX: &str = "page:";
/// How long a node goes by what it has read of the store: a key that is rotated away counts so long at most.
const FRESH: Duration = Duration::from_secs(60);
/// How far apart reads are that tokens with unknown ids cause: anybody can make up an id.
const READ_INTERVAL: Duration = Duration::from_millis(200);
/// How long a key counts that is not named, in seconds: the time in which two nodes may both have made one.
const YOUNG: i64 = 20 * 60;
/// Look-ups of keys that are not named, and how soon one more is allowed.
const LOOK_UPS: u32 = 100;
const LOOK_UP_PAUSE: Duration = Duration::from_millis(20);

/// A key and its id.
#[derive(Debug)]
pub(crate) struct PageKey {
    kid: String,
    secret: SharedSecret,
}

impl PageKey {
    fn new(text: &str) -> Result<Self, JwtError> {
        let secret = SharedSecret::new(text);
        let name = secret.fingerprint("atlassian-connect page key")?;
        Ok(Self { kid: format!("{PREFIX}{name}"), secret })
    }

    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String, JwtError> {
        self.secret.sign_as(&self.kid, claims)
    }

    /// For [`crate::jwt::Unverified::verify_hs256`].
    pub(crate) fn secret(&self) -> &SharedSecret {
        &self.secret
    }
}

/// Which keys count, as the store has it.
#[derive(Debug, Serialize, Deserialize)]
struct Named {
    kid: String,
    #[serde(default)]
    previous: Option<String>,
}

/// A key as the store has it.
#[derive(Serialize, Deserialize)]
struct Row {
    key: String,
    /// Seconds since 1970.
    created: i64,
}

/// The keys that count, as this node has read them.
#[derive(Debug)]
struct Known {
    current: Arc<PageKey>,
    /// With the time from which on it counts no longer, in seconds since 1970.
    previous: Option<(Arc<PageKey>, i64)>,
    read: Instant,
}

type Read = Result<Arc<Known>, StoreError>;

/// See the module.
#[derive(Debug)]
pub(crate) struct PageKeys {
    configured: Vec<Arc<PageKey>>,
    known: RwLock<Option<Arc<Known>>>,
    /// How long after a rotation the key before counts, in seconds.
    overlap: i64,
    look_ups: Budget,
    flights: Flights<(), Read>,
}

impl PageKeys {
    /// `lifetime`: how long a token is good at most.
    pub(crate) fn new(configured: &[SecretString], lifetime: Duration) -> Self {
        let key = |text: &SecretString| PageKey::new(text.expose_secret()).ok().map(Arc::new);
        Self {
            configured: configured.iter().filter_map(key).collect(),
            known: RwLock::new(None),
            // another node goes on signing with the key before until it looks
            overlap: i64::try_from((lifetime + 2 * FRESH).as_secs()).unwrap_or(i64::MAX),
            look_ups: Budget::new(LOOK_UPS, LOOK_UP_PAUSE),
            flights: Flights::new(),
        }
    }

    /// Whether a token with this key id claims to be signed by a page key.
    pub(crate) fn is_page_key(kid: Option<&str>) -> bool {
        kid.is_some_and(|kid| kid.starts_with(PREFIX))
    }

    /// The key that signs, if it has been needed before.
    pub(crate) fn signing_now(&self) -> Option<Arc<PageKey>> {
        let known = || Some(Arc::clone(&self.known()?.current));
        self.configured.first().cloned().or_else(known)
    }

    /// The key that signs.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn signing(&self, store: &dyn Store) -> Result<Arc<PageKey>, StoreError> {
        match self.configured.first() {
            Some(key) => Ok(Arc::clone(key)),
            None => Ok(Arc::clone(&self.current(store).await?.current)),
        }
    }

    /// The key with this id; `None`: there is none that counts.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn verifying(&self, store: &dyn Store, kid: &str) -> Result<Option<Arc<PageKey>>, StoreError> {
        if !self.configured.is_empty() {
            return Ok(self.configured.iter().find(|key| key.kid == kid).cloned());
        }
        if let Some(key) = self.current(store).await?.find(kid) {
            return Ok(Some(key));
        }
        // another node may have rotated a moment ago
        if let Some(key) = self.read_again(store).await?.find(kid) {
            return Ok(Some(key));
        }
        let is_odd = kid.len() > 64 || !kid.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_".contains(&b));
        if is_odd || !self.look_ups.take() {
            return Ok(None);
        }
        let found = key(store, kid).await?;
        Ok(found.filter(|(_, created)| now().saturating_sub(*created) < YOUNG).map(|(key, _)| key))
    }

    /// Makes another key, which signs from now on: on other nodes within a minute. What the key before it has signed is
    /// good until it expires, and that key counts no longer than that; with the next rotation it counts no more.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn rotate(&self, store: &dyn Store) -> Result<(), StoreError> {
        let before = named(store).await?;
        let key = make(store).await?;
        let previous = before.as_ref().map(|before| before.kid.clone());
        name(store, &Named { kid: key.kid.clone(), previous }).await?;
        if let Some(old) = before.and_then(|before| before.previous) {
            store.delete(Place::of_forge(OWNER, &old)).await?;
        }
        self.read(store).await.map(drop)
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.known.read().clone()
    }

    /// What is known, read anew every minute. While the store is away, what is known goes on.
    async fn current(&self, store: &dyn Store) -> Read {
        let known = self.known();
        if let Some(known) = known.as_ref().filter(|known| known.read.elapsed() < FRESH) {
            return Ok(Arc::clone(known));
        }
        let read = self.flights.join((), || self.read(store)).await;
        read.or_else(|error| known.ok_or(error))
    }

    /// A read that begins after this call, which others share.
    async fn read_again(&self, store: &dyn Store) -> Read {
        let wait = || async {
            if let Some(known) = self.known() {
                tokio::time::sleep(READ_INTERVAL.saturating_sub(known.read.elapsed())).await;
            }
        };
        self.flights.join_next((), wait, || self.read(store)).await
    }

    async fn read(&self, store: &dyn Store) -> Read {
        let read = Instant::now();
        let named = if let Some(named) = named(store).await? {
            named
        } else {
            let made = make(store).await?;
            let first = Named { kid: made.kid.clone(), previous: None };
            // another node may have done the same: of the two names the first one counts
            store.exchange(Place::of_forge(OWNER, NAMED), None, Some(&value_of(&first)?)).await?;
            named(store).await?.unwrap_or(first)
        };
        let (current, made) = key(store, &named.kid).await?.ok_or_else(|| refused("is named, and not there"))?;
        let previous = match &named.previous {
            Some(kid) => key(store, kid).await?.map(|(key, _)| (key, made.saturating_add(self.overlap))),
            None => None,
        };
        let known = Arc::new(Known { current, previous, read });
        *self.known.write() = Some(Arc::clone(&known));
        Ok(known)
    }
}

impl Known {
    fn find(&self, kid: &str) -> Option<Arc<PageKey>> {
        if self.current.kid == kid {
            return Some(Arc::clone(&self.current));
        }
        let (previous, until) = self.previous.as_ref().filter(|(key, _)| key.kid == kid)?;
        (now() < *until).then(|| Arc::clone(previous))
    }
}

async fn named(store: &dyn Store) -> Result<Option<Named>, StoreError> {
    let row = store.get(Place::of_forge(OWNER, NAMED)).await?;
    row.map(|row| Named::deserialize(row).map_err(|error| refused(&error.to_string()))).transpose()
}

async fn name(store: &dyn Store, named: &Named) -> Result<(), StoreError> {
    store.set(Place::of_forge(OWNER, NAMED), &value_of(named)?).await
}

fn value_of(named: &Named) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(named).map_err(|error| refused(&error.to_string()))
}

/// The key with this id, and when it was made.
async fn key(store: &dyn Store, kid: &str) -> Result<Option<(Arc<PageKey>, i64)>, StoreError> {
    let Some(row) = store.get(Place::of_forge(OWNER, kid)).await?.and_then(|row| Row::deserialize(row).ok()) else {
        return Ok(None);
    };
    let key = PageKey::new(&row.key).ok().filter(|key| key.kid == kid);
    Ok(key.map(|key| (Arc::new(key), row.created)))
}

/// A new key, in a row of its own.
async fn make(store: &dyn Store) -> Result<PageKey, StoreError> {
    let text = random_text::<32>().ok_or_else(|| refused("cannot be made: the system has no random numbers"))?;
    let key = PageKey::new(&text).map_err(|error| refused(&error.to_string()))?;
    store.set(Place::of_forge(OWNER, &key.kid), &json!(Row { key: text, created: now() })).await?;
    Ok(key)
}

fn refused(why: &str) -> StoreError {
    StoreError::refused(format!("the key that signs the tokens of pages {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::Unverified;
    use crate::store::MemoryStore;

    fn page_keys(configured: &[SecretString]) -> PageKeys {
        PageKeys::new(configured, Duration::from_secs(900))
    }

    /// Whether `node` verifies what `key` has signed.
    async fn accepts(node: &PageKeys, store: &dyn Store, key: &PageKey) -> bool {
        let token = key.sign(&json!({ "exp": 1 })).unwrap();
        let unverified = Unverified::parse(&token, 4096).unwrap();
        assert!(PageKeys::is_page_key(unverified.kid()));
        match node.verifying(store, unverified.kid().unwrap()).await.unwrap() {
            Some(key) => unverified.verify_hs256(key.secret()).is_ok(),
            None => false,
        }
    }

    #[actix_web::test]
    async fn nodes_that_make_a_key_at_once_accept_each_others_tokens_and_end_with_one() {
        let store = MemoryStore::new();
        let (first, second) = (page_keys(&[]), page_keys(&[]));
        // both have found no key, and each has named its own: the second name is the one that stands
        let (one, other) = (make(&store).await.unwrap(), make(&store).await.unwrap());
        name(&store, &Named { kid: one.kid.clone(), previous: None }).await.unwrap();
        assert_eq!(first.signing(&store).await.unwrap().kid, one.kid);
        name(&store, &Named { kid: other.kid.clone(), previous: None }).await.unwrap();
        assert_eq!(second.signing(&store).await.unwrap().kid, other.kid);
        for key in [&one, &other] {
            assert!(accepts(&first, &store, key).await && accepts(&second, &store, key).await);
        }
        assert_eq!(first.signing(&store).await.unwrap().kid, other.kid, "it has read again");
        // the key that lost counts for a while, and not for ever
        let row = json!(Row { key: "lost".into(), created: now() - YOUNG });
        let lost = PageKey::new("lost").unwrap();
        store.set(Place::of_forge(OWNER, &lost.kid), &row).await.unwrap();
        assert!(!accepts(&first, &store, &lost).await);
    }

    #[actix_web::test]
    async fn a_rotated_key_verifies_until_the_next_rotation_on_every_node() {
        let store = MemoryStore::new();
        let (node, other) = (page_keys(&[]), page_keys(&[]));
        let first = node.signing(&store).await.unwrap();
        assert!(accepts(&other, &store, &first).await);
        node.rotate(&store).await.unwrap();
        let second = node.signing(&store).await.unwrap();
        assert_ne!(first.kid, second.kid);
        for node in [&node, &other] {
            assert!(accepts(node, &store, &first).await && accepts(node, &store, &second).await);
        }
        node.rotate(&store).await.unwrap();
        let third = node.signing(&store).await.unwrap();
        for node in [&node, &other] {
            assert!(accepts(node, &store, &third).await && accepts(node, &store, &second).await);
            assert!(!accepts(node, &store, &first).await);
        }
    }

    #[actix_web::test]
    async fn a_key_that_may_have_leaked_counts_no_longer_than_its_last_token() {
        let store = MemoryStore::new();
        let node = page_keys(&[]);
        let first = node.signing(&store).await.unwrap();
        node.rotate(&store).await.unwrap();
        let current = node.signing(&store).await.unwrap();
        let made = async |key: &PageKey, ago: i64| {
            let row = store.get(Place::of_forge(OWNER, &key.kid)).await.unwrap().unwrap();
            let row = json!(Row { created: now() - ago, ..Row::deserialize(row).unwrap() });
            store.set(Place::of_forge(OWNER, &key.kid), &row).await.unwrap();
        };
        // one that is young may be one of two nodes' first keys
        made(&first, YOUNG).await;
        for (ago, counts) in [(900 + 60, true), (900 + 121, false)] {
            made(&current, ago).await;
            assert_eq!(accepts(&page_keys(&[]), &store, &first).await, counts, "rotated {ago} s ago");
        }
    }

    #[actix_web::test]
    async fn the_first_configured_key_signs_and_all_verify() {
        let store = MemoryStore::new();
        let texts = ["a".repeat(32), "b".repeat(32)].map(SecretString::from);
        let (both, second) = (page_keys(&texts), page_keys(&texts[1..]));
        assert!(accepts(&both, &store, &second.signing(&store).await.unwrap()).await);
        assert!(!accepts(&second, &store, &both.signing(&store).await.unwrap()).await);
        // what is configured takes the place of what the store has
        let stored = page_keys(&[]).signing(&store).await.unwrap();
        assert!(!accepts(&both, &store, &stored).await);
    }

    #[actix_web::test]
    async fn ids_that_are_made_up_keep_no_good_key_out() {
        let store = MemoryStore::new();
        let (maker, node) = (page_keys(&[]), page_keys(&[]));
        let key = maker.signing(&store).await.unwrap();
        let made_up = (0..300).map(|number| format!("page:{number}"));
        let odd = ["page:".into(), "page:a/b".into(), format!("page:{}", "x".repeat(100))];
        let all: Vec<String> = made_up.chain(odd).collect();
        let refused = futures_util::future::join_all(all.iter().map(|kid| node.verifying(&store, kid))).await;
        assert!(refused.into_iter().all(|found| found.unwrap().is_none()));
        assert!(!node.look_ups.take(), "the budget is spent");
        assert!(accepts(&node, &store, &key).await);
    }
}
