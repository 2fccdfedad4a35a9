//! The sandbox's replacements for Atlassian's key servers and services. They apply only to the sandbox's own sites and
//! installations, recognized by origin or id. All other sites keep using the services of their domain.

use std::path::PathBuf;

use url::{Host, Url};

use super::bridge::Bridge;
use atlassian_connect_actix::internal::keys::{
    Authority, ForgeKeySource, ForgeKeys, InstallKeySource, InstallKeys, KeyFuture,
};
use atlassian_connect_actix::internal::services::SiteServices;

/// The origins of the sandbox's sites: `http://localhost:3001`.
#[derive(Debug, Clone)]
pub(super) struct Origins(Vec<String>);

impl Origins {
    /// All names of this machine, with the sandbox's port.
    pub(super) fn of_port(port: u16) -> Self {
        Self(["localhost", "127.0.0.1", "[::1]"].iter().map(|name| format!("http://{name}:{port}")).collect())
    }

    fn has(&self, base_url: &str) -> bool {
        let origin = Url::parse(base_url).map(|url| url.origin().ascii_serialization());
        origin.is_ok_and(|origin| self.0.contains(&origin))
    }
}

/// The key that signs the installs of the sandbox's sites.
#[derive(Debug)]
pub(super) struct SiteKeys {
    pub(super) origins: Origins,
    pub(super) keys: InstallKeys,
    /// The URL of the key server.
    pub(super) server: String,
}

impl InstallKeySource for SiteKeys {
    fn has_site(&self, base_url: &str) -> bool {
        self.origins.has(base_url)
    }

    fn authority(&self) -> Authority {
        Authority::OwnSites
    }

    /// A tenant on another port of this machine belongs to an earlier sandbox.
    fn may_replace(&self, base_url: &str) -> bool {
        let is_elsewhere = Url::parse(base_url).is_ok_and(|url| !url.host().is_some_and(|host| is_this_machine(&host)));
        !is_elsewhere
    }

    fn key<'a>(&'a self, kid: &'a str, _: &'a str) -> KeyFuture<'a> {
        Box::pin(self.keys.get_of_server(&self.server, kid))
    }
}

/// Stricter than the configuration: names below `localhost` do not count.
fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// The keys that sign the invocations of the sandbox's installations.
#[derive(Debug)]
pub(super) struct PlatformKeys {
    /// The bare id of the app.
    pub(super) app_id: String,
    /// The ARIs of the installations.
    pub(super) installations: Vec<String>,
    pub(super) keys: ForgeKeys,
}

impl ForgeKeySource for PlatformKeys {
    fn has_installation(&self, installation_id: &str) -> bool {
        self.installations.iter().any(|id| id == installation_id)
    }

    fn app_id(&self) -> Option<&str> {
        Some(&self.app_id)
    }

    /// The sandbox is not an Isolated Cloud, whatever the token says.
    fn key<'a>(&'a self, kid: Option<&'a str>, _: Option<&'a str>) -> KeyFuture<'a> {
        Box::pin(self.keys.get(kid, None))
    }
}

/// Issues tokens for the sandbox's users, and names the bridge's script.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) origins: Origins,
    pub(super) authorization_server: String,
    /// The sandbox's URL of the bridge's `all.js`. `None`: the configuration names another one.
    pub(super) script_url: Option<String>,
    /// The folder in which the package is looked for.
    pub(super) folder: PathBuf,
}

impl SiteServices for Services {
    fn has_site(&self, base_url: &str) -> bool {
        self.origins.has(base_url)
    }

    fn authorization_server(&self, _: &str) -> String {
        self.authorization_server.clone()
    }

    /// The package may be installed while the sandbox runs.
    fn script_url(&self) -> Option<String> {
        let script_url = self.script_url.as_ref()?;
        Bridge::find(&self.folder).file("all.js")?;
        Some(script_url.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_belongs_to_the_sandbox_by_its_origin() {
        let origins = Origins::of_port(3001);
        for (url, expected) in [
            ("http://localhost:3001/jira", true),
            ("http://LOCALHOST:3001", true),
            ("http://127.0.0.1:3001/x/wiki", true),
            ("http://[::1]:3001/jira", true),
            ("http://localhost:3002/jira", false),
            ("https://localhost:3001/jira", false),
            ("http://localhost:3001@evil.example/", false),
            ("http://localhost:3001.evil.example/", false),
            ("https://a.atlassian.net", false),
            ("", false),
        ] {
            assert_eq!(origins.has(url), expected, "{url}");
        }
    }

    #[test]
    fn an_installation_belongs_to_the_sandbox_by_its_id() {
        let keys = PlatformKeys {
            app_id: String::new(),
            installations: vec!["ari:cloud:ecosystem::installation/1".into()],
            keys: ForgeKeys::new(None, None),
        };
        assert!(keys.has_installation("ari:cloud:ecosystem::installation/1"));
        for other in ["", "1", "ari:cloud:ecosystem::installation/11"] {
            assert!(!keys.has_installation(other), "{other}");
        }
    }

    #[test]
    fn the_key_replaces_only_tenants_of_this_machine() {
        let origins = Origins::of_port(3001);
        let keys = SiteKeys { origins, keys: InstallKeys::new(None), server: String::new() };
        assert_eq!(keys.authority(), Authority::OwnSites);
        for (url, expected) in [
            ("http://localhost:1/jira", true),
            ("http://127.0.0.1:3001", true),
            ("http://[::1]:2/x", true),
            ("https://acme.atlassian.net", false),
            ("http://localhost.evil.example", false),
            ("mailto:somebody", false),
        ] {
            assert_eq!(keys.may_replace(url), expected, "{url}");
        }
    }
}
