//! The hosts that may install the add-on.

use url::Host;

use super::problems::Fault;

/// The hosts that may install the add-on, as globs of host names.
///
/// `*` matches any part of one label, but never a dot: `*.atlassian.net` matches `acme.atlassian.net`, but not
/// `acme.eu.atlassian.net`. A glob matches the whole name; case does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whitelist {
    /// `None`: any host.
    globs: Option<Vec<String>>,
}

impl Whitelist {
    pub(super) fn any() -> Self {
        Self { globs: None }
    }

    pub(crate) fn of(globs: Vec<String>) -> Self {
        Self { globs: Some(globs) }
    }

    /// Whether `host` may install. It is a name or address without a port, as [`url::Url::host_str`] returns it.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.globs.as_ref().is_none_or(|globs| globs.iter().any(|glob| covers(glob, &host)))
    }

    /// The globs that leave the top-level domain open (`*`, `*.*`, `acme.*`), so that anybody can own a matching host.
    pub(super) fn open_globs(&self) -> impl Iterator<Item = &str> {
        let is_open = |glob: &&str| glob.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte == b'*'));
        self.globs.iter().flatten().map(String::as_str).filter(is_open)
    }

    /// Whether an entry is `host` itself, not a glob that matches it.
    #[must_use]
    pub fn names_literally(&self, host: &str) -> bool {
        self.globs.iter().flatten().any(|glob| !glob.contains('*') && glob.eq_ignore_ascii_case(host))
    }
}

/// An entry in the form that URLs use for a host: lower case, punycode.
pub(super) fn glob(entry: &str) -> Result<String, Fault> {
    let remedy = "Write only a host name; * matches one label, as in *.atlassian.net";
    if entry.contains("://") {
        return Err(Fault::new("is a URL, not a host name", remedy));
    }
    if entry.contains('/') {
        return Err(Fault::new("has a path", remedy));
    }
    match Host::parse(entry) {
        Ok(Host::Domain(host)) if host.split('.').any(str::is_empty) => Err(Fault::new("has an empty label", remedy)),
        Ok(host) => Ok(host.to_string()),
        Err(_)
            if entry
                .rsplit_once(':')
                .is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit() || b == b'*')) =>
        {
            Err(Fault::new("has a port", remedy))
        }
        Err(_) => Err(Fault::new("is not a host name", remedy)),
    }
}

/// Compares label by label, so that no `*` matches a dot.
fn covers(glob: &str, host: &str) -> bool {
    let (mut globs, mut labels) = (glob.split('.'), host.split('.'));
    loop {
        match (globs.next(), labels.next()) {
            (None, None) => return true,
            (Some(glob), Some(label)) if !label.is_empty() && covers_label(glob, label) => {}
            _ => return false,
        }
    }
}

/// Matches the pieces of text between the stars in order: the first at the start, the last at the end, the others
/// wherever they come next.
fn covers_label(glob: &str, label: &str) -> bool {
    let Some((start, rest)) = glob.split_once('*') else {
        return glob == label;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut left) = label.strip_prefix(start).and_then(|label| label.strip_suffix(end)) else {
        return false;
    };
    middle.split('*').all(|part| {
        left.find(part).is_some_and(|at| {
            left = &left[at + part.len()..];
            true
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names_label_by_label() {
        let table = [
            ("*.atlassian.net", "acme.atlassian.net", true),
            ("*.atlassian.net", "ACME.Atlassian.NET", true),
            ("*.atlassian.net", "atlassian.net", false),
            ("*.atlassian.net", ".atlassian.net", false),
            ("*.atlassian.net", "a.b.atlassian.net", false),
            ("*.atlassian.net", "acme.atlassian.net.evil.example", false),
            ("*.atlassian.net", "acme.atlassian.net.", false),
            ("*.atlassian.net", "acmexatlassian.net", false),
            ("*.Atlassian.net", "acme.atlassian.net", true),
            ("team-*.example", "team-a.example", true),
            ("team-*.example", "team-.example", true),
            ("team-*.example", "steam-a.example", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "ac", false),
            ("ab*ba", "aba", false),
            ("*", "localhost", true),
            ("*", "acme.net", false),
            ("localhost", "localhost", true),
            ("localhost", "notlocalhost", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("[::1]", "[::1]", true),
            ("bücher.example", "xn--bcher-kva.example", true),
        ];
        for (entry, host, expected) in table {
            let whitelist = Whitelist::of(vec![glob(entry).unwrap()]);
            assert_eq!(whitelist.matches(host), expected, "{entry} and {host}");
        }
        assert!(Whitelist::any().matches("anything.example"));
        assert!(!Whitelist::of(vec![]).matches("anything.example"));
    }

    #[test]
    fn only_an_entry_without_a_star_names_a_host() {
        let whitelist = Whitelist::of(vec!["*.atlassian.net".into(), "jira.example".into()]);
        assert!(whitelist.names_literally("Jira.example"));
        assert!(!whitelist.names_literally("acme.atlassian.net"));
        assert!(!whitelist.names_literally("*.atlassian.net"));
        assert!(!Whitelist::any().names_literally("jira.example"));
    }

    #[test]
    fn a_glob_that_leaves_the_top_level_domain_open_is_open() {
        for (entry, is_open) in [
            ("*", true),
            ("**", true),
            ("*.*", true),
            ("*.*.*", true),
            ("**.***", true),
            ("acme.*", true),
            ("*.atlassian.*", true),
            ("*.atlassian.net", false),
            ("*.net", false),
            ("*-a", false),
            ("jira-*", false),
            ("localhost", false),
            ("127.0.0.1", false),
        ] {
            let whitelist = Whitelist::of(vec!["a.example".into(), glob(entry).unwrap()]);
            assert_eq!(whitelist.open_globs().count(), usize::from(is_open), "{entry}");
        }
        assert_eq!(Whitelist::any().open_globs().count(), 0);
    }

    #[test]
    fn entries_other_than_hosts_are_refused() {
        for (entry, wrong) in [
            ("https://acme.atlassian.net", "is a URL, not a host name"),
            ("acme.atlassian.net/wiki", "has a path"),
            ("localhost:2990", "has a port"),
            ("localhost:*", "has a port"),
            ("a b", "is not a host name"),
            ("user@host", "is not a host name"),
            ("a..b", "has an empty label"),
            (".atlassian.net", "has an empty label"),
        ] {
            assert_eq!(glob(entry).map_err(|fault| fault.wrong), Err(wrong.to_owned()), "{entry}");
        }
    }
}
