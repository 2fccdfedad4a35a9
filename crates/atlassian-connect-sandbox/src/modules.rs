//! The pages in a descriptor: every module that opens in a frame, whatever its type.

use serde_json::{Map, Value};

use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::descriptor::names::{self, Of};
use atlassian_connect_actix::internal::forge_pages::places::{ForgeModule, Frame, Thing};
use atlassian_connect_actix::internal::manifest::Module;

/// What a page belongs to, which decides the context that the host passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModulePlace {
    Nowhere,
    Project,
    Issue,
    Dashboard,
    Space,
    Content,
}

/// Which file names a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The descriptor of the Connect app.
    Descriptor,
    /// Only the manifest of the Forge app.
    Manifest,
}

/// A page of the add-on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageModule {
    /// The type: `generalPages`.
    pub(super) kind: String,
    /// Of this page; among its type's there is none like it.
    pub(super) key: String,
    /// The module's key in the descriptor.
    pub(super) module_key: String,
    /// Which page it is, where a module has several: a macro's `editor`, `create`, `edit` or `view` of a workflow rule.
    pub(super) page: Option<&'static str>,
    pub(super) name: String,
    /// As in the descriptor, relative to the base URL: `/panel?issue={issue.key}`.
    pub(super) url: String,
    /// `None`: both products have this type, or it is unknown.
    pub(super) product: Option<Product>,
    pub(super) place: ModulePlace,
    /// Where the product shows it: `atl.jira.view.issue.right.context`.
    pub(super) location: String,
    /// Uses the whole page.
    pub(super) full_page: bool,
    /// Opens in a dialog.
    pub(super) dialog: bool,
    /// The dialog's size, if it has a name: `x-large`.
    pub(super) size: Option<String>,
    /// The browser may cache it: its URL has no query, and so no token.
    pub(super) cacheable: bool,
    pub(super) width: Option<String>,
    pub(super) height: Option<String>,
    /// The names and default values of a macro's own parameters.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) origin: Origin,
}

impl PageModule {
    /// Whether Connect does not know it.
    pub(super) fn is_of_forge(&self) -> bool {
        self.origin == Origin::Manifest
    }

    /// Whether a site of that product shows it.
    pub(super) fn is_for(&self, product: Product) -> bool {
        self.product.is_none_or(|of| of == product)
    }
}

/// Types that use the whole page. Source: Atlassian's module references.
const FULL_PAGE: [&str; 7] = [
    "generalPages",
    "adminPages",
    "configurePage",
    "postInstallPage",
    "jiraProjectPages",
    "jiraProjectAdminTabPanels",
    "profilePages",
];

/// The members, besides `url`, in which a module has a page's URL.
const PARTS: [&str; 5] = ["target", "create", "edit", "view", "editor"];

/// The pages of `descriptor`, in its order.
pub(super) fn pages(descriptor: &Value) -> Vec<PageModule> {
    let base_url = descriptor.get("baseUrl").and_then(Value::as_str).unwrap_or_default().trim_end_matches('/');
    let Some(modules) = descriptor.get("modules").and_then(Value::as_object) else { return Vec::new() };
    let mut found = Vec::new();
    for (kind, value) in modules.iter().filter(|(kind, _)| *kind != "webhooks") {
        let entries = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        for (index, module) in entries.iter().filter_map(Value::as_object).enumerate() {
            add(&mut found, modules, kind, index, module, base_url);
        }
    }
    found
}

/// The module of a Forge app's manifest whose page is at `url`. `None`: it is of a type that shows none.
pub(super) fn of_manifest(module: Module, url: &str) -> Option<PageModule> {
    let forge = ForgeModule::named(&module.kind)?;
    let place = match forge.context.first() {
        Some(Thing::Issue) => ModulePlace::Issue,
        Some(Thing::Project | Thing::Board) => ModulePlace::Project,
        Some(Thing::Gadget) => ModulePlace::Dashboard,
        Some(Thing::Content) => ModulePlace::Content,
        Some(Thing::Space) => ModulePlace::Space,
        Some(Thing::Portal | Thing::Request) | None => ModulePlace::Nowhere,
    };
    Some(PageModule {
        name: module.title.unwrap_or_else(|| module.key.clone()),
        kind: module.kind,
        key: module.key.clone(),
        module_key: module.key,
        page: None,
        url: url.to_owned(),
        product: Some(forge.product()),
        place,
        location: String::new(),
        full_page: forge.frame == Frame::Page,
        dialog: forge.frame == Frame::Dialog,
        size: None,
        cacheable: false,
        width: None,
        height: None,
        parameters: Vec::new(),
        origin: Origin::Manifest,
    })
}

/// A module type as words: `generalPages` becomes `General pages`. Forge's types stay as they are.
pub(super) fn words(kind: &str) -> String {
    if kind.contains(':') {
        return kind.to_owned();
    }
    let mut words = String::with_capacity(kind.len() + 4);
    for (index, character) in kind.chars().enumerate() {
        if index == 0 {
            words.extend(character.to_uppercase());
        } else if character.is_uppercase() {
            words.push(' ');
            words.extend(character.to_lowercase());
        } else {
            words.push(character);
        }
    }
    words
}

/// The URL of the module with that key, if it is a page.
fn url_of_key<'a>(modules: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    let pages = modules.iter().filter(|(kind, _)| !matches!(kind.as_str(), "webItems" | "webhooks"));
    let entries = pages.flat_map(|(_, of)| of.as_array().map_or_else(|| std::slice::from_ref(of), Vec::as_slice));
    let mut named = entries.filter(|module| module.get("key").and_then(Value::as_str) == Some(key));
    named.find_map(|module| module.get("url").and_then(Value::as_str))
}

fn add(
    found: &mut Vec<PageModule>,
    modules: &Map<String, Value>,
    kind: &str,
    index: usize,
    module: &Map<String, Value>,
    base_url: &str,
) {
    let text = |name: &str| module.get(name).and_then(Value::as_str);
    let key = text("key").filter(|key| !key.is_empty()).map_or_else(|| format!("{kind}-{index}"), str::to_owned);
    let module_key = key.clone();
    let location = text("location").unwrap_or_default();
    let place = place(kind, location);
    let is_dialog = |options: Option<&Value>| {
        options
            .and_then(|target| target.get("type"))
            .and_then(Value::as_str)
            .is_some_and(|kind| kind.contains("dialog"))
    };
    // of a dialog
    let options = |name: &str| module.get("target")?.get("options")?.get(name);
    let product = product(kind);
    let mut push = |page: Option<&'static str>, key: String, name: String, url: &str, dialog: bool| {
        let unique =
            if found.iter().any(|page| page.kind == kind && page.key == key) { format!("{key}-{index}") } else { key };
        found.push(PageModule {
            kind: kind.to_owned(),
            key: unique,
            module_key: module_key.clone(),
            page,
            name,
            url: url.to_owned(),
            product: product.or_else(|| product_of_parameters(url)),
            place,
            location: location.to_owned(),
            full_page: FULL_PAGE.contains(&kind),
            dialog,
            size: options("size").and_then(Value::as_str).map(str::to_owned),
            cacheable: module.get("cacheable").and_then(Value::as_bool).unwrap_or(false),
            width: size(module.get("width").or(options("width"))),
            height: size(module.get("height").or(options("height"))),
            parameters: parameters(module),
            origin: Origin::Descriptor,
        });
    };
    let name = name(module).unwrap_or_else(|| key.clone());
    // a link to elsewhere is not a page, and a link into the product belongs to the product
    let is_page = kind != "webItems" || text("context").is_none_or(|context| context != "product");
    // a web item may refer to a page or dialog of the descriptor by its key
    let named = if kind == "webItems" { text("url").and_then(|key| url_of_key(modules, key)) } else { None };
    if is_page && let Some(url) = named.or(text("url")).and_then(|url| own(url, base_url)) {
        push(None, key.clone(), name.clone(), &url, kind == "dialogs" || is_dialog(module.get("target")));
    }
    for part in PARTS {
        let part_of = module.get(part);
        let url = part_of.and_then(|part| part.get("url")).and_then(Value::as_str);
        let Some(url) = url.and_then(|url| own(url, base_url)) else { continue };
        if part == "target" {
            push(None, key.clone(), name.clone(), &url, is_dialog(part_of));
        } else {
            push(Some(part), format!("{key}-{part}"), format!("{name}: {part}"), &url, part == "editor");
        }
    }
}

/// The URL relative to the base URL, if it is below it.
fn own(url: &str, base_url: &str) -> Option<String> {
    if let Some(below) = url.strip_prefix(base_url).filter(|below| !base_url.is_empty() && below.starts_with('/')) {
        return Some(below.to_owned());
    }
    let is_elsewhere = url.starts_with("//") || url.split(['?', '/']).next().is_some_and(|start| start.contains(':'));
    (!url.is_empty() && !is_elsewhere).then(|| if url.starts_with('/') { url.to_owned() } else { format!("/{url}") })
}

fn name(module: &Map<String, Value>) -> Option<String> {
    let name = module.get("name")?;
    let text = name.get("value").unwrap_or(name).as_str()?;
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// `"400px"`, `100` or `"100%"` as CSS.
fn size(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::Number(number) => format!("{number}px"),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let digits = text.trim_end_matches("px").trim_end_matches('%');
    let is_size = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_size.then(|| if digits == text { format!("{text}px") } else { text.clone() })
}

fn parameters(module: &Map<String, Value>) -> Vec<(String, String)> {
    let list = module.get("parameters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let read = |parameter: &Value| {
        let name = parameter.get("identifier")?.as_str()?.to_owned();
        let default = parameter.get("defaultValue").and_then(Value::as_str).unwrap_or_default();
        Some((name, default.to_owned()))
    };
    list.iter().filter_map(read).collect()
}

/// `None`: both have such modules, or nobody knows.
fn product(kind: &str) -> Option<Product> {
    match names::kind(kind)?.product {
        Of::Jira => Some(Product::Jira),
        Of::Confluence => Some(Product::Confluence),
        Of::Both => None,
    }
}

/// The product that has the context parameters in a URL.
fn product_of_parameters(url: &str) -> Option<Product> {
    let has = |names: &[&str]| names.iter().any(|name| url.contains(&format!("{{{name}.")));
    if has(&["space", "content", "page", "macro"]) {
        Some(Product::Confluence)
    } else if has(&["issue", "project", "board", "sprint", "dashboard", "dashboardItem"]) {
        Some(Product::Jira)
    } else {
        None
    }
}

/// Whether a site of that product may send an event: decided by its name, true if unknown.
pub(super) fn is_for_event(product: Product, event: &str) -> bool {
    let starts = |names: &[&str]| names.iter().any(|name| event.starts_with(name));
    let of_jira = ["jira:", "issue", "worklog", "sprint_", "board_", "project_", "version_"];
    let of_confluence = ["page_", "blog_", "space_", "content_", "label_", "attachment_viewed", "search_performed"];
    if starts(&of_jira) {
        product == Product::Jira
    } else if starts(&of_confluence) {
        product == Product::Confluence
    } else {
        true
    }
}

fn place(kind: &str, location: &str) -> ModulePlace {
    let (kind, location) = (kind.to_ascii_lowercase(), location.to_ascii_lowercase());
    let named = |part: &str| kind.contains(part) || location.contains(part);
    if named("jiraissue") || named("view.issue") || named("jira.issue") || named("operations-") {
        ModulePlace::Issue
    } else if named("dashboard") {
        ModulePlace::Dashboard
    } else if named("jiraproject") || named("project") || named("report") || named("workflow") || named("agile") {
        ModulePlace::Project
    } else if named("macro") || named("content") || named("page.") || named("byline") {
        ModulePlace::Content
    } else if named("space") || named("blueprint") {
        ModulePlace::Space
    } else {
        ModulePlace::Nowhere
    }
}

/// The product whose sites can show more of these pages; `configured` if both can show the same.
pub(super) fn home(pages: &[PageModule], configured: Product) -> Product {
    let count = |product| pages.iter().filter(|page| page.product == Some(product)).count();
    let (jira, confluence) = (count(Product::Jira), count(Product::Confluence));
    match configured {
        Product::Jira if jira == 0 && confluence > 0 => Product::Confluence,
        Product::Confluence if confluence == 0 && jira > 0 => Product::Jira,
        Product::Bitbucket => Product::Jira,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn listed(modules: &Value) -> Vec<String> {
        let pages = pages(&json!({ "baseUrl": "https://addon.example/base/", "modules": modules }));
        pages.iter().map(|page| format!("{}/{} {} {}", page.kind, page.key, page.name, page.url)).collect()
    }

    #[test]
    fn every_module_with_a_url_of_the_add_on_is_a_page() {
        let modules = json!({
            "generalPages": [{ "key": "a", "url": "/a", "name": { "value": "A" } }, { "url": "b?x=https://y.example" }],
            "configurePage": { "key": "c", "url": "https://addon.example/base/c" },
            "webItems": [
                { "key": "link", "url": "https://elsewhere.example/x" },
                { "key": "product", "url": "/browse/X", "context": "product" },
                { "key": "dialog", "url": "/d", "target": { "type": "dialog" } },
            ],
            "jiraIssueContents": [{ "key": "panel", "target": { "type": "web_panel", "url": "/p?i={issue.key}" } }],
            "jiraWorkflowPostFunctions": [{
                "key": "w", "name": { "value": "W" },
                "create": { "url": "/create" }, "view": { "url": "/view" }, "triggered": { "url": "/triggered" },
            }],
            "dynamicContentMacros": [{ "key": "m", "url": "/m", "editor": { "url": "/edit" }, "icon": { "url": "/i.png" } }],
            "webhooks": [{ "event": "e", "url": "/hook" }],
            "brandNew": { "key": "n", "url": "/n" },
            "jiraEntityProperties": [{ "key": "none" }],
            "broken": [1, null, "x"],
        });
        assert_eq!(
            listed(&modules),
            [
                "generalPages/a A /a",
                "generalPages/generalPages-1 generalPages-1 /b?x=https://y.example",
                "configurePage/c c /c",
                "webItems/dialog dialog /d",
                "jiraIssueContents/panel panel /p?i={issue.key}",
                "jiraWorkflowPostFunctions/w-create W: create /create",
                "jiraWorkflowPostFunctions/w-view W: view /view",
                "dynamicContentMacros/m m /m",
                "dynamicContentMacros/m-editor m: editor /edit",
                "brandNew/n n /n",
            ]
        );
    }

    #[test]
    fn a_web_item_opens_the_page_or_dialog_that_it_names() {
        let item = |key: &str, context: &str, url: &str| json!({ "key": key, "context": context, "url": url, "target": { "type": "dialog", "options": { "width": "400px", "height": 300 } } });
        let modules = json!({
            "dialogs": [{ "key": "my-dialog", "url": "/dialog?i={issue.key}" }],
            "generalPages": [{ "key": "my-page", "url": "/page" }],
            "webItems": [
                item("by-key", "page", "my-page"), item("dialog", "addon", "my-dialog"), item("by-url", "page", "/url"),
                item("nobody", "page", "https://other.example/"), item("product", "product", "/browse"),
            ],
        });
        let items: Vec<String> = listed(&modules).into_iter().filter(|line| line.starts_with("webItems")).collect();
        assert_eq!(
            items,
            [
                "webItems/by-key by-key /page",
                "webItems/dialog dialog /dialog?i={issue.key}",
                "webItems/by-url by-url /url"
            ]
        );
        let pages = pages(&json!({ "modules": modules }));
        let item = pages.iter().find(|page| page.key == "by-key").unwrap();
        assert_eq!((item.dialog, item.width.as_deref(), item.height.as_deref()), (true, Some("400px"), Some("300px")));
    }

    #[test]
    fn types_are_headed_by_words() {
        for (kind, expected) in [
            ("generalPages", "General pages"),
            ("jiraIssueGlances", "Jira issue glances"),
            ("webItems", "Web items"),
            ("configurePage", "Configure page"),
            ("dialogs", "Dialogs"),
            ("jira:issuePanel", "jira:issuePanel"),
            ("", ""),
        ] {
            assert_eq!(words(kind), expected);
        }
    }

    #[test]
    fn two_modules_of_one_key_can_both_be_opened() {
        let twice = json!({ "webPanels": [{ "key": "a", "url": "/1" }, { "key": "a", "url": "/2" }] });
        assert_eq!(
            listed(&twice),
            ["webPanels/a a /1", "webPanels/a-1 a-1 /2"].map(|line| line.replace("a-1 a-1", "a-1 a"))
        );
    }

    #[test]
    fn links_to_other_sites_are_not_pages() {
        for url in ["https://x.example/y", "//x.example/y", "javascript:alert(1)", "mailto:a@b", ""] {
            assert!(own(url, "https://addon.example").is_none(), "{url}");
        }
        assert_eq!(own("https://addon.example.evil/x", "https://addon.example"), None);
        assert_eq!(own("x/{a.b}", "").as_deref(), Some("/x/{a.b}"));
    }

    #[test]
    fn the_type_and_the_location_say_what_a_page_is_about() {
        for (kind, location, expected) in [
            ("generalPages", "system.top.navigation.bar", ModulePlace::Nowhere),
            ("webPanels", "atl.jira.view.issue.right.context", ModulePlace::Issue),
            ("jiraIssueGlances", "", ModulePlace::Issue),
            ("jiraProjectPages", "", ModulePlace::Project),
            ("jiraDashboardItems", "", ModulePlace::Dashboard),
            ("dynamicContentMacros", "", ModulePlace::Content),
            ("spaceToolsTabs", "", ModulePlace::Space),
        ] {
            assert_eq!(place(kind, location), expected, "{kind} {location}");
        }
    }

    #[test]
    fn the_home_is_where_the_pages_can_be_seen() {
        let of = |kind: &str| pages(&json!({ "modules": { kind: [{ "key": "k", "url": "/k" }] } }));
        assert_eq!(home(&of("generalPages"), Product::Confluence), Product::Confluence);
        assert_eq!(home(&of("dynamicContentMacros"), Product::Jira), Product::Confluence);
        assert_eq!(home(&of("jiraIssueGlances"), Product::Jira), Product::Jira);
        let space = pages(&json!({ "modules": { "generalPages": [{ "key": "k", "url": "/k?s=${space.key}" }] } }));
        assert_eq!(home(&space, Product::Jira), Product::Confluence, "its parameters say so");
    }

    #[test]
    fn events_are_offered_where_they_happen() {
        let products = |event| [Product::Jira, Product::Confluence].map(|product| is_for_event(product, event));
        assert_eq!(products("jira:issue_created"), [true, false]);
        assert_eq!(products("page_created"), [false, true]);
        assert_eq!(products("comment_created"), [true, true], "both have comments");
    }

    #[test]
    fn sizes_are_css_and_nothing_else() {
        let of = |value: Value| size(Some(&value));
        assert_eq!(
            [of(json!("400px")), of(json!(40)), of(json!("50%")), of(json!("12"))].map(Option::unwrap),
            ["400px", "40px", "50%", "12px"]
        );
        assert_eq!([of(json!("1;color:red")), of(json!("")), of(json!(null))], [None, None, None]);
    }
}
