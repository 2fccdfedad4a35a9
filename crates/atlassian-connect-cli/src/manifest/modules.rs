//! `connectModules`: the descriptor's own modules, under names and with members that are the same.

use serde_json::{Map, Value, json};

use super::conversion::Conversion;
use super::exceptions::{KEY_TWICE, LACKS, NO_KEY, NOTHING, ODD_KEY, ODD_TYPE, OTHER_KIND, PROFILE_PAGES};
use super::yaml::{Item, Node, member};
use super::{native, required};
use atlassian_connect_actix::internal::descriptor;
use atlassian_connect_actix::internal::descriptor::names::{self, Kind};

const CONNECT_MODULES: &str = "\
As in the descriptor: Forge knows the same names and members. Their pages and callbacks stay where they are, with
the tokens of Connect. A site that gets this version without an administrator's approval calls no `installed`.";

const WEBHOOKS: &str = "webhooks";

/// Modules by their name.
#[derive(Default)]
pub(super) struct Modules {
    /// The section `connectModules`.
    pub(super) connect: Vec<Item>,
    /// Members of the section `modules`.
    pub(super) native: Vec<Item>,
}

impl Conversion<'_> {
    pub(super) fn modules(&mut self) -> Modules {
        // all keys of the descriptor's before the first that is made up
        let mut kinds = Vec::new();
        for (name, value) in self.object("modules").into_iter().flatten() {
            kinds.push((name.as_str(), self.of_kind(name, value)));
        }
        let mut connect: Vec<Item> = self.lifecycle().into_iter().collect();
        let mut native = Vec::new();
        for (name, modules) in kinds {
            let modules = if name == WEBHOOKS { self.with_keys(modules) } else { modules };
            let (mut own, mut kept) = (Vec::new(), Vec::new());
            for module in modules {
                match native::of(name, &module) {
                    Some(module) => own.push(module),
                    None => kept.push(module),
                }
            }
            native.extend(list(native::name(name), own));
            connect.extend(list(&self.qualified(name), kept));
        }
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

    /// The modules of a kind that can stand in a manifest. A single one may stand without its list.
    fn of_kind(&mut self, name: &str, value: &Value) -> Vec<Value> {
        let path = descriptor::member("$.modules", name);
        let all = match value {
            Value::Null => &[],
            Value::Array(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let kind = names::kind(name).filter(|kind| kind.product.includes(self.product));
        let Some(kind) = kind.filter(|_| name != "profilePages") else {
            let exception = if kind.is_some() { PROFILE_PAGES } else { OTHER_KIND };
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
                Some(members) if self.can_stand(kind, members, &path) => modules.push(module.clone()),
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
        let wanted = kind.needs.members().iter().chain(required::members(kind.name));
        let lacks = |name: &str| name != "key" && module.get(name).is_none_or(Value::is_null);
        for name in wanted.filter(|name| lacks(name)) {
            self.report_with(&LACKS, path, name);
        }
        true
    }

    /// Connect's webhooks have no keys, Forge's have: `webhook-1` …, as Atlassian's converter names them.
    fn with_keys(&mut self, webhooks: Vec<Value>) -> Vec<Value> {
        let mut named = Vec::new();
        for (index, webhook) in webhooks.into_iter().enumerate() {
            let Value::Object(mut members) = webhook else { continue };
            if !members.contains_key("key") {
                let key = self.fresh_key(&format!("webhook-{}", index + 1));
                members.shift_insert(0, "key".to_owned(), key.into());
            }
            named.push(Value::Object(members));
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

/// `name: [ … ]`, if there is anything.
pub(super) fn list(name: &str, modules: impl IntoIterator<Item = Value>) -> Option<Item> {
    let modules: Vec<Value> = modules.into_iter().collect();
    (!modules.is_empty()).then(|| member(name, modules.iter().collect::<Node>()))
}
