//! The section `connectModules`: the descriptor's modules, with the same names and members.

use serde_json::{Map, Value, json};

use super::conversion::Conversion;
use super::exceptions::{KEY_TWICE, LACKS, NO_KEY, NOTHING, ODD_KEY, ODD_TYPE, OTHER_KIND, PROFILE_PAGES};
use super::yaml::{Item, Node, member};
use super::{native, required};
use atlassian_connect_actix::internal::descriptor;
use atlassian_connect_actix::internal::descriptor::names::{self, Kind};

const CONNECT_MODULES: &str = "\
The modules of the descriptor, with the same names and members. Their pages and callbacks keep their URLs and use
Connect tokens. A site that gets this version without an administrator's approval does not call `installed`.";

const WEBHOOKS: &str = "webhooks";
const PROFILE: &str = "profilePages";

/// Forge modules by name, in the order of the names' first use.
#[derive(Default)]
struct ByName(Vec<(&'static str, Vec<Value>)>);

impl ByName {
    fn add(&mut self, name: &'static str, module: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, modules)) => modules.push(module),
            None => self.0.push((name, vec![module])),
        }
    }

    fn into_lists(self) -> Vec<Item> {
        self.0.into_iter().filter_map(|(name, modules)| list(name, modules)).collect()
    }
}

/// The modules of a manifest.
#[derive(Default)]
pub(super) struct Modules {
    /// The section `connectModules`.
    pub(super) connect: Vec<Item>,
    /// Members of the section `modules`.
    pub(super) native: Vec<Item>,
}

impl Conversion<'_> {
    pub(super) fn modules(&mut self) -> Modules {
        // take all keys of the descriptor before generating the first one
        let mut kinds = Vec::new();
        for (name, value) in self.object("modules").into_iter().flatten() {
            kinds.push((name.as_str(), self.of_kind(name, value)));
        }
        let mut connect: Vec<Item> = self.lifecycle().into_iter().collect();
        self.name_endpoint();
        let mut own = ByName::default();
        for (name, modules) in kinds {
            let modules = if name == WEBHOOKS { self.with_keys(modules) } else { modules };
            let mut kept = Vec::new();
            for (path, module) in modules {
                if let Some(module) = native::of(name, &module) {
                    own.add(native::name(name), module);
                } else if let Some((forge, module)) = self.page(name, &module, &path) {
                    own.add(forge, module);
                } else if name == PROFILE {
                    self.report(&PROFILE_PAGES, path);
                } else {
                    self.report_what_lacks(name, &module, &path);
                    kept.push(module);
                }
            }
            connect.extend(list(&self.qualified(name), kept));
        }
        self.forget_pages_if_none();
        let mut native = own.into_lists();
        connect.extend(self.translations());
        connect.extend(self.cloud_migration());
        native.extend(self.realm_migration());
        if connect.is_empty() && native.is_empty() {
            self.report(&NOTHING, "$");
        }
        if !connect.is_empty() {
            connect = vec![Item::Prose(CONNECT_MODULES), member("connectModules", connect)];
        }
        Modules { connect, native }
    }

    /// The modules of a kind that a manifest can hold, with their paths. A single module may be written without a list.
    fn of_kind(&mut self, name: &str, value: &Value) -> Vec<(String, Value)> {
        let path = descriptor::member("$.modules", name);
        let all = match value {
            Value::Null => &[],
            Value::Array(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let known = names::kind(name).filter(|kind| kind.product.includes(self.product));
        let kind = if name == PROFILE && !self.has_pages() { None } else { known };
        let Some(kind) = kind else {
            let exception = if known.is_some() { PROFILE_PAGES } else { OTHER_KIND };
            if !all.is_empty() {
                self.report_with(&exception, path, self.product.as_str());
            }
            return Vec::new();
        };
        let mut modules = Vec::new();
        for (index, module) in all.iter().enumerate() {
            let path = if value.is_array() { descriptor::item(&path, index) } else { path.clone() };
            match module.as_object() {
                None => self.report_with(&ODD_TYPE, path, "an object"),
                Some(members) if self.can_stand(kind, members, &path) => modules.push((path, module.clone())),
                Some(_) => {}
            }
        }
        modules
    }

    fn can_stand(&mut self, kind: &Kind, module: &Map<String, Value>, path: &str) -> bool {
        match module.get("key").and_then(Value::as_str) {
            None if kind.name == WEBHOOKS && !module.contains_key("key") => {}
            None | Some("") => {
                self.report(&NO_KEY, path);
                return false;
            }
            Some(key) if !key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) => {
                self.report(&ODD_KEY, path);
                return false;
            }
            Some(key) if !self.take_key(key) => {
                self.report(&KEY_TWICE, path);
                return false;
            }
            Some(_) => {}
        }
        true
    }

    /// Reports the members that Forge's schema requires of a Connect module and that are missing.
    fn report_what_lacks(&mut self, kind: &str, module: &Value, path: &str) {
        let needs = names::kind(kind).map_or(&[] as &[&str], |kind| kind.needs.members());
        for name in needs.iter().chain(required::members(kind)) {
            if *name != "key" && module.get(name).is_none_or(Value::is_null) {
                self.report_with(&LACKS, path, name);
            }
        }
    }

    /// Gives webhooks keys, which Forge requires and Connect does not have: `webhook-1` …, as in Atlassian's converter.
    fn with_keys(&mut self, webhooks: Vec<(String, Value)>) -> Vec<(String, Value)> {
        let mut named = Vec::new();
        for (index, (path, webhook)) in webhooks.into_iter().enumerate() {
            let Value::Object(mut members) = webhook else { continue };
            if !members.contains_key("key") {
                let key = self.fresh_key(&format!("webhook-{}", index + 1));
                members.shift_insert(0, "key".to_owned(), key.into());
            }
            named.push((path, Value::Object(members)));
        }
        named
    }

    fn translations(&mut self) -> Option<Item> {
        let translations = self.object("translations")?;
        let Some(paths) = translations.get("paths").filter(|paths| paths.is_object()) else {
            self.report_with(&ODD_TYPE, "$.translations.paths", "an object");
            return None;
        };
        let key = self.fresh_key("connect-translations");
        list(&self.qualified("translations"), [json!({ "key": key, "paths": paths })])
    }

    fn cloud_migration(&mut self) -> Option<Item> {
        let migration = self.object("cloudAppMigration")?;
        let Some(path) = migration.get("migrationWebhookPath").filter(|path| path.is_string()) else {
            self.report_with(&ODD_TYPE, "$.cloudAppMigration.migrationWebhookPath", "a text");
            return None;
        };
        let key = self.fresh_key("app-migration");
        list(&self.qualified("cloudAppMigration"), [json!({ "key": key, "migrationWebhookPath": path })])
    }
}

/// `name: [ … ]`, if there are any modules.
pub(super) fn list(name: &str, modules: impl IntoIterator<Item = Value>) -> Option<Item> {
    let modules: Vec<Value> = modules.into_iter().collect();
    (!modules.is_empty()).then(|| member(name, modules.iter().collect::<Node>()))
}
