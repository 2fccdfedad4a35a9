//! A base URL: one at which the add-on is reached.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// An http or https URL without query, fragment, credentials or trailing slash. It may have a path.
///
/// ```
/// use atlassian_connect_actix::config::BaseUrl;
///
/// let base: BaseUrl = "https://addons.example.com/my-addon/".parse()?;
/// assert_eq!(base.as_str(), "https://addons.example.com/my-addon");
/// assert_eq!(base.origin(), "https://addons.example.com");
/// assert_eq!(base.path(), "/my-addon");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl(Url);

/// Why a text is not a valid [`BaseUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseUrlError {
    /// It is not a valid URL.
    #[error("is not a valid URL")]
    Malformed,
    /// Its scheme is neither http nor https.
    #[error("is neither http nor https")]
    Scheme,
    /// Its host has characters that are not allowed in a host name, such as those of an unresolved `$NAME`.
    #[error("has no usable host name")]
    Host,
    /// It has a user or a password.
    #[error("has credentials in it")]
    Credentials,
    /// It has a query or a fragment.
    #[error("has a query or a fragment")]
    Query,
}

impl BaseUrl {
    /// The whole URL, without a trailing slash: `https://example.com/addon`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // a URL without a path still ends in the slash of its root
        self.0.as_str().trim_end_matches('/')
    }

    /// The path, percent-encoded as it was given: `/addon`, or the empty string.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// Scheme, host and port: `https://example.com`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The URL itself.
    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

#[doc(hidden)]
impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut url = Url::parse(text.trim()).map_err(|_| BaseUrlError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BaseUrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Query);
        }
        if !has_usable_host(&url) {
            return Err(BaseUrlError::Host);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

/// Whether the host is an address, or a name of letters, digits, `-`, `_` and dots. The URL standard allows more
/// characters, but some of them have a meaning in a header.
pub(crate) fn has_usable_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        }
        address => address.is_some(),
    }
}

/// Whether the URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_base_url() {
        for (text, whole, origin, path) in [
            ("https://x.example", "https://x.example", "https://x.example", ""),
            ("https://x.example/", "https://x.example", "https://x.example", ""),
            ("https://x.example:443/", "https://x.example", "https://x.example", ""),
            ("http://X.example:8080//", "http://x.example:8080", "http://x.example:8080", ""),
            ("https://x.example/a/b//", "https://x.example/a/b", "https://x.example", "/a/b"),
            ("https://x.example/a%2fb%20c", "https://x.example/a%2fb%20c", "https://x.example", "/a%2fb%20c"),
            ("http://[::1]:3000/addon", "http://[::1]:3000/addon", "http://[::1]:3000", "/addon"),
        ] {
            let url: BaseUrl = text.parse().unwrap();
            assert_eq!((url.as_str(), url.origin().as_str(), url.path()), (whole, origin, path), "{text}");
        }
        assert_eq!("https://x/a".parse::<BaseUrl>(), "https://x/a/".parse());
    }

    #[test]
    fn other_urls_are_refused() {
        for (text, error) in [
            ("x.example", BaseUrlError::Malformed),
            ("http://localhost:$port", BaseUrlError::Malformed),
            ("ftp://x.example", BaseUrlError::Scheme),
            ("localhost:3000", BaseUrlError::Scheme),
            ("https://user@x.example", BaseUrlError::Credentials),
            ("https://:pw@x.example", BaseUrlError::Credentials),
            ("https://x.example?a", BaseUrlError::Query),
            ("https://x.example/#a", BaseUrlError::Query),
            ("https://$host.example", BaseUrlError::Host),
            ("https://x;y.example", BaseUrlError::Host),
        ] {
            assert_eq!(text.parse::<BaseUrl>(), Err(error), "{text}");
        }
    }

    #[test]
    fn loopback_is_this_machine() {
        for (url, expected) in [
            ("http://localhost:1", true),
            ("http://addon.localhost", true),
            ("http://127.9.9.9", true),
            ("http://[::1]", true),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
            ("http://0.0.0.0", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
