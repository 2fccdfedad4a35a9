//! The settings of a site move to its tenant.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use super::record::{SiteRecord, save_site_record};
use crate::jwt::to_hex;
use crate::settings::is_reserved;
use crate::store::{OwnerKind, Place, Store, StoreError};

/// The keys of the settings under the site's key.
pub(super) async fn keys_of(store: &dyn Store, site: &str) -> Result<Vec<String>, StoreError> {
    let mut keys = store.keys(OwnerKind::Tenant, site).await?;
    keys.retain(|key| !is_reserved(key));
    Ok(keys)
}

/// Gives the tenant of `record` the values of the site that it does not have. A value that is still a copy of an earlier
/// one of the site counts as the site's. What was copied is written down before it is copied.
pub(super) async fn copy(
    store: &dyn Store,
    site: &str,
    keys: &[String],
    record: &mut SiteRecord,
) -> Result<(), StoreError> {
    let mut copies = Vec::new();
    for key in keys {
        let Some(value) = store.get(Place::of_tenant(site, key)).await? else { continue };
        let own = store.get(Place::of_tenant(&record.client_key, key)).await?;
        if own.as_ref() != Some(&value) && is_copy(&record.copies, key, own.as_ref()) {
            copies.push((key, own, value));
        }
    }
    // an earlier copy is recognised until the newer one is there
    let newer = copies.iter().map(|(key, _, value)| ((*key).clone(), hash(value)));
    let planned: BTreeMap<_, _> = record.copies.clone().into_iter().chain(newer).collect();
    let known: Vec<_> = copies.iter().filter(|(_, own, _)| own.is_none()).map(|(key, ..)| (*key).clone()).collect();
    record.copies.extend(planned.iter().filter(|(key, _)| known.contains(key)).map(|(k, v)| (k.clone(), v.clone())));
    save_site_record(store, site, record).await?;
    for (key, own, value) in copies {
        // what the app has written meanwhile stays
        store.exchange(Place::of_tenant(&record.client_key, key), own.as_ref(), Some(&value)).await?;
    }
    record.copies = planned;
    save_site_record(store, site, record).await
}

/// Removes the values of the site that the tenant has as well. The keys of those that stay are in `record.kept`.
pub(super) async fn remove(
    store: &dyn Store,
    site: &str,
    keys: &[String],
    record: &mut SiteRecord,
) -> Result<(), StoreError> {
    record.kept.clear();
    for key in keys {
        let place = Place::of_tenant(site, key);
        let Some(value) = store.get(place).await? else { continue };
        let is_copied = store.get(Place::of_tenant(&record.client_key, key)).await?.as_ref() == Some(&value);
        let is_removed = is_copied && store.exchange(place, Some(&value), None).await?;
        // another node may have moved it meanwhile
        if !is_removed && store.get(place).await?.is_some() {
            record.kept.push(key.clone());
        }
    }
    Ok(())
}

/// Whether the tenant has no value of its own under this key.
fn is_copy(copies: &BTreeMap<String, String>, key: &str, own: Option<&Value>) -> bool {
    own.is_none_or(|own| copies.get(key).is_some_and(|copy| *copy == hash(own)))
}

fn hash(value: &Value) -> String {
    to_hex(digest(&SHA256, value.to_string().as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    const SITE: &str = "ari:cloud:jira::site/c";
    const TENANT: &str = "client-key";

    async fn values(store: &MemoryStore, owner: &str) -> Vec<(String, Value)> {
        let mut values = Vec::new();
        for key in ["a", "b", "c"] {
            values.extend(store.get(Place::of_tenant(owner, key)).await.unwrap().map(|value| (key.to_owned(), value)));
        }
        values
    }

    /// Stopped after the copies, and gone on later: what the site has changed meanwhile counts, and what the tenant has
    /// changed itself stays.
    #[actix_web::test]
    async fn a_move_that_was_interrupted_goes_on_with_the_newer_values() {
        let store = MemoryStore::new();
        for (key, value) in [("a", 1), ("b", 1), ("c", 1)] {
            store.set(Place::of_tenant(SITE, key), &value.into()).await.unwrap();
        }
        store.set(Place::of_tenant(TENANT, "c"), &7.into()).await.unwrap();
        let mut record = SiteRecord { client_key: TENANT.to_owned(), ..SiteRecord::default() };
        let keys = keys_of(&store, SITE).await.unwrap();
        copy(&store, SITE, &keys, &mut record).await.unwrap();
        let of =
            |values: &[(&str, i32)]| values.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect::<Vec<_>>();
        assert_eq!(values(&store, TENANT).await, of(&[("a", 1), ("b", 1), ("c", 7)]));

        store.set(Place::of_tenant(SITE, "a"), &2.into()).await.unwrap();
        store.set(Place::of_tenant(SITE, "b"), &2.into()).await.unwrap();
        store.set(Place::of_tenant(TENANT, "b"), &9.into()).await.unwrap();
        let mut record = super::super::record::site_record(&store, SITE).await.unwrap().unwrap();
        copy(&store, SITE, &keys, &mut record).await.unwrap();
        remove(&store, SITE, &keys, &mut record).await.unwrap();
        assert_eq!(values(&store, TENANT).await, of(&[("a", 2), ("b", 9), ("c", 7)]));
        assert_eq!(values(&store, SITE).await, of(&[("b", 2), ("c", 1)]));
        assert_eq!(record.kept, ["b", "c"]);
    }
}
