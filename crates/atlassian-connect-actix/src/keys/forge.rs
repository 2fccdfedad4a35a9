//! The public keys that sign Forge's invocation tokens: a JSON Web Key Set, kept and fetched again with restraint.
//!
//! Which set is asked is the configuration's to say, never a claim's. A claim may only fill the label of an Isolated
//! Cloud into a template that the operator has written.

use std::sync::Arc;

use moka::sync::Cache;
use url::Url;

use super::KeyError;
use super::jwks::{KeySet, Patience};
use super::permits::Permits;
use crate::config::JwksTemplate;
use crate::jwt::PublicKey;

/// Forge's production keys.
///
/// Source: Atlassian, "Forge Remote essentials".
const PRODUCTION: &str = "https://forge.cdn.prod.atlassian-dev.net/.well-known/jwks.json";
/// A key id that is longer is none.
const MAX_ID: usize = 256;
/// Isolated Clouds whose keys are kept at most.
const CLOUDS: u64 = 50;

/// The keys of Forge, and of the Isolated Clouds that the configuration has a template for.
#[derive(Debug)]
pub struct ForgeKeys {
    set: Arc<KeySet>,
    isolated: Option<Isolated>,
}

#[derive(Debug)]
struct Isolated {
    template: JwksTemplate,
    patience: Patience,
    sets: Cache<String, Arc<KeySet>>,
    /// Anybody can make up a label: few of them lead to a request.
    permits: Permits,
}

impl ForgeKeys {
    /// `url` is the key set itself, production's by default; `isolated` that of Isolated Clouds.
    #[must_use]
    pub fn new(url: Option<&Url>, isolated: Option<JwksTemplate>) -> Self {
        Self::with(url, isolated, Patience::default())
    }

    fn with(url: Option<&Url>, isolated: Option<JwksTemplate>, patience: Patience) -> Self {
        Self {
            set: Arc::new(KeySet::new(url.map_or(PRODUCTION, Url::as_str).to_owned(), patience)),
            isolated: isolated.map(|template| Isolated {
                template,
                patience,
                sets: Cache::builder().max_capacity(CLOUDS).build(),
                permits: patience.permits(),
            }),
        }
    }

    /// Where the keys come from.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.set.url
    }

    /// The key `kid`; without an id the only key of a set that has one. `label` is the Isolated Cloud that the token
    /// claims to be of.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn get(&self, kid: Option<&str>, label: Option<&str>) -> Result<PublicKey, KeyError> {
        if kid.is_some_and(|kid| kid.is_empty() || kid.len() > MAX_ID) {
            return Err(KeyError::Id);
        }
        match (&self.isolated, label) {
            (Some(isolated), Some(label)) => isolated.set(label).await?.get(kid).await,
            _ => self.set.get(kid).await,
        }
    }
}

impl Isolated {
    async fn set(&self, label: &str) -> Result<Arc<KeySet>, KeyError> {
        let url = self.template.url(label).ok_or_else(|| KeyError::Unknown("the label of the cloud is none".into()))?;
        if let Some(set) = self.sets.get(label) {
            return Ok(set);
        }
        if !self.permits.acquire(Some(label)).await {
            return Err(KeyError::NotAsked("too many unknown labels of Isolated Clouds were named just now"));
        }
        let set = Arc::new(KeySet::new(url, self.patience));
        self.sets.insert(label.to_owned(), Arc::clone(&set));
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atlassian_connect_testing::internal::{JwksAnswer, JwksServer};
    use std::time::Duration;

    fn keys(server: &JwksServer, patience: Patience) -> ForgeKeys {
        ForgeKeys::with(Some(&server.url().parse().unwrap()), None, patience)
    }

    const OLD: Duration = Duration::ZERO;

    #[actix_web::test]
    async fn a_rotation_is_seen_at_once() {
        let server = JwksServer::start();
        let keys = keys(&server, Patience::default());
        assert!(keys.get(Some(JwksServer::KID), None).await.is_ok());
        assert!(keys.get(Some(JwksServer::KID), None).await.is_ok());
        assert_eq!(server.fetches(), 1);

        server.rotate();
        assert!(keys.get(Some(JwksServer::NEXT_KID), None).await.is_ok());
        assert!(matches!(keys.get(Some(JwksServer::KID), None).await, Err(KeyError::Unknown(_))), "withdrawn");
        assert_eq!(server.fetches(), 3);
    }

    #[actix_web::test]
    async fn keys_are_renewed_beside_their_use() {
        let server = JwksServer::start();
        let keys = keys(&server, Patience { renewal: OLD, ..Patience::default() });
        assert!(keys.get(Some(JwksServer::KID), None).await.is_ok());
        server.rotate();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while keys.get(Some(JwksServer::KID), None).await.is_ok() {
            assert!(std::time::Instant::now() < deadline, "the withdrawn key is still used");
            tokio::task::yield_now().await;
        }
        server.stop().await;
        for _ in 0..20 {
            assert!(keys.get(Some(JwksServer::NEXT_KID), None).await.is_ok(), "a renewal that fails harms nobody");
        }
    }

    #[actix_web::test]
    async fn made_up_ids_make_few_fetches_and_are_not_called_unknown_where_nobody_asked() {
        let server = JwksServer::start();
        let keys = keys(&server, Patience { pause: Duration::from_secs(3600), ..Patience::default() });
        let (mut unknown, mut not_asked) = (0, 0);
        for i in 0..2000 {
            match keys.get(Some(&format!("made-up-{}", i % 1000)), None).await {
                Err(KeyError::Unknown(_)) => unknown += 1,
                Err(KeyError::NotAsked(_)) => not_asked += 1,
                other => panic!("{other:?}"),
            }
        }
        // the first five are known to be absent in the second round as well, two more are asked for there
        assert_eq!((unknown, not_asked, server.fetches()), (12, 1988, 7));
        assert!(keys.get(Some(JwksServer::KID), None).await.is_ok());
        for kid in ["", &"k".repeat(257)] {
            assert!(matches!(keys.get(Some(kid), None).await, Err(KeyError::Id)));
        }
    }

    #[actix_web::test]
    async fn a_rotation_has_room_while_ids_are_made_up() {
        let server = JwksServer::start();
        let keys = keys(&server, Patience { pause: Duration::from_secs(3600), ..Patience::default() });
        for i in 0..100 {
            assert!(keys.get(Some(&format!("made-up-{i}")), None).await.is_err());
        }
        server.rotate();
        assert!(matches!(keys.get(Some(JwksServer::NEXT_KID), None).await, Err(KeyError::NotAsked(_))));
        assert!(keys.get(Some(JwksServer::NEXT_KID), None).await.is_ok(), "the second request");
    }

    #[actix_web::test]
    async fn callers_at_once_share_a_fetch() {
        let server = JwksServer::start();
        let keys = keys(&server, Patience::default());
        let calls = (0..100).map(|_| keys.get(Some(JwksServer::KID), None));
        assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
        assert_eq!(server.fetches(), 1);
    }

    #[actix_web::test]
    async fn old_keys_serve_while_the_server_is_away() {
        let server = JwksServer::start();
        let keys = keys(&server, Patience { lifetime: OLD, ..Patience::default() });
        assert!(keys.get(Some(JwksServer::KID), None).await.is_ok());
        for answer in [
            JwksAnswer::Other(500, "oops".into()),
            JwksAnswer::Other(200, "<html>".into()),
            JwksAnswer::Other(200, r#"{"keys":[]}"#.into()),
        ] {
            server.answer(answer);
            assert!(keys.get(Some(JwksServer::KID), None).await.is_ok());
        }
        server.stop().await;
        for _ in 0..20 {
            assert!(keys.get(Some(JwksServer::KID), None).await.is_ok());
        }
        // a connection that was kept open may have been answered once more
        assert!((4..=5).contains(&server.fetches()), "it is not asked each time");
    }

    #[actix_web::test]
    async fn too_old_keys_do_not() {
        let server = JwksServer::start();
        let keys = keys(&server, Patience { lifetime: OLD, stale: OLD, ..Patience::default() });
        assert!(keys.get(Some(JwksServer::KID), None).await.is_ok());
        server.answer(JwksAnswer::Other(503, String::new()));
        assert!(matches!(keys.get(Some(JwksServer::KID), None).await, Err(KeyError::Unavailable(_))));
    }

    #[actix_web::test]
    async fn a_server_that_was_never_there_is_unavailable_and_asked_with_restraint() {
        let server = JwksServer::start();
        server.answer(JwksAnswer::Other(404, String::new()));
        let keys = keys(&server, Patience { pause: Duration::from_secs(3600), ..Patience::default() });
        for _ in 0..50 {
            assert!(keys.get(Some(JwksServer::KID), None).await.is_err_and(|error| error.is_temporary()));
        }
        assert_eq!(server.fetches(), 7, "five, and two since the id comes again");
    }

    #[actix_web::test]
    async fn a_token_without_an_id_takes_the_only_key() {
        let server = JwksServer::start();
        let keys = keys(&server, Patience { lifetime: OLD, ..Patience::default() });
        assert!(keys.get(None, None).await.is_ok());
        server.overlap();
        assert!(matches!(keys.get(None, None).await, Err(KeyError::Unknown(_))), "there are two");
    }

    #[actix_web::test]
    async fn an_isolated_cloud_has_its_own_set_by_the_operators_template() {
        let (server, other) = (JwksServer::start(), JwksServer::start());
        let template: JwksTemplate = format!("{}?of={{icLabel}}", other.url()).parse().unwrap();
        let keys = ForgeKeys::with(Some(&server.url().parse().unwrap()), Some(template), Patience::default());
        assert!(keys.get(Some(JwksServer::KID), Some("ic-1")).await.is_ok());
        assert_eq!((server.fetches(), other.fetches()), (0, 1));
        assert!(keys.get(Some(JwksServer::KID), None).await.is_ok());
        assert_eq!((server.fetches(), other.fetches()), (1, 1));
        for label in ["", "IC", "a.b", "a/b", "@evil", &"a".repeat(51)] {
            assert!(matches!(keys.get(Some("k"), Some(label)).await, Err(KeyError::Unknown(_))), "{label}");
        }
        for i in 0..100 {
            let _ = keys.get(Some("k"), Some(&format!("made-up-{i}"))).await;
        }
        assert_eq!(other.fetches(), 5, "the first label's, and four more before it is enough");
        let fresh = keys.get(Some(JwksServer::KID), Some("ic-2")).await;
        assert!(matches!(fresh, Err(KeyError::NotAsked(_))), "{fresh:?}");
        assert!(keys.get(Some(JwksServer::KID), Some("ic-2")).await.is_ok(), "the second request");
        assert!(keys.get(Some(JwksServer::KID), Some("ic-1")).await.is_ok());
    }
}
