//! The lifetime of a token, as servers write it.

use serde_json::Value;

/// A lifetime in seconds. Some servers write it as a string, or with a fraction. `None` if it cannot be read.
pub(super) fn lifetime(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(seconds)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse().ok().and_then(seconds))
        }
        _ => None,
    }
}

#[allow(clippy::cast_possible_truncation)] // a value beyond the range of i64 becomes its largest
fn seconds(value: f64) -> Option<i64> {
    value.is_finite().then(|| value.floor() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lifetime_is_a_number_in_any_form() {
        for (value, expected) in [
            (json!(900), Some(900)),
            (json!("900"), Some(900)),
            (json!(" 900 "), Some(900)),
            (json!(899.9), Some(899)),
            (json!("899.9"), Some(899)),
            (json!(900.0), Some(900)),
            (json!("9e2"), Some(900)),
            (json!(-1), Some(-1)),
            (json!(u64::MAX), Some(i64::MAX)),
            (json!(1e300), Some(i64::MAX)),
            (json!(-1e300), Some(i64::MIN)),
            (json!("9".repeat(300)), Some(i64::MAX)),
            (json!("inf"), None),
            (json!("NaN"), None),
            (json!("soon"), None),
            (json!(""), None),
            (json!(null), None),
            (json!(true), None),
            (json!([900]), None),
        ] {
            assert_eq!(lifetime(&value), expected, "{value}");
        }
    }
}
