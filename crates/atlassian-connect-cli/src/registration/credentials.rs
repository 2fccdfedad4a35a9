//! The sites to register with, in ACE's format:
//!
//! ```json
//! {
//!   "hosts": {
//!     "your-site.atlassian.net": { "product": "jira", "username": "you@example.com", "password": "an API token" }
//!   }
//! }
//! ```
//!
//! A host without a scheme uses https. `product` is `jira` (the default) or `confluence`, whose REST API is below
//! `/wiki`.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

/// The placeholder token in `credentials.json.sample`.
const SAMPLE_TOKEN: &str = "your-ngrok-authtoken";

/// Errors of `credentials.json`. Texts contain no password.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CredentialsError {
    /// It cannot be read.
    #[error("credentials.json cannot be read: {0}")]
    Unreadable(String),
    /// It is not valid JSON of the expected shape.
    #[error("credentials.json, line {line}, column {column}: {reason}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A host that is not valid.
    #[error("credentials.json: {0:?} is not a valid host; write it as your-site.atlassian.net")]
    Host(String),
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    hosts: BTreeMap<String, Entry>,
    #[serde(default)]
    ngrok: Option<Ngrok>,
}

/// The settings of an ngrok tunnel.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ngrok {
    /// The account's token.
    pub authtoken: SecretString,
    /// A reserved domain. ngrok chooses one if this is missing.
    #[serde(default, alias = "hostname")]
    #[cfg_attr(not(feature = "ngrok"), allow(dead_code))]
    pub domain: Option<String>,
}

/// The content of `credentials.json` and of the configuration's `hosts`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    /// The sites to register with.
    pub sites: Vec<SiteCredentials>,
    /// The tunnel to use for the registration.
    pub ngrok: Option<Ngrok>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    product: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<SecretString>,
}

/// A site with its credentials.
#[derive(Debug, Clone)]
pub(crate) struct SiteCredentials {
    base: Url,
    username: String,
    password: SecretString,
}

impl SiteCredentials {
    fn new(host: &str, entry: Entry) -> Result<Self, CredentialsError> {
        let wrong = || CredentialsError::Host(host.chars().take(80).collect());
        let with_scheme = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
        let mut base = Url::parse(&with_scheme).ok().filter(Url::has_host).ok_or_else(wrong)?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong());
        }
        let is_confluence = entry.product.as_deref().is_some_and(|product| product.eq_ignore_ascii_case("confluence"));
        if is_confluence && !base.path().trim_end_matches('/').ends_with("/wiki") {
            base.set_path(&format!("{}/wiki", base.path().trim_end_matches('/')));
        }
        let username = entry.username.unwrap_or_default();
        Ok(Self { base, username, password: entry.password.unwrap_or_default() })
    }

    /// A URL with its credentials, as `hosts` in `config.json` lists them.
    fn from_url(url: &SecretString) -> Option<Self> {
        let mut base = Url::parse(url.expose_secret()).ok()?;
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let username = decoded(base.username());
        let password = SecretString::from(decoded(base.password().unwrap_or_default()));
        base.set_username("").ok()?;
        base.set_password(None).ok()?;
        Some(Self { base, username, password })
    }

    /// The site's URL for `path`, which is `/rest/…` or a path that the site returned.
    #[must_use]
    pub(crate) fn url(&self, path: &str) -> String {
        let context = self.base.path().trim_end_matches('/');
        // a path from the site already has its context path
        let path =
            if !context.is_empty() && path.starts_with(&format!("{context}/")) { &path[context.len()..] } else { path };
        format!("{}{context}{path}", self.base.origin().ascii_serialization())
    }

    /// For logs: without credentials.
    #[must_use]
    pub(crate) fn shown(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether it is on this machine, so that no tunnel is needed.
    #[must_use]
    pub(crate) fn is_local(&self) -> bool {
        atlassian_connect_actix::internal::is_loopback(&self.base)
    }

    /// Whether a tenant's base URL is this site's.
    #[must_use]
    pub(crate) fn is_at(&self, base_url: &str) -> bool {
        Url::parse(base_url).is_ok_and(|url| {
            url.origin() == self.base.origin()
                && url.path().trim_end_matches('/') == self.base.path().trim_end_matches('/')
        })
    }

    pub(super) fn username(&self) -> &str {
        &self.username
    }

    pub(super) fn password(&self) -> &str {
        self.password.expose_secret()
    }
}

/// Reads `file`, which may be missing, and the configuration's `hosts`.
///
/// # Errors
/// [`CredentialsError`].
pub(crate) fn load(file: &Path, hosts: &[SecretString]) -> Result<Credentials, CredentialsError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::from("{}"),
        Err(error) => return Err(CredentialsError::Unreadable(error.to_string())),
    };
    let mut credentials = parse(&text)?;
    credentials.sites.extend(hosts.iter().filter_map(SiteCredentials::from_url));
    Ok(credentials)
}

fn parse(text: &str) -> Result<Credentials, CredentialsError> {
    // ACE reads JSON5. The position comes from the strict parser, but not its message, which may contain a value.
    let file: File = serde_json::from_str(text).or_else(|error| {
        json5::from_str(text).map_err(|_| CredentialsError::Malformed {
            line: error.line(),
            column: error.column().max(1),
            reason: if error.is_data() {
                "the structure differs from credentials.json.sample"
            } else {
                "not valid JSON"
            },
        })
    })?;
    let sites: Result<Vec<SiteCredentials>, _> =
        file.hosts.into_iter().map(|(host, entry)| SiteCredentials::new(&host, entry)).collect();
    // the sample's placeholder is not a token
    let ngrok = file.ngrok.filter(|ngrok| !matches!(ngrok.authtoken.expose_secret(), "" | SAMPLE_TOKEN));
    Ok(Credentials { sites: sites?, ngrok })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_by_host_scheme_and_product() {
        let sites = parse(
            r#"{"hosts": {
                "a.atlassian.net": {"product": "jira", "username": "u", "password": "p"},
                "b.atlassian.net": {"product": "Confluence", "username": "u", "password": "p"},
                "http://127.0.0.1:2990/jira": {"username": "u", "password": "p"},
                "https://c.atlassian.net/wiki/": {"product": "confluence"}
            }, "ngrok": {"authtoken": "t"}}"#,
        );
        let urls: Vec<String> = sites.unwrap().sites.iter().map(|site| site.url("/rest/x")).collect();
        assert_eq!(
            urls,
            [
                "https://a.atlassian.net/rest/x",
                "https://b.atlassian.net/wiki/rest/x",
                "http://127.0.0.1:2990/jira/rest/x",
                "https://c.atlassian.net/wiki/rest/x",
            ]
        );
    }

    #[test]
    fn a_path_of_the_sites_own_keeps_its_context() {
        let site = SiteCredentials::from_url(&"https://u%40x:p%2F1@b.atlassian.net/wiki".into()).unwrap();
        assert_eq!(
            site.url("/wiki/rest/plugins/1.0/pending/1"),
            "https://b.atlassian.net/wiki/rest/plugins/1.0/pending/1"
        );
        assert_eq!((site.username(), site.password()), ("u@x", "p/1"));
        assert!(site.is_at("https://b.atlassian.net/wiki/"));
        assert!(!site.is_at("https://b.atlassian.net"));
        assert!(!format!("{site:?}").contains("p/1"));
    }

    #[test]
    fn errors_say_where_and_nothing_secret() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        insta::assert_snapshot!(error("{\"hosts\": {\n  hush"), @"credentials.json, line 2, column 3: not valid JSON");
        insta::assert_snapshot!(error(r#"{"hosts": {"a": "hush"}}"#), @"credentials.json, line 1, column 22: the structure differs from credentials.json.sample");
        insta::assert_snapshot!(error(r#"{"hosts": {"ftp://a": {}}}"#), @r#"credentials.json: "ftp://a" is not a valid host; write it as your-site.atlassian.net"#);
        let none = load(Path::new("nowhere/credentials.json"), &[]).unwrap();
        assert!(none.sites.is_empty() && none.ngrok.is_none(), "a missing file is not an error");
    }

    #[test]
    fn a_tunnel_has_a_token_and_maybe_a_domain() {
        let ngrok = |text: &str| parse(&format!(r#"{{"ngrok": {text}}}"#)).unwrap().ngrok;
        let settings = ngrok(r#"{"authtoken": "hush", "domain": "a.ngrok.app", "region": "eu"}"#).unwrap();
        assert_eq!((settings.authtoken.expose_secret(), settings.domain.as_deref()), ("hush", Some("a.ngrok.app")));
        assert!(!format!("{settings:?}").contains("hush"));
        assert!(ngrok(r#"{"authtoken": "your-ngrok-authtoken"}"#).is_none(), "the sample");
        assert!(parse(r#"{"ngrok": {"authtoken": 7}}"#).is_err());
    }
}
