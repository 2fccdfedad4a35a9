//! The small groups of settings.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::nearest;

/// The Atlassian product that the add-on is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Product {
    /// `jira`.
    #[default]
    Jira,
    /// `confluence`.
    Confluence,
    /// `bitbucket`.
    Bitbucket,
}

impl Product {
    /// The name in the configuration: `jira`, `confluence`, `bitbucket`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jira => "jira",
            Self::Confluence => "confluence",
            Self::Bitbucket => "bitbucket",
        }
    }

    /// The hosts that may install in production if `whitelist` is not set.
    pub(super) fn default_whitelist(self) -> &'static [&'static str] {
        match self {
            Self::Jira | Self::Confluence => &["*.atlassian.net"],
            Self::Bitbucket => &["bitbucket.org", "*.bitbucket.org"],
        }
    }
}

/// The text is not the name of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a known product")]
pub struct UnknownProduct;

#[doc(hidden)]
impl FromStr for Product {
    type Err = UnknownProduct;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Jira, Self::Confluence, Self::Bitbucket]
            .into_iter()
            .find(|product| product.as_str().eq_ignore_ascii_case(name))
            .ok_or(UnknownProduct)
    }
}

/// Limits for requests and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// `limits.body`: the largest body of a request, in bytes; 2 MiB.
    pub body: usize,
    /// `limits.lifecycleBody`: the largest body of `installed` and `uninstalled`, in bytes. It is read before its
    /// sender is authenticated. 64 KiB.
    pub lifecycle_body: usize,
    /// `limits.forgeBody`: the largest body of a Forge invocation or of a signed request, in bytes; 5 MiB, Forge's own
    /// limit.
    pub forge_body: usize,
    /// `limits.token`: the largest token, in bytes; 16 KiB.
    pub token: usize,
    /// `limits.listener`, in seconds: how long the listeners of an event may take before the host is told to try again;
    /// 10 s.
    pub listener: Duration,
    /// `limits.connections`: the most connections of clients. Above it, those that have waited longest for their client
    /// are closed. 6000; fewer if the process may open fewer files.
    pub connections: usize,
    /// `limits.unproven`: the most bytes kept for requests that are not authenticated yet, over all connections. Above
    /// it, the slowest requests are answered 503. 32 MiB.
    pub unproven: usize,
    /// `limits.head`, in seconds: how long the head of a request may take, and the first bytes of its body; 10 s.
    pub head: Duration,
    /// `limits.bodyRate`: the lowest rate of a body, and of an answer that the client reads, in bytes per second; 1024.
    pub body_rate: u64,
    /// `limits.stalled`, in seconds: how long a client may stop reading its answer; 30 s.
    pub stalled: Duration,
}

/// The cache of tenants in front of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheConfig {
    /// `cache.capacity`: the most tenants; 10 000. 0: no cache.
    pub capacity: u64,
    /// `cache.ttl`, in seconds: the longest age of an entry; 10 s.
    pub ttl: Duration,
    /// `cache.stale`, in seconds: the longest age of an entry while the store is unavailable; 300 s. 0: `ttl` holds.
    pub stale: Duration,
}

/// Where metrics are served. If it is nowhere, none are recorded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MetricsConfig {
    /// `metrics.port`: the port of a server for metrics alone; none.
    pub port: Option<u16>,
    /// `metrics.host`: its address; `127.0.0.1`.
    pub host: IpAddr,
    /// `metrics.token`: what a scraper sends as `Authorization: Bearer …`. With it, metrics are served at the app's own
    /// address as well. None.
    pub token: Option<SecretString>,
}

impl MetricsConfig {
    /// The address of the server for metrics alone.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.port.map(|port| SocketAddr::new(self.host, port))
    }

    /// Whether metrics are recorded.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.port.is_some() || self.token.is_some()
    }
}

/// The options in `AC_OPTS`, separated by commas or white space.
// each one is an option
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DevOptions {
    /// `no-reg`: neither register with a host nor start the sandbox.
    pub no_reg: bool,
    /// `force-reg`: register even if the host already has the add-on.
    pub force_reg: bool,
    /// `force-dereg`: deregister at the stop.
    pub force_dereg: bool,
    /// `no-auth`: page and token routes do not check signature, `exp` and qsh for peers on loopback. Always false in
    /// production.
    pub no_auth: bool,
}

impl DevOptions {
    /// Parses the options. Each unknown word gives a warning.
    pub(super) fn parse(words: &str) -> (Self, Vec<String>) {
        const KNOWN: [&str; 4] = ["no-reg", "force-reg", "force-dereg", "no-auth"];
        let mut options = Self::default();
        let mut warnings = Vec::new();
        for word in words.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
            match word {
                "no-reg" => options.no_reg = true,
                "force-reg" => options.force_reg = true,
                "force-dereg" => options.force_dereg = true,
                "no-auth" => options.no_auth = true,
                _ => warnings.push(match nearest(word, &KNOWN) {
                    Some(known) => format!("AC_OPTS: `{word}` is not an option; did you mean `{known}`?"),
                    None => format!("AC_OPTS: `{word}` is not an option; the options are {}", KNOWN.join(", ")),
                }),
            }
        }
        (options, warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_at_commas_and_white_space() {
        let (options, warnings) = DevOptions::parse("no-reg,force-reg  no-auth\tforce-dereg,");
        assert_eq!(options, DevOptions { no_reg: true, force_reg: true, force_dereg: true, no_auth: true });
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(DevOptions::parse(""), (DevOptions::default(), vec![]));
    }

    #[test]
    fn unknown_options_warn() {
        let (options, warnings) = DevOptions::parse("no-regs no-token-verfication NO-AUTH");
        assert_eq!(options, DevOptions::default());
        insta::assert_snapshot!(warnings.join("\n"), @"
        AC_OPTS: `no-regs` is not an option; did you mean `no-reg`?
        AC_OPTS: `no-token-verfication` is not an option; the options are no-reg, force-reg, force-dereg, no-auth
        AC_OPTS: `NO-AUTH` is not an option; did you mean `no-auth`?
        ");
    }

    #[test]
    fn products_by_name() {
        assert_eq!("Confluence".parse(), Ok(Product::Confluence));
        assert_eq!("trello".parse::<Product>(), Err(UnknownProduct));
        for product in [Product::Jira, Product::Confluence, Product::Bitbucket] {
            assert_eq!(product.as_str().parse(), Ok(product));
        }
    }
}
