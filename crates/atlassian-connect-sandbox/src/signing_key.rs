//! A key pair of the sandbox. Generated at first use, because that can take seconds on a busy machine and must not
//! delay the start.

use std::sync::Arc;

use actix_web::web;
use tokio::sync::Mutex;

use atlassian_connect_actix::internal::jwt::JwtError;
use atlassian_connect_testing::internal::InstallKey;

pub(super) struct SigningKey {
    /// Creates the id of the next key.
    id: fn() -> String,
    key: Mutex<Option<Arc<InstallKey>>>,
}

impl SigningKey {
    pub(super) fn new(id: fn() -> String) -> Self {
        Self { id, key: Mutex::new(None) }
    }

    /// The key to sign with.
    pub(super) async fn get(&self) -> Result<Arc<InstallKey>, JwtError> {
        let mut key = self.key.lock().await;
        if let Some(key) = &*key {
            return Ok(Arc::clone(key));
        }
        let made = self.generate().await?;
        *key = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The key, if it exists.
    pub(super) async fn existing(&self) -> Option<Arc<InstallKey>> {
        self.key.lock().await.clone()
    }

    /// Replaces the key and withdraws the previous one.
    pub(super) async fn rotate(&self) -> Result<(), JwtError> {
        let made = self.generate().await?;
        *self.key.lock().await = Some(made);
        Ok(())
    }

    async fn generate(&self) -> Result<Arc<InstallKey>, JwtError> {
        let id = (self.id)();
        let made = web::block(move || InstallKey::generate(&id)).await;
        made.map_err(|_| JwtError::Key("cannot start a thread to generate it"))?.map(Arc::new)
    }
}
