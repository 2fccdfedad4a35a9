//! A key pair of the sandbox's, made when it is first needed: that takes a busy machine seconds, and a start should not.

use std::sync::Arc;

use actix_web::web;
use tokio::sync::Mutex;

use atlassian_connect_actix::internal::jwt::JwtError;
use atlassian_connect_testing::internal::InstallKey;

pub(super) struct SigningKey {
    /// The id of the next key.
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

    /// The key that something may have been signed with; `None` before that.
    pub(super) async fn existing(&self) -> Option<Arc<InstallKey>> {
        self.key.lock().await.clone()
    }

    /// Signs with another key from now on, and takes the one before back.
    pub(super) async fn rotate(&self) -> Result<(), JwtError> {
        let made = self.generate().await?;
        *self.key.lock().await = Some(made);
        Ok(())
    }

    async fn generate(&self) -> Result<Arc<InstallKey>, JwtError> {
        let id = (self.id)();
        let made = web::block(move || InstallKey::generate(&id)).await;
        made.map_err(|_| JwtError::Key("no thread for it"))?.map(Arc::new)
    }
}
