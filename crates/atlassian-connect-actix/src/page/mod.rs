//! Pages on Forge: what their tokens say, the keys that sign them, and Forge's own tokens that belong to a page.
//!
//! A page in a Connect frame is proven by the host's JWT. A page on Forge stands in a frame of the app's shell, and its
//! URL carries a token of our own, the page token: the endpoint `/forge/open` makes one from Forge's invocation token.
//! Calls of the page bring a session token, which the same keys sign.

mod bound_url;
mod claims;
mod ended;
mod kept;
mod keys;
mod seal;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use tokio::sync::Semaphore;

pub(crate) use bound_url::BoundUrl;
pub(crate) use claims::{PageClaims, Purpose};
pub(crate) use kept::{Forwarded, SessionId, Token};
pub(crate) use keys::{PageKey, PageKeys};

use crate::config::Config;
use crate::store::{OwnerKind, Place, Store, StoreError};
use ended::Ended;
use kept::KeptTokens;

/// Writes of tokens to the store that are under way at once.
const WRITES: usize = 32;

/// So many random bytes as a text for a URL; `None`: the system has no random numbers.
pub(crate) fn random_text<const BYTES: usize>() -> Option<String> {
    let mut bytes = [0; BYTES];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// What pages on Forge share.
#[derive(Debug)]
pub struct Pages {
    pub(crate) keys: PageKeys,
    pub(crate) tokens: KeptTokens,
    pub(crate) ended: Ended,
    /// Writes of tokens to the store that are under way.
    pub(crate) writes: Arc<Semaphore>,
}

impl Pages {
    /// An installation ends: its pages and sessions are over, and the tokens that came with them go.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn end(&self, store: &dyn Store, installation: &str) -> Result<(), StoreError> {
        self.ended.end(store, installation).await?;
        for key in store.keys(OwnerKind::Forge, installation).await? {
            if key.starts_with(kept::ROW) {
                store.delete(Place::of_forge(installation, &key)).await?;
            }
        }
        Ok(())
    }

    pub(crate) fn new(config: &Config) -> Self {
        let configured: &[SecretString] = &config.page_keys;
        Self {
            keys: PageKeys::new(configured, config.max_token_age),
            tokens: KeptTokens::new(configured, !config.store.encryption_keys.is_empty()),
            ended: Ended::new(),
            writes: Arc::new(Semaphore::new(WRITES)),
        }
    }
}
