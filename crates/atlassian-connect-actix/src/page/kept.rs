//! The tokens of Forge that came with a page: they act as the app and as the user for this page session alone.
//!
//! They are kept in memory, and in the store for other nodes where that is sealed or `pageKeys` can seal them. They never
//! become the installation's token: whoever looks at a page can send any token beside its invocation. For the same reason
//! each account has a number of places, in memory as in the store, that its own sessions share: nobody takes another
//! one's.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::seal::Sealer;
use crate::installation::Apis;
use crate::jwt::{now, to_hex};
use crate::outbound::AppToken;
use crate::store::{Place, Store, StoreError};

/// Bytes that are kept in memory at most.
const CAPACITY: u64 = 64 * 1024 * 1024;
/// Longer than any token of Forge lives; the tokens' own expiry counts.
const LIFETIME: Duration = Duration::from_secs(4 * 3600);
/// That the store had nothing better is believed for so long.
const ABSENT_LIFETIME: Duration = Duration::from_secs(2);
/// Sessions of one account whose tokens are kept at most: a session takes one place, and may take over another one's.
const PLACES: u8 = 32;
/// A token that expires sooner is not used, in seconds.
const MARGIN: i64 = 5;
/// How the rows of the store begin.
pub(super) const ROW: &str = "page:";

/// One page session: an installation, an account, and what tells it from others of theirs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionId<'a> {
    pub(crate) installation: &'a str,
    pub(crate) account: Option<&'a str>,
    pub(crate) sid: &'a str,
}

impl SessionId<'_> {
    /// Which of its account's places it has.
    fn place(&self) -> u8 {
        digest(&SHA256, self.sid.as_bytes()).as_ref().first().copied().unwrap_or_default() % PLACES
    }

    /// The place in memory. The length keeps names apart that run into each other.
    fn name(&self) -> String {
        let account = self.account.unwrap_or_default();
        format!("{}.{}.{}{account}", self.place(), self.installation.len(), self.installation)
    }

    /// The key of its row among those of the installation. Nobody who is not logged in has one: they would all share it.
    fn row(&self) -> Option<String> {
        let account = to_hex(digest(&SHA256, self.account?.as_bytes()).as_ref());
        Some(format!("{ROW}{}:{}", account.get(..32).unwrap_or(&account), self.place()))
    }
}

/// What Forge sent along with a page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forwarded {
    /// Acts as the app.
    pub(crate) app: Option<Token>,
    /// Acts as the user.
    pub(crate) user: Option<Token>,
    /// It is known what came along; otherwise this node has not seen the page.
    pub(crate) is_known: bool,
}

impl Forwarded {
    pub(crate) fn of(app: Option<Token>, user: Option<Token>) -> Self {
        Self { app, user, is_known: true }
    }

    /// Whether all that came along is still good.
    fn is_good(&self) -> bool {
        [&self.app, &self.user].into_iter().flatten().all(|token| token.usable().is_some())
    }
}

/// A bearer token, and when it expires in seconds since 1970, where that is known.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    token: SecretString,
    expires_at: Option<i64>,
}

impl Token {
    /// A token of at most `limit` bytes: anything may stand in the header.
    pub(crate) fn read(token: &SecretString, limit: usize) -> Option<Self> {
        if token.expose_secret().len() > limit {
            return None;
        }
        let read = AppToken::read(token.expose_secret(), Apis::default(), false, limit);
        Some(Self { token: token.clone(), expires_at: read.expires_at })
    }

    /// The token, if it has not expired.
    pub(crate) fn usable(&self) -> Option<&SecretString> {
        let is_good = self.expires_at.is_none_or(|at| at.saturating_sub(MARGIN) > now());
        is_good.then_some(&self.token)
    }

    fn bytes(&self) -> usize {
        self.token.expose_secret().len()
    }
}

/// A row of the store.
#[derive(Serialize, Deserialize)]
struct Row {
    /// Whose tokens these are: places are shared.
    sid: String,
    app: Option<(String, Option<i64>)>,
    user: Option<(String, Option<i64>)>,
}

impl Row {
    fn of(sid: &str, tokens: &Forwarded) -> Self {
        let plain = |token: &Token| (token.token.expose_secret().to_owned(), token.expires_at);
        Self { sid: sid.to_owned(), app: tokens.app.as_ref().map(plain), user: tokens.user.as_ref().map(plain) }
    }

    fn tokens(self) -> Forwarded {
        let token = |(token, expires_at): (String, Option<i64>)| Token { token: token.into(), expires_at };
        Forwarded::of(self.app.map(token), self.user.map(token))
    }
}

/// What a place in memory has: whose tokens, and the tokens.
type Kept = (String, Forwarded);

/// See the module.
#[derive(Debug)]
pub(crate) struct KeptTokens {
    known: Cache<String, Kept>,
    absent: Cache<String, ()>,
    sealer: Sealer,
    /// The store seals what it is given.
    is_store_sealed: bool,
}

impl KeptTokens {
    pub(super) fn new(keys: &[SecretString], is_store_sealed: bool) -> Self {
        let bytes = |name: &String, (sid, tokens): &Kept| {
            let of_tokens = [&tokens.app, &tokens.user].into_iter().flatten().map(Token::bytes).sum::<usize>();
            u32::try_from(256 + name.len() + sid.len() + of_tokens).unwrap_or(u32::MAX)
        };
        Self {
            known: Cache::builder().max_capacity(CAPACITY).weigher(bytes).time_to_live(LIFETIME).build(),
            absent: Cache::builder().max_capacity(10_000).time_to_live(ABSENT_LIFETIME).build(),
            sealer: Sealer::new(keys),
            is_store_sealed,
        }
    }

    /// Keeps what came with a page, in memory now. The answer is the row that the store should be given, if it may have
    /// one.
    pub(crate) fn keep(&self, id: SessionId<'_>, tokens: &Forwarded) -> Option<(String, Value)> {
        self.known.insert(id.name(), (id.sid.to_owned(), tokens.clone()));
        let is_shared = self.is_store_sealed || !self.sealer.is_empty();
        if !is_shared || (tokens.app.is_none() && tokens.user.is_none()) {
            return None;
        }
        let (key, row) = (id.row()?, serde_json::to_string(&Row::of(id.sid, tokens)).ok()?);
        if self.is_store_sealed {
            return Some((key, json!({ "page": row })));
        }
        let sealed = self.sealer.seal(&place(id.installation, &key), &row)?;
        Some((key, json!({ "sealed": sealed })))
    }

    /// What came with this page; nothing, where this node has not seen it and the store does not have it.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn find(&self, store: &dyn Store, id: SessionId<'_>) -> Result<Forwarded, StoreError> {
        let name = id.name();
        let known = || self.known.get(&name).filter(|(sid, _)| sid == id.sid).map(|(_, tokens)| tokens);
        let found = known();
        // the shell may have brought fresh ones to another node
        if found.as_ref().is_some_and(Forwarded::is_good) || (self.sealer.is_empty() && !self.is_store_sealed) {
            return Ok(found.unwrap_or_default());
        }
        let (Some(key), absent) = (id.row(), format!("{name}.{}", id.sid)) else {
            return Ok(found.unwrap_or_default());
        };
        if self.absent.contains_key(&absent) {
            return Ok(found.unwrap_or_default());
        }
        let value = store.get(Place::of_forge(id.installation, &key)).await?;
        let text = value.and_then(|value| match value.get("sealed").and_then(Value::as_str) {
            Some(sealed) => self.sealer.open(&place(id.installation, &key), sealed),
            None if self.is_store_sealed => value.get("page")?.as_str().map(str::to_owned),
            None => None,
        });
        let row = text.and_then(|text| serde_json::from_str::<Row>(&text).ok()).filter(|row| row.sid == id.sid);
        let read = row.map(Row::tokens);
        // what came to this node meanwhile is newer
        if let Some(known) = known().filter(Forwarded::is_good) {
            return Ok(known);
        }
        match read {
            Some(tokens) if tokens.is_good() => {
                self.known.insert(name, (id.sid.to_owned(), tokens.clone()));
                Ok(tokens)
            }
            read => {
                self.absent.insert(absent, ());
                Ok(found.or(read).unwrap_or_default())
            }
        }
    }
}

fn place(installation: &str, key: &str) -> String {
    format!("{installation}\n{key}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::MemoryStore;

    const ID: SessionId<'_> = SessionId { installation: "i", account: Some("mia"), sid: "1" };

    fn token(text: &str, expires_at: Option<i64>) -> Token {
        Token { token: text.into(), expires_at }
    }

    fn tokens() -> Forwarded {
        Forwarded::of(Some(token("of the app", None)), Some(token("of mia", None)))
    }

    fn user(tokens: &Forwarded) -> Option<&str> {
        tokens.user.as_ref()?.usable().map(secrecy::ExposeSecret::expose_secret)
    }

    async fn written(store: &MemoryStore, row: Option<(String, Value)>) {
        let (key, value) = row.unwrap();
        store.set(Place::of_forge("i", &key), &value).await.unwrap();
    }

    #[actix_web::test]
    async fn tokens_serve_their_own_session_on_every_node() {
        let keys = ["a".repeat(32)].map(SecretString::from);
        for (keys, is_store_sealed, is_shared) in [(&keys[..], false, true), (&[], true, true), (&[], false, false)] {
            let store = MemoryStore::new();
            let (first, second) = (KeptTokens::new(keys, is_store_sealed), KeptTokens::new(keys, is_store_sealed));
            let row = first.keep(ID, &tokens());
            assert_eq!(row.is_some(), is_shared);
            if let Some((key, value)) = row {
                assert!(is_store_sealed || !value.to_string().contains("mia"), "{value}");
                store.set(Place::of_forge("i", &key), &value).await.unwrap();
            }
            assert_eq!(user(&first.find(&store, ID).await.unwrap()), Some("of mia"));
            assert_eq!(user(&second.find(&store, ID).await.unwrap()).is_some(), is_shared);
            for other in [
                SessionId { sid: "2", ..ID },
                SessionId { account: Some("ben"), ..ID },
                SessionId { account: None, ..ID },
                SessionId { installation: "j", ..ID },
            ] {
                for node in [&first, &second] {
                    assert_eq!(user(&node.find(&store, other).await.unwrap()), None, "{other:?}");
                }
            }
        }
    }

    #[actix_web::test]
    async fn fresh_tokens_that_came_to_another_node_are_found() {
        let keys = ["a".repeat(32)].map(SecretString::from);
        let store = MemoryStore::new();
        let (first, second) = (KeptTokens::new(&keys, false), KeptTokens::new(&keys, false));
        written(&store, first.keep(ID, &Forwarded::of(None, Some(token("old", Some(now())))))).await;
        assert_eq!(user(&second.find(&store, ID).await.unwrap()), None);
        written(&store, first.keep(ID, &tokens())).await;
        second.absent.invalidate_all();
        assert_eq!(user(&second.find(&store, ID).await.unwrap()), Some("of mia"));
    }

    #[test]
    fn a_token_that_has_expired_is_not_used() {
        for (expires_at, is_usable) in
            [(None, true), (Some(now() + 60), true), (Some(now() + 5), false), (Some(0), false)]
        {
            assert_eq!(token("x", expires_at).usable().is_some(), is_usable, "{expires_at:?}");
        }
        assert!(Token::read(&"x".repeat(101).into(), 100).is_none());
    }

    #[test]
    fn an_account_has_a_bounded_number_of_places_and_takes_no_other_ones() {
        let ids: Vec<String> = (0..2000).map(|sid| format!("session-{sid}")).collect();
        let of = |account| ids.iter().map(move |sid| SessionId { account, sid, ..ID });
        let rows: BTreeSet<_> = of(Some("mia")).map(|id| id.row().unwrap()).collect();
        assert_eq!(rows.len(), usize::from(PLACES));
        assert!(rows.iter().all(|row| row.len() < 64));
        assert!(of(None).all(|id| id.row().is_none()));
        let names: BTreeSet<_> = of(Some("mia")).chain(of(Some("ben"))).map(|id| id.name()).collect();
        assert_eq!(names.len(), 2 * usize::from(PLACES));
    }
}
