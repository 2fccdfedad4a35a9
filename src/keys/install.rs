//! The public keys that sign lifecycle callbacks, from the key server of the host's domain.

use std::time::Duration;

use actix_web::http::StatusCode;
use moka::sync::Cache;
use url::Url;

use super::KeyError;
use crate::flight::Flights;
use crate::jwt::PublicKey;

/// How long a key is believed. Keys do not change under their id; the limit is for those that are withdrawn.
const KEY_LIFETIME: Duration = Duration::from_secs(3600);
/// How long a key server's "no such key" is believed.
const ABSENCE_LIFETIME: Duration = Duration::from_secs(30);
/// Keys at most; Atlassian has a handful.
const CAPACITY: u64 = 100;
/// A server has this long to answer whole; with its fallback the caller waits twice that at most.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A PEM file of an RSA key of 16,384 bits has 2.8 kB.
const MAX_KEY_BYTES: usize = 16 * 1024;

/// Fetches install keys over TLS and keeps them: bounded, for a time, one fetch for one key at once.
#[derive(Debug)]
pub struct InstallKeys {
    override_url: Option<Url>,
    keys: Cache<String, PublicKey>,
    absent: Cache<String, String>,
    flights: Flights<String, Result<PublicKey, KeyError>>,
}

impl InstallKeys {
    /// `override_url` takes the place of every key server (`CONNECT_KEYS_CDN_URL`).
    #[must_use]
    pub fn new(override_url: Option<Url>) -> Self {
        Self {
            override_url,
            keys: Cache::builder().max_capacity(CAPACITY).time_to_live(KEY_LIFETIME).build(),
            absent: Cache::builder().max_capacity(10 * CAPACITY).time_to_live(ABSENCE_LIFETIME).build(),
            flights: Flights::new(),
        }
    }

    /// The key `kid` for hosts of the domain of `host` (a host name).
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn get(&self, kid: &str, host: &str) -> Result<PublicKey, KeyError> {
        self.get_from(self.servers(host), kid).await
    }

    /// The key `kid` of one server alone.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn get_of_server(&self, server: &str, kid: &str) -> Result<PublicKey, KeyError> {
        self.get_from(vec![server.to_owned()], kid).await
    }

    async fn get_from(&self, servers: Vec<String>, kid: &str) -> Result<PublicKey, KeyError> {
        if !is_key_id(kid) {
            return Err(KeyError::Id);
        }
        // a key of one server says nothing about another server's
        let id = format!("{}/{kid}", servers.first().map_or("", String::as_str));
        if let Some(key) = self.keys.get(&id) {
            return Ok(key);
        }
        if let Some(reason) = self.absent.get(&id) {
            return Err(KeyError::Unknown(reason));
        }
        let fetch = || async {
            // the run before may have ended between our look and our joining
            if let Some(key) = self.keys.get(&id) {
                return Ok(key);
            }
            let result = fetch_from(&servers, kid).await;
            match &result {
                Ok(key) => self.keys.insert(id.clone(), key.clone()),
                Err(KeyError::Unknown(reason)) => self.absent.insert(id.clone(), reason.clone()),
                Err(_) => {}
            }
            result
        };
        self.flights.join(id.clone(), fetch).await
    }

    /// The key servers for hosts of the domain of `host`, as URLs without a slash at the end; the first one is asked
    /// first.
    #[must_use]
    pub fn servers(&self, host: &str) -> Vec<String> {
        match &self.override_url {
            Some(url) => vec![url.as_str().trim_end_matches('/').to_owned()],
            None => servers_of(host).iter().map(|&server| server.to_owned()).collect(),
        }
    }
}

/// Whose servers a host belongs to.
///
/// Source: atlassian-connect-express 11.5.3, `lib/internal/utils.js` (the domains' names alone).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// `*.atlassian.net`, `*.jira.com`, and whatever is none of the others.
    Production,
    /// `*.atlassian-us-gov-mod.net`.
    Government,
    /// `*.jira-dev.com`.
    Staging,
    /// `*.atlassian-stg-fedm.net`.
    GovernmentStaging,
}

impl Domain {
    /// The domain of a host name.
    #[must_use]
    pub fn of(host: &str) -> Self {
        let below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        if below("atlassian-us-gov-mod.net") {
            Self::Government
        } else if below("jira-dev.com") {
            Self::Staging
        } else if below("atlassian-stg-fedm.net") {
            Self::GovernmentStaging
        } else {
            Self::Production
        }
    }
}

/// The key servers of a host's domain, the first one first.
///
/// Source: atlassian-connect-express 11.5.3, `lib/middleware/verify-installation.js` (names of the servers alone).
fn servers_of(host: &str) -> [&'static str; 2] {
    match Domain::of(host) {
        Domain::Production => {
            ["https://asap-distribution.us-west-2.prod.atl-asap.net", "https://connect-install-keys.atlassian.com"]
        }
        Domain::Government => [
            "https://asap-distribution.us-west-2.prod.atl-auth-us-gov-mod.net",
            "https://cs-migrations--fedrampcdn.us-east-1.prod.cdn.atlassian-us-gov-mod.com",
        ],
        Domain::Staging => [
            "https://asap-distribution.us-west-2.staging.atl-asap.net",
            "https://cs-migrations--cdn.us-east-1.staging.public.atl-paas.net",
        ],
        Domain::GovernmentStaging => [
            "https://asap-distribution.us-west-2.staging.atl-auth-us-gov-mod.net",
            "https://cs-migrations--fedrampcdn.us-east-1.staging.cdn.atlassian-us-gov-mod.com",
        ],
    }
}

/// Whether `kid` is one path segment that needs no escaping.
fn is_key_id(kid: &str) -> bool {
    (1..=128).contains(&kid.len())
        && kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && kid.bytes().any(|byte| byte != b'.')
}

async fn fetch_from(servers: &[String], kid: &str) -> Result<PublicKey, KeyError> {
    let (mut unavailable, mut unknown) = (None, None);
    for server in servers {
        match fetch(server, kid).await {
            Ok(key) => return Ok(key),
            Err(error) => {
                tracing::warn!(server, kid, %error, "no install key from this server");
                let slot = if matches!(error, KeyError::Unavailable(_)) { &mut unavailable } else { &mut unknown };
                *slot = Some(error);
            }
        }
    }
    // that one server does not know a key says little while another cannot be asked
    Err(unavailable.or(unknown).unwrap_or(KeyError::Id))
}

async fn fetch(server: &str, kid: &str) -> Result<PublicKey, KeyError> {
    let exchange = async {
        let request = crate::transport::client().get(format!("{server}/{kid}"));
        let mut response = request.send().await.map_err(|error| KeyError::Unavailable(error.to_string()))?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(KeyError::Unavailable(format!("it answers {status}")));
            }
            status => return Err(KeyError::Unknown(format!("it answers {status}"))),
        }
        let body = response.body().limit(MAX_KEY_BYTES).await;
        let body = body.map_err(|error| KeyError::Unavailable(error.to_string()))?;
        PublicKey::from_pem(&body).map_err(|_| KeyError::Unknown("what it answers is no PEM public key".into()))
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(KeyError::Unavailable(format!("no answer within {} s", TIMEOUT.as_secs()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_is_one_plain_segment() {
        for good in ["a", "0a1b-2c", "connect.key_1", &"k".repeat(128)] {
            assert!(is_key_id(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a?b",
            "a#b",
            "a%2Fb",
            "a\\b",
            "a b",
            "ä",
            "a\n",
            "@evil.example",
            &"k".repeat(129),
        ] {
            assert!(!is_key_id(bad), "{bad}");
        }
    }

    #[test]
    fn the_domain_chooses_the_server() {
        for (host, part) in [
            ("a.atlassian.net", "prod.atl-asap.net"),
            ("a.jira.com", "prod.atl-asap.net"),
            ("localhost", "prod.atl-asap.net"),
            ("evil-jira-dev.com", "prod.atl-asap.net"),
            ("a.jira-dev.com", "staging.atl-asap.net"),
            ("a.atlassian-us-gov-mod.net", "prod.atl-auth-us-gov-mod.net"),
            ("a.atlassian-stg-fedm.net", "staging.atl-auth-us-gov-mod.net"),
        ] {
            assert!(servers_of(host)[0].ends_with(part), "{host}");
            assert_ne!(servers_of(host)[0], servers_of(host)[1], "{host} has a fallback");
        }
    }
}
