//! What the manifest needs beside the modules: an endpoint, the shell's resource, the app's origins, scopes.

use serde_json::{Value, json};
use url::Url;

use super::super::app::REMOTE;
use super::super::conversion::Conversion;
use super::super::exceptions::BASE_PATH;
use super::super::yaml::{Item, Node, member};
use super::{FURTHER, RESOURCE, resource_for};

/// The remote of the pages, where that of the Connect modules has a path.
const ORIGINS: &str = "pages";

const ENDPOINT: &str = "\
What the shell of the pages calls: /forge/open for the URL of a page, /forge/token for a fresh session token. The
path stands in each call, so that none stands here.";

const RESOURCES: &str = "\
The shell, built from shell/ by `npm run build`. It shows the app's pages in a frame. Where a module has several
pages, each has a shell of its own.";

const FRAMES: &str = "The servers whose pages the shell may frame. A further one is a new major version of the app.";

const PATHLESS: &str = "\
The same servers without the path: Forge drops a remote's path where a call has a whole one, and the shell's calls
have. Give the path to the shell's build instead: `npm run build -- --base-path …`.";

impl Conversion<'_> {
    /// The element of `endpoint` that the shell calls.
    pub(in super::super) fn endpoint_of_pages(&self) -> Vec<Item> {
        let Some(pages) = &self.pages else { return Vec::new() };
        let (remote, _) = self.place_of_endpoints();
        let tokens = json!({ "appSystemToken": { "enabled": true }, "appUserToken": { "enabled": true } });
        let endpoint = json!({ "key": pages.endpoint, "remote": remote, "auth": tokens });
        vec![Item::Prose(ENDPOINT), Item::Element((&endpoint).into())]
    }

    /// The remote that endpoints name, and what stands before their paths.
    pub(in super::super) fn place_of_endpoints(&self) -> (&'static str, String) {
        if !self.has_pages() || !self.has_base_path() {
            return (REMOTE, String::new());
        }
        let path = Url::parse(self.descriptor.base_url()).map(|url| url.path().trim_end_matches('/').to_owned());
        (ORIGINS, path.unwrap_or_default())
    }

    /// The remote of the pages: without a path.
    pub(in super::super) fn remote_of_pages(&mut self, base_url: &Value) -> Vec<Item> {
        if !self.has_pages() || !self.has_base_path() {
            return Vec::new();
        }
        self.report(&BASE_PATH, "$.baseUrl");
        let remote = json!({
            "key": ORIGINS,
            "baseUrl": origins(base_url),
            "operations": ["storage", "compute"],
            "storage": { "inScopeEUD": true },
        });
        vec![Item::Prose(PATHLESS), Item::Element((&remote).into())]
    }

    /// `resources`.
    pub(in super::super) fn resources(&self) -> Vec<Item> {
        let Some(pages) = &self.pages else { return Vec::new() };
        let further = FURTHER.iter().filter(|page| pages.further.contains(*page)).map(|page| resource_for(page));
        let keys = std::iter::once(RESOURCE.to_owned()).chain(further);
        let resources: Vec<Value> = keys.map(|key| json!({ "key": key, "path": format!("static/{key}") })).collect();
        vec![Item::Prose(RESOURCES), member("resources", resources.iter().collect::<Node>())]
    }

    /// `permissions.external`.
    pub(in super::super) fn frames(&self, base_url: &Value) -> Vec<Item> {
        if !self.has_pages() {
            return Vec::new();
        }
        let mut addresses: Vec<Value> = Vec::new();
        let origins = origins(base_url);
        let all = origins.as_object().map_or_else(|| vec![&origins], |regions| regions.values().collect());
        for origin in all {
            let address = json!({ "address": origin });
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let frames = vec![Item::Prose(FRAMES), member("frames", addresses.iter().collect::<Node>())];
        vec![member("external", frames)]
    }

    fn has_base_path(&self) -> bool {
        let urls = self.descriptor.value().get("regionBaseUrls").and_then(Value::as_object);
        let regions = urls.into_iter().flat_map(|urls| urls.values()).filter_map(Value::as_str);
        std::iter::once(self.descriptor.base_url()).chain(regions).any(|url| origin(url) != url.trim_end_matches('/'))
    }
}

/// A base URL, or one a region, without a path.
fn origins(base_url: &Value) -> Value {
    match base_url {
        Value::Object(regions) => {
            regions.iter().map(|(region, url)| (region.clone(), origins(url))).collect::<serde_json::Map<_, _>>().into()
        }
        url => origin(url.as_str().unwrap_or_default()).into(),
    }
}

fn origin(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.origin().ascii_serialization())
}
