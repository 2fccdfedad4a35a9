//! The allowed origins of the shell of the app's pages on Forge.

use super::problems::Fault;

/// Forge serves the static files of each app from its own subdomain of this one.
///
/// Source: npm `@forge/csp` 6.3.2.
pub(super) const FORGE: &str = "https://*.cdn.prod.atlassian-dev.net";
/// In development: Forge's tunnel and the sandbox.
pub(super) const LOCAL: [&str; 2] = ["http://localhost:*", "http://*.cdn.localhost:*"];

/// An origin in which `*` matches one label of the name, or any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellOrigin {
    scheme: String,
    labels: Vec<String>,
    /// `None`: the scheme's default port; `*`: any port.
    port: Option<String>,
}

impl ShellOrigin {
    /// Whether `origin`, in the form of `location.origin`, matches.
    #[must_use]
    pub fn matches(&self, origin: &str) -> bool {
        let Some((scheme, name, port)) = parts(origin) else { return false };
        scheme == self.scheme && self.has_name(name) && self.has_port(port)
    }

    fn has_name(&self, name: &str) -> bool {
        let mut labels = name.split('.');
        let fits = |wanted: &String| {
            labels.next().is_some_and(|label| if wanted == "*" { is_label(label) } else { wanted == label })
        };
        self.labels.iter().all(fits) && labels.next().is_none()
    }

    /// A browser leaves out the port that the scheme has by itself.
    fn has_port(&self, port: Option<&str>) -> bool {
        let default = if self.scheme == "https" { 443 } else { 80 };
        match (self.port.as_deref(), port) {
            (_, None) => matches!(self.port.as_deref(), None | Some("*")),
            (None, Some(_)) => false,
            (Some(wanted), Some(port)) => {
                let is_written_by_a_browser =
                    port.parse::<u16>().is_ok_and(|number| number != default && number.to_string() == port);
                is_written_by_a_browser && (wanted == "*" || wanted == port)
            }
        }
    }

    /// The same rule as a JavaScript regular expression, for the page.
    #[must_use]
    pub fn pattern(&self) -> String {
        let labels: Vec<&str> =
            self.labels.iter().map(|label| if label == "*" { "[a-z0-9_-]+" } else { label }).collect();
        let port = match self.port.as_deref() {
            Some("*") => "(:[0-9]+)?".to_owned(),
            Some(port) => format!(":{port}"),
            None => String::new(),
        };
        format!("^{}://{}{port}$", self.scheme, labels.join("\\."))
    }
}

/// Whether a text is a label of a host name, with the characters that the page's pattern allows. The URL standard
/// allows others, such as `*` and `;`, which have a meaning in a header.
fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

/// The scheme, the name and the port of an origin.
fn parts(origin: &str) -> Option<(&str, &str, Option<&str>)> {
    let (scheme, rest) = origin.split_once("://")?;
    Some(match rest.split_once(':') {
        Some((name, port)) => (scheme, name, Some(port)),
        None => (scheme, rest, None),
    })
}

/// Parses an origin of the configuration, or one of the constants above.
pub(super) fn parse(text: &str) -> Result<ShellOrigin, Fault> {
    let fault =
        |wrong| Fault::new(wrong, "Write an origin; * matches one label of the name, as in https://*.cdn.example.com");
    let (scheme, name, port) = parts(text).ok_or_else(|| fault("is not an origin"))?;
    let labels: Vec<String> = name.to_ascii_lowercase().split('.').map(str::to_owned).collect();
    let is_usable = |label: &String| label == "*" || is_label(label);
    if !labels.iter().all(is_usable) {
        return Err(fault("has no usable host name"));
    }
    if port.is_some_and(|port| port != "*" && port.parse::<u16>().is_err()) {
        return Err(fault("has no usable port"));
    }
    let is_local = labels.last().is_some_and(|label| label == "localhost");
    // anybody can own a name below a top-level domain
    let fixed = if is_local { 1 } else { 2 };
    if labels.iter().rev().take(fixed).any(|label| label == "*") {
        return Err(fault("leaves too much of the name open"));
    }
    match scheme {
        "https" => {}
        "http" if is_local => {}
        _ => return Err(fault("is neither https nor http on localhost")),
    }
    Ok(ShellOrigin { scheme: scheme.to_owned(), labels, port: port.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_matched_label_by_label() {
        let forge = parse(FORGE).unwrap();
        for (origin, fits) in [
            ("https://a1b2.cdn.prod.atlassian-dev.net", true),
            ("https://a.b.cdn.prod.atlassian-dev.net", false),
            ("https://cdn.prod.atlassian-dev.net", false),
            ("https://.cdn.prod.atlassian-dev.net", false),
            ("http://a.cdn.prod.atlassian-dev.net", false),
            ("https://a.cdn.prod.atlassian-dev.net:8443", false),
            ("https://a.cdn.prod.atlassian-dev.net:443", false),
            ("https://a.cdn.prod.atlassian-dev.net/", false),
            ("https://A.cdn.prod.atlassian-dev.net", false),
            ("https://a.cdn.prod.atlassian-dev.net.evil.example", false),
            ("https://evil.example#a.cdn.prod.atlassian-dev.net", false),
            ("https://user@a.cdn.prod.atlassian-dev.net", false),
            ("https://*.cdn.prod.atlassian-dev.net", false),
            ("https://a;b.cdn.prod.atlassian-dev.net", false),
            ("https://a,b.cdn.prod.atlassian-dev.net", false),
            ("https://a'b.cdn.prod.atlassian-dev.net", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(forge.matches(origin), fits, "{origin}");
        }
        let local = parse("http://localhost:*").unwrap();
        assert!(local.matches("http://localhost:8001") && local.matches("http://localhost"));
        assert!(!local.matches("http://localhost.evil.example:8001") && !local.matches("http://127.0.0.1:8001"));
        assert!(parse("http://*.cdn.localhost:*").unwrap().matches("http://abc.cdn.localhost:3001"));
    }

    #[test]
    fn the_page_gets_the_same_rule() {
        assert_eq!(parse(FORGE).unwrap().pattern(), r"^https://[a-z0-9_-]+\.cdn\.prod\.atlassian-dev\.net$");
        assert_eq!(parse("http://localhost:*").unwrap().pattern(), "^http://localhost(:[0-9]+)?$");
        assert_eq!(parse("https://cdn.example:8443").unwrap().pattern(), r"^https://cdn\.example:8443$");
    }

    #[test]
    fn a_pattern_leaves_no_whole_domain_open() {
        for text in [
            "https://*",
            "https://*.net",
            "https://a.*",
            "https://a.*.net",
            "http://*.example.com",
            "ftp://a.example.com",
            "https://a.example.com/x",
            "https://a.example.com:x",
            "https://a..example.com",
            "https://(a).example.com",
            "https://a*.example.com",
            "cdn.example.com",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
