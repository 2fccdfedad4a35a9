//! Paths in the syntax of actix's router.

use std::fmt::Write as _;

/// The pattern for a URL of the descriptor: its path, with a variable for each `${…}`, without query and fragment.
#[must_use]
pub(crate) fn of_url(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let mut pattern = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        pattern.push('/');
    }
    let mut parts = path.split("${");
    push_literal(&mut pattern, parts.next().unwrap_or_default());
    for (number, part) in parts.enumerate() {
        // writing into a String cannot fail
        let _ = write!(pattern, "{{v{number}}}");
        push_literal(&mut pattern, part.split_once('}').map_or("", |(_, rest)| rest));
    }
    pattern
}

/// The pattern that matches exactly this path.
#[must_use]
pub(crate) fn literal(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    push_literal(&mut pattern, path);
    pattern
}

/// Actix decodes the escapes of a path, except those of `%`, `/` and `+`, before it matches, and reads braces as a
/// variable.
fn push_literal(pattern: &mut String, path: &str) {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if !b"%/+".contains(&byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    for character in String::from_utf8_lossy(&bytes).chars() {
        // a unique variable name: its position
        match character {
            '{' | '}' => {
                let (place, code) = (pattern.len(), u32::from(character));
                let _ = write!(pattern, r"{{b{place}:\x{code:X}}}");
            }
            other => pattern.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_of_a_url() {
        for (url, expected) in [
            ("/webhook/issue-updated?issue=${issue.key}", "/webhook/issue-updated"),
            ("/p/${project.key}/i/${issue.key}#x", "/p/{v0}/i/{v1}"),
            ("webhook", "/webhook"),
            ("/open/${x", "/open/{v0}"),
            ("/a%20b/${x}%2Fc%zz", "/a b/{v0}%2Fc%zz"),
            ("/ü", "/ü"),
            ("/%C3%BC", "/ü"),
        ] {
            assert_eq!(of_url(url), expected, "{url}");
        }
    }

    #[test]
    fn a_literal_pattern_matches_its_path() {
        for (path, sent) in [
            ("/a{b}c", "/a{b}c"),
            ("/a{b}c", "/a%7Bb%7Dc"),
            ("/a%7Bb%7Dc", "/a%7bb%7dc"),
            ("/{{}}%2F{x}", "/{{}}%2F{x}"),
            ("/a%20b", "/%61%20b"),
            ("/a%+1", "/a%+1"),
            ("/a%2Fb%25%2B+", "/a%2Fb%25%2B+"),
        ] {
            let sent = actix_web::dev::Url::new(sent.parse().unwrap());
            let definition = actix_web::dev::ResourceDef::new(literal(path));
            assert!(definition.is_match(sent.path()), "{path} {}", sent.path());
        }
        assert!(!actix_web::dev::ResourceDef::new(literal("/a{b}c")).is_match("/abc"));
    }
}
