//! The query string hash: a SHA-256 over the canonical form of a request, which binds a token to that request.
//!
//! The canonical form is `METHOD&path&query`. The path is relative to the add-on's base URL, with `&` as `%26` and
//! without one trailing slash. The query has the parameters (without `jwt`) percent-encoded and sorted by name, with
//! repeated values joined by a comma. Source: Atlassian, "Query string hash"; atlassian-jwt 2.0.3, whose results are in
//! `tests/fixtures/qsh.json`.
//!
//! Hosts differ in three ways: in the order of names and of repeated values if encoding changes it, in whether a form
//! is part of the query, and in whether the path is hashed as sent or decoded. Each variant is a reading of the *whole*
//! request: none omits a parameter, and no two different requests share one. So [`matches()`] accepts any of them.

mod path;

use std::borrow::Cow;
use std::cmp::Ordering;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// Everything except RFC 3986's unreserved characters is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parts of a request that are hashed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method, in any case.
    pub method: &'a str,
    /// The path below the base URL as it was sent, percent-encoded: `/hello-world`; see [`relative_path`].
    pub path: &'a str,
    /// The query as it was sent, without the `?`.
    pub query: &'a str,
    /// The body as it was sent, if it is a form (`application/x-www-form-urlencoded`).
    pub form: Option<&'a str>,
}

/// The order of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Names by their encoded form, values by their decoded one: Java.
    Java,
    /// Both by their decoded form, as UTF-16 units: JavaScript.
    JavaScript,
    /// Both by their encoded form, as the specification says.
    Encoded,
}

/// The path below `base_path` (empty, or like `/addon`, without a trailing slash); `None` if `path` is not below it.
///
/// ```
/// use atlassian_connect_actix::internal::jwt::qsh::relative_path;
/// assert_eq!(relative_path("/addon/page", "/addon"), Some("/page"));
/// assert_eq!(relative_path("/addon", "/addon"), Some(""));
/// assert_eq!(relative_path("/addons/page", "/addon"), None);
/// ```
#[must_use]
pub fn relative_path<'a>(path: &'a str, base_path: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(base_path)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The canonical form of a request, as Atlassian's hosts make it.
///
/// ```
/// use atlassian_connect_actix::internal::jwt::qsh::canonical;
/// assert_eq!(canonical("get", "/search/", "b=2&a=x+y&jwt=token"), "GET&/search&a=x%20y&b=2");
/// ```
#[must_use]
pub fn canonical(method: &str, path: &str, query: &str) -> String {
    canonical_form(method, path, &parameters(query, None), Order::Java)
}

/// The hash of [`canonical`]: 64 lower-case hexadecimal digits.
#[must_use]
pub fn hash(method: &str, path: &str, query: &str) -> String {
    hex(canonical(method, path, query).as_bytes())
}

/// Whether `claim` is the hash of one of the valid readings of `request`.
#[must_use]
pub fn matches(claim: &str, request: &Request<'_>) -> bool {
    any_reading(request, |text| verify_slices_are_equal(hex(text.as_bytes()).as_bytes(), claim.as_bytes()).is_ok())
}

/// Whether `fits` accepts one of the texts that a host may have hashed for `request`.
fn any_reading(request: &Request<'_>, mut fits: impl FnMut(&str) -> bool) -> bool {
    let with_form = request.form.filter(|form| {
        let method = request.method;
        !form.is_empty() && (method.eq_ignore_ascii_case("POST") || method.eq_ignore_ascii_case("PUT"))
    });
    let decoded_path = path::decoded(request.path);
    for form in [Some(None), with_form.map(Some)].into_iter().flatten() {
        let parameters = parameters(request.query, form);
        // the orders differ only if something is encoded
        let orders: &[Order] = if parameters.iter().any(Parameter::is_encoded) {
            &[Order::Java, Order::JavaScript, Order::Encoded]
        } else {
            &[Order::Java]
        };
        for path in [Some(request.path), decoded_path.as_deref()].into_iter().flatten() {
            for order in orders {
                if fits(&canonical_form(request.method, path, &parameters, *order)) {
                    return true;
                }
            }
        }
    }
    false
}

struct Parameter<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    encoded_name: Cow<'a, str>,
    encoded_value: Cow<'a, str>,
}

impl Parameter<'_> {
    fn is_encoded(&self) -> bool {
        self.name != self.encoded_name || self.value != self.encoded_value
    }
}

fn parameters<'a>(query: &'a str, form: Option<&'a str>) -> Vec<Parameter<'a>> {
    let pairs = query.split('&').chain(form.unwrap_or_default().split('&'));
    pairs
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), value))
        .filter(|(name, _)| name != "jwt")
        .map(|(name, value)| {
            let value = decode(value);
            Parameter { encoded_name: encode(&name), encoded_value: encode(&value), name, value }
        })
        .collect()
}

/// Decodes `+` as a space. An invalid escape stays as it is; bytes that are not UTF-8 become U+FFFD.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned())
}

fn encode<'a>(text: &Cow<'a, str>) -> Cow<'a, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    match text {
        Cow::Borrowed(text) if text.bytes().all(plain) => Cow::Borrowed(text),
        text => Cow::Owned(utf8_percent_encode(text, RESERVED).to_string()),
    }
}

fn canonical_form(method: &str, path: &str, parameters: &[Parameter<'_>], order: Order) -> String {
    let utf16 = |a: &str, b: &str| a.encode_utf16().cmp(b.encode_utf16());
    let by_name = |a: &Parameter<'_>, b: &Parameter<'_>| match order {
        Order::JavaScript => utf16(&a.name, &b.name),
        Order::Java | Order::Encoded => a.encoded_name.cmp(&b.encoded_name),
    };
    let by_value = |a: &Parameter<'_>, b: &Parameter<'_>| match order {
        Order::Encoded => a.encoded_value.cmp(&b.encoded_value),
        Order::Java | Order::JavaScript => utf16(&a.value, &b.value),
    };
    let mut sorted: Vec<&Parameter<'_>> = parameters.iter().collect();
    sorted.sort_by(|a, b| by_name(a, b).then_with(|| by_value(a, b)));

    let mut form = String::with_capacity(64 + path.len());
    form.push_str(&method.to_ascii_uppercase());
    form.push('&');
    form.push_str(&path::canonical(path));
    form.push('&');
    let mut last: Option<&Parameter<'_>> = None;
    for parameter in sorted {
        if last.is_some_and(|last| by_name(last, parameter) == Ordering::Equal) {
            form.push(',');
        } else {
            if last.is_some() {
                form.push('&');
            }
            form.push_str(&parameter.encoded_name);
            form.push('=');
        }
        form.push_str(&parameter.encoded_value);
        last = Some(parameter);
    }
    form
}

fn hex(bytes: &[u8]) -> String {
    to_hex(digest(&SHA256, bytes).as_ref())
}

/// Two lower-case digits per byte.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Vector {
        method: String,
        path: String,
        query: String,
        canonical: String,
        qsh: String,
    }

    /// Made by the npm package atlassian-jwt, see `tests/vectors/make.mjs`.
    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../../tests/fixtures/qsh.json")).unwrap()
    }

    fn request(vector: &Vector) -> Request<'_> {
        Request { method: &vector.method, path: &vector.path, query: &vector.query, form: None }
    }

    #[test]
    fn atlassian_jwt_makes_the_same_hashes() {
        let vectors = vectors();
        assert!(vectors.len() >= 300, "the table of vectors is there: {}", vectors.len());
        for vector in &vectors {
            assert!(matches(&vector.qsh, &request(vector)), "{} {}?{}", vector.method, vector.path, vector.query);
        }
    }

    #[test]
    fn without_encoding_there_is_one_form() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~=&".contains(&byte);
        let vectors: Vec<Vector> = vectors().into_iter().filter(|vector| vector.query.bytes().all(plain)).collect();
        assert!(vectors.len() > 60, "{}", vectors.len());
        for vector in &vectors {
            assert_eq!(canonical(&vector.method, &vector.path, &vector.query), vector.canonical);
        }
    }

    #[test]
    fn a_hash_matches_no_request_with_another_hash() {
        let vectors = vectors();
        for (i, vector) in vectors.iter().enumerate() {
            for other in vectors.iter().skip(i % 7).step_by(7).filter(|other| other.qsh != vector.qsh) {
                assert!(!matches(&other.qsh, &request(vector)), "{} / {}", vector.canonical, other.canonical);
            }
        }
    }

    #[test]
    fn known_forms() {
        let long = "zee_last=param&repeated=parameter%201&first=param&repeated=parameter%202";
        for (method, path, query, form) in [
            ("GET", "/", "", "GET&/&"),
            ("get", "", "", "GET&/&"),
            (
                "get",
                "/path/to/service",
                long,
                "GET&/path/to/service&first=param&repeated=parameter%201,parameter%202&zee_last=param",
            ),
            ("PUT", "/p//", "a=b+c&d=e%2Bf", "PUT&/p/&a=b%20c&d=e%2Bf"),
            ("GET", "/p%2Fq/a%20b", "a=x,y&b=1&b=2", "GET&/p%2Fq/a%20b&a=x%2Cy&b=1,2"),
            ("GET", "/x&y", "a=&a=1&c", "GET&/x%26y&a=,1&c="),
            ("GET", "/x", "=x&a=1&&", "GET&/x&=x&a=1"),
            ("GET", "/x", "JWT=1&jwt=2&%6Awt=3", "GET&/x&JWT=1"),
            ("GET", "/x", "a=%FF&b=%zz", "GET&/x&a=%EF%BF%BD&b=%25zz"),
            ("GET", "/x", "q=*~!'()", "GET&/x&q=%2A~%21%27%28%29"),
            ("GET", "/x", "a[b]=1&__proto__=2", "GET&/x&__proto__=2&a%5Bb%5D=1"),
            ("GET", "/x", "z=1&%C3%A9=2", "GET&/x&%C3%A9=2&z=1"),
        ] {
            assert_eq!(canonical(method, path, query), form);
        }
    }

    #[test]
    fn both_orders_of_encoded_names_are_accepted() {
        let request = Request { method: "GET", path: "/x", query: "z=1&%C3%A9=2", form: None };
        for form in ["GET&/x&%C3%A9=2&z=1", "GET&/x&z=1&%C3%A9=2"] {
            assert!(matches(&hex(form.as_bytes()), &request), "{form}");
        }
        assert!(!matches(&hex(b"GET&/x&%C3%A9=2"), &request));
    }

    #[test]
    fn a_form_counts_only_for_post_and_put_and_is_optional() {
        let request = |method, form| Request { method, path: "/x", query: "q=1", form: Some(form) };
        let over = |method, query| hash(method, "/x", query);
        assert!(matches(&over("POST", "q=1"), &request("POST", "a=2&jwt=t")));
        assert!(matches(&over("POST", "q=1&a=2"), &request("POST", "a=2&jwt=t")));
        assert!(!matches(&over("POST", "a=2"), &request("POST", "a=2")));
        assert!(!matches(&over("POST", "q=1&a=2"), &request("POST", "a=2&c=3")));
        assert!(!matches(&over("PATCH", "q=1&a=2"), &request("PATCH", "a=2")));
    }

    proptest! {
        #[test]
        fn any_request_matches_its_own_hash(path in "[/a-z%0-9&]{0,30}", query in "\\PC{0,60}") {
            let request = Request { method: "GET", path: &path, query: &query, form: None };
            prop_assert!(matches(&hash("GET", &path, &query), &request));
        }

        #[test]
        fn order_of_parameters_does_not_matter(mut pairs in proptest::collection::vec(("[a-c]{1,2}", "[x-z,% é]{0,3}"), 0..6)) {
            let query = |pairs: &[(String, String)]| {
                let text: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={}", encode(&Cow::Owned(v.clone())))).collect();
                text.join("&")
            };
            let before = hash("GET", "/", &query(&pairs));
            pairs.reverse();
            prop_assert_eq!(before, hash("GET", "/", &query(&pairs)));
        }

        #[test]
        fn one_parameter_more_is_another_request(query in "[a-d=&%0-9é]{0,30}", extra in "[a-z]{1,4}") {
            prop_assume!(extra != "jwt");
            let longer = if query.is_empty() { extra.clone() } else { format!("{query}&{extra}") };
            let request = Request { method: "GET", path: "/x", query: &longer, form: None };
            prop_assert!(!matches(&hash("GET", "/x", &query), &request));
        }
    }
}
