//! URLs in the configuration.

use url::Url;

use super::base_url::{BaseUrl, has_usable_host, is_loopback};
use super::problems::Fault;

/// A base URL of the add-on.
pub(super) fn base(text: &str) -> Result<BaseUrl, Fault> {
    text.parse().map_err(|error: super::BaseUrlError| {
        Fault::new(error.to_string(), "Write a scheme, a host and at most a path, as in https://addon.example.com/path")
    })
}

/// Another URL for one of Atlassian's services. Tokens and keys are sent there, so it must be https, except on this
/// machine.
pub(super) fn service(text: &str) -> Result<Url, Fault> {
    let remedy = "Write an https URL; http is allowed for localhost only";
    let url = Url::parse(text).map_err(|_| Fault::new("is not a valid URL", remedy))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(Fault::new("is http but not on this machine", remedy)),
        _ => return Err(Fault::new("is not an https URL", remedy)),
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(Fault::new("has credentials or a fragment", remedy));
    }
    Ok(url)
}

/// The script of the bridge. In development it may be served over http from anywhere.
pub(super) fn script(text: &str, development: bool) -> Result<String, Fault> {
    let remedy = "Write the https URL of the script, as in https://connect-cdn.atl-paas.net/all.js";
    let url = Url::parse(text).map_err(|_| Fault::new("is not a valid URL", remedy))?;
    match url.scheme() {
        "https" => Ok(text.to_owned()),
        "http" if development || is_loopback(&url) => Ok(text.to_owned()),
        _ => Err(Fault::new("is not an https URL", remedy)),
    }
}

/// A host to register with; it may contain credentials.
pub(super) fn host(text: &str) -> Result<String, Fault> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.to_owned()),
        _ => Err(Fault::new(
            "is not an http or https URL",
            "Write the site's URL with the credentials in it, as in https://user:token@acme.atlassian.net",
        )),
    }
}

/// An origin for `frame-ancestors`, in the form used in a header. Its first label may be `*`.
pub(super) fn ancestor(text: &str) -> Result<String, Fault> {
    let fault = |wrong| Fault::new(wrong, "Write an origin, as in https://portal.example.com or https://*.example.com");
    let (scheme, rest) = text.split_once("://").ok_or_else(|| fault("is not an origin"))?;
    let (star, rest) = rest.strip_prefix("*.").map_or(("", rest), |rest| ("*.", rest));
    let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| fault("is not an origin"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(fault("is neither http nor https"));
    }
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(fault("has more than a scheme, a host and a port"));
    }
    if !has_usable_host(&url) {
        return Err(fault("has no usable host name"));
    }
    let origin = url.origin().ascii_serialization();
    Ok(origin.replacen("://", &format!("://{star}"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_https_or_on_this_machine() {
        for (text, wrong) in [
            ("https://keys.example/a", None),
            ("http://127.0.0.1:8555/keys", None),
            ("http://localhost:8555", None),
            ("http://keys.example", Some("is http but not on this machine")),
            ("http://127.0.0.1.evil.example", Some("is http but not on this machine")),
            ("file:///etc/passwd", Some("is not an https URL")),
            ("https://user:pw@keys.example", Some("has credentials or a fragment")),
            ("keys.example", Some("is not a valid URL")),
        ] {
            assert_eq!(service(text).err().map(|fault| fault.wrong), wrong.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn scripts_are_https_except_in_development() {
        assert!(script("https://cdn.example/all.js", false).is_ok());
        assert!(script("http://localhost/all.js", false).is_ok());
        assert!(script("http://cdn.example/all.js", true).is_ok());
        assert!(script("http://cdn.example/all.js", false).is_err());
        assert!(script("javascript:alert(1)", true).is_err());
        assert!(script("/all.js", true).is_err());
    }

    #[test]
    fn ancestors_are_origins_and_nothing_else() {
        for (text, origin) in [
            ("https://portal.example", "https://portal.example"),
            ("https://Portal.example:443/", "https://portal.example"),
            ("https://*.example.com:8443", "https://*.example.com:8443"),
            ("http://127.0.0.1:2990", "http://127.0.0.1:2990"),
        ] {
            assert_eq!(ancestor(text), Ok(origin.to_owned()), "{text}");
        }
        for text in [
            "portal.example",
            "*",
            "'self'",
            "https:",
            "https://a.example/x",
            "https://a.example?x",
            "https://u@a.example",
            "ftp://a.example",
            "https://a.example;script-src *",
            "https://a.example;x",
            "https://a.example,b",
            "https://a.*.example",
            "https://*.*.example",
        ] {
            assert!(ancestor(text).is_err(), "{text}");
        }
    }
}
