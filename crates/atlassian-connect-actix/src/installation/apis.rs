//! The products of a Forge installation, and where their APIs are.
//!
//! Source: Atlassian, "Forge Remote essentials" (`app.apiBaseUrl`, `app.installation.contexts`).

use serde::{Deserialize, Serialize};

use super::keys::{ari_of_key, product, site_ari};
use crate::config::Product;
use crate::jwt::ForgeClaims;

const CONFLUENCE: &str = "confluence";

/// The API of one product: the product's name in lower case (empty if it is not known), and the URL. It is stored and
/// put into tokens as a list of both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Api(String, String);

impl Api {
    /// What the URL says of the product counts more than the name: requests go there.
    fn new(url: &str, name: Option<&str>) -> Self {
        let url = url.trim_end_matches('/');
        let product = match product(url) {
            Some((product, _)) => product.to_owned(),
            None => name.unwrap_or_default().to_ascii_lowercase(),
        };
        let url = if product == CONFLUENCE { url.strip_suffix("/wiki").unwrap_or(url) } else { url };
        Self(product, url.to_owned())
    }

    /// `jira`, `confluence` …
    pub(crate) fn product(&self) -> &str {
        &self.0
    }

    /// `https://api.atlassian.com/ex/jira/{cloudId}`, without a slash at the end, and without Confluence's `/wiki`.
    pub(crate) fn url(&self) -> &str {
        &self.1
    }

    pub(crate) fn is_confluence(&self) -> bool {
        self.product() == CONFLUENCE
    }

    /// The base of requests: for Confluence with `/wiki`, like the base URL of a Connect site.
    pub(crate) fn base_url(&self) -> String {
        let wiki = if self.is_confluence() { "/wiki" } else { "" };
        format!("{}{wiki}", self.url())
    }

    fn cloud_id(&self) -> Option<&str> {
        Some(product(self.url())?.1)
    }
}

/// The APIs of an installation. The first one is that of the product that calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Apis(Vec<Api>);

impl Apis {
    /// Those that a verified token names. The product of a page is that of the page's module, if the installation has
    /// it, else that of `apiBaseUrl`. If neither is known, it is `home`.
    pub(crate) fn of(claims: &ForgeClaims, home: Product) -> Self {
        let contexts = claims.app.installation.as_ref().map_or(&[][..], |installation| &installation.contexts);
        let url_and_name =
            contexts.iter().filter_map(|context| Some((context.api_base_url.as_deref()?, &context.name)));
        let mut apis: Vec<Api> = url_and_name.map(|(url, name)| Api::new(url, name.as_deref())).collect();
        let calling = claims.app.api_base_url.as_deref().map(|url| Api::new(url, None));
        let known = |calling: &Api| apis.iter().find(|api| api.url() == calling.url()).cloned();
        let calling = calling.map(|calling| known(&calling).unwrap_or(calling));
        apis.extend(calling.clone());
        apis.sort_unstable();
        apis.dedup();
        let apis = Self(calling.into_iter().chain(apis).collect::<Vec<_>>()).without_repetition();
        let module = claims.module_type().and_then(product_of_module);
        match module.and_then(|product| apis.find(product)) {
            Some(api) => apis.with_first(api),
            None if claims.app.api_base_url.is_none() => apis.at_home(home),
            None => apis,
        }
    }

    /// The only one, as `apiBaseUrl` names it.
    pub(crate) fn only(api_base_url: Option<&str>) -> Self {
        Self(api_base_url.map(|url| Api::new(url, None)).into_iter().collect())
    }

    /// What [`Apis::to_list`] made. An empty list: `api_base_url` is the only one.
    pub(crate) fn from_list(list: &[Api], api_base_url: Option<&str>) -> Self {
        if list.is_empty() { Self::only(api_base_url) } else { Self(list.to_vec()) }
    }

    /// Empty if the URL of the first one says all there is to know. At most `most` with URLs of at most `longest` bytes.
    pub(crate) fn to_list(&self, most: usize, longest: usize) -> Vec<Api> {
        if *self == Self::only(self.first().map(Api::url)) {
            return Vec::new();
        }
        let is_short = |api: &&Api| api.url().len() <= longest && api.product().len() <= longest;
        self.0.iter().filter(is_short).take(most).cloned().collect()
    }

    /// The product that calls.
    pub(crate) fn first(&self) -> Option<&Api> {
        self.0.first()
    }

    /// The names of the products, those that are known.
    pub(crate) fn products(&self) -> Vec<&str> {
        let mut products: Vec<_> = self.0.iter().map(Api::product).filter(|product| !product.is_empty()).collect();
        products.sort_unstable();
        products.dedup();
        products
    }

    pub(crate) fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    /// That of a product: on the site that calls, if there are several.
    pub(crate) fn find(&self, product: &str) -> Option<&Api> {
        let site = self.first().and_then(Api::cloud_id);
        let of_product = || self.0.iter().filter(|api| api.product() == product);
        of_product().find(|api| api.cloud_id() == site).or_else(|| of_product().next())
    }

    /// That of the site with this key.
    pub(crate) fn of_site(&self, key: &str) -> Option<&Api> {
        self.0.iter().find(|api| site_ari(api.url()).as_deref() == Some(ari_of_key(key)))
    }

    /// The same, as if `api` called.
    pub(crate) fn with_first(&self, api: &Api) -> Self {
        Self(std::iter::once(api).chain(&self.0).cloned().collect()).without_repetition()
    }

    /// The same whichever product calls: the configured one is the first, else the smallest.
    pub(crate) fn at_home(&self, home: Product) -> Self {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let sorted = Self(sorted);
        let first = sorted.0.iter().find(|api| api.product() == home.as_str()).or(sorted.first());
        first.map(|first| sorted.with_first(first)).unwrap_or_default()
    }

    /// The others keep their order.
    fn without_repetition(mut self) -> Self {
        let first = self.first().cloned();
        let mut is_first = true;
        self.0.retain(|api| std::mem::take(&mut is_first) || Some(api) != first.as_ref());
        self
    }
}

/// The product that has modules of this type. Only page modules name one: the others are `core:…`.
///
/// Source: Atlassian, the manifest reference of each module. Tokens call a macro `xen:macro`.
fn product_of_module(kind: &str) -> Option<&'static str> {
    match kind.split_once(':').map_or(kind, |(product, _)| product) {
        "jira" | "jiraServiceManagement" => Some("jira"),
        "confluence" | "macro" | "xen" => Some(CONFLUENCE),
        "bitbucket" => Some("bitbucket"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
