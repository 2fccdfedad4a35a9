//! `--pages`: Connect modules that show a page become Forge's own, with the same keys. Each shows the app's shell, and the
//! shell shows the page.

mod members;
mod schema;
mod sections;

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::conversion::Conversion;
use super::exceptions::{
    BECOMES, CONDITIONS, DIALOG, Exception, NO_COUNTERPART, NO_ENDPOINT, NO_PAGE, ONE_AT_MOST, OTHER_CALLBACK_OF_RULE,
};
use atlassian_connect_actix::internal::descriptor;
use atlassian_connect_actix::internal::forge_pages::places::{self, Fate, Obstacle};
use members::{Module, Shape};

/// The key of the resource that holds the shell.
const RESOURCE: &str = "shell";

/// The pages that a module may have besides, and the shell's build as a resource of its own for each: nothing else tells
/// the shell which of them is wanted.
const FURTHER: [&str; 4] = ["editor", "create", "edit", "view"];

/// The key of the resource for such a page.
fn resource_for(page: &str) -> String {
    format!("{RESOURCE}-{page}")
}

/// What `--pages` needs and remembers.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    /// `forge.pages` of the configuration: pages of modules that name none themselves.
    configured: &'a BTreeMap<String, String>,
    /// The key of the endpoint that the shell calls.
    endpoint: String,
    /// The further pages that are shown, of [`FURTHER`].
    further: HashSet<&'static str>,
    /// How many modules are Forge's own now.
    moved: usize,
    /// Modules of which an app may have one, and what they are for.
    taken: HashSet<(&'static str, Option<&'static str>)>,
    /// By the module's type: it is unique within one.
    routes: HashSet<(&'static str, String)>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(configured: &'a BTreeMap<String, String>) -> Self {
        Self {
            configured,
            endpoint: String::new(),
            further: HashSet::new(),
            moved: 0,
            taken: HashSet::new(),
            routes: HashSet::new(),
        }
    }
}

impl Conversion<'_> {
    /// Whether modules that show a page become Forge's own.
    pub(super) fn has_pages(&self) -> bool {
        self.pages.is_some()
    }

    /// Names the endpoint that the shell calls, once the keys of all modules are known.
    pub(super) fn name_endpoint(&mut self) {
        if self.has_pages() {
            let key = self.fresh_key("open");
            if let Some(pages) = &mut self.pages {
                pages.endpoint = key;
            }
        }
    }

    /// Without a page of its own the manifest needs no shell, and nothing for it.
    pub(super) fn forget_pages_if_none(&mut self) {
        self.pages.take_if(|pages| pages.moved == 0);
    }

    /// The name and the members of the module that takes the place of a Connect module. `None`: it stays what it is, and
    /// where it shows a page, that is reported.
    pub(super) fn page(&mut self, kind: &str, module: &Value, path: &str) -> Option<(&'static str, Value)> {
        let mut pages = self.pages.take()?;
        let made = self.moved(kind, module, path, &mut pages);
        self.pages = Some(pages);
        made
    }

    fn moved(
        &mut self,
        kind: &str,
        module: &Value,
        path: &str,
        pages: &mut Pages<'_>,
    ) -> Option<(&'static str, Value)> {
        let location = module.get("location").and_then(Value::as_str);
        let forge = match places::fate(self.product, kind, location.unwrap_or_default())? {
            Fate::Moves(module) => module.name,
            Fate::Stays(obstacle) => {
                let what = location.map_or_else(|| kind.to_owned(), |location| format!("{kind} at {location}"));
                self.report_with(reason(obstacle), path, &what);
                return None;
            }
        };
        let purpose = schema::purpose(kind);
        let key = module.get("key").and_then(Value::as_str)?;
        let has_page = self.descriptor.page_of(module).is_some()
            || FURTHER.iter().any(|page| self.descriptor.further_page_of(module, page).is_some());
        if !has_page && !pages.configured.contains_key(key) {
            self.report(&NO_PAGE, path);
            return None;
        }
        if schema::is_single(forge, purpose) && !pages.taken.insert((forge, purpose)) {
            self.report_with(&ONE_AT_MOST, path, forge);
            return None;
        }
        let members = schema::members(forge);
        let route = members.contains(&schema::Member::Route).then(|| pages.route(forge, key));
        let shape = Shape { members, purpose, key, route: route.as_deref(), endpoint: &pages.endpoint };
        let mut connect = Module::new(self, module.as_object()?, path);
        let made = connect.make(&shape);
        let left_out = connect.left_out();
        let further = connect.into_further();
        pages.further.extend(further);
        if module.get("conditions").and_then(Value::as_array).is_some_and(|all| !all.is_empty()) {
            self.report(&CONDITIONS, descriptor::member(path, "conditions"));
        }
        let becomes = match left_out.as_slice() {
            [] => forge.to_owned(),
            names => format!("{forge}, without {}", names.join(", ")),
        };
        self.report_with(&BECOMES, path, &becomes);
        pages.moved += 1;
        Some((forge, made))
    }
}

fn reason(obstacle: Obstacle) -> &'static Exception {
    match obstacle {
        Obstacle::NoCounterpart => &NO_COUNTERPART,
        Obstacle::Dialog => &DIALOG,
        Obstacle::NoEndpoint => &NO_ENDPOINT,
        Obstacle::OtherCallback(_) => &OTHER_CALLBACK_OF_RULE,
    }
}

impl Pages<'_> {
    /// Made of the key, in the letters that Forge takes.
    fn route(&mut self, forge: &'static str, key: &str) -> String {
        let wanted = key.to_ascii_lowercase().replace('_', "-");
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let mut routes = std::iter::once(wanted.clone()).chain(numbered);
        let free = routes.find(|route| self.routes.insert((forge, route.clone())));
        free.unwrap_or(wanted)
    }
}

#[cfg(test)]
mod tests;
