//! The keys under which an app keeps what belongs to a tenant that is on Forge alone. This is the only place that makes
//! them.
//!
//! | installation | key |
//! |---|---|
//! | Jira, Confluence and other products with a site | `ari:cloud:jira::site/{cloudId}` |
//! | Bitbucket | `ari:cloud:bitbucket::workspace/{workspaceId}` |
//! | a token that names neither | the installation's ARI |
//! | an app that is not the first `appId` | the key, and `/app/{id}` |
//! | an environment that is not production | the key, and `/environment/{id}` |
//!
//! An installation with several products has a key for each. The first one is the key of the tenant: that of the
//! configured product, else the smallest. The suffixes keep the data of environments and apps apart. An installation's
//! own ARI needs none: each app and environment has installations of its own.
//!
//! A key has letters, digits, `:`, `-` and `/`, at most 255 of them.

use aws_lc_rs::digest::{SHA256, digest};

use crate::config::Product;
use crate::jwt::{ForgeClaims, InstallationContext, to_hex};

const BITBUCKET: &str = "bitbucket";
/// What Bitbucket calls a workspace in an ARI.
const WORKSPACE: &str = "ari:cloud:bitbucket::workspace/";
/// The longest name of a product, in bytes.
const LONGEST_PRODUCT: usize = 32;
/// The longest cloudId or workspaceId, in bytes. Atlassian's have 36.
const LONGEST_ID: usize = 100;
/// The longest part of a suffix, in bytes: a UUID. Longer ones are hashed.
const LONGEST_PART: usize = 36;

/// The deployment that an installation belongs to, and the product that its data is kept for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Installed<'a> {
    /// The configured product.
    pub(crate) product: Product,
    /// The bare id of the app, unless it is the first of the configuration.
    pub(crate) other_app: Option<&'a str>,
}

/// The keys of all products of the installation. The first one is the key of the tenant.
pub(crate) fn site_keys(claims: &ForgeClaims, installed: Installed<'_>) -> Vec<String> {
    let mut sites = sites(claims);
    if sites.is_empty() {
        return vec![claims.app.installation_id.clone()];
    }
    let of_product = format!("ari:cloud:{}::", installed.product.as_str());
    let first = sites.iter().position(|site| site.starts_with(&of_product)).unwrap_or_default();
    if let Some(up_to_first) = sites.get_mut(..=first) {
        up_to_first.rotate_right(1);
    }
    let suffix = suffix(claims, installed.other_app);
    sites.iter().map(|site| format!("{site}{suffix}")).collect()
}

/// The ARIs of the sites and workspaces, sorted.
fn sites(claims: &ForgeClaims) -> Vec<String> {
    let contexts = claims.app.installation.as_ref().map_or(&[][..], |installation| &installation.contexts);
    let page = claims.context.as_ref();
    let workspace_of_page = page.filter(|page| page.cloud_id.is_none()).and_then(|page| page.workspace_id.as_deref());
    let mut sites: Vec<String> =
        contexts.iter().filter_map(|context| ari_of_context(context, workspace_of_page)).collect();
    // it is one of the contexts, if there are any
    let calling = claims.app.api_base_url.as_deref().map(trimmed);
    if !contexts.iter().any(|context| context.api_base_url.as_deref().map(trimmed) == calling) {
        let calling =
            InstallationContext { api_base_url: calling.map(str::to_owned), ..InstallationContext::default() };
        sites.extend(ari_of_context(&calling, workspace_of_page));
    }
    if sites.is_empty() {
        sites.extend(workspace_of_page.and_then(workspace_ari));
    }
    sites.sort_unstable();
    sites.dedup();
    sites
}

/// What a context's URL says counts more than its name: requests go there.
fn ari_of_context(context: &InstallationContext, workspace_of_page: Option<&str>) -> Option<String> {
    let url = context.api_base_url.as_deref();
    let name = context.name.as_deref().map(str::to_ascii_lowercase);
    let workspace = context.workspace_id.as_deref();
    match url.and_then(product).map(|(product, _)| product).or(name.as_deref()) {
        Some(BITBUCKET) => workspace.or(workspace_of_page).and_then(workspace_ari).or_else(|| url.and_then(site_ari)),
        Some(product) => url.and_then(site_ari).or_else(|| ari(product, context.cloud_id.as_deref()?)),
        None if context.cloud_id.is_none() => workspace.and_then(workspace_ari),
        None => None,
    }
}

fn trimmed(url: &str) -> &str {
    url.trim_end_matches('/')
}

/// The key of a product's site, without what another app or environment adds. `None`: that is no cloudId.
#[must_use]
pub fn site_key(product: Product, cloud_id: &str) -> Option<String> {
    ari(product.as_str(), cloud_id)
}

/// Whether the name of a row of Forge is the key of a site, not that of an installation.
#[must_use]
pub fn is_site_key(id: &str) -> bool {
    id.starts_with("ari:cloud:") && (id.contains("::site/") || id.contains("::workspace/"))
}

/// The product of a key: `jira`.
#[must_use]
pub fn product_of_key(key: &str) -> Option<&str> {
    key.strip_prefix("ari:cloud:")?.split_once("::").map(|(product, _)| product)
}

/// The key without what another app or environment adds; `None` if it has no such suffix.
#[must_use]
pub fn plain_of(key: &str) -> Option<&str> {
    let (end, _) = key.match_indices('/').nth(1)?;
    key.get(..end)
}

/// The ARI of which a key was made: the key itself if it has no suffix.
pub(crate) fn ari_of_key(key: &str) -> &str {
    plain_of(key).unwrap_or(key)
}

/// Whether a text can be a cloudId. It becomes a part of a key.
#[must_use]
pub fn is_cloud_id(text: &str) -> bool {
    is_plain(text, LONGEST_ID)
}

/// Bitbucket writes ids in braces, too.
fn workspace_ari(workspace_id: &str) -> Option<String> {
    let id = workspace_id.strip_prefix(WORKSPACE).unwrap_or(workspace_id);
    let id = id.strip_prefix('{').and_then(|id| id.strip_suffix('}')).unwrap_or(id);
    is_plain(id, LONGEST_ID).then(|| format!("{WORKSPACE}{id}"))
}

fn ari(product: &str, cloud_id: &str) -> Option<String> {
    let is_good = is_plain(product, LONGEST_PRODUCT) && is_plain(cloud_id, LONGEST_ID);
    is_good.then(|| format!("ari:cloud:{product}::site/{cloud_id}"))
}

/// What the key has beyond the site's ARI. Nothing for the first app in production.
fn suffix(claims: &ForgeClaims, other_app: Option<&str>) -> String {
    let environment = &claims.app.environment;
    let mut suffix = other_app.map(|app| format!("/app/{}", part(app))).unwrap_or_default();
    if !environment.is_production() {
        let id = environment.id.as_deref().filter(|id| !id.is_empty());
        let id = id.map_or_else(|| environment.kind().to_ascii_lowercase(), str::to_owned);
        suffix += "/environment/";
        suffix += &part(&id);
    }
    suffix
}

/// An id as a part of a key: the last part of an ARI. One with other characters, or a longer one, is hashed.
fn part(id: &str) -> String {
    let last = id.rsplit('/').next().unwrap_or(id);
    if is_plain(last, LONGEST_PART) {
        return last.to_owned();
    }
    let mut hash = to_hex(digest(&SHA256, id.as_bytes()).as_ref());
    hash.truncate(32);
    hash
}

/// The ARI of a site, from its product's API URL: `https://api.atlassian.com/ex/jira/{cloudId}` gives
/// `ari:cloud:jira::site/{cloudId}`.
///
/// Source: Atlassian, "Atlassian Resource Identifiers".
pub(crate) fn site_ari(api_base_url: &str) -> Option<String> {
    let (product, cloud_id) = product(api_base_url)?;
    ari(product, cloud_id)
}

/// The product and the cloudId of `…/ex/{product}/{cloudId}…`.
pub(super) fn product(api_base_url: &str) -> Option<(&str, &str)> {
    let without_query = api_base_url.split(['?', '#']).next()?;
    let (_, below_host) = without_query.split_once("://")?.1.split_once('/')?;
    let mut segments = below_host.split('/').skip_while(|segment| *segment != "ex").skip(1);
    let (product, cloud_id) = (segments.next()?, segments.next()?);
    (is_plain(product, LONGEST_PRODUCT) && is_plain(cloud_id, LONGEST_ID)).then_some((product, cloud_id))
}

fn is_plain(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests;
