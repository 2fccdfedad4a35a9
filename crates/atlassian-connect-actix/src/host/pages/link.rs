//! The target of a link to the next page.

use serde_json::Value;
use url::Url;

use crate::host::site::HostSite;
use crate::tenants::origin_of;

/// Links are relative to the base URL, relative to the site (Confluence's newer API, with `/wiki` in them), or
/// absolute. An absolute link to the site is rewritten to where this client sends its requests: a Forge app reaches the
/// site only through the product's API, and a Connect site may link to its display URL.
pub(super) fn resolve(link: &str, came_from: &Url, site: &HostSite, page: &Value) -> Option<Url> {
    let base = Url::parse(site.base_url()).ok()?;
    let is_path = link.starts_with('/') && !link.starts_with("//") && !link.starts_with("/\\");
    if is_path && came_from.origin() == base.origin() {
        return below(link, site);
    }
    let mut url = came_from.join(link).ok()?;
    url.set_fragment(None);
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let is_reachable = matches!(site, HostSite::Connect(_)) || is_below(url.path(), api_path(&base));
    if url.origin() == base.origin() && is_reachable {
        return Some(url);
    }
    let origin = url.origin().ascii_serialization();
    let named = ["/_links/base", "/_links/self", "/self"].iter().filter_map(|at| origin_at(page, at));
    let is_named = named.chain(site.origins()).any(|known| known == origin);
    // the next page of the same list: only the host's name differs
    let is_same_list = || below(url.path(), site).is_some_and(|own| own.path() == came_from.path());
    let is_mapped = match site {
        HostSite::Connect(_) => site.origins().contains(&origin),
        HostSite::Forge(_) => is_named || is_same_list(),
    };
    if !is_mapped {
        return Some(url);
    }
    below(&url[url::Position::BeforePath..], site)
}

/// A path with its query, relative to the base URL.
fn below(path: &str, site: &HostSite) -> Option<Url> {
    let base_url = site.base_url();
    let own = Url::parse(base_url).ok()?;
    // already has the site's context path, or the path of the product's API
    if is_below(path, own.path().trim_end_matches('/')) || is_below(path, api_path(&own)) {
        return own.join(path).ok();
    }
    let base = site.base_url_of(path).ok()?;
    Url::parse(&format!("{}{path}", base.trim_end_matches('/'))).ok()
}

/// The path of the product's API: that of the base URL, without Confluence's `/wiki`.
fn api_path(base: &Url) -> &str {
    let context = base.path().trim_end_matches('/');
    context.strip_suffix("/wiki").unwrap_or(context)
}

fn is_below(path: &str, start: &str) -> bool {
    !start.is_empty() && path.strip_prefix(start).is_some_and(|rest| rest.starts_with('/'))
}

fn origin_at(page: &Value, pointer: &str) -> Option<String> {
    origin_of(page.pointer(pointer)?.as_str()?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::host::site::ForgeSite;
    use crate::installation::Apis;

    fn forge(api: &str, site_url: Option<&str>) -> HostSite {
        let site = ForgeSite::new("i", Apis::only(Some(api)));
        HostSite::Forge(Arc::new(ForgeSite { site_origin: site_url.map(str::to_owned), ..site }))
    }

    #[test]
    fn through_forge_every_link_to_the_site_uses_the_gateway() {
        let gateway = "https://api.atlassian.com/ex/confluence/c-1";
        let came_from = Url::parse(&format!("{gateway}/wiki/api/v2/spaces?limit=2")).unwrap();
        let site = forge(gateway, Some("https://site.atlassian.net"));
        let nothing = json!({});
        for (link, expected) in [
            ("/wiki/api/v2/spaces?cursor=x", "/wiki/api/v2/spaces?cursor=x"),
            ("/api/v2/spaces?cursor=x", "/wiki/api/v2/spaces?cursor=x"),
            ("/rest/api/content?start=2", "/wiki/rest/api/content?start=2"),
            ("/ex/confluence/c-1/wiki/api/v2/spaces?cursor=x", "/wiki/api/v2/spaces?cursor=x"),
            ("?cursor=x", "/wiki/api/v2/spaces?cursor=x"),
            ("pages?cursor=x", "/wiki/api/v2/pages?cursor=x"),
            ("https://site.atlassian.net/wiki/api/v2/spaces?cursor=x", "/wiki/api/v2/spaces?cursor=x"),
            ("https://SITE.atlassian.net:443/wiki/rest/api/x?a=%20#f", "/wiki/rest/api/x?a=%20"),
            ("//site.atlassian.net/wiki/api/v2/pages", "/wiki/api/v2/pages"),
            ("https://api.atlassian.com/ex/confluence/c-1/wiki/x", "/wiki/x"),
            // not known to be the site, but it is the same list
            ("https://other.example/wiki/api/v2/spaces?cursor=x", "/wiki/api/v2/spaces?cursor=x"),
        ] {
            let url = resolve(link, &came_from, &site, &nothing).unwrap();
            assert_eq!(url.as_str(), format!("{gateway}{expected}"), "{link}");
        }
        let elsewhere = "https://other.example/wiki/api/v2/pages";
        assert_eq!(resolve(elsewhere, &came_from, &site, &nothing).unwrap().as_str(), elsewhere);
        for at in ["base", "self"] {
            let page = json!({ "_links": { at: "https://other.example/wiki" } });
            let url = resolve(elsewhere, &came_from, &site, &page).unwrap();
            assert_eq!(url.as_str(), format!("{gateway}/wiki/api/v2/pages"), "{at}");
        }
        for none in ["http://[", "javascript:alert(1)", "file:///etc/passwd", "mailto:a@b"] {
            assert_eq!(resolve(none, &came_from, &site, &nothing), None, "{none}");
        }
        let jira = forge("https://api.atlassian.com/ex/jira/c-1", Some("https://site.atlassian.net"));
        let came_from = Url::parse("https://api.atlassian.com/ex/jira/c-1/rest/api/3/users").unwrap();
        for link in ["https://site.atlassian.net/rest/api/3/x?startAt=2", "/rest/api/3/x?startAt=2"] {
            let url = resolve(link, &came_from, &jira, &nothing).unwrap();
            assert_eq!(url.as_str(), "https://api.atlassian.com/ex/jira/c-1/rest/api/3/x?startAt=2", "{link}");
        }
    }
}
