//! The queue of the inner store, with encrypted bodies.

use async_trait::async_trait;

use super::SealedStore;
use crate::events::{EventQueue, FoundEvent, QueuedEvent, TakenEvent};
use crate::{Place, StoreError};

/// The owner in the address that bodies are bound to. No installation has this id.
const OWNER: &str = "atlassian-connect:deliveries";

fn place(id: &str) -> Place<'_> {
    Place::of_forge(OWNER, id)
}

impl SealedStore {
    fn queue(&self) -> Result<&dyn EventQueue, StoreError> {
        self.inner.events().ok_or_else(|| StoreError::refused("the store has no queue of events"))
    }
}

#[async_trait]
impl EventQueue for SealedStore {
    async fn add(&self, event: &QueuedEvent, until: u64, done_before: u64) -> Result<bool, StoreError> {
        let body = self.keys.seal(place(&event.id), &event.body)?;
        let (id, installation_id) = (event.id.clone(), event.installation_id.clone());
        let sealed = QueuedEvent { id, installation_id, attempts: event.attempts, body };
        self.queue()?.add(&sealed, until, done_before).await
    }

    async fn renew(&self, id: &str, attempts: u32, until: u64) -> Result<bool, StoreError> {
        self.queue()?.renew(id, attempts, until).await
    }

    async fn finish(&self, id: &str, at: u64) -> Result<(), StoreError> {
        self.queue()?.finish(id, at).await
    }

    async fn find(&self, start: &str) -> Result<Vec<FoundEvent>, StoreError> {
        self.queue()?.find(start).await
    }

    async fn take_over(&self, ended: u64, until: u64, limit: usize) -> Result<Vec<TakenEvent>, StoreError> {
        let taken = self.queue()?.take_over(ended, until, limit).await?;
        let opened = taken.into_iter().map(|TakenEvent { id, installation_id, attempts, body }| {
            let body = body.and_then(|body| self.keys.open(place(&id), body));
            TakenEvent { id, installation_id, attempts, body }
        });
        Ok(opened.collect())
    }

    async fn forget(&self, before: u64) -> Result<u64, StoreError> {
        self.queue()?.forget(before).await
    }
}
