//! The members of one module.

use serde_json::{Map, Value, json};

use super::super::conversion::Conversion;
use super::super::exceptions::{ICON, TITLE, TRANSLATED};
use super::schema::Member;
use super::{RESOURCE, resource_for};
use atlassian_connect_actix::internal::descriptor;
use atlassian_connect_actix::internal::forge_pages::places::dialog_size;

/// Characters of a title or a URL at most. Source: npm `@forge/manifest` 13.7.0, as all limits here.
const SHORT: usize = 255;
/// Characters of a description.
const LONG: usize = 1000;
/// A file that the shell's build puts beside the shell.
const PLACEHOLDER: &str = "resource:shell;icon.svg";

/// What Connect says about a module's place, its order and its caching means nothing on Forge, and is not missed.
const MEANINGLESS: [&str; 8] =
    ["cacheable", "conditions", "context", "fullPage", "jiraNativeAppsEnabled", "location", "supportsNative", "weight"];

/// Categories of macros that both platforms have.
const CATEGORIES: [&str; 10] = [
    "formatting",
    "confluence-content",
    "media",
    "visuals",
    "navigation",
    "external-content",
    "communication",
    "reporting",
    "admin",
    "development",
];

/// What the module of Forge looks like.
pub(super) struct Shape<'a> {
    pub(super) members: &'static [Member],
    /// A member that is true.
    pub(super) purpose: Option<&'static str>,
    pub(super) key: &'a str,
    pub(super) route: Option<&'a str>,
    pub(super) endpoint: &'a str,
}

/// A Connect module on its way.
pub(super) struct Module<'c, 'd, 'm> {
    conversion: &'c mut Conversion<'d>,
    module: &'m Map<String, Value>,
    path: &'m str,
    /// Members of the Connect module that have a form on Forge.
    used: Vec<&'static str>,
    /// The pages that are shown besides.
    further: Vec<&'static str>,
}

impl<'c, 'd, 'm> Module<'c, 'd, 'm> {
    pub(super) fn new(conversion: &'c mut Conversion<'d>, module: &'m Map<String, Value>, path: &'m str) -> Self {
        Self { conversion, module, path, used: vec!["key", "url"], further: Vec::new() }
    }

    /// The members of the Connect module that have no form on Forge, in order.
    pub(super) fn left_out(&self) -> Vec<String> {
        let is_missed = |name: &str, value: &Value| {
            let is_said = match value {
                Value::Null => false,
                Value::Array(all) => !all.is_empty(),
                Value::Object(all) => !all.is_empty(),
                _ => true,
            };
            is_said && !self.used.contains(&name) && !MEANINGLESS.contains(&name)
        };
        let missed = self.module.iter().filter(|(name, value)| is_missed(name, value));
        missed.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn into_further(self) -> Vec<&'static str> {
        self.further
    }

    pub(super) fn make(&mut self, shape: &Shape<'_>) -> Value {
        let mut native = Map::from_iter([("key".to_owned(), Value::from(shape.key))]);
        for member in shape.members {
            match *member {
                Member::Title => insert(&mut native, "title", Some(self.title().into())),
                Member::Label => {
                    let label = self.label().or_else(|| native.get("title").cloned());
                    insert(&mut native, "label", label);
                }
                Member::Tooltip => {
                    let tooltip = self.text("tooltip", SHORT);
                    insert(&mut native, "tooltip", tooltip);
                }
                Member::Description => {
                    // a gadget has to have one, which may be its title
                    let needs = shape.members.contains(&Member::Gadget);
                    let title = native.get("title").filter(|_| needs).cloned();
                    let description = self.text("description", LONG).or(title);
                    insert(&mut native, "description", description);
                }
                Member::Icon => {
                    let icon = self.icon();
                    insert(&mut native, "icon", icon);
                }
                Member::NeededIcon => {
                    let icon = self.icon().unwrap_or_else(|| self.placeholder());
                    insert(&mut native, "icon", Some(icon));
                }
                Member::Thumbnail => {
                    let thumbnail = self.address("thumbnailUrl").unwrap_or_else(|| self.placeholder());
                    insert(&mut native, "thumbnail", Some(thumbnail));
                }
                Member::BlankLayout => insert(&mut native, "layout", Some("blank".into())),
                Member::Route => insert(&mut native, "route", shape.route.map(Value::from)),
                Member::Size(sizes) => {
                    let size = self.size(sizes);
                    insert(&mut native, "viewportSize", size);
                }
                Member::Same(name) => {
                    let value = self.boolean(name);
                    insert(&mut native, name, value);
                }
                Member::Gadget => self.gadget(&mut native),
                Member::Byline => self.byline(&mut native),
                Member::Macro => self.of_macro(&mut native),
                Member::Rule => self.rule(&mut native),
            }
        }
        if let Some(purpose) = shape.purpose {
            native.insert(purpose.to_owned(), true.into());
        }
        // the page of an issue's panels is in the target, which says no more than that
        if self.module.get("target").and_then(|target| target.get("url")).is_some() {
            self.used.push("target");
        }
        if !shape.members.contains(&Member::Rule) {
            native.insert("resource".to_owned(), RESOURCE.into());
        }
        native.insert("resolver".to_owned(), json!({ "endpoint": shape.endpoint }));
        native.into()
    }

    fn title(&mut self) -> String {
        if let Some(Value::String(name)) = self.text("name", SHORT) {
            return name;
        }
        let title = cut(self.conversion.descriptor.name(), SHORT);
        self.conversion.report_with(&TITLE, self.path, &title);
        title
    }

    /// `{ "value": …, "i18n": … }`; the translation has no form on Forge.
    fn text(&mut self, name: &'static str, most: usize) -> Option<Value> {
        let text = self.module.get(name)?;
        self.used.push(name);
        self.plain(text, &descriptor::member(self.path, name), most)
    }

    fn plain(&mut self, text: &Value, path: &str, most: usize) -> Option<Value> {
        if text.get("i18n").and_then(Value::as_str).is_some_and(|key| !key.is_empty()) {
            self.conversion.report(&TRANSLATED, descriptor::member(path, "i18n"));
        }
        let value = text.get("value").and_then(Value::as_str).filter(|value| !value.trim().is_empty())?;
        Some(cut(value, most).into())
    }

    /// What a glance says beside its icon.
    fn label(&mut self) -> Option<Value> {
        let label = self.module.get("content")?.get("label")?;
        self.used.push("content");
        self.plain(label, &format!("{}.content.label", self.path), SHORT)
    }

    fn icon(&mut self) -> Option<Value> {
        if self.module.contains_key("iconUrl") {
            return self.address("iconUrl");
        }
        let url = self.module.get("icon")?.get("url")?.as_str()?;
        let icon = self.absolute(url)?;
        self.used.push("icon");
        Some(icon)
    }

    fn address(&mut self, name: &'static str) -> Option<Value> {
        let url = self.module.get(name)?.as_str()?;
        let address = self.absolute(url)?;
        self.used.push(name);
        Some(address)
    }

    fn absolute(&self, url: &str) -> Option<Value> {
        let base = self.conversion.descriptor.base_url().trim_end_matches('/');
        let url = if url.starts_with("http://") || url.starts_with("https://") {
            url.to_owned()
        } else {
            format!("{base}/{}", url.trim_start_matches('/'))
        };
        (url.len() <= SHORT).then(|| url.into())
    }

    fn placeholder(&mut self) -> Value {
        self.conversion.report(&ICON, self.path);
        PLACEHOLDER.into()
    }

    fn boolean(&mut self, name: &'static str) -> Option<Value> {
        let value = self.module.get(name).filter(|value| value.is_boolean())?;
        self.used.push(name);
        Some(value.clone())
    }

    /// Of a dialog.
    fn size(&mut self, sizes: &[&str]) -> Option<Value> {
        let target = self.module.get("target")?;
        let options = target.get("options").and_then(Value::as_object);
        let size = options.and_then(|options| options.get("size")).and_then(Value::as_str);
        let size = dialog_size(size?).filter(|size| sizes.contains(size))?;
        if options.is_some_and(|options| options.keys().all(|name| matches!(name.as_str(), "size" | "chrome"))) {
            self.used.push("target");
        }
        Some(size.into())
    }

    /// Source: Atlassian, "Migrate Jira dashboard items": gadgets on dashboards keep their place by the Connect key.
    fn gadget(&mut self, native: &mut Map<String, Value>) {
        if self.boolean("configurable") == Some(true.into()) {
            native.insert("edit".to_owned(), json!({ "resource": RESOURCE }));
        }
        let refreshable = self.boolean("refreshable");
        insert(native, "refreshable", refreshable);
        native.insert("connectKeys".to_owned(), json!([native.get("key")]));
    }

    fn byline(&mut self, native: &mut Map<String, Value>) {
        let property = self.module.get("contentPropertyKey").and_then(Value::as_str);
        if let Some(property) = property.filter(|property| !property.is_empty()) {
            self.used.push("contentPropertyKey");
            native.insert("contentPropertyKey".to_owned(), property.into());
        }
        let target = self.module.get("target").and_then(|target| target.get("type")).and_then(Value::as_str);
        let is_dialog = target.is_some_and(|target| target.eq_ignore_ascii_case("dialog"));
        if is_dialog {
            native.insert("viewportContainer".to_owned(), "modal".into());
        }
        let size = self.size(&["small", "medium", "large"]);
        insert(native, "viewportSize", size);
    }

    /// A resource that shows a further page of the module, where it has that page.
    fn further_page(&mut self, page: &'static str) -> Option<Value> {
        let module = Value::Object(self.module.clone());
        self.conversion.descriptor.further_page_of(&module, page)?;
        self.used.push(page);
        self.further.push(page);
        Some(json!({ "resource": resource_for(page) }))
    }

    fn rule(&mut self, native: &mut Map<String, Value>) {
        let name = Value::from(self.title());
        let description = self.text("description", LONG).unwrap_or_else(|| name.clone());
        native.insert("name".to_owned(), name);
        native.insert("description".to_owned(), description);
        if let Some(expression) = self.module.get("expression").filter(|expression| expression.is_string()) {
            self.used.push("expression");
            native.insert("expression".to_owned(), expression.clone());
        }
        let message = match self.module.get("errorMessage") {
            Some(message) if message.get("expression").is_some() => {
                self.used.push("errorMessage");
                Some(json!({ "expression": message["expression"] }))
            }
            _ => self.text("errorMessage", LONG),
        };
        insert(native, "errorMessage", message);
        for page in ["create", "edit", "view"] {
            let resource = self.further_page(page);
            insert(native, page, resource);
        }
    }

    fn of_macro(&mut self, native: &mut Map<String, Value>) {
        let says = |name: &str, text: &str| {
            self.module.get(name).and_then(Value::as_str).is_some_and(|value| value.eq_ignore_ascii_case(text))
        };
        let (is_inline, has_rich_text) = (says("outputType", "inline"), says("bodyType", "rich-text"));
        let has_no_body = !self.module.contains_key("bodyType") || says("bodyType", "none");
        if has_rich_text || has_no_body {
            self.used.push("bodyType");
        }
        // a macro with a body is a block of its own
        if !(has_rich_text && is_inline) {
            self.used.push("outputType");
        }
        let layout = if has_rich_text {
            "bodied"
        } else if is_inline {
            "inline"
        } else {
            "block"
        };
        native.insert("layout".to_owned(), layout.into());
        let stated = self.module.get("categories").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let known = |category: &&Value| category.as_str().is_some_and(|category| CATEGORIES.contains(&category));
        let categories: Vec<Value> = stated.iter().filter(known).cloned().collect();
        if categories.len() == stated.len() {
            self.used.push("categories");
        }
        insert(native, "categories", (!categories.is_empty()).then(|| categories.into()));
        if let Some(mut config) = self.further_page("editor") {
            let title = self.module.get("editor").and_then(|editor| editor.get("editTitle"));
            if let Some(title) =
                title.and_then(|title| self.plain(title, &format!("{}.editor.editTitle", self.path), SHORT))
            {
                config["title"] = title;
            }
            native.insert("config".to_owned(), config);
        }
    }
}

fn insert(native: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        native.insert(name.to_owned(), value);
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
