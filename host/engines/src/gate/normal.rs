//! The form in which artefacts of two runs are compared (packet §11.3): fields that depend on the
//! time or the machine are masked, and the text equals that of the packet's `json.dumps`, character
//! for character. Used only for comparing; digests elsewhere are of canonical JSON.

use std::fmt::Write as _;

use coo_kernel::form::canonical;
use serde_json::{Number, Value};

/// Fields that are masked, at any depth.
pub const MASKED_FIELDS: [&str; 6] = [
    "timestamp",
    "created_at",
    "updated_at",
    "pid",
    "ppid",
    "hostname",
];
/// The value of a masked field.
pub const STABLE_REPLACEMENT: &str = "<MASKED>";

/// The artefacts that a replay compares (packet §11.2), sorted.
pub const SURFACE: [&str; 4] = [
    "amendment_log.json",
    "gate_results.json",
    "mission_output.json",
    "scanner_report.json",
];

/// Returns the comparable text of an artefact. Python sorts keys by code points, which is the order
/// of canonical JSON.
pub fn normalize(artefact: &Value) -> String {
    canonical::to_string_with(&masked(artefact), |scalar, out| match scalar {
        Value::String(text) => write_text(text, out),
        Value::Number(number) => out.push_str(&number_text(number)),
        other => out.push_str(&other.to_string()),
    })
}

fn masked(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let is_masked = MASKED_FIELDS.contains(&name.as_str());
                let value = if is_masked {
                    STABLE_REPLACEMENT.into()
                } else {
                    masked(value)
                };
                (name.clone(), value)
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.iter().map(masked).collect(),
        scalar => scalar.clone(),
    }
}

/// Writes a string in ASCII; other characters as UTF-16 units.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// Returns a number as Python's `repr` writes it. Integers stay as they are. Other numbers have the
/// fewest digits that identify them, and an exponent below 1e-4 and from 1e16.
fn number_text(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let shortest = format!("{float:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let text = float.to_string();
        return if text.contains('.') {
            text
        } else {
            text + ".0"
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_a_moment_are_masked_at_every_depth() {
        let artefact = json!({
            "b": [{"pid": 1, "x": {"hostname": {"deep": 1}, "hostnames": 2}}],
            "timestamp": null, "created_at": "now", "updated_at": 1, "ppid": [], "a": "pid",
        });
        assert_eq!(
            normalize(&artefact),
            r#"{"a":"pid","b":[{"pid":"<MASKED>","x":{"hostname":"<MASKED>","hostnames":2}}],"created_at":"<MASKED>","ppid":"<MASKED>","timestamp":"<MASKED>","updated_at":"<MASKED>"}"#
        );
    }

    /// What Python 3.11 prints for the same values.
    #[test]
    fn text_and_numbers_are_those_of_json_dumps() {
        for (value, printed) in [
            (
                json!("é\u{2028}\u{1f600}\u{7f}\u{1f}\"\\/\n\t\u{8}\u{c}\r"),
                r#""\u00e9\u2028\ud83d\ude00\u007f\u001f\"\\/\n\t\b\f\r""#.to_owned(),
            ),
            (json!(1e16), "1e+16".to_owned()),
            (json!(1e15), "1000000000000000.0".to_owned()),
            (
                json!(123_456_789_012_345_680.0),
                "1.2345678901234568e+17".to_owned(),
            ),
            (json!(1e-5), "1e-05".to_owned()),
            (json!(0.0001), "0.0001".to_owned()),
            (json!(1.5e300), "1.5e+300".to_owned()),
            (json!(-0.0), "-0.0".to_owned()),
            (json!(0.1), "0.1".to_owned()),
            (json!(100.0), "100.0".to_owned()),
            (json!(5e-324), "5e-324".to_owned()),
            (json!(f64::MAX), "1.7976931348623157e+308".to_owned()),
            (json!(1e22), "1e+22".to_owned()),
            (json!(123e-7), "1.23e-05".to_owned()),
            (json!(u64::MAX), "18446744073709551615".to_owned()),
            (json!(i64::MIN), "-9223372036854775808".to_owned()),
            (
                json!({"b": 1, "a": [true, null], "é": 2, "Z": 3, "\u{1f600}": 1, "\u{ffff}": 2}),
                r#"{"Z":3,"a":[true,null],"b":1,"\u00e9":2,"\uffff":2,"\ud83d\ude00":1}"#
                    .to_owned(),
            ),
        ] {
            assert_eq!(normalize(&value), printed);
        }
    }

    proptest! {
        #[test]
        fn normal_text_is_ascii_and_means_the_same(
            text in ".{0,12}", integer: i64, float in prop::num::f64::NORMAL,
        ) {
            let artefact = json!({"t": text, "i": integer, "f": float});
            let normal = normalize(&artefact);
            prop_assert!(normal.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Value>(&normal).unwrap(), artefact);
        }
    }
}
