//! Calls directly from the browser: `requestRemote` of Forge's bridge sends an invocation token from the page's origin.
//!
//! Source: Atlassian, "requestRemote". Atlassian does not document the origins of pages on Forge. The operator configures them;
//! without any there is no CORS.

use actix_cors::Cors;

/// How long a browser caches the answer to a preflight, in seconds.
const MAX_AGE: usize = 3600;

/// CORS for pages of `origins`, which are `https://host` or `https://*.host`. They may send any header and read those
/// of an answer. Cookies are not allowed: the token authenticates the caller.
pub(crate) fn cors(origins: &[String]) -> Cors {
    let origins = origins.to_vec();
    Cors::default()
        .allowed_origin_fn(move |origin, _| {
            origin.to_str().is_ok_and(|origin| origins.iter().any(|pattern| fits(origin, pattern)))
        })
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        // the page may send any header and read all of them: none of them authenticates the caller
        .allow_any_header()
        .expose_any_header()
        .max_age(MAX_AGE)
}

/// `*` matches one or more labels, as in a Content-Security-Policy.
fn fits(origin: &str, pattern: &str) -> bool {
    let Some((scheme, domain)) = pattern.split_once('*') else { return origin == pattern };
    let host = origin.strip_prefix(scheme).and_then(|rest| rest.strip_suffix(domain));
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    host.is_some_and(|host| host.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_matches_only_its_pattern() {
        for (origin, pattern, is_so) in [
            ("https://a.example", "https://a.example", true),
            ("https://a.example:8443", "https://a.example", false),
            ("http://a.example", "https://a.example", false),
            ("https://b.a.example", "https://a.example", false),
            ("https://b.a.example", "https://*.a.example", true),
            ("https://c.b.a.example", "https://*.a.example", true),
            ("https://a.example", "https://*.a.example", false),
            ("https://.a.example", "https://*.a.example", false),
            ("https://evila.example", "https://*.a.example", false),
            ("https://evil.example/.a.example", "https://*.a.example", false),
            ("https://evil.example:1@b.a.example", "https://*.a.example", false),
            ("http://b.a.example", "https://*.a.example", false),
            ("https://b.a.example:8443", "https://*.a.example", false),
            ("null", "https://*.a.example", false),
            ("", "https://*.a.example", false),
        ] {
            assert_eq!(fits(origin, pattern), is_so, "{origin} {pattern}");
        }
    }
}
