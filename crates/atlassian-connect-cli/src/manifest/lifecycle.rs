//! The lifecycle callbacks: Connect's, and the one that Forge has a module for.

use serde_json::{Map, Value, json};

use super::app::REMOTE;
use super::conversion::Conversion;
use super::exceptions::{HOURS_OF_NOTHING, MOVES_REALMS, NEVER_CALLED, ODD_HOURS, ODD_TYPE, OTHER_CALLBACK};
use super::modules::list;
use super::yaml::Item;
use atlassian_connect_actix::internal::descriptor::{self, Lifecycle};

const DARE: &str = "dare-migration";

impl Conversion<'_> {
    /// `jira:lifecycle`: one module for all callbacks.
    pub(super) fn lifecycle(&mut self) -> Option<Item> {
        let mut callbacks = Map::new();
        for (name, url) in self.object("lifecycle").into_iter().flatten().filter(|(_, url)| !url.is_null()) {
            let path = descriptor::member("$.lifecycle", name);
            if name == DARE {
                continue;
            }
            match Lifecycle::ALL.into_iter().find(|callback| callback.name() == name) {
                None => self.report(&OTHER_CALLBACK, path),
                Some(callback) => {
                    if matches!(callback, Lifecycle::Enabled | Lifecycle::Disabled) {
                        self.report(&NEVER_CALLED, path);
                    }
                    callbacks.insert(name.clone(), url.clone());
                }
            }
        }
        if callbacks.is_empty() {
            return None;
        }
        callbacks.shift_insert(0, "key".to_owned(), self.fresh_key("lifecycle-events").into());
        list(&self.qualified("lifecycle"), [Value::Object(callbacks)])
    }

    /// `migration:dataResidency`, which replaces a callback.
    pub(super) fn realm_migration(&mut self) -> Option<Item> {
        let stated = self.object("dataResidency");
        let callback = self.member("lifecycle").and_then(|callbacks| callbacks.get(DARE)).filter(|url| !url.is_null());
        let Some(callback) = callback else {
            if stated.is_some() {
                self.report(&HOURS_OF_NOTHING, "$.dataResidency");
            }
            return None;
        };
        let place = descriptor::member("$.lifecycle", DARE);
        let Some(path) = callback.as_str().filter(|path| !path.is_empty()) else {
            self.report_with(&ODD_TYPE, place, "a text");
            return None;
        };
        self.report(&MOVES_REALMS, place);
        let mut module = json!({ "key": self.fresh_key("dare"), "remote": REMOTE, "path": path });
        if let Some(hours) = stated.and_then(|stated| stated.get("maxMigrationDurationHours")) {
            if hours.as_f64().is_some_and(|hours| (0.5..=24.0).contains(&hours) && (hours * 2.0).fract() == 0.0) {
                module["maxMigrationDurationHours"] = hours.clone();
            } else {
                self.report(&ODD_HOURS, "$.dataResidency.maxMigrationDurationHours");
            }
        }
        list("migration:dataResidency", [module])
    }
}
