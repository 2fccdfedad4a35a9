//! Reads typed values from the merged table and collects their problems.

use std::fmt;
use std::ops::RangeInclusive;

use config::{Value, ValueKind};

use super::layers::{FILE, Table, substitute, unresolved};
use super::problems::{Fault, Problem, redact};

/// The merged values. Each method returns `None` if the key is absent. It also does if the value is invalid, after it
/// has recorded the problem: the caller then uses a default, so that further problems are found.
#[derive(Debug)]
pub(super) struct Reader {
    values: Table,
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(values: Table) -> Self {
        Self { values, problems: Vec::new() }
    }

    /// The value under a dotted key; an empty string counts as absent, as in ACE.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        let mut segments = key.split('.');
        let first = self.values.get(segments.next()?)?;
        let value = segments.try_fold(first, |value, segment| match &value.kind {
            ValueKind::Table(table) => table.get(segment),
            _ => None,
        })?;
        match &value.kind {
            ValueKind::Nil => None,
            ValueKind::String(text) if text.trim().is_empty() => None,
            _ => Some(value),
        }
    }

    /// The origin of the value under `key`: the key itself if the file sets it, else the variable.
    pub(super) fn source(&self, key: &str) -> String {
        match self.value(key).and_then(Value::origin) {
            Some(variable) if !variable.starts_with(FILE) => variable.to_owned(),
            _ => key.to_owned(),
        }
    }

    /// A string; a number or boolean is taken as it is written.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.text_where(key, |_| None)
    }

    /// A string in which `lookup` resolves further `$NAME`s.
    pub(super) fn text_where(&mut self, key: &str, lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
        let value = self.value(key)?.clone();
        match scalar(&value) {
            Some(text) => self.resolved(key, substitute(text.trim(), lookup), &value),
            None => self.refuse(key, Fault::new("is more than one value", "Write one value"), &value),
        }
    }

    /// A string that `parse` converts.
    pub(super) fn parsed<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, Fault>) -> Option<T> {
        let text = self.text(key)?;
        let value = self.value(key)?.clone();
        parse(&text).map_or_else(|fault| self.refuse(key, fault, &value), Some)
    }

    /// A whole number, also as a string.
    pub(super) fn whole(&mut self, key: &str, range: RangeInclusive<u64>, unit: &str) -> Option<u64> {
        let text = self.text(key)?;
        let value = self.value(key)?.clone();
        let remedy = format!("Write a whole number{unit} from {} to {}", range.start(), range.end());
        // i128 tells a number that is out of range from a text that is not a number
        match text.strip_suffix(".0").unwrap_or(&text).parse::<i128>() {
            Ok(number) => match u64::try_from(number).ok().filter(|number| range.contains(number)) {
                Some(number) => Some(number),
                None => self.refuse(key, Fault::new("is out of range", remedy), &value),
            },
            Err(_) => self.refuse(key, Fault::new("is not a whole number", remedy), &value),
        }
    }

    /// A boolean, also as a string.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.parsed(key, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(Fault::new("is neither true nor false", "Write true or false")),
        })
    }

    /// A list of strings, or one string with commas. Each entry goes through `parse`.
    pub(super) fn list<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<Vec<T>> {
        let value = self.value(key)?.clone();
        let entries = match &value.kind {
            ValueKind::Array(entries) => entries.clone(),
            _ => match scalar(&value) {
                Some(text) => {
                    let origin = value.origin().map(str::to_owned);
                    text.split(',').map(|entry| Value::new(origin.as_ref(), entry.trim())).collect()
                }
                None => return self.refuse(key, Fault::new("is not a list", "Write a list of strings"), &value),
            },
        };
        let mut list = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some(text) = scalar(&entry) else {
                self.refuse::<T>(
                    key,
                    Fault::new("has an entry that is not a string", "Write a list of strings"),
                    &entry,
                );
                continue;
            };
            if text.trim().is_empty() {
                continue;
            }
            if let Some(text) = self.resolved(key, text.trim().to_owned(), &entry) {
                match parse(&text) {
                    Ok(parsed) => list.push(parsed),
                    Err(fault) => {
                        self.refuse::<T>(key, fault, &entry);
                    }
                }
            }
        }
        Some(list)
    }

    /// An object, as JSON with sorted keys.
    pub(super) fn object(&mut self, key: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
        let value = self.value(key)?.clone();
        match self.json(key)? {
            serde_json::Value::Object(object) => Some(object),
            _ => self.refuse(key, Fault::new("is not an object", "Write an object in braces"), &value),
        }
    }

    /// Any value, as JSON with sorted keys.
    pub(super) fn json(&self, key: &str) -> Option<serde_json::Value> {
        let mut json: serde_json::Value = self.value(key)?.clone().try_deserialize().ok()?;
        json.sort_all_objects();
        Some(json)
    }

    /// Records a problem of a key that has no value.
    pub(super) fn missing(&mut self, key: &str, wrong: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Fault::new(wrong, remedy).at(key, None));
    }

    /// Records a problem of a key's value.
    pub(super) fn refuse<T>(&mut self, key: &str, fault: Fault, value: &Value) -> Option<T> {
        let shown = Shown { key, value }.to_string();
        self.problems.push(fault.at(key, Some(shown)));
        None
    }

    /// `text`, unless the file left an unset variable in it. The value of a variable is not resolved again.
    fn resolved(&mut self, key: &str, text: String, value: &Value) -> Option<String> {
        let from_file = value.origin().is_some_and(|origin| origin.starts_with(FILE));
        if from_file && let Some(name) = unresolved(&text) {
            let wrong = format!("the variable {name} is not set");
            let remedy = format!("Set {name}, or write the value itself into {FILE}");
            return self.refuse(key, Fault::new(wrong, remedy), value);
        }
        Some(text)
    }
}

/// The value as one string, if it is a string, number or boolean.
fn scalar(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Nil | ValueKind::Table(_) | ValueKind::Array(_) => None,
        ValueKind::Float(number) if number.fract() == 0.0 => Some(format!("{number:.0}")),
        kind => Some(kind.to_string()),
    }
}

/// A value and its origin, as a problem shows them; secrets are replaced by asterisks.
struct Shown<'a> {
    key: &'a str,
    value: &'a Value,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value.kind {
            ValueKind::Table(_) => f.write_str("{…}")?,
            ValueKind::Array(_) => f.write_str("[…]")?,
            ValueKind::String(text) if is_secret(self.key, text) => f.write_str("***")?,
            ValueKind::String(text) => write!(f, "{:?}", redact(text))?,
            // a secret may consist of digits
            _ if is_secret(self.key, "") => f.write_str("***")?,
            other => write!(f, "{other}")?,
        }
        self.value.origin().map_or(Ok(()), |origin| write!(f, " ({origin})"))
    }
}

/// Whether a text must not be shown at all: a key, or a URL whose credentials cannot be told apart from the rest. A
/// text that still names a variable is not a secret yet.
fn is_secret(key: &str, text: &str) -> bool {
    let secret = match key {
        "storeEncryptionKeys" | "pageKeys" | "metrics.token" => true,
        "store.url" | "store.rs" | "database.url" | "hosts" => !text.contains("://"),
        _ => false,
    };
    secret && unresolved(text).is_none()
}
