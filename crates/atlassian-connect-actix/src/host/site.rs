//! Whose host a client speaks to: a Connect tenant's site, or a product's API for a Forge installation.

use std::borrow::Cow;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use super::HostError;
use super::target::Target;
use crate::config::is_loopback;
use crate::tenants::{Tenant, origin_of};

/// One site, by either door.
#[derive(Clone)]
pub(super) enum Site {
    Connect(Arc<Tenant>),
    Forge(Arc<ForgeSite>),
}

/// A Forge installation, with the tokens that its invocation brought.
pub(crate) struct ForgeSite {
    pub(crate) installation_id: String,
    /// `https://api.atlassian.com/ex/jira/{cloudId}`; for Confluence with `/wiki`, as a Connect site's base URL has it.
    pub(crate) base_url: String,
    /// The site's own origin, where the invocation names it: links in answers lead there, tokens do not.
    pub(crate) site_origin: Option<String>,
    pub(crate) app_token: Option<SecretString>,
    /// The account id, and the token.
    pub(crate) user: Option<(String, SecretString)>,
}

impl ForgeSite {
    /// `api_base_url` is that of the invocation; without one, every request fails.
    pub(crate) fn new(installation_id: &str, api_base_url: Option<&str>) -> Self {
        let api = api_base_url.unwrap_or_default().trim_end_matches('/');
        let wiki = if product(api).is_some_and(|(product, _)| product == "confluence") { "/wiki" } else { "" };
        Self {
            installation_id: installation_id.to_owned(),
            base_url: format!("{api}{wiki}"),
            site_origin: None,
            app_token: None,
            user: None,
        }
    }

    /// The ARI of the site: `ari:cloud:jira::site/{cloudId}`.
    pub(super) fn ari(&self) -> Option<String> {
        site_ari(&self.base_url)
    }

    /// Whether the invocation brought a token of this user.
    pub(super) fn is_own_user(&self, account_id: &str) -> bool {
        self.user.as_ref().is_some_and(|(id, _)| id == account_id)
    }

    /// Where tokens for users who are away come from.
    pub(super) fn graphql(&self) -> Option<Url> {
        Url::parse(&self.base_url).ok()?.join("/graphql").ok()
    }
}

impl Site {
    /// What relative URLs are below.
    pub(super) fn base_url(&self) -> &str {
        match self {
            Self::Connect(tenant) => tenant.base_url(),
            Self::Forge(site) => &site.base_url,
        }
    }

    /// The origins by which links in answers name this site.
    pub(super) fn origins(&self) -> Vec<String> {
        match self {
            Self::Connect(tenant) => {
                let installation = tenant.installation();
                let urls = [installation.base_url.as_deref(), installation.display_url.as_deref()];
                urls.into_iter().flatten().filter_map(origin_of).collect()
            }
            Self::Forge(site) => site.site_origin.iter().cloned().collect(),
        }
    }

    /// What `url` is below. Confluence's own documentation has paths with `/wiki`: it is not doubled.
    pub(super) fn base_url_of(&self, url: &str) -> Result<Cow<'_, str>, HostError> {
        let base = self.base_url();
        if let Self::Forge(_) = self {
            let parsed = Url::parse(base).map_err(|_| HostError::Url("the invocation names no apiBaseUrl".into()))?;
            // bearer tokens travel there
            if parsed.scheme() != "https" && !is_loopback(&parsed) {
                return Err(HostError::Url("the apiBaseUrl of the invocation is not https".into()));
            }
        }
        Ok(match base.trim_end_matches('/').strip_suffix("/wiki") {
            Some(above) if names_wiki(url) => above.into(),
            _ => base.into(),
        })
    }

    /// Where a request to `url` goes. Whatever the URL is below, what is signed is below the site's base URL.
    pub(super) fn target(&self, url: &str) -> Result<Target, HostError> {
        Ok(Target::new(&self.base_url_of(url)?, url)?.signed_below(self.base_url()))
    }

    /// Tells it from others, for limits and the log: the clientKey, or the installation's ARI.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Connect(tenant) => tenant.client_key(),
            Self::Forge(site) => &site.installation_id,
        }
    }
}

/// Whether a relative URL has Confluence's `/wiki` already.
fn names_wiki(url: &str) -> bool {
    let path = url.strip_prefix('/').unwrap_or(url);
    path.strip_prefix("wiki").is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

/// The ARI of the site of a product's API URL: of `https://api.atlassian.com/ex/jira/{cloudId}`,
/// `ari:cloud:jira::site/{cloudId}`.
///
/// Source: Atlassian, "Atlassian Resource Identifiers".
pub(crate) fn site_ari(api_base_url: &str) -> Option<String> {
    let (product, cloud_id) = product(api_base_url)?;
    Some(format!("ari:cloud:{product}::site/{cloud_id}"))
}

/// The product and the cloudId of `…/ex/{product}/{cloudId}…`.
fn product(api_base_url: &str) -> Option<(String, String)> {
    let url = Url::parse(api_base_url).ok()?;
    let mut segments = url.path_segments()?.skip_while(|segment| *segment != "ex").skip(1);
    let (product, cloud_id) = (segments.next()?, segments.next()?);
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (plain(product) && plain(cloud_id)).then(|| (product.to_owned(), cloud_id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(api: &str, url: &str) -> Result<String, HostError> {
        let site = Site::Forge(Arc::new(ForgeSite::new("i", Some(api))));
        site.base_url_of(url).map(Cow::into_owned)
    }

    #[test]
    fn the_same_paths_lead_to_the_same_places_by_either_door() {
        let (jira, confluence) = ("https://api.atlassian.com/ex/jira/c", "https://api.atlassian.com/ex/confluence/c/");
        assert_eq!(base(jira, "/rest/api/3/myself").unwrap(), jira);
        assert_eq!(base(jira, "/wiki/rest").unwrap(), jira);
        assert_eq!(base(confluence, "/rest/api/content").unwrap(), format!("{confluence}wiki"));
        assert_eq!(base(confluence, "/wiki/api/v2/pages").unwrap(), confluence.trim_end_matches('/'));
        for wiki in ["wiki/api/v2/pages", "/wiki", "wiki", "/wiki?a=1", "/wiki#top"] {
            assert_eq!(base(confluence, wiki).unwrap(), confluence.trim_end_matches('/'), "{wiki}");
        }
        for other in ["/wikis", "/wiki-x/rest", "/WIKI/rest", "/rest/wiki/x", "//wiki/x", ""] {
            assert_eq!(base(confluence, other).unwrap(), format!("{confluence}wiki"), "{other}");
        }
        assert_eq!(base("http://127.0.0.1:1/ex/jira/c", "/x").unwrap(), "http://127.0.0.1:1/ex/jira/c");
        for api in ["", "api.atlassian.com", "http://api.atlassian.com/ex/jira/c", "ftp://x/ex/jira/c"] {
            assert!(base(api, "/x").is_err(), "{api}");
        }
    }

    #[test]
    fn a_site_has_a_resource_identifier() {
        for (api, ari) in [
            ("https://api.atlassian.com/ex/jira/c-1", Some("ari:cloud:jira::site/c-1")),
            ("https://api.atlassian.com/ex/confluence/c/wiki", Some("ari:cloud:confluence::site/c")),
            ("https://api.atlassian.com/ex/jira", None),
            ("https://api.atlassian.com/ex/jira/", None),
            ("https://api.atlassian.com/jira/c", None),
            ("https://api.atlassian.com/ex/jira/a%2Fb", None),
            ("", None),
        ] {
            assert_eq!(site_ari(api).as_deref(), ari, "{api}");
        }
    }
}
