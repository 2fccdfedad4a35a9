//! The store on MongoDB, with the collections and documents of atlassian-connect-express:
//! `{ key, clientKey, val }` in `AddonSettings` (or what `store.collection` names), `{ installationId, clientKey }` in
//! `InstallationClientKeys`, `{ installationId, key, val }` in `ForgeSettings`. Events are in a collection of our own,
//! see [`events`].
//!
//! Source: `lib/store/mongodb.js` of atlassian-connect-express 11.5.3. A standalone server has no transactions, so
//! changes of several documents run as separate steps in [`steps`], in an order that loses nothing if the process ends
//! between two of them.
//!
//! ACE's indexes are made at the start, two more by clientKey for lists and removals, and one for events. One that cannot be made is
//! only a warning. Nodes are not notified, because change streams need a replica set: an old secret ends with its cache
//! entry.
//!
//! MongoDB's own server is not in Debian. The tests run on an emulator of its protocol from the Python package index,
//! `secantusdb` 0.7.0b3: as a single server, and as a replica set with TLS and a user. An emulator proves nothing about
//! durability, elections, sharded clusters, or what a real server does with indexes that are in its way.

mod connection;
mod events;
mod steps;
mod value;

use std::collections::BTreeSet;

use ::mongodb::bson::{Bson, Document, RawDocumentBuf, doc, oid::ObjectId};
use ::mongodb::options::IndexOptions;
use ::mongodb::{Collection, Cursor, IndexModel};
use async_trait::async_trait;
use serde_json::Value;

pub(super) use self::connection::error_code;
use self::connection::{Failure, MongoClient};
use super::attempt::Attempt;
use super::{
    CLIENT_INFO, EventQueue, KeyPage, OwnerKind, Place, Store, StoreError, TenantPage, as_installation, check_keys,
    fits,
};
use crate::config::StoreConfig;

/// A store in MongoDB.
pub struct MongoStore {
    client: MongoClient,
    settings: Collection<RawDocumentBuf>,
    associations: Collection<RawDocumentBuf>,
    forge: Collection<RawDocumentBuf>,
    events: Collection<RawDocumentBuf>,
}

impl std::fmt::Debug for MongoStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MongoStore").field("settings", &self.settings.name()).finish_non_exhaustive()
    }
}

/// How often a conflicting write is retried. Each conflict means that another write has succeeded.
const TRIES: usize = 16;

fn too_many() -> Failure {
    StoreError::unavailable("too many concurrent writes to the same tenant").into()
}

/// The value of a document. One without a value, which only other programs can have written, does not count.
fn value_of(mut document: Document) -> Option<Result<Value, StoreError>> {
    document.remove("val").map(value::to_json)
}

/// The filter for the document of `place`.
fn filter(place: Place<'_>) -> Document {
    match place {
        Place::Tenant { client_key, key } => doc! { "key": key, "clientKey": client_key },
        Place::Forge { installation_id, key } => doc! { "installationId": installation_id, "key": key },
    }
}

/// The document, with its members in ACE's order.
fn document(place: Place<'_>, value: &Value) -> Result<RawDocumentBuf, StoreError> {
    let value = value::to_bson(value)?;
    let document = match place {
        Place::Tenant { client_key, key } => doc! { "key": key, "clientKey": client_key, "val": value },
        Place::Forge { installation_id, key } => doc! { "key": key, "val": value, "installationId": installation_id },
    };
    value::to_raw(&document)
}

fn can_be(place: Place<'_>) -> bool {
    fits(place.owner()) && fits(place.key())
}

/// The next document. Not read through serde, which would turn `{ "$oid": … }` in a value into an `ObjectId`.
async fn next(cursor: &mut Cursor<RawDocumentBuf>) -> Result<Option<Document>, Failure> {
    if !cursor.advance().await? {
        return Ok(None);
    }
    Document::try_from(cursor.current()).map(Some).map_err(unreadable)
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    StoreError::refused("a document in MongoDB cannot be read").caused_by(error).into()
}

async fn all(mut cursor: Cursor<RawDocumentBuf>) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    while let Some(document) = next(&mut cursor).await? {
        documents.push(document);
    }
    Ok(documents)
}

impl MongoStore {
    /// Connects to the database that `config` names. Creates nothing in it.
    ///
    /// # Errors
    /// [`StoreError::Configuration`], with what to do, if the URL, the password or the certificate cannot work.
    /// [`StoreError::Unavailable`] if the server is not reachable.
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let client = MongoClient::open(config).await?;
        let collection = |name| client.database().collection(name);
        let (settings, associations, forge) =
            (collection(&config.collection), collection("InstallationClientKeys"), collection("ForgeSettings"));
        let events = collection(events::COLLECTION);
        Ok(Self { client, settings, associations, forge, events })
    }

    /// Creates ACE's indexes, two more for listing and removing tenants, and one for events. If an index cannot be created, such as a
    /// unique one on an old database with duplicates, the store logs a warning and works without it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the server is not reachable, [`StoreError::Configuration`] if it wants another
    /// user.
    pub async fn make_indexes(&self) -> Result<(), StoreError> {
        let indexes = [
            (&self.settings, doc! { "key": 1, "clientKey": 1 }, true),
            (&self.settings, doc! { "key": 1 }, false),
            (&self.associations, doc! { "installationId": 1 }, false),
            (&self.forge, doc! { "installationId": 1, "key": 1 }, true),
            (&self.settings, doc! { "clientKey": 1, "key": 1 }, false),
            (&self.associations, doc! { "clientKey": 1 }, false),
            (&self.events, doc! { "state": 1, "at": 1 }, false),
        ];
        for (collection, keys, unique) in indexes {
            let options = unique.then(|| IndexOptions::builder().unique(true).build());
            let index = IndexModel::builder().keys(keys.clone()).options(options).build();
            match self.client.run(async { Ok(collection.create_index(index).await.map(drop)?) }).await {
                Ok(()) => {}
                Err(StoreError::Refused(reason)) => tracing::warn!(
                    collection = collection.name(),
                    index = %keys,
                    %reason,
                    "an index of the store cannot be created; the store works without it"
                ),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn of(&self, kind: OwnerKind) -> &Collection<RawDocumentBuf> {
        match kind {
            OwnerKind::Tenant => &self.settings,
            OwnerKind::Forge => &self.forge,
        }
    }

    /// The matching documents, newest first.
    async fn documents(
        &self,
        collection: &Collection<RawDocumentBuf>,
        filter: Document,
    ) -> Result<Vec<Document>, Failure> {
        all(collection.find(filter).sort(doc! { "_id": -1 }).await?).await
    }

    /// Replaces or removes each value that is `expected`. Returns whether there was one.
    async fn exchange_value(
        &self,
        place: Place<'_>,
        expected: &Value,
        new: Option<&RawDocumentBuf>,
    ) -> Result<bool, Failure> {
        let (collection, mut exchanged) = (self.of(place.kind()), 0);
        for held in self.documents(collection, filter(place)).await? {
            let (Some(id), Some(stored)) = (held.get("_id").cloned(), held.get("val").cloned()) else { continue };
            if value::to_json(stored.clone())? != *expected {
                continue;
            }
            // `$eq`, so that no name inside the value works as an operator
            let same = doc! { "_id": id, "val": { "$eq": stored } };
            exchanged += match new {
                Some(new) => collection.replace_one(same, new).await?.matched_count,
                None => collection.delete_one(same).await?.deleted_count,
            };
        }
        Ok(exchanged > 0)
    }

    /// Adds a value unless there is one. Returns whether there was none. Of several at the same time, the unique index
    /// refuses all but one; without that index, two may be added.
    async fn add_value(&self, place: Place<'_>, new: Option<&RawDocumentBuf>) -> Result<bool, Failure> {
        let collection = self.of(place.kind());
        let is_free = self.documents(collection, filter(place)).await?.into_iter().find_map(value_of).is_none();
        let (true, Some(new)) = (is_free, new) else { return Ok(is_free) };
        // a document without a value, which only other programs can have written, gets one
        let mut without = filter(place);
        without.insert("val", doc! { "$exists": false });
        match collection.replace_one(without, new).upsert(true).await {
            Err(error) if connection::is_duplicate(&error) => Ok(false),
            outcome => Ok(outcome.map(|_| true)?),
        }
    }

    /// Replaces what `filter` finds with `document`, or inserts it. If several match, replaces the newest.
    async fn upsert(
        &self,
        collection: &Collection<RawDocumentBuf>,
        filter: &Document,
        document: &RawDocumentBuf,
    ) -> Result<(), Failure> {
        for _ in 0..TRIES {
            let replacing = collection.find_one_and_replace(filter.clone(), document).sort(doc! { "_id": -1 });
            match replacing.projection(doc! { "_id": 1 }).upsert(true).await {
                // another request has inserted it meanwhile: now there is one to replace
                Err(error) if connection::is_duplicate(&error) => {}
                outcome => return Ok(outcome.map(drop)?),
            }
        }
        Err(too_many())
    }
}

/// How many documents the server sends per batch of a page.
fn batch(limit: usize) -> u32 {
    u32::try_from(limit.saturating_add(1)).unwrap_or(u32::MAX).min(1000)
}

/// The ids of documents.
fn ids(documents: &[Document]) -> impl Iterator<Item = &Bson> {
    documents.iter().filter_map(|document| document.get("_id"))
}

/// The member of a document that names its owner.
fn owner_name(kind: OwnerKind) -> &'static str {
    match kind {
        OwnerKind::Tenant => "clientKey",
        OwnerKind::Forge => "installationId",
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn values(&self, place: Place<'_>) -> Result<Vec<Value>, StoreError> {
        if !can_be(place) {
            return Ok(Vec::new());
        }
        let documents = self.client.run(self.documents(self.of(place.kind()), filter(place))).await?;
        documents.into_iter().filter_map(value_of).collect()
    }

    async fn set(&self, place: Place<'_>, value: &Value) -> Result<(), StoreError> {
        check_keys(&[place.owner(), place.key()])?;
        let document = document(place, value)?;
        self.client.run(self.upsert(self.of(place.kind()), &filter(place), &document)).await
    }

    async fn delete(&self, place: Place<'_>) -> Result<bool, StoreError> {
        if !can_be(place) {
            return Ok(false);
        }
        let gone = async { Ok(self.of(place.kind()).delete_many(filter(place)).await?) };
        Ok(self.client.run(gone).await?.deleted_count > 0)
    }

    async fn exchange(
        &self,
        place: Place<'_>,
        expected: Option<&Value>,
        value: Option<&Value>,
    ) -> Result<bool, StoreError> {
        check_keys(&[place.owner(), place.key()])?;
        let new = value.map(|value| document(place, value)).transpose()?;
        match expected {
            Some(expected) => self.client.run(self.exchange_value(place, expected, new.as_ref())).await,
            None => self.client.run(self.add_value(place, new.as_ref())).await,
        }
    }

    async fn keys(&self, kind: OwnerKind, owner: &str) -> Result<Vec<String>, StoreError> {
        let work = async {
            let find = self.of(kind).find(doc! { owner_name(kind): owner, "val": { "$exists": true } });
            all(find.projection(doc! { "_id": 0, "key": 1 }).await?).await
        };
        let documents = self.client.run(work).await?;
        let keys: BTreeSet<&str> = documents.iter().filter_map(|document| document.get_str("key").ok()).collect();
        Ok(keys.into_iter().map(str::to_owned).collect())
    }

    async fn key_page(&self, kind: OwnerKind, from: Option<&str>, limit: usize) -> Result<KeyPage, StoreError> {
        let (limit, collection, owner) = (limit.max(1), self.of(kind), owner_name(kind));
        let work = async {
            let filter = doc! { owner: { "$gte": from.unwrap_or_default() } };
            let find = collection.find(filter).sort(doc! { owner: 1, "key": 1 });
            // the index for this order may be missing
            let find = find.projection(doc! { "_id": 0, owner: 1, "key": 1 }).allow_disk_use(true);
            let mut cursor = find.batch_size(batch(limit)).await?;
            let mut page = KeyPage::default();
            while let Some(document) = next(&mut cursor).await? {
                let (Ok(name), Ok(key)) = (document.get_str(owner), document.get_str("key")) else { continue };
                if let Some((_, keys)) = page.owners.last_mut().filter(|(last, _)| last == name) {
                    keys.push(key.to_owned());
                } else if page.owners.len() == limit {
                    page.next = Some(name.to_owned());
                    break;
                } else {
                    page.owners.push((name.to_owned(), vec![key.to_owned()]));
                }
            }
            Ok(page)
        };
        self.client.run(work).await
    }

    async fn save_installation(
        &self,
        client_key: &str,
        installation: &Value,
        installation_id: Option<&str>,
    ) -> Result<(), StoreError> {
        check_keys(&[client_key, installation_id.unwrap_or_default()])?;
        let document = document(Place::of_tenant(client_key, CLIENT_INFO), installation)?;
        let work = async {
            Attempt::current().commit()?;
            self.save(client_key, &document, installation_id).await
        };
        self.client.run(work).await
    }

    async fn uninstall(&self, client_key: &str) -> Result<bool, StoreError> {
        if !fits(client_key) {
            return Ok(false);
        }
        let work = async {
            Attempt::current().commit()?;
            self.end(client_key).await
        };
        self.client.run(work).await
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<TenantPage, StoreError> {
        let (after, limit) = (after.unwrap_or_default(), limit.max(1));
        let work = async {
            let filter = doc! { "key": CLIENT_INFO, "clientKey": { "$gt": after } };
            let mut cursor = self.settings.find(filter).sort(doc! { "clientKey": 1 }).batch_size(batch(limit)).await?;
            // (clientKey, id, installation); of duplicates, the newest counts
            let mut found: Vec<(String, Option<ObjectId>, Value)> = Vec::new();
            while found.len() <= limit {
                let Some(document) = next(&mut cursor).await? else { break };
                let Ok(client_key) = document.get_str("clientKey").map(str::to_owned) else { continue };
                let id = document.get_object_id("_id").ok();
                let Some(value) = value_of(document).transpose()? else { continue };
                match found.last_mut().filter(|(last, ..)| *last == client_key) {
                    Some(last) if last.1 < id => *last = (client_key, id, value),
                    Some(_) => {}
                    None => found.push((client_key, id, value)),
                }
            }
            Ok(found)
        };
        let found = self.client.run(work).await?;
        let more = found.len() > limit;
        let tenants: Vec<_> =
            found.into_iter().take(limit).map(|(client_key, _, value)| (client_key, as_installation(value))).collect();
        let next = if more { tenants.last().map(|(client_key, _)| client_key.clone()) } else { None };
        Ok(TenantPage { tenants, next })
    }

    async fn remove(&self, client_key: &str) -> Result<bool, StoreError> {
        self.client.run(self.clear(client_key, None)).await
    }

    async fn purge(&self, client_key: &str, before: u64) -> Result<bool, StoreError> {
        self.client.run(self.clear(client_key, Some(before))).await
    }

    async fn client_key_of_installation(&self, installation_id: &str) -> Result<Option<String>, StoreError> {
        let found = self.client.run(self.documents(&self.associations, doc! { "installationId": installation_id }));
        let newest = found.await?.into_iter().next();
        Ok(newest.and_then(|association| association.get_str("clientKey").map(str::to_owned).ok()))
    }

    async fn associate(&self, installation_id: &str, client_key: &str) -> Result<(), StoreError> {
        check_keys(&[installation_id, client_key])?;
        self.client.run(self.associated(installation_id, client_key)).await
    }

    fn events(&self) -> Option<&dyn EventQueue> {
        Some(self)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.client.ping().await
    }
}
