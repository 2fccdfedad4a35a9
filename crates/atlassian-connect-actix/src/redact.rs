//! Texts from outside, in a form that is safe to log: without tokens and control characters, and shortened.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

/// The longest value that is shown, in bytes.
const LONGEST: usize = 1024;
/// How much of a text is processed: enough for a long token before the part that is shown.
const LOOKED_AT: usize = 64 * 1024;
/// A shorter run of characters is not taken for a token.
const SHORTEST_TOKEN: usize = 12;
/// A shorter word after the name of an authentication scheme is taken for part of a sentence.
const SHORTEST_CREDENTIAL: usize = 16;
/// A longer name of a parameter is none of the secret ones, in bytes.
const LONGEST_NAME: usize = 20;
/// How a JSON Web Token begins: base64url of `{"`, or of `{` and white space.
const TOKEN_STARTS: [&[u8]; 5] = [b"eyJ", b"eyA", b"ewo", b"ew0", b"ewk"];
/// Parameters whose values are never shown.
const SECRET_PARAMETERS: [&str; 12] = [
    "jwt",
    "acpt",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "assertion",
    "client_secret",
    "sharedsecret",
    "secret",
    "password",
    "code",
];
const SCHEMES: [&str; 3] = ["jwt", "bearer", "basic"];
const MASK: &str = "***";

/// A path and its query, in a form that is safe to log.
pub fn url(path: &str, query: &str) -> String {
    if query.is_empty() { shown(path) } else { shown(&format!("{path}?{query}")) }
}

/// A text in a form that is safe to log: possible tokens are masked, control characters are escaped, and of the rest
/// after 1 kB only the length is shown.
pub fn shown(text: &str) -> String {
    let (looked_at, unseen) = text.split_at(boundary(text, LOOKED_AT));
    let mut shown = String::with_capacity(looked_at.len().min(LONGEST));
    let masked = masked(looked_at);
    for (at, character) in masked.char_indices() {
        if shown.len() >= LONGEST {
            add_rest(&mut shown, masked.len() - at + unseen.len());
            return shown;
        }
        if is_harmless(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    if !unseen.is_empty() {
        add_rest(&mut shown, unseen.len());
    }
    shown
}

/// Cleans a finished line of the log: tokens are masked, and a value of more than 1 kB is shortened. Quotes end a
/// value.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    let masked = masked(text);
    if masked.len() <= LONGEST {
        return masked;
    }
    let (line, end) = masked.strip_suffix('\n').map_or((&*masked, ""), |line| (line, "\n"));
    let values: Vec<_> = line.split('"').map(cut).collect();
    Cow::Owned(values.join("\"") + end)
}

/// The same for a line that is a JSON object.
pub(crate) fn json_line(text: &str) -> Cow<'_, str> {
    let masked = masked(text);
    if masked.len() <= LONGEST {
        return masked;
    }
    match serde_json::from_str(&masked) {
        Ok(mut json) => {
            cut_strings(&mut json);
            Cow::Owned(format!("{json}\n"))
        }
        Err(_) => line(text),
    }
}

fn cut_strings(json: &mut Value) {
    match json {
        Value::String(text) => {
            if let Cow::Owned(cut) = cut(text) {
                *text = cut;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(cut_strings),
        Value::Object(fields) => fields.values_mut().for_each(cut_strings),
        _ => {}
    }
}

fn cut(text: &str) -> Cow<'_, str> {
    let end = boundary(text, LONGEST);
    if end == text.len() {
        return Cow::Borrowed(text);
    }
    let mut cut = text[..end].to_owned();
    add_rest(&mut cut, text.len() - end);
    Cow::Owned(cut)
}

/// The last character boundary at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    if text.len() <= at {
        return text.len();
    }
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn add_rest(text: &mut String, bytes: usize) {
    // writing into a String cannot fail
    let _ = write!(text, "… ({bytes} bytes more)");
}

/// The text with `***` instead of every possible token: JSON Web Tokens anywhere, percent-encoded ones too, the values
/// of certain parameters, and the word after `Bearer`, `JWT` or `Basic`.
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let (mut at, mut kept_from) = (0, 0);
    let mut previous: Option<u8> = None;
    let mut is_in_query = false;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if previous.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            // within a word only a token can begin, and it begins with an e
            let plain = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() && **byte != b'e').count();
            if plain > 0 {
                (at, previous) = (at + plain, rest.get(plain - 1).copied());
                continue;
            }
        }
        let hidden = secret_at(rest, previous, is_in_query);
        if let Some(Secret { begins, ends }) = hidden {
            masked.push_str(&text[kept_from..at + begins]);
            masked.push_str(MASK);
            (at, kept_from, previous) = (at + ends, at + ends, Some(b'*'));
            continue;
        }
        let (byte, length) = unit(rest);
        is_in_query |= byte == b'?';
        previous = Some(byte);
        at += length;
    }
    if masked.is_empty() {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[kept_from..]);
    Cow::Owned(masked)
}

/// The position of a secret, relative to the start of the search; always at character boundaries.
struct Secret {
    begins: usize,
    ends: usize,
}

fn secret_at(rest: &[u8], previous: Option<u8>, is_in_query: bool) -> Option<Secret> {
    if let Some(ends) = token(rest) {
        return Some(Secret { begins: 0, ends });
    }
    if previous.is_none_or(|byte| matches!(byte, b'?' | b'&' | b';' | b'#' | b'/'))
        && let Some(secret) = parameter(rest, is_in_query || previous == Some(b'#'))
    {
        return Some(secret);
    }
    if previous.is_none_or(|byte| !byte.is_ascii_alphanumeric()) { credential(rest) } else { None }
}

/// The length of a token at the start of `rest`.
fn token(rest: &[u8]) -> Option<usize> {
    let (first, _) = unit(rest);
    if first != b'e' {
        return None;
    }
    let (begins, _) = decoded(rest, |count, _| count < 3);
    if !TOKEN_STARTS.contains(&begins.first()) {
        return None;
    }
    let (run, length) = decoded(rest, |_, byte| is_of_token(byte));
    (run.count >= SHORTEST_TOKEN).then_some(length)
}

/// The value of a parameter at the start of `rest`, if its name is that of a secret.
fn parameter(rest: &[u8], is_in_query: bool) -> Option<Secret> {
    let (name, name_length) =
        decoded(rest, |count, byte| count < LONGEST_NAME && (byte.is_ascii_alphanumeric() || byte == b'_'));
    let is_secret = SECRET_PARAMETERS.iter().any(|secret| name.first().eq_ignore_ascii_case(secret.as_bytes()));
    let (equals, length) = unit(rest.get(name_length..)?);
    if !is_secret || equals != b'=' {
        return None;
    }
    let begins = name_length + length;
    let value = rest.get(begins..)?;
    let is_of_value = |byte: &u8| match byte {
        b'&' | b';' | b'#' | b'"' => false,
        b'/' => is_in_query,
        byte => !byte.is_ascii_whitespace(),
    };
    let length = value.iter().take_while(|byte| is_of_value(byte)).count();
    (length > 0).then_some(Secret { begins, ends: begins + length })
}

/// The word after the name of an authentication scheme at the start of `rest`.
fn credential(rest: &[u8]) -> Option<Secret> {
    let (name, name_length) = decoded(rest, |count, byte| count < 8 && byte.is_ascii_alphabetic());
    if !SCHEMES.iter().any(|scheme| name.first().eq_ignore_ascii_case(scheme.as_bytes())) {
        return None;
    }
    let (_, gap) = decoded(rest.get(name_length..)?, |_, byte| matches!(byte, b' ' | b'+' | b'\t' | b':'));
    let begins = name_length + gap;
    let (value, length) =
        decoded(rest.get(begins..)?, |_, byte| is_of_token(byte) || matches!(byte, b'~' | b'+' | b'/'));
    let is_credential = gap > 0 && value.count >= SHORTEST_CREDENTIAL;
    is_credential.then_some(Secret { begins, ends: begins + length })
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=')
}

/// Decoded bytes: how many there are, and the first of them. It allocates nothing, since each word of the log is looked
/// at.
#[derive(Default)]
struct Decoded {
    first: [u8; LONGEST_NAME],
    count: usize,
}

impl Decoded {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.first.get_mut(self.count) {
            *place = byte;
        }
        self.count += 1;
    }

    /// All bytes, if there are no more than fit.
    fn first(&self) -> &[u8] {
        self.first.get(..self.count).unwrap_or(&self.first)
    }
}

/// The decoded bytes at the start of `text`, as long as `is_wanted` accepts them, and how many bytes of `text` they
/// take.
fn decoded(text: &[u8], is_wanted: impl Fn(usize, u8) -> bool) -> (Decoded, usize) {
    let (mut bytes, mut length) = (Decoded::default(), 0);
    while let Some(rest) = text.get(length..).filter(|rest| !rest.is_empty()) {
        let (byte, step) = unit(rest);
        if !is_wanted(bytes.count, byte) {
            break;
        }
        bytes.push(byte);
        length += step;
    }
    (bytes, length)
}

/// The first byte of `text` and its length: one, or more if it is percent-encoded, once or repeatedly (`%2E`, `%252E`).
/// An escape of a byte that is not ASCII is not decoded.
fn unit(text: &[u8]) -> (u8, usize) {
    let Some((&first, mut rest)) = text.split_first() else { return (0, 0) };
    if first != b'%' {
        return (first, 1);
    }
    let mut length = 1;
    while let Some(more) = rest.strip_prefix(b"25") {
        (rest, length) = (more, length + 2);
    }
    let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
    let byte = digits
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .and_then(|digits| u8::from_str_radix(digits, 16).ok());
    match byte {
        Some(byte) if byte.is_ascii() => (byte, length + 2),
        _ => (b'%', 1),
    }
}

/// Whether a character neither moves the cursor nor changes the direction of the text.
fn is_harmless(character: char) -> bool {
    let is_invisible = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !character.is_control() && !is_invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl-_c2lnbmF0dXJl";

    #[test]
    fn a_url_is_shown_without_its_tokens() {
        for (query, expected) in [
            ("", "/p"),
            ("a=1&b", "/p?a=1&b"),
            ("a=1&jwt=abc&acpt=def", "/p?a=1&jwt=***&acpt=***"),
            ("%6Awt=abc&JWT=x", "/p?%6Awt=***&JWT=***"),
            ("x=eyJhbGciOiJIUzI1NiJ9.e30.s", "/p?x=***"),
            ("access_token=ab/cd+e%3D&b=1", "/p?access_token=***&b=1"),
            ("jwt=&b=1", "/p?jwt=&b=1"),
            ("my_jwt=1&jwtx=2&tokens=3", "/p?my_jwt=1&jwtx=2&tokens=3"),
        ] {
            assert_eq!(url("/p", query), expected);
        }
    }

    #[test]
    fn a_token_is_masked_everywhere() {
        let encoded = TOKEN.replace('.', "%2E");
        let twice = TOKEN.replace('.', "%252e").replacen("eyJ", "%2565yJ", 1);
        let all = TOKEN.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02x}"));
        for (text, expected) in [
            (TOKEN.to_owned(), "***"),
            (format!("/a/{TOKEN}/b"), "/a/***/b"),
            (format!("/a/prefix{TOKEN}"), "/a/prefix***"),
            (format!("/a;jwt={TOKEN}/b"), "/a;jwt=***/b"),
            ("/a;jwt=opaque/b".into(), "/a;jwt=***/b"),
            ("/a;v=1;JWT=opaque;w=2".into(), "/a;v=1;JWT=***;w=2"),
            ("/a%3Bjwt%3Dopaque".into(), "/a%3Bjwt%3D***"),
            (format!("/a#{TOKEN}"), "/a#***"),
            ("/a#access_token=opaque/more&state=1".into(), "/a#access_token=***&state=1"),
            (format!("/a?{TOKEN}"), "/a?***"),
            (format!("/a?{TOKEN}=1"), "/a?***"),
            (format!("/a?x={encoded}&b"), "/a?x=***&b"),
            (format!("/a/{twice}"), "/a/***"),
            (format!("/a/{all}/b"), "/a/***/b"),
            (format!("the header JWT {TOKEN} is refused"), "the header JWT *** is refused"),
            ("Authorization: Bearer abcdefghijklmnopqrstuvwxyz/+==".into(), "Authorization: Bearer ***"),
            ("/a?h=Bearer%20abcdefghijklmnopqrstuvwxyz".into(), "/a?h=Bearer%20***"),
            ("basic dXNlcjpwYXNzd29yZA== ends".into(), "basic *** ends"),
            (format!("{{\"a\":\"{TOKEN}\",\"b\":1}}"), "{\"a\":\"***\",\"b\":1}"),
            (format!("{TOKEN} and {TOKEN}"), "*** and ***"),
            // a header with white space in it, as other libraries write it
            ("ewogICJhbGciOiAiSFMyNTYiCn0.e30.s".into(), "***"),
            ("eyAiYWxnIjogIkhTMjU2IiB9.e30.s".into(), "***"),
            // a payload alone is masked too
            ("eyJpc3MiOiJ4In0xx".into(), "***"),
        ] {
            assert_eq!(masked(&text), expected, "{text}");
        }
    }

    #[test]
    fn other_text_is_not_changed() {
        for text in [
            "",
            "/hello-world?xdm_e=https%3A%2F%2Fa.atlassian.net&lic=none",
            "a JWT is missing",
            "the bearer of this is not known",
            "no token in the query, the form or the headers",
            "eyJ",
            "keyJournal",
            "status code=404 of the store",
            "/%zz/%2",
            "%25",
            "ä%e4ö/eyJü",
            "100% sure",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn a_long_text_is_shortened_with_a_note() {
        let long = "a".repeat(60_000);
        let cut = shown(&long);
        assert_eq!(cut, format!("{}… (58976 bytes more)", "a".repeat(LONGEST)));
        assert_eq!(shown(&"a".repeat(LONGEST)).len(), LONGEST);
        for long in ["ü".repeat(100_000), "\u{1b}".repeat(100_000), format!("{}/{long}", TOKEN.repeat(2000))] {
            let cut = shown(&long);
            assert!(cut.len() < LONGEST + 50 && cut.ends_with(" bytes more)") && !cut.contains("eyJ"), "{cut}");
        }
        // a token at the edge of the shown part, or of the processed part
        for before in [LONGEST - 5, LOOKED_AT - 5, LOOKED_AT - SHORTEST_TOKEN] {
            let text = format!("{}/{TOKEN}", "a".repeat(before));
            assert!(!shown(&text).contains("eyJ"));
        }
    }

    #[test]
    fn each_value_of_a_line_is_shortened() {
        let long = "a".repeat(5000);
        let short = "2026 INFO answered url=\"/a\" status=200\n";
        assert_eq!((line(short), json_line("{\"a\":1}\n")), (short.into(), "{\"a\":1}\n".into()));
        let cut = format!("{}… (3976 bytes more)", "a".repeat(LONGEST));
        assert_eq!(line(&format!("INFO x=\"{long}\" status=200\n")), format!("INFO x=\"{cut}\" status=200\n"));
        let text = serde_json::json!({ "x": [{ "y": long }], "z": TOKEN }).to_string();
        assert_eq!(json_line(&text), format!("{{\"x\":[{{\"y\":\"{cut}\"}}],\"z\":\"***\"}}\n"));
        assert!(json_line(&format!("no JSON {long}")).len() < 2 * LONGEST);
        assert_eq!(line(&format!("x {TOKEN}\n")), "x ***\n");
    }

    #[test]
    fn control_characters_are_escaped() {
        let text = "a\r\nb\u{1b}[31m\u{0}\u{9b}\u{202e}\u{2028}ä ";
        assert_eq!(shown(text), r"a\u{d}\u{a}b\u{1b}[31m\u{0}\u{9b}\u{202e}\u{2028}ä ");
    }

    #[test]
    fn any_text_can_be_shown() {
        for seed in 0_u32..2000 {
            let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
            let text: String = (0..60)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 17;
                    state ^= state << 5;
                    let parts = [
                        "%", "25", "eyJ", "ä", "é", "jwt=", ";", "?", "/", "Bearer ", "ab", ".", "%2E", "%c3", "\n",
                        "€",
                    ];
                    parts[state as usize % parts.len()]
                })
                .collect();
            assert!(!shown(&text).contains('\n'));
        }
    }
}
