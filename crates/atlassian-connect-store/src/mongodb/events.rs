//! The queue of events in MongoDB: `{ _id: <id>, installation, state, at, attempts, body }` in the collection
//! `forge_events`. The body is a text, so no name inside it can act as an operator.
//!
//! Each change is one operation on one document, which names the state that it expects. So of several nodes one gets an
//! event, on a single server too.

use ::mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use async_trait::async_trait;

use super::connection::{Failure, is_duplicate};
use super::{MongoStore, all, unreadable, value};
use crate::StoreError;
use crate::events::{EventQueue, FoundEvent, QueuedEvent, TakenEvent, check, ids_from, is_id, parse, seconds};

/// The name of the collection.
pub(super) const COLLECTION: &str = "forge_events";

/// A whole number, as this store writes them.
fn number(document: &Document, name: &str) -> Option<i64> {
    match document.get(name)? {
        Bson::Int32(number) => Some((*number).into()),
        Bson::Int64(number) => Some(*number),
        _ => None,
    }
}

fn text(document: &Document, name: &str) -> String {
    document.get_str(name).unwrap_or_default().to_owned()
}

fn taken(document: &Document) -> TakenEvent {
    let id = text(document, "_id");
    let attempts = number(document, "attempts").and_then(|number| u32::try_from(number).ok());
    let body = parse(&id, document.get_str("body").ok());
    let installation_id = text(document, "installation");
    TakenEvent { id, installation_id, attempts: attempts.unwrap_or_default(), body }
}

impl MongoStore {
    async fn insert(&self, event: &RawDocumentBuf, done: Option<Document>) -> Result<bool, Failure> {
        if let Some(done) = done
            && self.events.replace_one(done, event).await?.matched_count > 0
        {
            return Ok(true);
        }
        match self.events.insert_one(event).await {
            Err(error) if is_duplicate(&error) => Ok(false),
            outcome => Ok(outcome.map(|_| true)?),
        }
    }

    async fn take_one(&self, ended: i64, until: i64) -> Result<Option<TakenEvent>, Failure> {
        let expired = doc! { "state": "waiting", "at": { "$lt": ended } };
        let taking = self.events.find_one_and_update(expired, doc! { "$set": { "at": until } }).sort(doc! { "at": 1 });
        let Some(found) = taking.await? else { return Ok(None) };
        Document::try_from(found).map(|document| Some(taken(&document))).map_err(unreadable)
    }
}

#[async_trait]
impl EventQueue for MongoStore {
    async fn add(&self, event: &QueuedEvent, until: u64, done_before: u64) -> Result<bool, StoreError> {
        check(event)?;
        let document = value::to_raw(&doc! {
            "_id": &event.id,
            "installation": &event.installation_id,
            "state": "waiting",
            "at": seconds(until),
            "attempts": i64::from(event.attempts),
            "body": event.body.to_string(),
        })?;
        let done = doc! { "_id": &event.id, "state": "done", "at": { "$lt": seconds(done_before) } };
        self.client.run(self.insert(&document, (done_before > 0).then_some(done))).await
    }

    async fn renew(&self, id: &str, attempts: u32, until: u64) -> Result<bool, StoreError> {
        if !is_id(id) {
            return Ok(false);
        }
        let new = doc! { "$set": { "at": seconds(until), "attempts": i64::from(attempts) } };
        let work = async { Ok(self.events.update_one(doc! { "_id": id, "state": "waiting" }, new).await?) };
        Ok(self.client.run(work).await?.matched_count > 0)
    }

    async fn finish(&self, id: &str, at: u64) -> Result<(), StoreError> {
        if !is_id(id) {
            return Ok(());
        }
        let new = doc! { "$set": { "state": "done", "at": seconds(at) }, "$unset": { "body": "" } };
        let work = async { Ok(self.events.update_one(doc! { "_id": id }, new).await.map(drop)?) };
        self.client.run(work).await
    }

    async fn find(&self, start: &str) -> Result<Vec<FoundEvent>, StoreError> {
        let Some(ids) = ids_from(start) else { return Ok(Vec::new()) };
        let work = async {
            let find = self.events.find(doc! { "_id": { "$gte": ids.start, "$lt": ids.end } }).sort(doc! { "_id": 1 });
            all(find.projection(doc! { "_id": 1, "state": 1, "at": 1 }).await?).await
        };
        let found = self.client.run(work).await?.into_iter().map(|document| {
            let at = number(&document, "at").and_then(|at| u64::try_from(at).ok()).unwrap_or_default();
            let is_done = document.get_str("state").is_ok_and(|state| state == "done");
            FoundEvent { id: text(&document, "_id"), done: is_done.then_some(at) }
        });
        Ok(found.collect())
    }

    async fn take_over(&self, ended: u64, until: u64, limit: usize) -> Result<Vec<TakenEvent>, StoreError> {
        let mut all = Vec::new();
        while all.len() < limit {
            match self.client.run(self.take_one(seconds(ended), seconds(until))).await {
                Ok(Some(event)) => all.push(event),
                Ok(None) => break,
                // those that were taken must not wait for the end of their new lease
                Err(error) if !all.is_empty() => {
                    tracing::warn!(%error, "no more events could be taken over");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    async fn forget(&self, before: u64) -> Result<u64, StoreError> {
        let done = doc! { "state": "done", "at": { "$lt": seconds(before) } };
        let work = async { Ok(self.events.delete_many(done).await?) };
        Ok(self.client.run(work).await?.deleted_count)
    }
}
