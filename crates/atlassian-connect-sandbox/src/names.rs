//! The host names that the sandbox answers to, and their roles.

use actix_web::guard::GuardContext;

/// The page of Jira or Confluence that shows modules through Forge.
pub(super) const PRODUCT: &str = "product.localhost";
/// The parent name of the CDN. Each label below it has the static files of one installation of the Forge app.
pub(super) const CDN: &str = "cdn.localhost";
/// The sandbox itself.
const SANDBOX: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// The limit in the DNS.
const LONGEST_LABEL: usize = 63;

/// The role of a request, by its `Host`. Browsers resolve names below `localhost` to this machine and treat each as a
/// separate site, as the product, Forge's CDN and the app really are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Sandbox,
    Product,
    /// With the installation's label.
    Cdn(String),
}

impl Name {
    /// `None`: not a name of the sandbox.
    pub(super) fn of_host(host: &str) -> Option<Self> {
        // an IPv6 address contains colons
        let (name, port) = match if host.ends_with(']') { None } else { host.rfind(':') } {
            Some(colon) => (&host[..colon], Some(&host[colon + 1..])),
            None => (host, None),
        };
        if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit())) {
            return None;
        }
        if SANDBOX.contains(&name) {
            return Some(Self::Sandbox);
        }
        if name == PRODUCT {
            return Some(Self::Product);
        }
        let label = name.strip_suffix(CDN)?.strip_suffix('.')?;
        is_label(label).then(|| Self::Cdn(label.to_owned()))
    }
}

fn is_label(text: &str) -> bool {
    (1..=LONGEST_LABEL).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A route guard: the request is for the product. The guard around the sandbox has checked the name.
pub(super) fn is_product(context: &GuardContext<'_>) -> bool {
    context.req_data().get::<Name>() == Some(&Name::Product)
}

/// A route guard: the request is for a CDN.
pub(super) fn is_cdn(context: &GuardContext<'_>) -> bool {
    matches!(context.req_data().get::<Name>(), Some(Name::Cdn(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_known() {
        let cdn = |label: &str| Some(Name::Cdn(label.to_owned()));
        let long = format!("{}.cdn.localhost:3001", "a".repeat(64));
        for (host, expected) in [
            ("localhost:3001", Some(Name::Sandbox)),
            ("127.0.0.1:3001", Some(Name::Sandbox)),
            ("[::1]:3001", Some(Name::Sandbox)),
            ("[::1]", Some(Name::Sandbox)),
            ("localhost", Some(Name::Sandbox)),
            ("product.localhost:3001", Some(Name::Product)),
            ("product.localhost", Some(Name::Product)),
            ("jira.cdn.localhost:3001", cdn("jira")),
            ("a-1.cdn.localhost", cdn("a-1")),
            ("localhost:", None),
            ("localhost:@evil.example", None),
            ("localhost:3001@evil.example", None),
            ("localhost:3001:3001", None),
            ("::1", None),
            ("[::1", None),
            ("evil.example:3001", None),
            ("localhost.evil.example", None),
            ("127.0.0.1.evil.example:3001", None),
            ("product.localhost.evil.example", None),
            ("product.localhost.:3001", None),
            ("PRODUCT.localhost", None),
            ("evil.product.localhost", None),
            ("evilproduct.localhost", None),
            ("other.localhost", None),
            ("cdn.localhost", None),
            (".cdn.localhost", None),
            ("a.b.cdn.localhost", None),
            ("evilcdn.localhost", None),
            ("A.cdn.localhost", None),
            ("a_b.cdn.localhost", None),
            ("a/b.cdn.localhost", None),
            ("jira.cdn.localhost.evil.example", None),
            (long.as_str(), None),
            ("", None),
        ] {
            assert_eq!(Name::of_host(host), expected, "{host}");
        }
    }
}
