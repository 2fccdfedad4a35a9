//! The queue of events in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use super::MemoryStore;
use crate::StoreError;
use crate::events::{EventQueue, FoundEvent, QueuedEvent, TakenEvent, check, ids_from};

/// Events by their ids.
pub(super) type Events = BTreeMap<String, Event>;

pub(super) enum Event {
    Waiting { event: QueuedEvent, until: u64 },
    Done { at: u64 },
}

impl Event {
    fn done(&self) -> Option<u64> {
        match self {
            Self::Waiting { .. } => None,
            Self::Done { at } => Some(*at),
        }
    }
}

/// The body as it was written to a database and read: one that is nested too deeply cannot be read.
fn read(event: &QueuedEvent) -> Result<Value, StoreError> {
    crate::events::parse(&event.id, Some(&event.body.to_string()))
}

#[async_trait]
impl EventQueue for MemoryStore {
    async fn add(&self, event: &QueuedEvent, until: u64, done_before: u64) -> Result<bool, StoreError> {
        check(event)?;
        let events = &mut self.data().events;
        let is_free = events.get(&event.id).is_none_or(|held| held.done().is_some_and(|at| at < done_before));
        if is_free {
            events.insert(event.id.clone(), Event::Waiting { event: event.clone(), until });
        }
        Ok(is_free)
    }

    async fn renew(&self, id: &str, attempts: u32, until: u64) -> Result<bool, StoreError> {
        match self.data().events.get_mut(id) {
            Some(Event::Waiting { event, until: end }) => {
                (event.attempts, *end) = (attempts, until);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn finish(&self, id: &str, at: u64) -> Result<(), StoreError> {
        if let Some(event) = self.data().events.get_mut(id) {
            *event = Event::Done { at };
        }
        Ok(())
    }

    async fn find(&self, start: &str) -> Result<Vec<FoundEvent>, StoreError> {
        let Some(ids) = ids_from(start) else { return Ok(Vec::new()) };
        let data = self.data();
        let found = data.events.range(ids);
        Ok(found.map(|(id, event)| FoundEvent { id: id.clone(), done: event.done() }).collect())
    }

    async fn take_over(&self, ended: u64, until: u64, limit: usize) -> Result<Vec<TakenEvent>, StoreError> {
        let mut data = self.data();
        let mut expired: Vec<_> = data
            .events
            .values_mut()
            .filter_map(|event| match event {
                Event::Waiting { event, until } if *until < ended => Some((until, event)),
                _ => None,
            })
            .collect();
        expired.sort_by_key(|(end, _)| **end);
        let taken = expired.into_iter().take(limit).map(|(end, event)| {
            *end = until;
            let (id, installation_id) = (event.id.clone(), event.installation_id.clone());
            TakenEvent { id, installation_id, attempts: event.attempts, body: read(event) }
        });
        Ok(taken.collect())
    }

    async fn forget(&self, before: u64) -> Result<u64, StoreError> {
        let events = &mut self.data().events;
        let count = events.len();
        events.retain(|_, event| event.done().is_none_or(|at| at >= before));
        Ok(u64::try_from(count.saturating_sub(events.len())).unwrap_or(u64::MAX))
    }
}
