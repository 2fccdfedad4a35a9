//! The modules: their types, and what each type requires.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Checker;
use crate::config::{Product, nearest};
use crate::descriptor::names::{self, Kind};
use crate::descriptor::source::{item, member};

impl Checker<'_> {
    pub(super) fn modules(&mut self) {
        let modules = match self.descriptor.value().get("modules") {
            None => return,
            Some(Value::Object(modules)) => modules,
            Some(_) => return self.error("$.modules", "must be an object"),
        };
        let mut keys = BTreeMap::new();
        for (name, value) in modules {
            let path = member("$.modules", name);
            let kind = names::kind(name);
            if self.config.product != Product::Bitbucket {
                self.kind(&path, name, kind);
            }
            // a single module may be written without a list
            let many = value.as_array().map(Vec::as_slice);
            for (index, module) in many.unwrap_or(std::slice::from_ref(value)).iter().enumerate() {
                let path = if many.is_some() { item(&path, index) } else { path.clone() };
                match module.as_object() {
                    Some(module) => self.module(&path, kind, module, &mut keys),
                    None if kind.is_some() => self.error(path, "must be an object"),
                    None => {}
                }
            }
        }
    }

    fn kind(&mut self, path: &str, name: &str, kind: Option<&Kind>) {
        let product = self.config.product;
        match kind {
            Some(kind) if kind.product.includes(product) => {}
            Some(_) => {
                let text = format!("is not a module type of {}, the configured product", product.as_str());
                self.warn(path, text);
            }
            None => {
                let known: Vec<&str> =
                    names::KINDS.iter().filter(|kind| kind.product.includes(product)).map(|kind| kind.name).collect();
                let meant = nearest(name, &known)
                    .map_or("it may be newer than this release".to_owned(), |near| format!("did you mean {near}?"));
                self.hint(path, format!("is not a known module type; {meant}"));
            }
        }
    }

    fn module(
        &mut self,
        path: &str,
        kind: Option<&Kind>,
        module: &Map<String, Value>,
        keys: &mut BTreeMap<String, String>,
    ) {
        for needed in kind.map_or(&[][..], |kind| kind.needs.members()) {
            match module.get(*needed) {
                None | Some(Value::Null) => self.error(path, format!("has no {needed}")),
                Some(name) if *needed == "name" => {
                    if name.get("value").and_then(Value::as_str).is_none_or(str::is_empty) {
                        self.error(member(path, "name"), "must be an object with a string: { \"value\": … }");
                    }
                }
                Some(text) if text.as_str().is_none_or(str::is_empty) => {
                    self.error(member(path, needed), "must be a non-empty string");
                }
                Some(_) => {}
            }
        }
        if let Some(key) = module.get("key").and_then(Value::as_str).filter(|key| !key.is_empty()) {
            self.key(&member(path, "key"), key, keys);
        }
        if kind.is_some_and(|kind| kind.name == "webItems") && !module.contains_key("url") {
            self.warn(path, "has no url: it leads nowhere");
        }
        if let (Some(kind), Some(url)) = (kind, module.get("url").and_then(Value::as_str)) {
            let context = module.get("context").and_then(Value::as_str).unwrap_or_default();
            match (kind.name, context) {
                ("webItems", "page") => self.page_of_item(&member(path, "url"), url),
                // relative to the product
                ("webItems", "product") => {}
                _ => self.url(&member(path, "url"), url, Some(kind)),
            }
        }
        let event = module.get("event").and_then(Value::as_str).filter(|event| !event.is_empty());
        if let (Some("webhooks"), Some(event)) = (kind.map(|kind| kind.name), event) {
            self.event(&member(path, "event"), event);
        }
    }

    fn key(&mut self, path: &str, key: &str, keys: &mut BTreeMap<String, String>) {
        if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            self.error(path, format!("is {key:?}: only letters, digits and '-' are allowed"));
        } else if key.contains('_') {
            self.warn(path, format!("is {key:?}: Atlassian's schema allows only letters, digits and '-'"));
        }
        if let Some(first) = keys.insert(key.to_owned(), path.to_owned()) {
            self.error(path, format!("is {key:?}, like {first}: a key must be unique in the whole descriptor"));
        }
    }

    /// Checks what a web item with the context "page" opens: the key of a page module of this descriptor, or a URL.
    /// Source: Atlassian, "Web item".
    fn page_of_item(&mut self, path: &str, url: &str) {
        let is_url = url.starts_with(['/', '{', '$', '?']) || url.contains("://");
        let pages = self.descriptor.page_keys();
        if is_url || url.is_empty() || pages.contains(&url) {
            return;
        }
        let meant = match nearest(url, &pages) {
            Some(near) => format!("did you mean {near}?"),
            None if pages.is_empty() => "the descriptor has no page".to_owned(),
            None => format!("the pages are {}", pages.join(", ")),
        };
        let text = format!("is {url:?}, but the context \"page\" requires the key of a page or a URL; {meant}");
        self.warn(path, text);
    }

    fn url(&mut self, path: &str, url: &str, kind: Option<&Kind>) {
        let own = self.descriptor.below(url);
        if kind.is_some_and(|kind| kind.name == "webhooks") {
            if own.is_none() {
                self.warn(path, "is not a URL of the add-on: the webhook is not served");
            }
        } else if let Some(url) = own.filter(|url| !url.starts_with('/') && !url.is_empty()) {
            self.warn(path, format!("is {url:?}: a URL of the add-on starts with /"));
        }
    }
}
