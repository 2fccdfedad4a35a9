//! The host of a client: a Connect tenant's site, or a product's API for a Forge installation.

use std::borrow::Cow;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use super::HostError;
use super::target::{Target, is_absolute};
use crate::config::{Product, is_loopback};
use crate::installation::{Api, Apis, site_ari};
use crate::tenants::{Installation, Tenant, origin_of, product_of};

/// A site through Connect or Forge.
#[derive(Clone)]
pub(super) enum HostSite {
    Connect(Arc<Tenant>),
    Forge(Arc<ForgeSite>),
}

/// A Forge installation, with the tokens of its invocation.
#[derive(Clone)]
pub(crate) struct ForgeSite {
    pub(crate) installation_id: String,
    /// Its products. The first one is that of the base URL.
    pub(crate) apis: Apis,
    /// `https://api.atlassian.com/ex/jira/{cloudId}`; for Confluence with `/wiki`, like the base URL of a Connect site.
    pub(crate) base_url: String,
    /// The site's own origin, if the invocation names it. Links in answers point to it; tokens are not sent there.
    pub(crate) site_origin: Option<String>,
    pub(crate) app_token: Option<SecretString>,
    /// The account id, and the token.
    pub(crate) user: Option<(String, SecretString)>,
    /// The account id of the page's user. Without a token that came with the page, nothing is done as this user.
    pub(crate) page_user: Option<String>,
}

impl ForgeSite {
    /// Requests go to the first one of `apis`; without one, every request fails.
    pub(crate) fn new(installation_id: &str, apis: Apis) -> Self {
        Self {
            installation_id: installation_id.to_owned(),
            base_url: apis.first().map(Api::base_url).unwrap_or_default(),
            apis,
            site_origin: None,
            app_token: None,
            user: None,
            page_user: None,
        }
    }

    /// The ARI of the site: `ari:cloud:jira::site/{cloudId}`.
    pub(super) fn ari(&self) -> Option<String> {
        site_ari(&self.base_url)
    }

    /// Whether a user's token for this product may differ from that for another one of the installation.
    pub(super) fn has_several_products(&self) -> bool {
        self.apis.are_several()
    }

    /// Whether the invocation brought a token of this user.
    pub(super) fn is_own_user(&self, account_id: &str) -> bool {
        self.user.as_ref().is_some_and(|(id, _)| id == account_id)
    }

    /// The URL that issues offline user tokens.
    pub(super) fn graphql(&self) -> Option<Url> {
        Url::parse(&self.base_url).ok()?.join("/graphql").ok()
    }
}

impl HostSite {
    /// The same site, for that product. The app's and the user's tokens are good for all products of an installation.
    /// Connect's tenant is of one product: `configured` if it does not say which.
    pub(super) fn of_product(&self, wanted: Product, configured: Product) -> Result<Self, HostError> {
        let found = match self {
            Self::Connect(tenant) => {
                let Installation { product_type, base_url, .. } = tenant.installation();
                let own = product_of(product_type.as_deref(), base_url.as_deref().unwrap_or_default());
                // an app of Bitbucket has no tenants of other products
                let own = own.unwrap_or(if configured == Product::Bitbucket { configured } else { Product::Jira });
                if own == wanted {
                    return Ok(self.clone());
                }
                vec![own.as_str()]
            }
            Self::Forge(site) => {
                if let Some(api) = site.apis.find(wanted.as_str()) {
                    let apis = site.apis.with_first(api);
                    let site = ForgeSite { base_url: api.base_url(), apis, ..site.as_ref().clone() };
                    return Ok(Self::Forge(Arc::new(site)));
                }
                site.apis.products()
            }
        };
        Err(HostError::product(wanted, &found))
    }

    /// The name of the product, for metrics.
    pub(super) fn product(&self) -> &'static str {
        let product = match self {
            Self::Connect(tenant) => product_of(tenant.installation().product_type.as_deref(), tenant.base_url()),
            Self::Forge(site) if site.base_url.contains("/ex/jira/") => Some(Product::Jira),
            Self::Forge(site) if site.base_url.contains("/ex/confluence/") => Some(Product::Confluence),
            Self::Forge(_) => None,
        };
        product.map_or("other", Product::as_str)
    }

    /// The base of relative URLs.
    pub(super) fn base_url(&self) -> &str {
        match self {
            Self::Connect(tenant) => tenant.base_url(),
            Self::Forge(site) => &site.base_url,
        }
    }

    /// The origins that links to this site may have.
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

    /// The base of `url`. Confluence's documentation has paths with `/wiki`, which is not added twice.
    pub(super) fn base_url_of(&self, url: &str) -> Result<Cow<'_, str>, HostError> {
        let base = self.base_url();
        if let Self::Forge(_) = self {
            let parsed = Url::parse(base).map_err(|_| HostError::Url("the invocation names no apiBaseUrl".into()))?;
            // bearer tokens are sent there
            if parsed.scheme() != "https" && !is_loopback(&parsed) {
                return Err(HostError::Url("the apiBaseUrl of the invocation is not https".into()));
            }
        }
        Ok(match base.trim_end_matches('/').strip_suffix("/wiki") {
            Some(above) if names_wiki(url) => above.into(),
            _ => base.into(),
        })
    }

    /// The target of a request to `url`. The signed path is always relative to the site's base URL.
    pub(super) fn target(&self, url: &str) -> Result<Target, HostError> {
        let base = self.base_url_of(url)?;
        let target = Target::new(&base, url)?.signed_below(self.base_url());
        // dots in a path must not lead to another product or another site behind the same gateway
        if matches!(self, Self::Forge(_)) && target.is_own && !is_absolute(url) && !is_below(&target.url, &base) {
            return Err(HostError::Url("its path leads out of the product's API".into()));
        }
        Ok(target)
    }

    /// The name of the site for limits and the log: the clientKey, or the installation's ARI.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Connect(tenant) => tenant.client_key(),
            Self::Forge(site) => &site.installation_id,
        }
    }
}

/// Whether a path is that of the base or below it.
fn is_below(url: &Url, base: &str) -> bool {
    let Ok(base) = Url::parse(base) else { return false };
    let rest = url.path().strip_prefix(base.path().trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a relative URL already has Confluence's `/wiki`.
fn names_wiki(url: &str) -> bool {
    let path = url.strip_prefix('/').unwrap_or(url);
    path.strip_prefix("wiki").is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(api: &str, url: &str) -> Result<String, HostError> {
        let site = HostSite::Forge(Arc::new(ForgeSite::new("i", Apis::only(Some(api)))));
        site.base_url_of(url).map(Cow::into_owned)
    }

    #[test]
    fn the_same_paths_work_through_connect_and_forge() {
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
    fn a_relative_path_stays_at_its_product() {
        let (jira, confluence) = ("https://api.atlassian.com/ex/jira/c", "https://api.atlassian.com/ex/confluence/c");
        for (api, url, is_good) in [
            (jira, "/rest/api/3/myself", true),
            (jira, "/rest/x/../api/3/myself", true),
            (jira, "/rest/api/3/search?jql=../../x", true),
            (jira, "/rest/../../../confluence/c/wiki/rest", false),
            (jira, "/../../confluence/c/wiki", false),
            (jira, "/../d/rest", false),
            (jira, "/../c-2/rest", false),
            (jira, "/%2e%2e/%2E./confluence/c/wiki", false),
            (jira, "/..", false),
            (confluence, "/rest/api/content", true),
            (confluence, "/wiki/api/v2/pages", true),
            (confluence, "/wiki/../../../jira/c/rest", false),
            (confluence, "/../rest", false),
            // named in full, it is meant
            (jira, "https://api.atlassian.com/ex/confluence/c/wiki/rest", true),
            (jira, "https://api.atlassian.com/forge/storage/kvs/v1/get", true),
            (jira, "https://other.example/x", true),
        ] {
            let site = HostSite::Forge(Arc::new(ForgeSite::new("i", Apis::only(Some(api)))));
            let target = site.target(url);
            assert_eq!(target.is_ok(), is_good, "{api} {url} {target:?}");
        }
    }
}
