//! The target of a request, and whether it is the tenant's own origin.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use url::{Host, Url};

use super::HostError;
use super::actor::Identity;
use crate::jwt::qsh::relative_path;
use crate::transport::Guard;

/// RFC 3986's unreserved characters stay. A space becomes `%20`, as hosts and signatures require.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A URL and its relation to the tenant.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    /// Whether scheme, host and port are the tenant's: credentials may be sent there.
    pub(super) is_own: bool,
    /// Whether the app itself named this origin, for a request without the tenant's credentials: the app's headers are
    /// then meant for it.
    pub(super) is_chosen: bool,
    base_path: String,
}

impl Target {
    /// `url` is absolute, or relative to `base_url`.
    pub(super) fn new(base_url: &str, url: &str) -> Result<Self, HostError> {
        let base = Url::parse(base_url).map_err(|_| HostError::Url("the tenant's base URL is not valid".into()))?;
        let parsed = if is_absolute(url) {
            Url::parse(url)
        } else if url.starts_with("//") || url.starts_with('\\') || url.starts_with("/\\") {
            base.join(url)
        } else {
            // appended to the base URL with its path; the slash between keeps a URL such as "@host" or ":80" in the
            // path
            Url::parse(&format!("{}/{}", base_url.trim_end_matches('/'), url.trim_start_matches('/')))
        };
        Self::of(parsed.map_err(|error| HostError::Url(error.to_string()))?, &base)
    }

    /// The same target, with its path signed relative to `base_url`.
    pub(super) fn signed_below(self, base_url: &str) -> Self {
        match Url::parse(base_url) {
            Ok(base) => Self { base_path: base.path().trim_end_matches('/').to_owned(), ..self },
            Err(_) => self,
        }
    }

    /// The same target, for a request with this identity and the URL that the app named.
    pub(super) fn chosen_by(self, identity: &Identity) -> Self {
        Self { is_chosen: matches!(identity, Identity::Anonymous), ..self }
    }

    /// The target of a redirect from here.
    pub(super) fn follow(&self, location: &str, base_url: &str) -> Result<Self, HostError> {
        let base = Url::parse(base_url).map_err(|_| HostError::Url("the tenant's base URL is not valid".into()))?;
        let next = self.url.join(location).map_err(|error| HostError::Url(error.to_string()))?;
        let next = Self::of(next, &base)?;
        if self.url.scheme() == "https" && next.url.scheme() == "http" {
            return Err(HostError::Redirect { host: self.host(), how: "from https to http" });
        }
        // another origin that redirects back would choose what is signed
        let is_chosen = self.is_chosen && self.url.origin() == next.url.origin();
        Ok(Self { is_own: self.is_own && next.is_own, is_chosen, ..next })
    }

    fn of(mut url: Url, base: &Url) -> Result<Self, HostError> {
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(HostError::Url("it must be an http or https URL".into()));
        }
        // user info would be credentials that somebody else chose
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        let is_own = url.origin() == base.origin();
        Ok(Self { url, is_own, is_chosen: false, base_path: base.path().trim_end_matches('/').to_owned() })
    }

    /// The path that is signed: without the base URL's own path (`/wiki`).
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

/// Whether a URL names its own host.
pub(super) fn is_absolute(url: &str) -> bool {
    let lower = url.trim_start().to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
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
    fn each_redirect_is_checked() {
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
        let service = Target::new(base, "https://api.example/a").unwrap().chosen_by(&Identity::Anonymous);
        for (location, is_chosen) in
            [("/b", true), ("https://api.example:443/", true), ("//api.example:8443/", false), (base, false)]
        {
            assert_eq!(service.follow(location, base).unwrap().is_chosen, is_chosen, "{location}");
        }
        let back = service.follow(base, base).unwrap().follow("https://api.example/", base).unwrap();
        assert!(!back.is_chosen, "there and back");
        assert!(!start.clone().chosen_by(&Identity::Addon).is_chosen);
        assert!(start.follow("javascript:alert(1)", base).is_err());
        assert!(start.follow("file:///etc/passwd", base).is_err());
    }
}
