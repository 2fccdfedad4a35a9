//! Everything except the modules.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use super::Checker;
use crate::config::{Product, is_loopback, nearest};
use crate::descriptor::source::{item, member};
use crate::descriptor::{Lifecycle, names};

/// Members of the root and their longest values, in characters. Source: Atlassian, "Jira global schema" (2022).
const LENGTHS: [(&str, usize); 4] = [("key", 80), ("name", 80), ("baseUrl", 200), ("description", 1400)];
/// The ports that hosts call. Source: Atlassian, "App descriptor".
const PORTS: [u16; 3] = [80, 443, 8080];

impl Checker<'_> {
    pub(super) fn root(&mut self) {
        let value = self.descriptor.value();
        self.unknown("$", value, names::ROOT);
        for (name, known) in names::OBJECTS {
            match value.get(name) {
                Some(object @ Value::Object(_)) => self.unknown(&member("$", name), object, known),
                Some(_) => self.error(member("$", name), "must be an object"),
                None => {}
            }
        }
        for name in value.get("links").and_then(Value::as_object).into_iter().flat_map(serde_json::Map::keys) {
            // other members are allowed
            let near = if names::LINKS.contains(&name.as_str()) { None } else { nearest(name, names::LINKS) };
            if let Some(near) = near {
                self.hint(member("$.links", name), format!("has no meaning to a host; did you mean {near}?"));
            }
        }
        for (name, most) in LENGTHS {
            if value.get(name).and_then(Value::as_str).is_some_and(|text| text.chars().count() > most) {
                self.error(member("$", name), format!("is longer than the {most} characters that a host accepts"));
            }
        }
        self.authentication();
        if self.config.product != Product::Bitbucket {
            self.migrations();
            self.scopes();
        }
        self.lifecycle();
        self.base_url();
    }

    fn authentication(&mut self) {
        let stated = self.descriptor.value().pointer("/authentication/type");
        match stated {
            Some(Value::String(kind)) if kind.eq_ignore_ascii_case("jwt") => {}
            Some(kind) => self.error(
                "$.authentication.type",
                format!("is {kind}, but must be \"jwt\": otherwise hosts sign nothing, and every page answers 401"),
            ),
            None => self.error("$", "has no authentication: write \"authentication\": { \"type\": \"jwt\" }"),
        }
    }

    fn migrations(&mut self) {
        let migrations = self.descriptor.value().get("apiMigrations");
        for (name, consequence) in [
            ("signed-install", "installs that are not signed are refused"),
            ("context-qsh", "context tokens without \"qsh\": \"context-qsh\" are refused"),
        ] {
            match migrations.and_then(|migrations| migrations.get(name)) {
                Some(Value::Bool(true)) => {}
                Some(_) => {
                    self.warn(member("$.apiMigrations", name), format!("is not true, but {consequence}"));
                }
                None => {
                    let path = if migrations.is_some() { "$.apiMigrations" } else { "$" };
                    let what = if migrations.is_some() { name.to_owned() } else { format!("apiMigrations.{name}") };
                    self.warn(path, format!("has no {what}: write true, since {consequence}"));
                }
            }
        }
    }

    fn scopes(&mut self) {
        match self.descriptor.value().get("scopes") {
            Some(Value::Array(scopes)) => {
                for (index, scope) in scopes.iter().enumerate() {
                    let path = item("$.scopes", index);
                    let Some(scope) = scope.as_str() else {
                        self.error(path, "must be a string");
                        continue;
                    };
                    if !names::SCOPES.iter().any(|known| known.eq_ignore_ascii_case(scope)) {
                        let meant = match nearest(scope, names::SCOPES) {
                            Some(near) => format!("did you mean {near}?"),
                            None => format!("the scopes are {}", names::SCOPES.join(", ")),
                        };
                        self.warn(path, format!("{scope:?} is not known; {meant}"));
                    }
                }
            }
            Some(_) => self.error("$.scopes", "must be a list of strings"),
            None => {}
        }
    }

    /// Two callbacks, or a callback and a webhook, with the same path: the first that is mounted would get all
    /// requests.
    fn lifecycle(&mut self) {
        let descriptor = self.descriptor;
        if descriptor.lifecycle(Lifecycle::Installed).is_none() {
            let path = if descriptor.value().get("lifecycle").is_some() { "$.lifecycle" } else { "$" };
            self.warn(path, "names no lifecycle.installed: no site can install the add-on");
        }
        let path_of = |url: &str| crate::pattern::of_url(url);
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        for callback in Lifecycle::ALL {
            let Some(url) = descriptor.lifecycle(callback) else { continue };
            if let Some(first) = taken.insert(path_of(url), callback.name()) {
                let text = format!("is also the path of {first}: only one of them is served");
                self.error(member("$.lifecycle", callback.name()), text);
            }
        }
        for called in descriptor.urls().iter().filter(|called| called.path.starts_with("$.modules.webhooks")) {
            if let Some(first) = taken.get(&path_of(&called.url)) {
                self.error(&called.path, format!("is also the path of lifecycle.{first}: it is not served"));
            }
        }
    }

    fn base_url(&mut self) {
        const PATH: &str = "$.baseUrl";
        let (stated, configured) = (self.descriptor.base_url(), self.config.local_base_url.as_str());
        if stated.trim_end_matches('/') != configured {
            let text = format!(
                "is {stated:?}, but the configured localBaseUrl is {configured}: write {{{{localBaseUrl}}}} instead"
            );
            self.warn(PATH, text);
        }
        let Some(url) = Url::parse(stated).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return self.error(PATH, "is not an http(s) URL");
        };
        if is_loopback(&url) {
            return;
        }
        if url.scheme() == "http" {
            self.warn(PATH, "is http, but hosts call add-ons over https only");
        }
        if let Some(port) = url.port_or_known_default().filter(|port| !PORTS.contains(port)) {
            self.hint(PATH, format!("has port {port}, but hosts call add-ons on the ports 80, 443 and 8080 only"));
        }
    }
}
