//! The key servers of Atlassian's domains.

/// The domain of a host, which decides its key servers.
///
/// Source: atlassian-connect-express 11.5.3, `lib/internal/utils.js` (the domains' names alone).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// `*.atlassian.net`, `*.jira.com`, and any other host.
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

/// The key servers of a host's domain, in the order in which they are asked.
///
/// Source: atlassian-connect-express 11.5.3, `lib/middleware/verify-installation.js` (names of the servers alone).
pub(super) fn servers_of(host: &str) -> [&'static str; 2] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_decides_the_server() {
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
