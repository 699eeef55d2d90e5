//! Canonical JSON: the one byte form in which anything enters the journal or a digest.
//!
//! Invariants: object keys are sorted by their UTF-8 bytes; there is no insignificant white space,
//! no NaN and no infinity; numbers are as `serde_json` prints them. Integers are exact over all 64
//! bits, as database rows need them; RFC 8785 would round them to doubles.

mod typed;

use serde::Serialize;
use serde_json::Value;

pub use typed::{Canonical, Sink, list, serialised};

/// A value without a canonical form: a map with keys that are not text, or NaN or infinity.
#[derive(Debug, thiserror::Error)]
#[error("value has no canonical JSON form: {0}")]
pub struct NotCanonical(#[from] serde_json::Error);

/// Returns the canonical form of any serialisable value.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, NotCanonical> {
    let value = serde_json::to_value(value)?;
    Ok(to_string_with(&value, |scalar, out| {
        out.push_str(&scalar.to_string());
    }))
}

/// Returns the canonical form of a value whose type already serialises in key order (a struct that
/// declares its fields alphabetically, all the way down). It is several times faster, since no
/// tree is built. Debug builds check the order.
pub fn to_string_sorted<T: Serialize + ?Sized>(value: &T) -> Result<String, NotCanonical> {
    let text = serde_json::to_string(value)?;
    debug_assert_eq!(
        text,
        to_string(value)?,
        "type does not serialise in key order"
    );
    Ok(text)
}

/// Compares canonical forms, one after the other, with an existing text without building them, so
/// that an answer of many megabytes is not held twice only to be compared.
#[derive(Debug)]
pub struct Comparison<'a> {
    rest: &'a [u8],
    differs: bool,
}

impl<'a> Comparison<'a> {
    /// Returns a comparison with nothing of `text` compared yet.
    #[must_use]
    pub fn with(text: &'a str) -> Self {
        Self {
            rest: text.as_bytes(),
            differs: false,
        }
    }

    /// Compares `text` with what comes next.
    pub fn text(&mut self, text: &str) {
        match self.rest.strip_prefix(text.as_bytes()) {
            Some(rest) if !self.differs => self.rest = rest,
            _ => self.differs = true,
        }
    }

    /// Compares `value`, in the form of `to_string_sorted`, with what comes next.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        if serde_json::to_writer(&mut *self, value).is_err() {
            self.differs = true;
        }
    }

    /// Returns whether everything compared equalled the text, and the whole text was compared.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        !self.differs && self.rest.is_empty()
    }
}

impl std::io::Write for Comparison<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.rest.strip_prefix(bytes) {
            Some(rest) if !self.differs => self.rest = rest,
            // An error ends the serialisation: the rest of the value need not be written.
            _ => return Err(std::io::ErrorKind::InvalidData.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns a value with the same order and spacing, in which `scalar` writes keys, texts, numbers,
/// booleans and null: for forms that differ in these only.
pub fn to_string_with(value: &Value, scalar: impl Fn(&Value, &mut String)) -> String {
    let mut out = String::new();
    write(value, &scalar, &mut out);
    out
}

fn write(value: &Value, scalar: &impl Fn(&Value, &mut String), out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, scalar, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            // Sorted here rather than by the map: a dependency anywhere in the build can switch
            // `serde_json` to insertion order.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            out.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                scalar(&Value::from(key.as_str()), out);
                out.push(':');
                write(item, scalar, out);
            }
            out.push('}');
        }
        leaf => scalar(leaf, out),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_comparison_finds_equal_what_is_made_and_nothing_else() {
        let value = json!({"a": [1, "é\n", null], "b": 2.5});
        let text = to_string(&value).unwrap();
        let compared = |text: &str, value: &Value, end: &str| {
            let mut comparison = Comparison::with(text);
            comparison.text("<");
            comparison.value(value);
            comparison.text(end);
            comparison.is_equal()
        };
        let whole = format!("<{text}>");
        assert!(compared(&whole, &value, ">"));
        for length in 0..whole.len() {
            if let Some(cut) = whole.get(..length) {
                assert!(!compared(cut, &value, ">"), "{cut}");
            }
        }
        assert!(!compared(&format!("{whole}>"), &value, ">"));
        assert!(!compared(
            &whole,
            &json!({"a": [1, "é", null], "b": 2.5}),
            ">"
        ));
        assert!(!compared(&whole, &value, ""));
    }

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
