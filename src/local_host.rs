//! A host that runs in this very process with services of its own: the sandbox. What its sites are asked for, and by
//! whom, is decided by their origin: every other host goes on using the services of its domain. Its Forge installations
//! are known by their ids, and no others are proven by its keys.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use actix_web::HttpRequest;
use url::Url;

use crate::error::Error;
use crate::keys::ForgeKeys;

/// A request to the add-on, once it has been answered.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exchange<'a> {
    /// What was asked.
    pub request: &'a HttpRequest,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Why it was refused, or what failed.
    pub error: Option<&'a Error>,
    /// From the first look at the request to its answer.
    pub took: Duration,
}

/// Told of each request to the add-on.
pub type Observer = Box<dyn Fn(&Exchange<'_>) + Send + Sync>;

/// Finds the bridge's script.
pub type ScriptUrl = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// Paths of the starter's and the documents' Forge routes, below the base URL.
const FORGE_PATHS: [&str; 6] =
    ["/forge/resource", "/forge/events", "/forge/uninstall", "/forge/me", "/forge/list", "/forge"];

/// Where the host is, and who serves its sites.
pub struct LocalHost {
    /// The origins by which its sites are known: `http://localhost:3001`.
    pub origins: Vec<String>,
    /// What takes the place of the install-key servers for these sites.
    pub install_keys_url: String,
    /// What takes the place of the authorization server for these sites.
    pub authorization_server_url: String,
    /// The bridge's script for the pages of these sites, asked for each page; `None`: the configured one.
    pub script_url: ScriptUrl,
    /// Whether the add-on has routes for Forge, as far as their paths tell. Known once it has been asked for something.
    pub forge_routes: OnceLock<bool>,
    /// The Forge installations of its sites.
    pub forge: LocalForge,
    /// Told of each request to the add-on.
    pub observer: Observer,
}

/// A platform that invokes the add-on from this very process.
#[derive(Debug)]
pub struct LocalForge {
    /// The app's id (the bare one), for an add-on that has none configured.
    pub app_id: String,
    /// The ARIs of its installations.
    pub installations: Vec<String>,
    /// The keys that prove their invocations, and theirs alone.
    pub keys: ForgeKeys,
}

impl fmt::Debug for LocalHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalHost").field("origins", &self.origins).finish_non_exhaustive()
    }
}

impl LocalHost {
    /// Whether a site's base URL is of this host.
    #[must_use]
    pub fn has(&self, base_url: &str) -> bool {
        let origin = Url::parse(base_url).map(|url| url.origin().ascii_serialization());
        origin.is_ok_and(|origin| self.origins.contains(&origin))
    }

    /// Looks once whether the add-on, whose base URL has the path `base`, has routes for Forge. No handler runs.
    pub fn look_for_forge(&self, base: &str, request: &HttpRequest) {
        self.forge_routes.get_or_init(|| {
            let base = base.trim_end_matches('/');
            let routes = request.resource_map();
            FORGE_PATHS.iter().any(|path| routes.has_resource(&format!("{base}{path}")))
        });
    }

    /// The platform of this host, where an installation is of it.
    #[must_use]
    pub fn forge_of(&self, installation_id: &str) -> Option<&LocalForge> {
        Some(&self.forge).filter(|forge| forge.installations.iter().any(|id| id == installation_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_belongs_to_the_host_by_its_origin_and_an_installation_by_its_id() {
        let host = LocalHost {
            origins: vec!["http://localhost:3001".into(), "http://127.0.0.1:3001".into()],
            install_keys_url: String::new(),
            authorization_server_url: String::new(),
            script_url: Box::new(|| None),
            forge_routes: OnceLock::new(),
            forge: LocalForge {
                app_id: String::new(),
                installations: vec!["ari:cloud:ecosystem::installation/1".into()],
                keys: ForgeKeys::new(None, None),
            },
            observer: Box::new(|_| {}),
        };
        for (url, expected) in [
            ("http://localhost:3001/jira", true),
            ("http://LOCALHOST:3001", true),
            ("http://127.0.0.1:3001/x/wiki", true),
            ("http://localhost:3002/jira", false),
            ("https://localhost:3001/jira", false),
            ("http://localhost:3001@evil.example/", false),
            ("http://localhost:3001.evil.example/", false),
            ("https://a.atlassian.net", false),
            ("", false),
        ] {
            assert_eq!(host.has(url), expected, "{url}");
        }
        assert!(host.forge_of("ari:cloud:ecosystem::installation/1").is_some());
        for other in ["", "1", "ari:cloud:ecosystem::installation/11"] {
            assert!(host.forge_of(other).is_none(), "{other}");
        }
    }
}
