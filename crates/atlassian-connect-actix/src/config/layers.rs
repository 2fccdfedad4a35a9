//! From texts to one table of values: parse, replace `$NAME`, merge the layers.

use config::{FileFormat, Format, Map, Source, Value, ValueKind};

use super::Vars;
use super::keys::{self, VARIABLES};
use super::problems::{Fault, Problem};

/// The file's name, as problems and warnings call it.
pub(super) const FILE: &str = "config.json";

/// A table of values. Each value records its origin ([`Value::origin`]).
pub(super) type Table = Map<String, Value>;

/// Parses JSON with comments. An empty text is an empty table, as in ACE.
pub(super) fn parse(text: &str) -> Result<Table, Problem> {
    if text.trim_matches('\u{feff}').trim().is_empty() {
        return Ok(Table::new());
    }
    FileFormat::Json5.parse(None, text).map_err(|error| syntax_problem(&error.to_string(), text))
}

/// Turns an error of json5 into a problem. json5 says `expected comma at line 3 column 5`, then the positions of the
/// enclosing objects. Only an unexpected end has no position. What was found at the position is added.
fn syntax_problem(message: &str, text: &str) -> Problem {
    let remedy = "Fix the file: it must be JSON, in which comments and trailing commas are allowed";
    let mut parts = message.split(" at line ");
    let (what, place) = (parts.next().unwrap_or_default(), parts.next());
    if what.starts_with("EOF parsing ") {
        let text = text.trim_end();
        let (line, last) = text.lines().enumerate().last().unwrap_or_default();
        let place = format!("{FILE}:{}:{}", line + 1, last.chars().count() + 1);
        let within = what.trim_start_matches("EOF parsing ");
        return Fault::new(format!("the file ends within an unfinished {within}"), remedy).at(&place, None);
    }
    let place = place.and_then(|place| {
        let (line, column) = place.split_once(" column ")?;
        Some((line.parse::<usize>().ok()?, column.parse::<usize>().ok()?))
    });
    let Some((line, column)) = place else {
        return Fault::new("is not a JSON object", remedy).at(FILE, None);
    };
    let rest = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().chars().skip(column.saturating_sub(1));
    Fault::new(format!("{what}, found {}", describe(rest)), remedy).at(&format!("{FILE}:{line}:{column}"), None)
}

/// What the rest of a line begins with. A value is not repeated: it may be a password.
fn describe(mut rest: impl Iterator<Item = char>) -> String {
    match rest.next() {
        None => "the end of the line".to_owned(),
        Some('"' | '\'') => "a string".to_owned(),
        Some(c) if c.is_whitespace() => "white space".to_owned(),
        Some(c) if c.is_ascii_digit() => "a number".to_owned(),
        Some(c) if c.is_alphanumeric() => "a word".to_owned(),
        Some(c) => format!("`{c}`"),
    }
}

/// The top level of a file and the section of one environment.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) top: Table,
    pub(super) section: Option<Table>,
    /// The names of all sections, sorted.
    pub(super) names: Vec<String>,
}

/// Splits the file; sections of other environments are dropped.
pub(super) fn split(file: Table, environment: &str) -> Split {
    let (sections, top): (Table, Table) = file.into_iter().partition(|(key, value)| keys::is_section(key, value));
    let mut names: Vec<_> = sections.keys().cloned().collect();
    names.sort();
    let section = sections.into_iter().find(|(name, _)| name == environment).and_then(|(_, value)| match value.kind {
        ValueKind::Table(table) => Some(table),
        _ => None,
    });
    Split { top, section, names }
}

/// Replaces `$NAME` in each string of a layer and records the origin of its values.
pub(super) fn settle(layer: Table, origin: &str, vars: &Vars) -> Table {
    layer.into_iter().map(|(key, value)| (key, settle_value(value, origin, vars))).collect()
}

fn settle_value(value: Value, origin: &str, vars: &Vars) -> Value {
    let kind = match value.kind {
        ValueKind::String(text) => ValueKind::String(substitute(&text, |name| vars.get(name).map(str::to_owned))),
        ValueKind::Table(table) => ValueKind::Table(settle(table, origin, vars)),
        ValueKind::Array(list) => {
            ValueKind::Array(list.into_iter().map(|inner| settle_value(inner, origin, vars)).collect())
        }
        other => other,
    };
    Value::new(Some(&origin.to_owned()), kind)
}

/// One layer per variable that is set, weakest first. `file` holds the layers below.
pub(super) fn variables(vars: &Vars, file: &[Table]) -> Vec<Table> {
    let layer = |name: &str, path: &str| {
        let value = Value::new(Some(&name.to_owned()), vars.get(name)?);
        Some(Table::from([(path.to_owned(), value)]))
    };
    let store = file.iter().rfind(|layer| names_a_place(layer)).and_then(|layer| match &layer.get("store")?.kind {
        ValueKind::Table(store) => Some(store),
        _ => None,
    });
    let named = |key: &str| store.and_then(|store| store.get(key)).map(ToString::to_string);
    let of_adapter = |adapter: &str| {
        if named("adapter").as_deref() != Some(adapter) {
            return None;
        }
        let (_, name, path) = keys::OF_ADAPTERS.iter().find(|(of, ..)| *of == adapter)?;
        layer(name, path)
    };
    let has_url = named("url").is_some_and(|url| !url.trim().is_empty());
    let weakest = if has_url { None } else { of_adapter("redis") };
    let usual = VARIABLES.iter().filter_map(|(name, path)| layer(name, path));
    weakest.into_iter().chain(usual).chain(of_adapter("mongodb")).collect()
}

/// Merges the layers, each over those before it: objects merge, everything else is replaced.
///
/// The location of the store is special: its keys belong together. A layer that sets one of them removes those of the
/// layers below.
pub(super) fn merge(mut layers: Vec<Table>) -> Result<Table, config::ConfigError> {
    if let Some(last) = layers.iter().rposition(names_a_place) {
        for lower in &mut layers[..last] {
            lower.remove("store.url");
            if let Some(ValueKind::Table(store)) = lower.get_mut("store").map(|store| &mut store.kind) {
                store.retain(|key, _| !PLACE.contains(&key.as_str()));
            }
        }
    }
    let builder = layers.into_iter().fold(config::Config::builder(), |builder, layer| builder.add_source(Layer(layer)));
    builder.build()?.collect()
}

/// The keys of `store` that together say where it is.
const PLACE: [&str; 6] = ["adapter", "type", "dialect", "url", "rs", "storage"];

fn names_a_place(layer: &Table) -> bool {
    let named = |store: &Table| PLACE.iter().any(|key| store.get(*key).is_some_and(|v| v.kind != ValueKind::Nil));
    layer.contains_key("store.url")
        || matches!(layer.get("store").map(|store| &store.kind), Some(ValueKind::Table(store)) if named(store))
}

#[derive(Debug, Clone)]
struct Layer(Table);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Table, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// Replaces each `$NAME` (a letter, then letters, digits, underscores) that `lookup` knows; the others stay.
pub(super) fn substitute(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, name, after)) = next_name(rest) {
        out.push_str(before);
        if let Some(value) = lookup(name) {
            out.push_str(&value);
        } else {
            out.push('$');
            out.push_str(name);
        }
        rest = after;
    }
    out + rest
}

/// The variable that is still named in a text after [`substitute`]: the whole text is the name, or it is written in
/// capitals. Any other `$` may be part of a password.
pub(super) fn unresolved(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some((before, name, after)) = next_name(rest) {
        let whole = before.len() + 1 + name.len() == text.len() && before.is_empty();
        if whole || !name.bytes().any(|b| b.is_ascii_lowercase()) {
            return Some(name);
        }
        rest = after;
    }
    None
}

/// The text before the first `$NAME`, the name, and the text after it.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('$').find_map(|(at, _)| {
        let name = &text[at + 1..];
        let end = name.bytes().position(|b| !b.is_ascii_alphanumeric() && b != b'_').unwrap_or(name.len());
        let (name, after) = name.split_at(end);
        name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some((&text[..at], name, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "A" => Some("1".to_owned()),
            "B_2" => Some("$A".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn names_are_replaced_as_ace_does() {
        for (text, expected) in [
            ("$A", "1"),
            ("x$A.y", "x1.y"),
            ("$A$A", "11"),
            ("$AB", "$AB"),
            ("$B_2", "$A"),
            ("$$A", "$1"),
            ("$1A", "$1A"),
            ("$_A", "$_A"),
            ("${A}", "${A}"),
            ("$é$A", "$é1"),
            ("$A$", "1$"),
            ("", ""),
        ] {
            assert_eq!(substitute(text, lookup), expected, "{text}");
        }
    }

    #[test]
    fn unresolved_names_are_found() {
        for (text, expected) in [
            ("$PORT", Some("PORT")),
            ("$port", Some("port")),
            ("https://$APP_NAME.example.com", Some("APP_NAME")),
            ("postgres://u:pa$word@h/d", None),
            ("postgres://u:pa$word@$DB_HOST/d", Some("DB_HOST")),
            ("100$", None),
            ("plain", None),
        ] {
            assert_eq!(unresolved(text), expected, "{text}");
        }
    }

    #[test]
    fn a_syntax_error_names_the_place_and_what_is_there() {
        insta::assert_snapshot!(parse("{ port: 1 watch }").unwrap_err(), @"config.json:1:11: expected comma, found a word. Fix the file: it must be JSON, in which comments and trailing commas are allowed.");
        for (text, place, wrong) in [
            ("{\n  // c\n  \"port\": 3000\n  \"watch\": true\n}", ":4:3", "expected comma, found a string"),
            ("{ \"port\" 3000 }", ":1:10", "expected colon, found a number"),
            ("{ \"port\": hunter2 }", ":1:11", "expected value, found a word"),
            ("{ \"port\": 3000", ":1:15", "the file ends within an unfinished object"),
            ("{ \"port\": 3000,\n\n", ":1:16", "the file ends within an unfinished object"),
            ("{\n\"port\": \"30", ":2:12", "the file ends within an unfinished string"),
            ("{ \"a\": \"x\n\" }", ":1:10", "line terminator in string, found the end of the line"),
            ("{ a: { b: { url: \"hunter2\" hunter3 } } }", ":1:28", "expected comma, found a word"),
            ("{} x", ":1:4", "trailing characters, found a word"),
            ("{ port: 0x }", ":1:11", "expected number, found white space"),
            ("[1]", "", "is not a JSON object"),
        ] {
            let problem = parse(text).unwrap_err();
            assert_eq!(
                (problem.key.as_str(), problem.wrong.as_str()),
                (format!("{FILE}{place}").as_str(), wrong),
                "{text}"
            );
        }
    }

    #[test]
    fn comments_commas_and_the_case_of_keys_are_as_in_json5() {
        let table = parse("\u{feff}{ // c\n /* c */ \"errorTemplate\": true, single: 'x', n: 3000, f: 1.5, }").unwrap();
        assert_eq!(table["errorTemplate"].kind, ValueKind::Boolean(true));
        assert_eq!(table["single"].kind, ValueKind::String("x".to_owned()));
        assert_eq!(table["n"].kind, ValueKind::I64(3000));
        assert_eq!(table["f"].kind, ValueKind::Float(1.5));
        assert!(parse("").unwrap().is_empty());
        assert!(parse(" \n").unwrap().is_empty());
    }

    #[test]
    fn layers_merge_objects_and_replace_lists() {
        let layer = |text| settle(parse(text).unwrap(), text, &Vars::default());
        let merged =
            merge(vec![layer("{ l: [1, 2], o: { a: 1, b: { c: 1 } } }"), layer("{ l: [3], o: { b: { d: 2 } } }")])
                .unwrap();
        let json: serde_json::Value = Value::new(None, ValueKind::Table(merged)).try_deserialize().unwrap();
        assert_eq!(json, serde_json::json!({ "l": [3], "o": { "a": 1, "b": { "c": 1, "d": 2 } } }));
    }

    #[test]
    fn a_layer_that_names_the_store_replaces_the_lower_location() {
        let layer = |text| settle(parse(text).unwrap(), "x", &Vars::default());
        let merged = merge(vec![
            layer("{ store: { dialect: 'sqlite', storage: 'a.db', table: 'T' } }"),
            layer("{ store: { url: 'postgres://h/d', storage: null, pool: { max: 3 } } }"),
            layer("{ store: { autoMigrate: true, url: null } }"),
        ])
        .unwrap();
        let json: serde_json::Value = merged["store"].clone().try_deserialize().unwrap();
        assert_eq!(json["table"], "T");
        assert_eq!(json["dialect"], serde_json::Value::Null);
        assert_eq!(json["pool"]["max"], 3);
    }
}
