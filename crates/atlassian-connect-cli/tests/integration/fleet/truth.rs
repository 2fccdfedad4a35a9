//! Who may have which tenant.

use std::collections::{BTreeSet, HashMap, HashSet};

use atlassian_connect_actix::store::Store;

use super::customers::Fleet;

/// The tenants of the same customer, by the id of an installation or the key of a site. Nobody may ever have another one.
pub(super) struct Truth(HashMap<String, HashSet<String>>);

impl Truth {
    pub(super) fn of(fleet: &Fleet) -> Self {
        let mut own: HashMap<String, HashSet<String>> = HashMap::new();
        for installation in fleet.installations() {
            for id in std::iter::once(&installation.id).chain(&installation.keys) {
                own.entry(id.clone()).or_default().extend(installation.own.iter().cloned());
            }
        }
        for (key, client_key) in fleet.sites_of_tenants() {
            own.entry(key).or_default().insert(client_key);
        }
        Self(own)
    }

    /// Adds what is wrong now.
    pub(super) async fn check(&self, store: &dyn Store, wrong: &mut BTreeSet<String>) {
        for (id, own) in &self.0 {
            let has = store.client_key_of_installation(id).await.unwrap();
            if let Some(has) = has.filter(|has| !own.contains(has)) {
                wrong.insert(format!("{id} has {has}, and its own are {own:?}"));
            }
        }
    }
}
