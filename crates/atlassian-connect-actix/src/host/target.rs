//! Where a request goes, and whether that is the tenant's own origin.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use url::{Host, Url};

use super::HostError;
use crate::jwt::qsh::relative_path;
use crate::transport::Guard;

/// RFC 3986's unreserved characters stay: a space is `%20`, as hosts and signatures want it.
pub(super) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A URL, and what it is to the tenant.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    /// Scheme, host and port are the tenant's: credentials may go there.
    pub(super) is_own: bool,
    base_path: String,
}

impl Target {
    /// `url` is absolute, or below `base_url`.
    pub(super) fn new(base_url: &str, url: &str) -> Result<Self, HostError> {
        let base = Url::parse(base_url).map_err(|_| HostError::Url("the tenant's base URL is none".into()))?;
        let lower = url.trim_start().to_ascii_lowercase();
        let parsed = if lower.starts_with("http://") || lower.starts_with("https://") {
            Url::parse(url)
        } else if url.starts_with("//") || url.starts_with('\\') || url.starts_with("/\\") {
            base.join(url)
        } else {
            // below the base URL with its path; the slash between keeps a URL such as "@host" or ":80" in the path
            Url::parse(&format!("{}/{}", base_url.trim_end_matches('/'), url.trim_start_matches('/')))
        };
        Self::of(parsed.map_err(|error| HostError::Url(error.to_string()))?, &base)
    }

    /// The same, its path signed as one below `base_url`.
    pub(super) fn signed_below(self, base_url: &str) -> Self {
        match Url::parse(base_url) {
            Ok(base) => Self { base_path: base.path().trim_end_matches('/').to_owned(), ..self },
            Err(_) => self,
        }
    }

    /// Where a redirect from here leads.
    pub(super) fn follow(&self, location: &str, base_url: &str) -> Result<Self, HostError> {
        let base = Url::parse(base_url).map_err(|_| HostError::Url("the tenant's base URL is none".into()))?;
        let next = self.url.join(location).map_err(|error| HostError::Url(error.to_string()))?;
        let next = Self::of(next, &base)?;
        if self.url.scheme() == "https" && next.url.scheme() == "http" {
            return Err(HostError::Redirect { host: self.host(), how: "from https to http" });
        }
        // another origin that sends back would choose what is signed
        Ok(Self { is_own: self.is_own && next.is_own, ..next })
    }

    fn of(mut url: Url, base: &Url) -> Result<Self, HostError> {
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(HostError::Url("it must be an http or https URL".into()));
        }
        // user info would be credentials of somebody's choosing
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        let is_own = url.origin() == base.origin();
        Ok(Self { url, is_own, base_path: base.path().trim_end_matches('/').to_owned() })
    }

    /// The path that is signed: without the base URL's own (`/wiki`).
    pub(super) fn signed_path(&self) -> &str {
        relative_path(self.url.path(), &self.base_path).unwrap_or(self.url.path())
    }

    /// The host's name, for messages.
    pub(super) fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }

    pub(super) fn check(&self, guard: &Guard) -> Result<(), HostError> {
        let host: Option<Host<&str>> = self.url.host();
        if host.is_some_and(|host| guard.permits(&host)) { Ok(()) } else { Err(HostError::PrivateAddress(self.host())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_below_the_base_or_absolute() {
        let base = "https://site.atlassian.net/wiki/";
        for (url, full, signed, is_own) in [
            ("/rest/api/content", "https://site.atlassian.net/wiki/rest/api/content", "/rest/api/content", true),
            ("rest/x?a=b c", "https://site.atlassian.net/wiki/rest/x?a=b%20c", "/rest/x", true),
            ("https://site.atlassian.net/wiki/rest/x", "https://site.atlassian.net/wiki/rest/x", "/rest/x", true),
            ("https://site.atlassian.net/rest/x", "https://site.atlassian.net/rest/x", "/rest/x", true),
            ("https://SITE.atlassian.net:443/wikis", "https://site.atlassian.net/wikis", "/wikis", true),
            ("/a%2Fb/c d", "https://site.atlassian.net/wiki/a%2Fb/c%20d", "/a%2Fb/c%20d", true),
            ("@evil.example/x", "https://site.atlassian.net/wiki/@evil.example/x", "/@evil.example/x", true),
            (":8443/x", "https://site.atlassian.net/wiki/:8443/x", "/:8443/x", true),
            ("http://site.atlassian.net/x", "http://site.atlassian.net/x", "/x", false),
            ("https://site.atlassian.net:8443/x", "https://site.atlassian.net:8443/x", "/x", false),
            ("https://site.atlassian.net@evil.example/x", "https://evil.example/x", "/x", false),
            ("https://site.atlassian.net.evil.example/", "https://site.atlassian.net.evil.example/", "/", false),
            ("//evil.example/x", "https://evil.example/x", "/x", false),
            ("\\\\evil.example/x", "https://evil.example/x", "/x", false),
        ] {
            let target = Target::new(base, url).unwrap();
            assert_eq!((target.url.as_str(), target.signed_path(), target.is_own), (full, signed, is_own), "{url}");
        }
        for url in ["https://", "http://["] {
            assert!(Target::new(base, url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_redirect_is_judged_anew() {
        let base = "https://site.atlassian.net";
        let start = Target::new(base, "/a/b").unwrap();
        for (location, full, is_own) in [
            ("/c", "https://site.atlassian.net/c", true),
            ("c", "https://site.atlassian.net/a/c", true),
            ("//evil.example", "https://evil.example/", false),
            ("//site.atlassian.net/c", "https://site.atlassian.net/c", true),
            ("https://site.atlassian.net:444/", "https://site.atlassian.net:444/", false),
        ] {
            let next = start.follow(location, base).unwrap();
            assert_eq!((next.url.as_str(), next.is_own), (full, is_own), "{location}");
        }
        for down in ["http://site.atlassian.net/", "http://evil.example/", "HTTP://site.atlassian.net:443/"] {
            assert!(matches!(start.follow(down, base), Err(HostError::Redirect { .. })), "{down}");
        }
        let up =
            Target::new("http://site.example", "/a").unwrap().follow("https://site.example/", "http://site.example");
        assert!(!up.unwrap().is_own, "another scheme is another origin");
        let away = start.follow("https://evil.example", base).unwrap();
        assert!(!away.follow("https://site.atlassian.net/b", base).unwrap().is_own, "there and back");
        assert!(start.follow("javascript:alert(1)", base).is_err());
        assert!(start.follow("file:///etc/passwd", base).is_err());
    }
}
