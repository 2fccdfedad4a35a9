//! A URL of the app's own that a token is bound to.

use url::Url;

use crate::config::BaseUrl;
use crate::jwt::qsh;

/// The URL as a browser asks for it, and the hash of the GET that does.
pub(crate) struct BoundUrl {
    url: Url,
    hash: String,
}

impl BoundUrl {
    /// `path` is below the base URL and may have a query. A browser resolves and encodes what the author did not. `None`:
    /// it is not a URL, or leads out of the app.
    pub(crate) fn of(base: &BaseUrl, path: &str) -> Option<Self> {
        let mut url = Url::parse(&format!("{}{path}", base.as_str())).ok()?;
        if url.query() == Some("") {
            url.set_query(None);
        }
        let below = qsh::relative_path(url.path(), base.path())?;
        let hash = qsh::hash("GET", below, url.query().unwrap_or_default());
        Some(Self { url, hash })
    }

    /// What the token has to carry as its `qsh`.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    /// The URL with the token in its query.
    pub(crate) fn with_token(&self, token: &str) -> String {
        let separator = if self.url.query().is_some() { '&' } else { '?' };
        format!("{}{separator}jwt={token}", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_what_a_browser_asks_for() {
        let base: BaseUrl = "https://addon.example/base".parse().unwrap();
        for (path, expected, below, query) in [
            ("/x", "https://addon.example/base/x?jwt=T", "/x", ""),
            ("/x?", "https://addon.example/base/x?jwt=T", "/x", ""),
            ("/x?a=1", "https://addon.example/base/x?a=1&jwt=T", "/x", "a=1"),
            ("/a/../b c?d=é", "https://addon.example/base/b%20c?d=%C3%A9&jwt=T", "/b%20c", "d=%C3%A9"),
        ] {
            let url = BoundUrl::of(&base, path).unwrap();
            assert_eq!(
                (url.with_token("T").as_str(), url.hash()),
                (expected, &*qsh::hash("GET", below, query)),
                "{path}"
            );
        }
        for path in ["/../x", "/../../x", "/%2e%2e/x"] {
            assert!(BoundUrl::of(&base, path).is_none(), "{path}");
        }
    }
}
