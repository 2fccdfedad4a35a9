//! What the manifest of the Forge app says: its scopes. Without a manifest the descriptor's scopes count.

use std::path::Path;

use crate::api::{Reply, refusal};
use crate::manifest;
use atlassian_connect_actix::config::Product;

/// The scopes of the app. `None`: there is no manifest.
fn scopes(folder: &Path) -> Option<Vec<String>> {
    manifest::read(folder).map(|manifest| manifest.scopes())
}

/// Whether the manifest's scopes let the app ask this of the product's API, in whosever name it asks. `None`: there is no
/// manifest.
pub(crate) fn check_scope(folder: &Path, product: Product, method: &str, path: &str) -> Option<Result<(), Reply>> {
    let scopes = scopes(folder)?;
    let needed = needed(product, method, path);
    let name = if product == Product::Confluence { ":confluence" } else { ":jira" };
    let verb = |scope: &str| scope.split(':').next().unwrap_or_default().to_owned();
    let fits = |scope: &String| {
        let is_granular = scope.ends_with(name);
        needed.contains(&scope.as_str())
            || (is_granular && needed.iter().any(|classic| verb(classic) == verb(scope)))
            || (is_granular && verb(scope) == "delete" && method == "DELETE")
    };
    if scopes.iter().any(fits) {
        return Some(Ok(()));
    }
    Some(Err(refusal(403, format!("The manifest's scopes lack {}.", needed.join(" or ")))))
}

/// Any of these is enough. Source: the scopes in Atlassian's REST API documents, roughly.
fn needed(product: Product, method: &str, path: &str) -> &'static [&'static str] {
    let reads = crate::api::scopes::needed(method, path) == "READ";
    let is_about_people = ["/myself", "/user", "/group"].iter().any(|part| path.contains(part));
    match (product, reads) {
        (Product::Confluence, true) if is_about_people => &["read:confluence-user"],
        (Product::Confluence, true) => &[
            "read:confluence-content.all",
            "read:confluence-content.summary",
            "read:confluence-space.summary",
            "read:confluence-props",
            "search:confluence",
        ],
        (Product::Confluence, false) => {
            &["write:confluence-content", "write:confluence-space", "write:confluence-file", "write:confluence-props"]
        }
        (_, true) if is_about_people => &["read:jira-user"],
        (_, true) => &["read:jira-work"],
        (_, false) => &["write:jira-work", "manage:jira-project", "manage:jira-configuration"],
    }
}

/// Whether an invocation brings the token of the app, and that of the user.
pub(super) fn tokens(folder: &Path) -> (bool, bool) {
    let scopes = scopes(folder);
    let has = |scope: &str| scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|one| one == scope));
    (has("read:app-system-token"), has("read:app-user-token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_says_what_may_be_asked() {
        let folder = tempfile::tempdir().unwrap();
        let lacks = |method: &str, path: &str| {
            let reply = check_scope(folder.path(), Product::Jira, method, path).unwrap().err();
            reply.map(|(status, body)| format!("{status} {}", body["message"].as_str().unwrap_or_default()))
        };
        assert!(check_scope(folder.path(), Product::Jira, "DELETE", "/rest/api/3/issue/A-1").is_none());
        assert_eq!(tokens(folder.path()), (true, true));
        std::fs::create_dir(folder.path().join("forge")).unwrap();
        let manifest = folder.path().join("forge/manifest.yml");
        std::fs::write(&manifest, "permissions:\n  scopes: [read:jira-work, read:app-user-token]\n").unwrap();
        assert_eq!(tokens(folder.path()), (false, true));
        assert_eq!(lacks("GET", "/rest/api/3/issue/A-1"), None);
        assert_eq!(lacks("POST", "/rest/api/3/permissions/check"), None);
        assert_eq!(
            lacks("GET", "/rest/api/3/myself").as_deref(),
            Some("403 The manifest's scopes lack read:jira-user.")
        );
        assert!(lacks("PUT", "/rest/api/3/issue/A-1").is_some());
        std::fs::write(&manifest, "permissions:\n  scopes: [read:user:jira, delete:issue:jira]\n").unwrap();
        assert_eq!(lacks("GET", "/rest/api/3/myself"), None);
        assert_eq!(lacks("DELETE", "/rest/api/3/issue/A-1"), None);
        assert!(lacks("PUT", "/rest/api/3/issue/A-1").is_some());
        let confluence = check_scope(folder.path(), Product::Confluence, "GET", "/rest/api/content");
        assert!(confluence.unwrap().is_err());
    }
}
