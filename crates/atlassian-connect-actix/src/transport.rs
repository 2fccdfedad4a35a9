//! The HTTP clients of each thread: awc over rustls with the web's root certificates. A client is not `Send`, so every
//! worker has its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_tls::connect::{Connector as TcpConnector, Resolve, Resolver};
use awc::{Client, Connector};
use futures_util::future::LocalBoxFuture;

use crate::config::Whitelist;

/// The time to connect, including name resolution and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The id of the client for servers that the configuration or Atlassian names: every address is allowed.
const OPEN: usize = 0;

thread_local! {
    static CLIENTS: RefCell<HashMap<usize, Client>> = RefCell::new(HashMap::new());
}

/// This thread's client for servers that no tenant chooses: key servers, authorization servers.
#[must_use]
pub fn client() -> Client {
    client_for(OPEN, None)
}

fn client_for(id: usize, allowed: Option<&Arc<Whitelist>>) -> Client {
    CLIENTS.with_borrow_mut(|clients| clients.entry(id).or_insert_with(|| build(allowed.cloned())).clone())
}

fn build(allowed: Option<Arc<Whitelist>>) -> Client {
    // one provider of cryptography; it may already be installed
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // no redirect is followed here: code that sends credentials must check each target
    let builder = Client::builder().disable_redirects().disable_timeout();
    match allowed {
        None => builder.connector(Connector::new().timeout(CONNECT_TIMEOUT)).finish(),
        Some(allowed) => {
            let tcp = TcpConnector::new(Resolver::custom(PublicAddresses(allowed))).service();
            builder.connector(Connector::new().connector(tcp).timeout(CONNECT_TIMEOUT)).finish()
        }
    }
}

/// Keeps requests to tenants' hosts out of the add-on's own network. In production, a host name may only resolve to
/// public addresses, unless the whitelist names that host literally.
#[derive(Debug)]
pub struct Guard {
    id: usize,
    allowed: Option<Arc<Whitelist>>,
}

impl Guard {
    /// `allowed`: the whitelist, whose literal entries are exempt; `None` in development: every address is allowed.
    #[must_use]
    pub fn new(allowed: Option<Whitelist>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(OPEN + 1);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), allowed: allowed.map(Arc::new) }
    }

    /// The client of this thread.
    #[must_use]
    pub fn client(&self) -> Client {
        match &self.allowed {
            None => client(),
            Some(allowed) => client_for(self.id, Some(allowed)),
        }
    }

    /// Whether a URL's host may be connected to, as far as the URL shows it: an address in the URL is never resolved,
    /// so the resolver does not see it.
    #[must_use]
    pub fn permits(&self, host: &url::Host<&str>) -> bool {
        let Some(allowed) = &self.allowed else { return true };
        let address = match host {
            url::Host::Domain(_) => return true,
            url::Host::Ipv4(address) => IpAddr::V4(*address),
            url::Host::Ipv6(address) => IpAddr::V6(*address),
        };
        is_public(address) || allowed.names_literally(&host.to_string())
    }
}

/// Resolves names like the system and drops addresses that are not public. The checked addresses are those that are
/// connected to, so a name that changes in between has no effect.
struct PublicAddresses(Arc<Whitelist>);

impl Resolve for PublicAddresses {
    fn lookup<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> LocalBoxFuture<'a, Result<Vec<SocketAddr>, Box<dyn StdError>>> {
        Box::pin(async move {
            let exempt = self.0.names_literally(host);
            let found = tokio::net::lookup_host((host, port)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| exempt || is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the host has no public address, and the whitelist does not name it".into());
            }
            Ok(public)
        })
    }
}

/// Whether an address is public. Source: IANA's registries of special-purpose addresses.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a, b & 0xc0) == (100, 64)
        || (a, b, c) == (192, 0, 0)
        || (a, b & 0xfe) == (198, 18);
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // an embedded IPv4 address (NAT64, 6to4) is checked itself
    let embedded = match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = embedded {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // global unicast is 2000::/3, without the ranges for documentation and Teredo
    segments[0] & 0xe000 == 0x2000 && segments[..2] != [0x2001, 0xdb8] && segments[..2] != [0x2001, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for address in [
            "127.0.0.1",
            "127.8.9.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "104.192.136.1",
            "172.32.0.1",
            "100.128.0.1",
            "2401:1d80::1",
            "64:ff9b::101:101",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_address_in_the_url_is_checked_directly() {
        let production = Guard::new(Some(Whitelist::of(vec!["*.atlassian.net".into(), "127.0.0.1".into()])));
        let permits = |guard: &Guard, url: &str| guard.permits(&url::Url::parse(url).unwrap().host().unwrap());
        assert!(permits(&production, "https://a.atlassian.net/"));
        assert!(permits(&production, "http://127.0.0.1:1/"), "named literally");
        for url in
            ["http://127.0.0.2/", "http://2130706434/", "http://[::1]/", "http://169.254.169.254/latest/meta-data"]
        {
            assert!(!permits(&production, url), "{url}");
            assert!(permits(&Guard::new(None), url), "{url}");
        }
    }

    #[actix_web::test]
    async fn a_name_resolves_to_public_addresses_only() {
        let lookup = |list: &str| {
            let resolver = PublicAddresses(Arc::new(Whitelist::of(vec![list.to_owned()])));
            async move { resolver.lookup("localhost", 80).await.map_err(|error| error.to_string()) }
        };
        assert!(lookup("*.atlassian.net").await.unwrap_err().contains("no public address"));
        assert!(!lookup("localhost").await.unwrap().is_empty());
        assert!(lookup("local*").await.is_err(), "a pattern is not a name");
    }
}
