//! Converts JSON to BSON and back.
//!
//! Values come back as they were written, with one exception: whole numbers beyond 32 bits that were written as floats
//! (`1e10`) come back as integers. Node's driver writes ACE's times in milliseconds as such floats.
//!
//! What JSON does not have is read as `JSON.stringify` has it: a date as its text, an id as its digits. Unsigned
//! integers beyond 63 bits are kept as decimals. A member name with a NUL and a document beyond 16 MiB are refused.
//! Documents are not read by serde, which would take `{ "$oid": … }` in a value for an id.

use ::mongodb::bson::{Bson, Decimal128, Document, RawDocumentBuf};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use crate::StoreError;

/// MongoDB's size limit for a document.
const LARGEST: usize = 16 * 1024 * 1024;

/// Integers up to this are exact as a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The value as BSON. Names inside it cannot act as operators, because it is only used where MongoDB expects a value.
pub(super) fn to_bson(value: &Value) -> Result<Bson, StoreError> {
    Ok(match value {
        Value::Null => Bson::Null,
        Value::Bool(bool) => Bson::Boolean(*bool),
        Value::Number(number) => to_number(number)?,
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(items) => Bson::Array(items.iter().map(to_bson).collect::<Result<_, _>>()?),
        Value::Object(members) => {
            let mut document = Document::new();
            for (name, value) in members {
                if name.contains('\0') {
                    return Err(StoreError::refused("MongoDB cannot store a value with a NUL in a member's name"));
                }
                document.insert(name, to_bson(value)?);
            }
            Bson::Document(document)
        }
    })
}

fn to_number(number: &Number) -> Result<Bson, StoreError> {
    if let Some(integer) = number.as_i64() {
        return Ok(i32::try_from(integer).map_or(Bson::Int64(integer), Bson::Int32));
    }
    if number.is_u64() {
        // BSON has no unsigned integers
        let decimal = number.to_string().parse::<Decimal128>();
        let wrong = |_| StoreError::refused("MongoDB cannot store a number of that size");
        return decimal.map(Bson::Decimal128).map_err(wrong);
    }
    number.as_f64().map(Bson::Double).ok_or_else(|| StoreError::refused("a number is not finite"))
}

/// The value as JSON. Types that JSON does not have become what Node's driver and `JSON.stringify` make of them.
pub(super) fn to_json(value: Bson) -> Result<Value, StoreError> {
    Ok(match value {
        Bson::Null | Bson::Undefined => Value::Null,
        Bson::Boolean(bool) => bool.into(),
        Bson::Int32(integer) => integer.into(),
        Bson::Int64(integer) => integer.into(),
        Bson::Double(double) => from_double(double),
        Bson::Decimal128(decimal) => {
            serde_json::from_str::<Number>(&decimal.to_string()).map_or(Value::Null, Into::into)
        }
        Bson::String(text) | Bson::Symbol(text) => text.into(),
        Bson::ObjectId(id) => id.to_hex().into(),
        Bson::Binary(binary) => STANDARD.encode(binary.bytes).into(),
        Bson::DateTime(time) => date(time.try_to_rfc3339_string().ok()),
        Bson::Array(items) => items.into_iter().map(to_json).collect::<Result<_, _>>()?,
        Bson::Document(document) => {
            let members = document.into_iter().map(|(name, value)| Ok((name, to_json(value)?)));
            Value::Object(members.collect::<Result<Map<_, _>, StoreError>>()?)
        }
        other => {
            let kind = other.element_type();
            return Err(StoreError::refused(format!(
                "a value in MongoDB contains a {kind:?}, which JSON does not have"
            )));
        }
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 53 bits")]
fn from_double(double: f64) -> Value {
    let is_whole = double.fract() == 0.0 && double.abs() > f64::from(i32::MAX) && double.abs() <= EXACT;
    if is_whole { Value::from(double as i64) } else { Number::from_f64(double).map_or(Value::Null, Value::Number) }
}

/// Always with milliseconds, as JavaScript writes a date.
fn date(time: Option<String>) -> Value {
    let Some(time) = time else { return Value::Null };
    let (seconds, fraction) = time.trim_end_matches('Z').split_once('.').unwrap_or((time.trim_end_matches('Z'), ""));
    format!("{seconds}.{fraction:0<3}Z").into()
}

/// The encoded document, unless it is too large.
pub(super) fn to_raw(document: &Document) -> Result<RawDocumentBuf, StoreError> {
    let raw = RawDocumentBuf::try_from(document);
    let raw = raw.map_err(|error| StoreError::refused("MongoDB cannot store this value").caused_by(error))?;
    let size = raw.as_bytes().len();
    if size > LARGEST {
        return Err(StoreError::refused(format!("a value of {size} bytes is larger than MongoDB's limit of 16 MiB")));
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use ::mongodb::bson::oid::ObjectId;
    use ::mongodb::bson::spec::BinarySubtype;
    use ::mongodb::bson::{Binary, DateTime, Timestamp, doc};
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_comes_back() {
        for value in [
            json!(null),
            json!([true, 0, -1, i32::MAX, i64::from(i32::MAX) + 1, i64::MIN, u64::MAX, 0.5, -0.0, 5.0, 1e300, "ä\0"]),
            json!({ "$gt": 1, "a.b": { "$set": {} }, "": [], "z": 1, "a": 2, "$oid": "x" }),
        ] {
            assert_eq!(to_json(to_bson(&value).unwrap()).unwrap().to_string(), value.to_string());
        }
    }

    #[test]
    fn what_nodes_driver_writes_is_read_as_it_meant_it() {
        let id = ObjectId::parse_str("0123456789abcdef01234567").unwrap();
        let binary = Binary { subtype: BinarySubtype::Generic, bytes: b"ace".to_vec() };
        let written = doc! {
            "time": 1_770_000_000_000.0, "small": 7, "half": 0.5, "large": 1e20, "none": f64::NAN,
            "date": DateTime::from_millis(1_770_000_000_000), "later": DateTime::from_millis(1_770_000_000_120),
            "id": id, "binary": binary, "undefined": Bson::Undefined, "long": 5_i64,
        };
        let expected = json!({
            "time": 1_770_000_000_000_i64, "small": 7, "half": 0.5, "large": 1e20, "none": null,
            "date": "2026-02-02T02:40:00.000Z", "later": "2026-02-02T02:40:00.120Z",
            "id": "0123456789abcdef01234567", "binary": "YWNl", "undefined": null, "long": 5,
        });
        assert_eq!(to_json(Bson::Document(written)).unwrap(), expected);
        let error = to_json(Bson::Array(vec![Bson::Timestamp(Timestamp { time: 1, increment: 1 })])).unwrap_err();
        assert!(error.to_string().contains("Timestamp"), "{error}");
    }

    #[test]
    fn values_that_mongodb_cannot_store_are_refused() {
        let error = to_bson(&json!({ "a": [{ "hu\0sh": 1 }] })).unwrap_err();
        assert!(error.to_string().contains("NUL") && !error.to_string().contains("hu"), "{error}");
        assert!(to_raw(&doc! { "val": "x".repeat(LARGEST) }).is_err());
        to_raw(&doc! { "val": "x".repeat(LARGEST / 2) }).unwrap();
    }
}
