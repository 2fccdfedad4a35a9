//! Reads the spans of an OTLP request, by the numbers of their fields: the tests do not use the code that writes them.
//!
//! Source: the repository open-telemetry/opentelemetry-proto, `trace/v1/trace.proto` and `common/v1/common.proto`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A span as the collector receives it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty if it has none.
    pub(crate) parent: String,
    pub(crate) state: String,
    pub(crate) name: String,
    /// 1: internal, 2: server, 3: client, 5: consumer.
    pub(crate) kind: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Whether its status is an error.
    pub(crate) is_error: bool,
    /// The attributes of the program.
    pub(crate) resource: BTreeMap<String, String>,
}

impl Span {
    /// An attribute; empty if there is none.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => panic!("a number"),
        }
    }

    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(_) => panic!("bytes"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }

    fn hex(&self) -> String {
        self.bytes().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number of more than 64 bits")
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                fields.push((key >> 3, Field::Number(varint(&mut bytes))));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)).unwrap(),
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (value, rest) = bytes.split_at(length);
        fields.push((key >> 3, Field::Bytes(value)));
        bytes = rest;
    }
    fields
}

/// The messages in field `number`.
fn messages(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    fields(bytes).into_iter().filter(|(found, _)| *found == number).map(|(_, field)| field.bytes()).collect()
}

fn attribute(bytes: &[u8]) -> (String, String) {
    let (mut key, mut shown) = (String::new(), String::new());
    for (number, field) in fields(bytes) {
        match number {
            1 => key = field.text(),
            2 => {
                for (kind, value) in fields(field.bytes()) {
                    shown = match kind {
                        1 => value.text(),
                        2 | 3 => value.number().to_string(),
                        other => panic!("a value of kind {other}"),
                    };
                }
            }
            _ => {}
        }
    }
    (key, shown)
}

fn span(bytes: &[u8]) -> Span {
    let mut span = Span::default();
    for (number, field) in fields(bytes) {
        match number {
            1 => span.trace = field.hex(),
            2 => span.id = field.hex(),
            3 => span.state = field.text(),
            4 => span.parent = field.hex(),
            5 => span.name = field.text(),
            6 => span.kind = field.number(),
            9 => span.attributes.extend([attribute(field.bytes())]),
            15 => span.is_error = fields(field.bytes()).iter().any(|(number, code)| *number == 3 && code.number() == 2),
            _ => {}
        }
    }
    span
}

/// The spans of a request to the collector.
pub(crate) fn spans(request: &[u8]) -> Vec<Span> {
    let mut found = Vec::new();
    for group in messages(request, 1) {
        let resource: BTreeMap<_, _> =
            messages(group, 1).iter().flat_map(|resource| messages(resource, 1)).map(attribute).collect();
        for scope in messages(group, 2) {
            found
                .extend(messages(scope, 2).into_iter().map(|bytes| Span { resource: resource.clone(), ..span(bytes) }));
        }
    }
    found
}
