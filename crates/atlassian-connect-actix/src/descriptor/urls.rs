//! The add-on's URLs in a descriptor, which a host will call.

use actix_web::http::Method;
use serde_json::Value;

use super::source::{item, member};
use super::{Descriptor, Lifecycle};

/// A URL below the base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Called {
    /// Its path in the descriptor: `$.modules.webPanels[0].url`.
    pub path: String,
    /// The URL as in the descriptor, without the base URL: `/panel?issue={issue.key}`.
    pub url: String,
    /// Only POST for callbacks and webhooks; GET for pages, and POST for some of them.
    pub methods: &'static [Method],
}

const CALLBACK: &[Method] = &[Method::POST];
const PAGE: &[Method] = &[Method::GET, Method::POST];

impl Called {
    /// The path of a host's request: without the query, with `1` for each `{issue.key}` and `${issue.key}`.
    #[must_use]
    pub fn filled(&self) -> String {
        let path = self.url.split(['?', '#']).next().unwrap_or(&self.url);
        let mut filled = String::from(if path.starts_with('/') { "" } else { "/" });
        let mut depth = 0_usize;
        for character in path.replace("${", "{").chars() {
            match character {
                '{' => depth += 1,
                '}' if depth > 0 => {
                    depth -= 1;
                    if depth == 0 {
                        filled.push('1');
                    }
                }
                other if depth == 0 => filled.push(other),
                _ => {}
            }
        }
        filled
    }
}

impl Descriptor {
    /// Every URL below the base URL: those of the lifecycle and of webhooks, and each member `url` of other modules, at
    /// any depth.
    #[must_use]
    pub fn urls(&self) -> Vec<Called> {
        let lifecycle = Lifecycle::ALL.into_iter().filter_map(|callback| {
            let url = self.lifecycle(callback)?.to_owned();
            Some(Called { path: member("$.lifecycle", callback.name()), url, methods: CALLBACK })
        });
        let mut urls: Vec<Called> = lifecycle.collect();
        for (kind, modules) in self.value.get("modules").and_then(Value::as_object).into_iter().flatten() {
            let methods = if kind == "webhooks" { CALLBACK } else { PAGE };
            self.collect(&member("$.modules", kind), modules, methods, &mut urls);
        }
        urls
    }

    fn collect(&self, path: &str, value: &Value, methods: &'static [Method], found: &mut Vec<Called>) {
        match value {
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    self.collect(&item(path, index), value, methods, found);
                }
            }
            // a webhook without an event is not served
            Value::Object(members)
                if methods == CALLBACK && members.get("event").and_then(Value::as_str).is_none_or(str::is_empty) => {}
            // such a web item opens a page of the product
            Value::Object(members)
                if path.starts_with("$.modules.webItems")
                    && members.get("context").and_then(Value::as_str) == Some("product") => {}
            Value::Object(members) => {
                for (name, value) in members {
                    let path = member(path, name);
                    match value.as_str() {
                        Some(url) if name == "url" => {
                            // a webhook without the slash is served as if it had one
                            let own = self.below(url).filter(|url| methods == CALLBACK || url.starts_with('/'));
                            found.extend(own.map(|url| Called { path, url: url.to_owned(), methods }));
                        }
                        Some(_) => {}
                        None => self.collect(&path, value, methods, found),
                    }
                }
            }
            _ => {}
        }
    }

    /// The keys of the page modules: those with a URL, except webhooks and web items.
    pub(crate) fn page_keys(&self) -> Vec<&str> {
        let kinds = self.value.get("modules").and_then(Value::as_object).into_iter().flatten();
        let modules =
            kinds.filter(|(kind, _)| !matches!(kind.as_str(), "webhooks" | "webItems")).flat_map(|(_, of)| match of {
                Value::Array(modules) => modules.as_slice(),
                one => std::slice::from_ref(one),
            });
        modules
            .filter(|module| module.get("url").is_some_and(Value::is_string))
            .filter_map(|module| module.get("key").and_then(Value::as_str))
            .filter(|key| !key.is_empty())
            .collect()
    }

    /// The URL of the page that a module shows, below the base URL: that of the module, of its target, or of the view
    /// of a workflow rule. `None` if it shows no page of the app.
    #[must_use]
    pub fn page_of<'a>(&self, module: &'a Value) -> Option<&'a str> {
        // such an item opens a page of the product, or another module
        let context = module.get("context").and_then(Value::as_str).unwrap_or_default();
        if ["product", "page"].iter().any(|other| context.eq_ignore_ascii_case(other)) {
            return None;
        }
        let of = |name: &str| module.get(name).and_then(|inner| inner.get("url"));
        let url = module.get("url").or_else(|| of("target")).or_else(|| of("view")).and_then(Value::as_str)?;
        self.below(url).filter(|url| !url.is_empty())
    }

    /// The same for a further page of a module: a macro's `editor`, and `create`, `edit` and `view` of a workflow rule.
    #[must_use]
    pub fn further_page_of<'a>(&self, module: &'a Value, page: &str) -> Option<&'a str> {
        if !["editor", "create", "edit", "view"].contains(&page) {
            return None;
        }
        let url = module.get(page)?.get("url")?.as_str()?;
        self.below(url).filter(|url| !url.is_empty())
    }

    /// A URL relative to the base URL; `None` if it is not below it.
    pub(crate) fn below<'a>(&self, url: &'a str) -> Option<&'a str> {
        let rest = url.strip_prefix(self.base_url.trim_end_matches('/'));
        let url = rest.filter(|rest| rest.starts_with(['/', '?'])).unwrap_or(url);
        let path = url.split(['?', '#']).next().unwrap_or(url);
        (!path.contains("://") && !path.starts_with("//")).then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use crate::descriptor::tests::parse;

    #[test]
    fn every_url_of_the_add_on_with_its_path() {
        let descriptor = parse(
            r#"{"key": "a", "baseUrl": "https://x.example/y/", "lifecycle": {"installed": "/in"}, "modules": {
                "webhooks": [{"event": "e", "url": "/hook?issue=${issue.key}"}],
                "generalPages": [{"url": "https://x.example/y/page"}, {"url": "https://other.example/"}, {"url": "//x"}],
                "webItems": [{"context": "product", "url": "/browse"}, {"context": "page", "url": "key"}, {"url": "/item"}],
                "jiraIssueGlances": [{"target": {"type": "web_panel", "url": "/of/{issue.key}/{a.{b}}/x"}}]}}"#,
        );
        let urls: Vec<String> = descriptor
            .unwrap()
            .urls()
            .iter()
            .map(|called| format!("{} {} at {}", called.methods[0], called.filled(), called.path))
            .collect();
        insta::assert_snapshot!(urls.join("\n"), @"
        POST /in at $.lifecycle.installed
        POST /hook at $.modules.webhooks[0].url
        GET /page at $.modules.generalPages[0].url
        GET /item at $.modules.webItems[2].url
        GET /of/1/1/x at $.modules.jiraIssueGlances[0].target.url
        ");
    }

    #[test]
    fn the_page_of_a_module() {
        let descriptor = parse(r#"{"key": "a", "baseUrl": "https://x.example/y"}"#).unwrap();
        for (module, page) in [
            (r#"{"url": "/p?a={issue.key}"}"#, Some("/p?a={issue.key}")),
            (r#"{"url": "https://x.example/y/p"}"#, Some("/p")),
            (r#"{"target": {"type": "web_panel", "url": "/glance"}}"#, Some("/glance")),
            (r#"{"create": {"url": "/c"}, "view": {"url": "/v"}}"#, Some("/v")),
            (r#"{"url": "/browse", "context": "PRODUCT"}"#, None),
            (r#"{"url": "another-module", "context": "page"}"#, None),
            (r#"{"url": "https://other.example/p"}"#, None),
            (r#"{"url": ""}"#, None),
            (r#"{"target": {"type": "dialogmodule", "options": {"key": "d"}}}"#, None),
        ] {
            assert_eq!(descriptor.page_of(&serde_json::from_str(module).unwrap()), page, "{module}");
        }
        let module = serde_json::json!({ "url": "/macro", "editor": { "url": "/editor" }, "target": { "url": "/no" } });
        for (name, page) in [("editor", Some("/editor")), ("edit", None), ("target", None), ("url", None)] {
            assert_eq!(descriptor.further_page_of(&module, name), page, "{name}");
        }
    }
}
