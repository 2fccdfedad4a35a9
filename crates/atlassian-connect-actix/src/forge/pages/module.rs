//! The page of a module.

use serde_json::Value;

use crate::config::Config;
use crate::descriptor::Descriptor;

/// The URL of the module with this key, below the base URL and with its context variables: of `forge.pages`, else of the
/// descriptor. `page` is one of several pages that a module has, as `editor`. `None`: there is no such module, or it has no
/// such page of the app's own.
#[must_use]
pub fn url_of(key: &str, page: Option<&str>, config: &Config, descriptor: &Descriptor) -> Option<String> {
    if let (Some(path), None) = (config.forge_pages.get(key), page) {
        return Some(path.clone());
    }
    let modules = descriptor.value().get("modules")?.as_object()?;
    let modules = modules.iter().filter(|(kind, _)| *kind != "webhooks").flat_map(|(_, modules)| match modules {
        Value::Array(modules) => modules.as_slice(),
        module => std::slice::from_ref(module),
    });
    modules.filter(|module| module.get("key").and_then(Value::as_str) == Some(key)).find_map(|module| {
        let below = match page {
            Some(page) => descriptor.further_page_of(module, page)?,
            None => descriptor.page_of(module)?,
        };
        Some(if below.starts_with('/') { below.to_owned() } else { format!("/{below}") })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Vars;

    #[test]
    fn the_page_of_a_key_and_those_that_it_has_besides() {
        let text = r#"{ "forge": { "pages": { "own": "/own", "macro": "/mine" } } }"#;
        let config = Config::from_parts(Some(text), &Vars::from([("", ""); 0])).unwrap();
        let descriptor = r#"{ "key": "a", "baseUrl": "https://x.example", "modules": {
            "dynamicContentMacros": [{ "key": "macro", "url": "/macro", "editor": { "url": "editor?a={space.key}" } }],
            "jiraIssueGlances": { "key": "glance", "target": { "type": "web_panel", "url": "/glance" } },
            "webhooks": [{ "key": "hook", "event": "e", "url": "/hook" }] } }"#;
        let descriptor = Descriptor::parse("d.json", descriptor, &config, None).unwrap();
        for (key, page, expected) in [
            ("macro", None, Some("/mine")),
            ("macro", Some("editor"), Some("/editor?a={space.key}")),
            ("macro", Some("target"), None),
            ("glance", None, Some("/glance")),
            ("glance", Some("editor"), None),
            ("own", None, Some("/own")),
            ("own", Some("editor"), None),
            ("hook", None, None),
            ("other", None, None),
        ] {
            assert_eq!(url_of(key, page, &config, &descriptor).as_deref(), expected, "{key} {page:?}");
        }
    }
}
