//! The text of a descriptor: its value, and the position of each part.

use std::collections::{HashMap, HashSet};

use jsonc_parser::ast::{ObjectProp, ObjectPropName, Value as Node};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions};
use serde_json::Value;

use super::error::DescriptorError;
use super::position::Position;

/// What is known of the text besides its value. It is empty if the text cannot be indexed: findings then have only a
/// path.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    pub(super) file: String,
    /// Positions by path, in the notation of [`member`] and [`item`]. The position of a member is that of its name.
    positions: HashMap<String, Position>,
    /// Members whose name appears twice in one object: the last one counts.
    pub(super) twice: Vec<String>,
    /// Why the text is not strict JSON.
    pub(super) lenient: Option<DescriptorError>,
}

impl Source {
    /// The error for the value at `path`.
    pub(super) fn refusal(&self, path: String, reason: String) -> DescriptorError {
        DescriptorError::Invalid { file: self.file.clone(), position: self.position(&path), path, reason }
    }

    /// The source of a descriptor that was made from another file.
    pub(super) fn made(file: &str) -> Self {
        Self { file: file.to_owned(), ..Self::default() }
    }

    /// Tries strict JSON first, whose errors are reported. Then it accepts everything that ACE accepts (comments,
    /// trailing commas), so that an add-on that comes from ACE starts.
    pub(super) fn read(file: &str, text: &str) -> Result<(Value, Self), DescriptorError> {
        let (value, lenient) = match serde_json::from_str(text) {
            Ok(value) => (value, None),
            Err(error) => {
                let malformed = DescriptorError::Malformed {
                    file: file.to_owned(),
                    line: error.line(),
                    // a line that ends too early has no column
                    column: error.column().max(1),
                    reason: without_position(&error),
                };
                let Ok(value) = json5::from_str(text) else { return Err(malformed) };
                (value, Some(malformed))
            }
        };
        let mut source = Self { file: file.to_owned(), lenient, ..Self::default() };
        source.index(text);
        Ok((value, source))
    }

    /// The position of the value at `path`.
    pub(super) fn position(&self, path: &str) -> Option<Position> {
        self.positions.get(path).copied()
    }

    /// Drops the positions of root members that the app's code has changed: a wrong line is worse than none.
    pub(super) fn changed(&mut self, before: &Value, after: &Value) {
        let Some(members) = before.as_object() else { return };
        for (name, _) in members.iter().filter(|(name, value)| after.get(name) != Some(value)) {
            let path = member("$", name);
            self.positions.retain(|at, _| {
                at.strip_prefix(&path).is_none_or(|rest| !rest.is_empty() && !rest.starts_with(['.', '[']))
            });
        }
    }

    fn index(&mut self, text: &str) {
        let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
        let Some(root) = parsed.ok().and_then(|parsed| parsed.value) else { return };
        let lines = Lines::of(text);
        self.add("$".to_owned(), root.start(), &root, &lines);
    }

    fn add(&mut self, path: String, start: usize, node: &Node<'_>, lines: &Lines<'_>) {
        match node {
            Node::Object(object) => {
                let mut names = HashSet::new();
                for ObjectProp { name, value, .. } in &object.properties {
                    let (name, start) = match name {
                        ObjectPropName::String(name) => (&*name.value, name.range.start),
                        ObjectPropName::Word(name) => (name.value, name.range.start),
                    };
                    let path = member(&path, name);
                    if !names.insert(name) {
                        self.twice.push(path.clone());
                    }
                    self.add(path, start, value, lines);
                }
            }
            Node::Array(array) => {
                for (index, element) in array.elements.iter().enumerate() {
                    self.add(item(&path, index), element.start(), element, lines);
                }
            }
            _ => {}
        }
        self.positions.insert(path, lines.position(start));
    }
}

/// The path of a member: `$.modules.webPanels`, `$["odd name"]`.
pub fn member(path: &str, name: &str) -> String {
    let is_plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    // an odd name is escaped, since it is logged
    if is_plain { format!("{path}.{name}") } else { format!("{path}[{name:?}]") }
}

/// The path of an element: `$.scopes[0]`.
pub fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// Where the lines of a text start.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, starts: std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect() }
    }

    fn position(&self, byte: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= byte);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(start..byte).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }
}

fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        let (_, source) = Source::read("d.json", text).unwrap();
        let mut places: Vec<_> = source.positions.iter().map(|(path, at)| (*at, path.as_str())).collect();
        places.sort_unstable();
        places.into_iter().map(|(at, path)| format!("{}:{} {path}", at.line, at.column)).collect()
    }

    #[test]
    fn positions_are_those_of_names_and_elements() {
        assert_eq!(
            places("{\r\n  \"ä\": 1, \"b\": [\n    true, {\"c d\": null}\n]}"),
            ["1:1 $", "2:3 $[\"ä\"]", "2:11 $.b", "3:5 $.b[0]", "3:11 $.b[1]", "3:12 $.b[1][\"c d\"]"]
        );
    }

    #[test]
    fn json5_has_positions_too() {
        assert_eq!(
            places("// note\n{ key: 'a', /* b */ b: [+1, .5,], }"),
            ["2:1 $", "2:3 $.key", "2:21 $.b", "2:25 $.b[0]", "2:29 $.b[1]"]
        );
    }

    #[test]
    fn a_duplicate_name_is_noticed_and_the_last_one_counts() {
        let (value, source) = Source::read("d.json", "{\"a\": 1,\n\"a\": 2}").unwrap();
        assert_eq!((source.twice.as_slice(), &value["a"]), (&["$.a".to_owned()][..], &2.into()));
        assert_eq!(source.position("$.a"), Some(Position { line: 2, column: 1 }));
    }

    #[test]
    fn what_code_has_changed_has_no_position() {
        let (before, mut source) = Source::read("d.json", r#"{"a": [1], "ab": 1, "c": 1}"#).unwrap();
        source.changed(&before, &serde_json::json!({ "a": [2], "ab": 1 }));
        let known: Vec<bool> = ["$.a", "$.a[0]", "$.ab", "$.c"].map(|path| source.position(path).is_some()).into();
        assert_eq!(known, [false, false, true, false]);
    }
}
