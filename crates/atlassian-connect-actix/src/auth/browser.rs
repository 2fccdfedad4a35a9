//! What a browser says about the page that sent a request.

use actix_web::http::header::{self, HeaderMap};
use url::Url;

use crate::config::is_loopback;

/// Whether a page of another site sent the request. A program sends neither header, a typed address says `none`, and a
/// page on another port of this machine (the sandbox) says `same-site`. A page in a sandboxed frame has the origin
/// `null` and may belong to anybody.
///
/// Source: W3C, "Fetch Metadata Request Headers"; RFC 6454, 7.
pub(super) fn is_from_another_site(headers: &HeaderMap) -> bool {
    let is_foreign_site = headers
        .get_all("sec-fetch-site")
        .any(|site| !["none", "same-origin", "same-site"].iter().any(|known| site == known));
    let is_foreign_origin = headers.get_all(header::ORIGIN).any(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
        !origin.is_some_and(|origin| is_loopback(&origin))
    });
    is_foreign_site || is_foreign_origin
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_page_of_another_site_is_told_from_this_machines_own() {
        for (site, origin, is_foreign) in [
            (None, None, false),
            (Some("none"), None, false),
            (Some("same-origin"), Some("http://localhost:3000"), false),
            (Some("same-site"), Some("http://localhost:3001"), false),
            (None, Some("http://127.0.0.1:3001"), false),
            (None, Some("http://[::1]:3001"), false),
            (Some("cross-site"), None, true),
            (Some("cross-site"), Some("http://localhost:3000"), true),
            (Some("CROSS-SITE"), None, true),
            (Some("something-new"), None, true),
            (Some(""), None, true),
            (Some("same-site"), Some("https://evil.example"), true),
            (None, Some("https://evil.example"), true),
            (None, Some("https://localhost.evil.example"), true),
            (None, Some("http://localhost@evil.example"), true),
            (None, Some("null"), true),
            (None, Some(""), true),
            (None, Some("file://"), true),
        ] {
            let mut request = TestRequest::default();
            if let Some(site) = site {
                request = request.insert_header(("sec-fetch-site", site));
            }
            if let Some(origin) = origin {
                request = request.insert_header(("origin", origin));
            }
            let request = request.to_http_request();
            assert_eq!(is_from_another_site(request.headers()), is_foreign, "{site:?} {origin:?}");
        }
        let twice = TestRequest::default()
            .append_header(("sec-fetch-site", "same-origin"))
            .append_header(("sec-fetch-site", "cross-site"))
            .to_http_request();
        assert!(is_from_another_site(twice.headers()));
    }
}
