//! Changes of several documents in MongoDB, as separate steps. Each step changes one document by its id, and only if
//! the document has not changed since it was read. So concurrent requests end as if they had run one after the other.
//! If the process ends between two steps, the tenant is in its old or its new state, with at most one leftover document
//! that the next request for the tenant removes. A host that gets no answer retries.
//!
//! | | steps |
//! |---|---|
//! | install | write the installation, **from here on the new secret counts**; the association; clear an uninstall's rows |
//! | uninstall | remove the associations; write the time; rename the installation, **from here on no secret counts** |
//! | remove, purge | remove the Forge values, then their associations; the tenant's values; the installation last |
//!
//! An association has a member `at`, which distinguishes it from the same one made again; a removal only takes what it
//! has seen. If the unique index makes a write fail, the write is tried again.

use ::mongodb::Collection;
use ::mongodb::bson::{Bson, Document, RawDocumentBuf, doc, oid::ObjectId};

use super::connection::{Failure, is_duplicate};
use super::{MongoStore, TRIES, ids, too_many, value};
use crate::{CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, now};

impl MongoStore {
    fn installations_of(client_key: &str, keys: &[&str]) -> Document {
        doc! { "clientKey": client_key, "key": { "$in": keys.iter().copied().map(Bson::from).collect::<Vec<_>>() } }
    }

    pub(super) async fn save(
        &self,
        client_key: &str,
        document: &RawDocumentBuf,
        id: Option<&str>,
    ) -> Result<(), Failure> {
        // read before the write: what a later uninstall leaves must stay
        let left = [CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT];
        let left = self.documents(&self.settings, Self::installations_of(client_key, &left)).await?;
        let was_installed = self.write_installation(client_key, document).await?;
        if let Some(id) = id {
            self.associated(id, client_key).await?;
        }
        for old in &left {
            let (Some(id), Ok(key)) = (old.get("_id"), old.get_str("key")) else { continue };
            if key == CLIENT_INFO_UNINSTALLED && was_installed {
                self.supersede(client_key, id, key).await?;
            } else {
                self.settings.delete_one(as_seen(old)).await?;
            }
        }
        Ok(())
    }

    /// Returns whether there was an installation. Of duplicates, writes to the newest and marks the others as
    /// superseded.
    async fn write_installation(&self, client_key: &str, document: &RawDocumentBuf) -> Result<bool, Failure> {
        for _ in 0..TRIES {
            let there = self.documents(&self.settings, Self::installations_of(client_key, &[CLIENT_INFO])).await?;
            let mut there = ids(&there);
            let Some(newest) = there.next() else {
                match self.settings.insert_one(document).await {
                    Err(error) if is_duplicate(&error) => continue,
                    outcome => return Ok(outcome.map(|_| false)?),
                }
            };
            let same = doc! { "_id": newest, "key": CLIENT_INFO };
            if self.settings.replace_one(same, document).await?.matched_count > 0 {
                for other in there {
                    self.supersede(client_key, other, CLIENT_INFO).await?;
                }
                return Ok(true);
            }
        }
        Err(too_many())
    }

    /// Moves a document to the superseded key and replaces one that is already there.
    async fn supersede(&self, client_key: &str, id: &Bson, key: &str) -> Result<(), Failure> {
        for _ in 0..TRIES {
            match self.rename(id, key, CLIENT_INFO_SUPERSEDED).await {
                Err(error) if is_duplicate(&error) => {
                    let older = doc! { "clientKey": client_key, "key": CLIENT_INFO_SUPERSEDED, "_id": { "$ne": id } };
                    self.settings.delete_many(older).await?;
                }
                outcome => return Ok(outcome.map(drop)?),
            }
        }
        Err(too_many())
    }

    /// Returns whether the document still had the key `from`.
    async fn rename(&self, id: &Bson, from: &str, to: &str) -> Result<bool, ::mongodb::error::Error> {
        let renamed = self.settings.update_one(doc! { "_id": id, "key": from }, doc! { "$set": { "key": to } }).await?;
        Ok(renamed.matched_count > 0)
    }

    /// ACE ignores `at`, which is this framework's: it distinguishes an association from the same one created again.
    pub(super) async fn associated(&self, installation_id: &str, client_key: &str) -> Result<(), Failure> {
        let document = doc! { "installationId": installation_id, "clientKey": client_key, "at": ObjectId::new() };
        let document = value::to_raw(&document)?;
        let filter = doc! { "installationId": installation_id };
        self.upsert(&self.associations, &filter, &document).await?;
        // ACE's index is not unique. Of two that were created at the same time, one is enough.
        let there = self.documents(&self.associations, filter).await?;
        let older: Vec<_> = ids(&there).skip(1).cloned().collect();
        if !older.is_empty() {
            self.associations.delete_many(doc! { "_id": { "$in": older } }).await?;
        }
        Ok(())
    }

    pub(super) async fn end(&self, client_key: &str) -> Result<bool, Failure> {
        self.associations.delete_many(doc! { "clientKey": client_key }).await?;
        let there = self.documents(&self.settings, Self::installations_of(client_key, &[CLIENT_INFO])).await?;
        let mut there = ids(&there);
        let Some(newest) = there.next() else { return Ok(false) };
        for other in there {
            self.supersede(client_key, other, CLIENT_INFO).await?;
        }
        let at = doc! { "key": CLIENT_INFO_UNINSTALLED_AT, "clientKey": client_key };
        let mut timed = at.clone();
        timed.insert("val", i64::try_from(now()).unwrap_or(i64::MAX));
        self.upsert(&self.settings, &at, &value::to_raw(&timed)?).await?;
        for _ in 0..TRIES {
            match self.rename(newest, CLIENT_INFO, CLIENT_INFO_UNINSTALLED).await {
                Err(error) if is_duplicate(&error) => {
                    let older = Self::installations_of(client_key, &[CLIENT_INFO_UNINSTALLED]);
                    let older = self.documents(&self.settings, older).await?;
                    for id in ids(&older).filter(|id| *id != newest) {
                        self.supersede(client_key, id, CLIENT_INFO_UNINSTALLED).await?;
                    }
                }
                outcome => return Ok(outcome?),
            }
        }
        Err(too_many())
    }

    /// `before`: only if uninstalled since then. An installation that is created meanwhile stays, with its association.
    pub(super) async fn clear(&self, client_key: &str, before: Option<u64>) -> Result<bool, Failure> {
        let associations = self.documents(&self.associations, doc! { "clientKey": client_key }).await?;
        let of_installation =
            [CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, CLIENT_INFO_SUPERSEDED];
        let installation = self.documents(&self.settings, Self::installations_of(client_key, &of_installation)).await?;
        if before.is_some_and(|before| !is_uninstalled_since(&installation, before)) {
            return Ok(false);
        }
        let mut gone = 0;
        for association in &associations {
            if let Ok(id) = association.get_str("installationId") {
                gone += self.forge.delete_many(doc! { "installationId": id }).await?.deleted_count;
            }
            gone += delete_as_seen(&self.associations, association).await?;
        }
        let further = of_installation.map(Bson::from).to_vec();
        let further = doc! { "clientKey": client_key, "key": { "$nin": further } };
        gone += self.settings.delete_many(further).await?.deleted_count;
        if before.is_none() {
            return Ok(self.settings.delete_many(doc! { "clientKey": client_key }).await?.deleted_count + gone > 0);
        }
        for document in &installation {
            gone += delete_as_seen(&self.settings, document).await?;
        }
        Ok(gone > 0)
    }
}

fn is_under(document: &Document, key: &str) -> bool {
    document.get_str("key").is_ok_and(|known| known == key)
}

/// A filter for the document if it is unchanged: every new version changes one of these members.
fn as_seen(document: &Document) -> Document {
    let of = |name: &str| document.get(name).cloned().unwrap_or(Bson::Null);
    // an installation's value is large, and its key is enough: the value is only replaced under `clientInfo`
    let value = if is_under(document, CLIENT_INFO_UNINSTALLED_AT) { of("val") } else { Bson::Null };
    let mut seen = doc! { "_id": of("_id"), "clientKey": of("clientKey"), "key": of("key"), "at": of("at") };
    if value != Bson::Null {
        seen.insert("val", doc! { "$eq": value });
    }
    seen
}

async fn delete_as_seen(collection: &Collection<RawDocumentBuf>, document: &Document) -> Result<u64, Failure> {
    Ok(collection.delete_one(as_seen(document)).await?.deleted_count)
}

/// Whether the tenant of these documents has been uninstalled since `before` or longer.
fn is_uninstalled_since(documents: &[Document], before: u64) -> bool {
    let of = |key: &str| documents.iter().find(|document| is_under(document, key));
    let since = of(CLIENT_INFO_UNINSTALLED_AT).and_then(|document| match document.get("val")? {
        Bson::Int32(seconds) => u64::try_from(*seconds).ok(),
        Bson::Int64(seconds) => u64::try_from(*seconds).ok(),
        _ => None,
    });
    of(CLIENT_INFO).is_none() && of(CLIENT_INFO_UNINSTALLED).is_some() && since.is_some_and(|since| since <= before)
}
