//! Services that belong to a site but have another server: the authorization server, and the script of the bridge.

use std::fmt::Debug;

use url::Url;

use crate::keys::Domain;

/// The services of a group of sites. The first group that contains the site is used.
pub trait SiteServices: Debug + Send + Sync {
    /// Whether the site with this base URL belongs to the group.
    fn has_site(&self, base_url: &str) -> bool;

    /// The URL of the server that issues tokens of the site's users, without a trailing slash.
    fn authorization_server(&self, base_url: &str) -> String;

    /// The bridge's script for the add-on's pages on these sites; `None`: the configured one (`hostScriptUrl`).
    fn script_url(&self) -> Option<String> {
        None
    }
}

/// Atlassian's services, by the domain of the site.
#[derive(Debug)]
pub(crate) struct AtlassianServices {
    /// Replaces every authorization server (`authorizationServerUrl`).
    pub(crate) authorization_server_url: Option<Url>,
}

impl SiteServices for AtlassianServices {
    fn has_site(&self, _: &str) -> bool {
        true
    }

    /// Source: atlassian-connect-express 11.5.3, `lib/internal/oauth2.js` (names of the servers alone).
    fn authorization_server(&self, base_url: &str) -> String {
        if let Some(url) = &self.authorization_server_url {
            return url.as_str().trim_end_matches('/').to_owned();
        }
        let url = Url::parse(base_url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        match Domain::of(host) {
            Domain::Production => "https://oauth-2-authorization-server.services.atlassian.com",
            Domain::Government => "https://oauth-2-authorization-server.services.atlassian-us-gov-mod.com",
            Domain::Staging => "https://oauth-2-authorization-server.stg.services.atlassian.com",
            Domain::GovernmentStaging => "https://oauth-2-authorization-server.stg.services.atlassian-us-gov-mod.com",
        }
        .to_owned()
    }
}
