//! The path of a request in its hash: as it was sent, or decoded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// `path` decoded, for hosts that hash the path of their URL library. `None` if nothing is encoded, or if the decoded
/// form could be that of another request.
///
/// A decoded `/` would start another segment, a `;` a matrix parameter, `?` and `#` would end the path, and a decoded
/// `%` would look like an escape. A decoded `&` is harmless: it is written as `%26` like any other.
pub(super) fn decoded(path: &str) -> Option<String> {
    if !path.contains('%') || !escapes_are_harmless(path) {
        return None;
    }
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let has_dots = decoded.split('/').any(|segment| matches!(segment, "." | ".."));
    let is_harmless = !has_dots && !decoded.contains(char::is_control);
    is_harmless.then(|| decoded.into_owned())
}

/// Whether each `%` begins an escape, and no escape stands for a character with a meaning in a URL, or for one that no
/// host encodes: a host that signs `/page` does not send `/%70age`.
fn escapes_are_harmless(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        let digits = rest.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| !is_unreserved(byte) && !matches!(byte, b'/' | b'?' | b'#' | b'%' | b';' | b'\\'))
    })
}

/// RFC 3986, 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The path in the canonical form: with `&` as `%26`, with a leading slash, and without one trailing slash.
pub(super) fn canonical(path: &str) -> Cow<'_, str> {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    if trimmed.starts_with('/') && !trimmed.contains('&') {
        return Cow::Borrowed(trimmed);
    }
    let slash = if trimmed.starts_with('/') { "" } else { "/" };
    Cow::Owned(format!("{slash}{}", trimmed.replace('&', "%26")))
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::{canonical, decoded};
    use proptest::prelude::*;

    fn of(path: &str) -> Request<'_> {
        Request { method: "GET", path, query: "a=1", form: None }
    }

    #[test]
    fn a_decoded_path_is_a_reading() {
        for (sent, signed) in [
            ("/a/my%20space", "/a/my space"),
            ("/a/my%20space/", "/a/my space"),
            ("/%C3%A9/%e6%97%a5", "/é/日"),
            ("/a%26b", "/a%26b"),
            ("/a%26b%20c&d", "/a%26b c%26d"),
            ("/a%2Bb%3Dc%40d%3A", "/a+b=c@d:"),
            ("/..%20/a.b", "/.. /a.b"),
            ("/a;b/my%20space", "/a;b/my space"),
        ] {
            let form = format!("GET&{signed}&a=1");
            assert!(matches(&hex(form.as_bytes()), &of(sent)), "{sent} {form}");
            // and the reading as it was sent is still accepted
            assert!(matches(&hash("GET", sent, "a=1"), &of(sent)), "{sent}");
            assert!(!matches(&hex(format!("GET&{signed}x&a=1").as_bytes()), &of(sent)), "{sent}");
        }
    }

    #[test]
    fn an_ambiguous_path_has_no_decoded_reading() {
        for sent in [
            "/a%2Fb%20c",
            "/a%2fb",
            "/a%3Fb",
            "/a%23b",
            "/a%25b",
            "/a%2520b",
            "/a%3Bb",
            "/a%5Cb",
            "/a%00",
            "/a%0Ab",
            "/a%7F",
            "/a%C2%85",
            "/%2E",
            "/a/%2e%2E/b",
            "/.%2e/b",
            "/../my%20space",
            "/%70age",
            "/%7Euser",
            "/my%20sp%61ce",
            "/%FF",
            "/%C3",
            "/%ED%A0%80",
            "/%C0%AF",
            "/%zz%20",
            "/%",
            "/a%2",
            "/%+1",
            "/plain",
        ] {
            assert_eq!(decoded(sent), None, "{sent}");
            let lossy = percent_encoding::percent_decode_str(sent).decode_utf8_lossy().into_owned();
            if lossy != sent {
                assert!(!matches(&hex(format!("GET&{lossy}&a=1").as_bytes()), &of(sent)), "{sent}");
            }
        }
    }

    /// Every text whose hash is accepted for a request.
    fn readings(request: &Request<'_>) -> Vec<String> {
        let mut readings = Vec::new();
        let never = any_reading(request, |text| {
            readings.push(text.to_owned());
            false
        });
        assert!(!never);
        readings
    }

    /// What makes two requests the same: the decoded segments of the path, and each name with its values, in any order
    /// of names. Unlike a reading, it distinguishes an encoded slash from a slash.
    fn meaning(request: &Request<'_>) -> (Vec<Vec<u8>>, Vec<(String, String)>) {
        // a trailing slash has no meaning: Atlassian's specification omits it
        let path = canonical(request.path);
        let segments = path.split('/').map(|segment| percent_encoding::percent_decode_str(segment).collect());
        let mut pairs: Vec<_> = parameters(request.query, request.form)
            .into_iter()
            .map(|parameter| (parameter.name.into_owned(), parameter.value.into_owned()))
            .collect();
        pairs.sort();
        (segments.collect(), pairs)
    }

    /// Paths as in a URL, with many special characters, plain or encoded.
    fn paths() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec![
            "/", "a", "b", ".", "&", ";", "+", "=", "%20", "%26", "%2F", "%2f", "%3F", "%23", "%25", "%2525", "%3B",
            "%5C", "%2E", "%61", "%C3%A9", "%C3", "%A9", "%00", "%0A",
        ]);
        proptest::collection::vec(piece, 0..5).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    fn queries() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec!["a", "b", "=", "&", "%26", "%3D", "%20", "%2C", "+"]);
        proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_two_different_requests_share_a_reading(
            paths in proptest::collection::vec((paths(), queries()), 12),
        ) {
            let requests: Vec<_> =
                paths.iter().map(|(path, query)| Request { method: "GET", path, query, form: None }).collect();
            let read: Vec<_> = requests.iter().map(readings).collect();
            for (i, one) in requests.iter().enumerate() {
                for (j, other) in requests.iter().enumerate().skip(i + 1) {
                    if read[i].iter().any(|text| read[j].contains(text)) {
                        prop_assert_eq!(meaning(one), meaning(other), "{:?} {:?}", one, other);
                    }
                }
            }
        }

        #[test]
        fn a_decoded_path_leads_back_to_its_segments(path in paths()) {
            if let Some(decoded) = decoded(&path) {
                prop_assert_eq!(decoded.matches('/').count(), path.matches('/').count());
                let text = canonical(&decoded);
                prop_assert!(!text.contains(['?', '#', '\\', '&']), "{}", text);
                prop_assert_eq!(text.matches('%').count(), text.matches("%26").count());
            }
        }
    }
}
