//! The public keys that sign Forge's invocation tokens: a JSON Web Key Set, cached, with rate-limited fetches.
//!
//! The configuration decides which key set is used, never a claim. A claim can only fill the label of an Isolated Cloud
//! into a template that the operator wrote.

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
/// The longest valid key id.
const MAX_ID: usize = 256;
/// The most Isolated Clouds whose keys are cached.
const CLOUDS: u64 = 50;

/// The keys of Forge, and of the Isolated Clouds for which the configuration has a template.
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
    /// Anybody can make up a label, so requests for new labels are rate-limited.
    permits: Permits,
}

impl ForgeKeys {
    /// `url` is the key set, by default that of production; `isolated` is the template for Isolated Clouds.
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

    /// The URL of the keys.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.set.url
    }

    /// The key `kid`. Without an id, the key of a set with a single one. `label` is the Isolated Cloud that the token
    /// claims to belong to.
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
        let url =
            self.template.url(label).ok_or_else(|| KeyError::Unknown("the label of the cloud is not valid".into()))?;
        if let Some(set) = self.sets.get(label) {
            return Ok(set);
        }
        if !self.permits.acquire(Some(label)).await {
            return Err(KeyError::NotAsked("too many unknown labels of Isolated Clouds were requested recently"));
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
    async fn a_rotated_key_is_found_at_once() {
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
    async fn keys_are_renewed_in_the_background() {
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
            assert!(keys.get(Some(JwksServer::NEXT_KID), None).await.is_ok(), "a failed renewal does no harm");
        }
    }

    #[actix_web::test]
    async fn made_up_ids_cause_few_fetches_and_count_as_unknown_only_after_one() {
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
        // the first five are known to be absent in the second round too; two more are fetched then
        assert_eq!((unknown, not_asked, server.fetches()), (12, 1988, 7));
        assert!(keys.get(Some(JwksServer::KID), None).await.is_ok());
        for kid in ["", &"k".repeat(257)] {
            assert!(matches!(keys.get(Some(kid), None).await, Err(KeyError::Id)));
        }
    }

    #[actix_web::test]
    async fn a_rotated_key_is_found_during_a_flood() {
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
    async fn concurrent_callers_share_a_fetch() {
        let server = JwksServer::start();
        let keys = keys(&server, Patience::default());
        let calls = (0..100).map(|_| keys.get(Some(JwksServer::KID), None));
        assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
        assert_eq!(server.fetches(), 1);
    }

    #[actix_web::test]
    async fn old_keys_are_used_while_the_server_is_away() {
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
        // an idle connection may have been answered once more
        assert!((4..=5).contains(&server.fetches()), "it is not asked each time");
    }

    #[actix_web::test]
    async fn keys_that_are_too_old_are_not_used() {
        let server = JwksServer::start();
        let keys = keys(&server, Patience { lifetime: OLD, stale: OLD, ..Patience::default() });
        assert!(keys.get(Some(JwksServer::KID), None).await.is_ok());
        server.answer(JwksAnswer::Other(503, String::new()));
        assert!(matches!(keys.get(Some(JwksServer::KID), None).await, Err(KeyError::Unavailable(_))));
    }

    #[actix_web::test]
    async fn requests_to_a_missing_server_are_rate_limited() {
        let server = JwksServer::start();
        server.answer(JwksAnswer::Other(404, String::new()));
        let keys = keys(&server, Patience { pause: Duration::from_secs(3600), ..Patience::default() });
        for _ in 0..50 {
            assert!(keys.get(Some(JwksServer::KID), None).await.is_err_and(|error| error.is_temporary()));
        }
        assert_eq!(server.fetches(), 7, "five, and two because the id was repeated");
    }

    #[actix_web::test]
    async fn a_token_without_an_id_uses_the_only_key() {
        let server = JwksServer::start();
        let keys = keys(&server, Patience { lifetime: OLD, ..Patience::default() });
        assert!(keys.get(None, None).await.is_ok());
        server.overlap();
        assert!(matches!(keys.get(None, None).await, Err(KeyError::Unknown(_))), "there are two");
    }

    #[actix_web::test]
    async fn an_isolated_cloud_has_its_own_key_set() {
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
        assert_eq!(other.fetches(), 5, "the first label, and four more before the limit");
        let fresh = keys.get(Some(JwksServer::KID), Some("ic-2")).await;
        assert!(matches!(fresh, Err(KeyError::NotAsked(_))), "{fresh:?}");
        assert!(keys.get(Some(JwksServer::KID), Some("ic-2")).await.is_ok(), "the second request");
        assert!(keys.get(Some(JwksServer::KID), Some("ic-1")).await.is_ok());
    }
}
