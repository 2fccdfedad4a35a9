//! Writes YAML with comments, as far as a manifest needs it.
//!
//! Lines with `##` are explanations. Lines with a single `#` are proposals: remove the `#` to use them.

use std::fmt::Write as _;

use serde_json::Value;

/// The content of a YAML block, in order.
pub(super) enum Item {
    /// An explanation, one comment per line.
    Prose(&'static str),
    /// YAML that a person has to uncomment, without indentation.
    Proposal(String),
    /// YAML as it is, without indentation.
    Text(String),
    /// `name: …`, in a mapping.
    Member(String, Node),
    /// `- …`, in a list.
    Element(Node),
}

/// A value.
pub(super) enum Node {
    /// A value on one line, as written.
    Scalar(String),
    /// Members or elements, with comments between them; always at least one member or element.
    Items(Vec<Item>),
}

pub(super) fn member(name: &str, value: impl Into<Node>) -> Item {
    Item::Member(name.to_owned(), value.into())
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Scalar(scalar(text)),
            Value::Array(items) if !items.is_empty() => items.iter().collect(),
            Value::Object(members) if !members.is_empty() => {
                Self::Items(members.iter().map(|(name, value)| member(name, value)).collect())
            }
            // everything else is written as JSON
            _ => Self::Scalar(value.to_string()),
        }
    }
}

/// A list.
impl<'a> FromIterator<&'a Value> for Node {
    fn from_iter<I: IntoIterator<Item = &'a Value>>(values: I) -> Self {
        Self::Items(values.into_iter().map(|value| Item::Element(value.into())).collect())
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Scalar(scalar(text))
    }
}

impl From<Vec<Item>> for Node {
    fn from(items: Vec<Item>) -> Self {
        Self::Items(items)
    }
}

/// The sections of a document, separated by empty lines.
pub(super) fn document(sections: &[Vec<Item>]) -> String {
    let written = sections.iter().filter(|items| !items.is_empty()).map(|items| {
        let mut text = String::new();
        write(items, 0, &mut text);
        text
    });
    written.collect::<Vec<_>>().join("\n")
}

fn write(items: &[Item], depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let mut line = |parts: &[&str]| {
        out.push_str(&indent);
        out.extend(parts.iter().copied());
        out.push('\n');
    };
    for item in items {
        match item {
            Item::Prose(text) => text.lines().for_each(|text| line(&["## ", text])),
            Item::Proposal(text) => text.lines().for_each(|text| line(&["#", text])),
            Item::Text(text) => text.lines().for_each(|text| line(&[text])),
            Item::Member(name, Node::Scalar(value)) => line(&[&scalar(name), ": ", value]),
            Item::Element(Node::Scalar(value)) => line(&["- ", value]),
            Item::Member(name, Node::Items(items)) => {
                let mut block = String::new();
                write(items, depth + 1, &mut block);
                line(&[&scalar(name), ":\n", block.trim_end_matches('\n')]);
            }
            Item::Element(Node::Items(items)) => {
                let mut block = String::new();
                write(items, depth + 1, &mut block);
                // the first line of the block goes after the dash
                line(&["- ", block.trim_start_matches(' ').trim_end_matches('\n')]);
            }
        }
    }
}

/// Plain scalars with a special meaning in YAML 1.1 or 1.2.
const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];

/// A text: plain if that is unambiguous, otherwise quoted as JSON, which is valid YAML.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'_' | b'-' | b'.' | b'/' | b':'))
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_plain { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for c in Value::from(text).to_string().chars() {
        // JSON allows these characters unescaped; in YAML they are line breaks, a byte order mark, or not printable
        if matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') {
            let _ = write!(quoted, "\\u{:04x}", u32::from(c));
        } else {
            quoted.push(c);
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_plain_and_what_is_quoted() {
        for plain in ["a", "Hello World", "/hello-world", "jira:issue_created", "https://x.example/y", "a.b"] {
            assert_eq!(scalar(plain), plain);
        }
        for quoted in [
            "",
            " a",
            "a ",
            "a: b",
            "a:",
            "a #b",
            "#a",
            "- a",
            "-",
            "?",
            "@a",
            "*a",
            "&a",
            "!a",
            "%a",
            "|",
            ">",
            "'a'",
            "`a`",
            "{a}",
            "[a]",
            "a, b",
            "yes",
            "No",
            "ON",
            "null",
            "~",
            "true",
            "1",
            "1.5",
            "0x1f",
            "12:30:45",
            "2001-01-01",
            "<<",
            "=",
            ".inf",
            "a\tb",
            "zoë",
            "${a}",
            "---",
        ] {
            assert_eq!(scalar(quoted), Value::from(quoted).to_string());
        }
        assert_eq!(scalar("a\"\n\\b"), r#""a\"\n\\b""#);
        assert_eq!(scalar("\u{7f}\u{85}\u{2028}\u{feff}😀"), r#""\u007f\u0085\u2028\ufeff😀""#);
    }

    #[test]
    fn blocks_have_the_indentation_of_their_comments() {
        let value = json!({ "a b": [], "c": [[1, 2.5], [{ "d": null, "e: f": { "g": true } }, {}]], "h": "" });
        let list = Node::Items(vec![
            Item::Element((&value).into()),
            Item::Prose("first\nsecond"),
            Item::Proposal("- proposed:\n    more".to_owned()),
        ]);
        insta::assert_snapshot!(document(&[vec![Item::Prose("top")], vec![], vec![member("list", list)]]), @r#"
        ## top

        list:
          - a b: []
            c:
              - - 1
                - 2.5
              - - d: null
                  "e: f":
                    g: true
                - {}
            h: ""
          ## first
          ## second
          #- proposed:
          #    more
        "#);
    }
}
