//! Canonical JSON: the one byte form in which anything enters the journal or a digest.
//!
//! Invariants: object keys sorted by their UTF-8 bytes, no insignificant white space, numbers
//! as `serde_json` prints them (integers exact over the whole 64 bits, which RFC 8785 would
//! round to doubles: database rows need them exact), no NaN or infinity.

use serde::Serialize;
use serde_json::Value;

/// A value that has no canonical form: a map with keys that are not text, or NaN or infinity.
#[derive(Debug, thiserror::Error)]
#[error("value has no canonical JSON form: {0}")]
pub struct NotCanonical(#[from] serde_json::Error);

/// The canonical form of any serialisable value.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, NotCanonical> {
    let mut out = String::new();
    write(&serde_json::to_value(value)?, &mut out);
    Ok(out)
}

/// The canonical form of a value whose type already serialises in key order (a struct that
/// declares its fields alphabetically, all the way down): several times faster, since no
/// tree is built. Debug builds check the claim.
pub fn to_string_sorted<T: Serialize + ?Sized>(value: &T) -> Result<String, NotCanonical> {
    let text = serde_json::to_string(value)?;
    debug_assert_eq!(
        text,
        to_string(value)?,
        "type does not serialise in key order"
    );
    Ok(text)
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            // Sorted here and not left to the map: a dependency anywhere in the build can
            // switch `serde_json` to insertion order.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            out.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth_and_integers_stay_exact() {
        let value = json!({"b": [{"z": 1, "a": i64::MAX}], "a": "é\n\"", "": u64::MAX});
        assert_eq!(
            to_string(&value).unwrap(),
            r#"{"":18446744073709551615,"a":"é\n\"","b":[{"a":9223372036854775807,"z":1}]}"#
        );
    }

    #[test]
    fn numbers_are_read_exactly() {
        let text = "-1.6832776081907489e-305";
        let parsed: Value = serde_json::from_str(text).unwrap();
        assert_eq!(to_string(&parsed).unwrap(), text);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>()
                .prop_filter("finite", |x| x.is_finite())
                .prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_text_parses_back_and_is_a_fixed_point(value in any_json()) {
            let text = to_string(&value).unwrap();
            let parsed: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(to_string(&parsed).unwrap(), text);
        }
    }
}
