//! The origin of the site that a Forge invocation comes from. A Connect tenant is compared with it.

use std::time::Duration;

use serde_json::Value;

use crate::host::{HostClient, HostError};
use crate::tenants::{Tenant, origin_of};

/// The largest answer that is read: one space of Confluence.
const ANSWER: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The origin of the site: that of the token's `siteUrl`, else of the URL that the product's API returns when `host`
/// asks it as the app. `None` if neither names one.
pub(super) async fn site_origin(site_url: Option<&str>, site_ari: Option<&str>, host: &HostClient) -> Option<String> {
    let of_token = site_url.and_then(origin_of);
    if of_token.is_some() {
        return of_token;
    }
    let (path, pointer) = whoami(site_ari)?;
    match answer(host, path).await {
        Ok(answer) => answer.pointer(pointer).and_then(Value::as_str).and_then(origin_of),
        Err(error) => {
            tracing::debug!(%error, "the product could not be asked for the URL of its site");
            None
        }
    }
}

async fn answer(host: &HostClient, path: &str) -> Result<Value, HostError> {
    // what another origin answers is not the product's answer
    let response =
        host.get(path).follow_redirects(false).retry(false).timeout(TIMEOUT).body_limit(ANSWER).send().await?;
    response.error_for_status().await?.json().await
}

/// Where a product returns the URL of its site: a path below its API, and a JSON pointer into the answer.
///
/// Confluence's `settings/systemInfo` returns it as well, but needs another scope, which hardly any app has.
///
/// Source: Atlassian, the REST API of Jira, "Get Jira instance info" (`baseUrl`), and the REST API of Confluence, v2,
/// "Get spaces" (`_links.base`, "Base url of the Confluence site").
fn whoami(site_ari: Option<&str>) -> Option<(&'static str, &'static str)> {
    if site_ari?.starts_with("ari:cloud:confluence::") {
        return Some(("/api/v2/spaces?limit=1", "/_links/base"));
    }
    Some(("/rest/api/3/serverInfo", "/baseUrl"))
}

/// Whether a tenant belongs to the site with that origin: by its base URL, or by its display URL, which differs if the
/// site was renamed or has a custom domain. The path (`/wiki`) names the product, not the site.
pub(super) fn is_of_site(tenant: &Tenant, origin: &str) -> bool {
    let installation = tenant.installation();
    let urls = [installation.base_url.as_deref(), installation.display_url.as_deref()];
    urls.into_iter().flatten().filter_map(origin_of).any(|known| known == origin)
}

/// What the key of a workspace of Bitbucket begins with.
const WORKSPACE: &str = "ari:cloud:bitbucket::workspace/";

/// Whether it is the key of a workspace of Bitbucket. All workspaces have the same URL.
pub(super) fn is_workspace(site_key: &str) -> bool {
    site_key.starts_with(WORKSPACE)
}

/// Whether a tenant belongs to the workspace with that key: its clientKey names it.
pub(super) fn is_of_workspace(tenant: &Tenant, site_key: &str) -> bool {
    // the key of another environment has a suffix
    let id = site_key.strip_prefix(WORKSPACE).and_then(|rest| rest.split('/').next());
    id.is_some() && id == tenant.workspace_id()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenants::Installation;
    use serde_json::json;

    fn tenant(base_url: &Value, display_url: &Value) -> Tenant {
        let payload = json!({
            "clientKey": "c", "sharedSecret": "s3cret-value", "baseUrl": base_url, "displayUrl": display_url,
            "displayUrlServicedeskHelpCenter": "https://help.example.com",
        });
        Tenant::new(Installation::read(&payload).unwrap(), &[]).unwrap()
    }

    #[test]
    fn a_tenant_is_of_the_site_whose_origin_it_has() {
        for (base_url, display_url, site_url, expected) in [
            ("https://a.atlassian.net", "", "https://a.atlassian.net", true),
            ("https://a.atlassian.net/", "", "https://a.atlassian.net", true),
            ("https://a.atlassian.net/wiki", "", "https://a.atlassian.net/", true),
            ("https://a.atlassian.net", "", "https://a.atlassian.net/wiki/", true),
            ("https://A.Atlassian.NET", "", "HTTPS://a.atlassian.net", true),
            ("https://a.atlassian.net:443", "", "https://a.atlassian.net", true),
            ("https://old.atlassian.net", "https://a.atlassian.net/wiki", "https://a.atlassian.net", true),
            ("https://a.atlassian.net", "https://jira.a.example", "https://jira.a.example", true),
            ("https://a.atlassian.net", "https://jira.a.example", "https://a.atlassian.net", true),
            ("https://b.atlassian.net", "", "https://a.atlassian.net", false),
            ("https://a.atlassian.net", "", "http://a.atlassian.net", false),
            ("https://a.atlassian.net:8443", "", "https://a.atlassian.net", false),
            ("https://a.atlassian.net.b.example", "", "https://a.atlassian.net", false),
            ("https://b.example/https://a.atlassian.net", "", "https://a.atlassian.net", false),
            ("https://a.atlassian.net@b.example", "", "https://a.atlassian.net", false),
            ("https://a.atlassian.net\\@b.example", "", "https://b.example", false),
            ("a.atlassian.net", "", "https://a.atlassian.net", false),
            ("", "", "https://help.example.com", false),
        ] {
            let origin = origin_of(site_url).unwrap();
            let tenant = tenant(&json!(base_url), &json!(display_url));
            assert_eq!(is_of_site(&tenant, &origin), expected, "{base_url} {display_url} {site_url}");
        }
        assert!(!is_of_site(&tenant(&json!(null), &json!(null)), "null"));
    }

    #[test]
    fn a_tenant_is_of_the_workspace_that_its_client_key_names() {
        for (client_key, site_key, expected) in [
            ("ari:cloud:bitbucket::app/{w-1}/app", "ari:cloud:bitbucket::workspace/w-1", true),
            ("ari:cloud:bitbucket::app/{w-1}/app", "ari:cloud:bitbucket::workspace/w-1/environment/e", true),
            ("ari:cloud:bitbucket::app/{w-1}/app", "ari:cloud:bitbucket::workspace/w-2", false),
            ("ari:cloud:bitbucket::app/{w-1}/app", "ari:cloud:jira::site/w-1", false),
            ("c", "ari:cloud:bitbucket::workspace/w-1", false),
            ("c", "ari:cloud:jira::site/c", false),
        ] {
            let payload = json!({
                "clientKey": client_key, "sharedSecret": "s3cret-value", "baseUrl": "https://bitbucket.org",
            });
            let tenant = Tenant::new(Installation::read(&payload).unwrap(), &[]).unwrap();
            assert_eq!(is_of_workspace(&tenant, site_key), expected, "{client_key} {site_key}");
        }
    }

    #[test]
    fn each_product_is_asked_in_its_own_way() {
        assert_eq!(whoami(Some("ari:cloud:confluence::site/c")), Some(("/api/v2/spaces?limit=1", "/_links/base")));
        assert_eq!(whoami(Some("ari:cloud:jira::site/c")), Some(("/rest/api/3/serverInfo", "/baseUrl")));
        assert_eq!(whoami(None), None);
    }
}
