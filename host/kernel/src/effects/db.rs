//! Database calls as data: statements, rows and answers, as the journal keeps them. Nothing here
//! opens a database. Fields stand in key order (see `canonical::to_string_sorted`). `permit`
//! decides what a statement may do, and `kind` recognises its kind.

mod kind;
mod permit;

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Unexpected, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use crate::form::canonical::{self, Canonical, Sink};
use crate::mission::failure::Failure;
use crate::mission::ledger::ITEM_BYTES;

pub use kind::{changes, is_alter};
pub use permit::{Action, Judge, PERMITTED_FUNCTIONS, is_permitted_function};

/// One value of a row or parameter. In the journal: `null`, a JSON integer, a JSON string,
/// `{"real": "<shortest decimal that reads back to the same bits>"}` or `{"blob": "<hex>"}`,
/// so that every value, including infinities, has one exact form.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    /// Never NaN: `SQLite` stores NaN as NULL, and this form does the same.
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Value {
    /// Returns the bytes that the ledger counts for this value: its place in a list, and its
    /// content.
    pub fn weight(&self) -> u64 {
        let content = match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            Self::Text(text) => text.len() as u64,
            Self::Blob(bytes) => bytes.len() as u64,
        };
        ITEM_BYTES + content
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tagged = |serializer: S, tag: &str, text: &str| {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(tag, text)?;
            map.end()
        };
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Real(number) if number.is_nan() => serializer.serialize_unit(),
            Self::Real(number) => tagged(serializer, "real", &format!("{number:?}")),
            Self::Blob(bytes) => tagged(serializer, "blob", &hex(bytes)),
        }
    }
}

impl Canonical for Value {
    fn write_to(&self, sink: &mut impl Sink) {
        match self {
            Self::Null => sink.text("null"),
            Self::Integer(number) => sink.integer(*number),
            Self::Text(text) => sink.quoted(text),
            Self::Real(number) if number.is_nan() => sink.text("null"),
            Self::Real(number) => {
                sink.text(r#"{"real":""#);
                sink.text(&format!("{number:?}"));
                sink.text(r#""}"#);
            }
            Self::Blob(bytes) => {
                sink.text(r#"{"blob":""#);
                // A piece at a time: the whole would take twice the memory of the value.
                for piece in bytes.chunks(HEX_PIECE_BYTES) {
                    sink.text(&hex(piece));
                }
                sink.text(r#""}"#);
            }
        }
    }
}

fn write_values<S: Sink>(values: &[Value], sink: &mut S) {
    canonical::list(values, sink, Value::write_to);
}

impl Canonical for Statement {
    fn write_to(&self, sink: &mut impl Sink) {
        sink.text(r#"{"params":"#);
        write_values(&self.params, sink);
        sink.text(r#","sql":"#);
        sink.quoted(&self.sql);
        sink.text("}");
    }
}

impl Canonical for Rows {
    fn write_to(&self, sink: &mut impl Sink) {
        sink.text(r#"{"columns":"#);
        canonical::list(&self.columns, sink, |name, sink| sink.quoted(name));
        sink.text(r#","rows":"#);
        canonical::list(&self.rows, sink, |row, sink| write_values(row, sink));
        sink.text("}");
    }
}

impl<T: Canonical> Canonical for DbAnswer<T> {
    fn write_to(&self, sink: &mut impl Sink) {
        match self {
            Self::Ended(failure) => {
                sink.text(r#"{"ended":"#);
                canonical::serialised(failure, sink);
            }
            Self::Error(refusal) => {
                sink.text(r#"{"error":"#);
                canonical::serialised(refusal, sink);
            }
            Self::Ok(done) => {
                sink.text(r#"{"ok":"#);
                done.write_to(sink);
            }
        }
        sink.text("}");
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tagged {
    Real(String),
    Blob(String),
}

/// Decides by the JSON type at once. An untagged enum would try one form after another, and
/// print the whole text into an error for each form that does not fit.
struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, an integer, a text, {\"real\": …} or {\"blob\": …}")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number)
            .map(Value::Integer)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        match Tagged::deserialize(MapAccessDeserializer::new(map))? {
            Tagged::Real(text) => text.parse().map(Value::Real).map_err(de::Error::custom),
            Tagged::Blob(text) => unhex(&text)
                .map(Value::Blob)
                .ok_or_else(|| de::Error::custom("blob is not hex")),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// Bytes of a blob that are written as hex at a time.
const HEX_PIECE_BYTES: usize = 4 << 10;

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?))
        .collect()
}

/// A statement with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Bound to `?1`, `?2`, … in order.
    pub params: Vec<Value>,
    /// One statement.
    pub sql: String,
}

impl Statement {
    /// Returns the bytes that the ledger counts for this statement.
    pub fn weight(&self) -> u64 {
        self.sql.len() as u64 + self.params.iter().map(Value::weight).sum::<u64>()
    }
}

/// The result of a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Names, in order.
    pub columns: Vec<String>,
    /// One list of values for each row.
    pub rows: Vec<Vec<Value>>,
}

impl Rows {
    /// Returns the bytes that the ledger counts for these rows: names, rows and values.
    pub fn weight(&self) -> u64 {
        let names = self.columns.iter().map(|name| name.len() as u64);
        let rows = self.rows.iter().flatten().map(Value::weight);
        let places = (self.columns.len() + self.rows.len()) as u64;
        places * ITEM_BYTES + names.sum::<u64>() + rows.sum::<u64>()
    }
}

/// An error that the guest sees; part of the deterministic record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The statement uses something that is not permitted.
    Refused(String),
    /// `SQLite`'s own message.
    Failed(String),
    /// The statement violated a constraint.
    Constraint(String),
    /// The statement exceeded its bound of work, rows or bytes.
    Limit(String),
}

/// The beginning of a refusal for a statement that was cut off at its bound of work.
const CUT_OFF: &str = "more than ";

impl Refusal {
    /// Returns the refusal of a statement that was cut off at `most` of `what`; `remedy` says what
    /// to do.
    pub fn cut_off(most: u64, what: &str, remedy: &str) -> Self {
        Self::Limit(format!("{CUT_OFF}{most} {what}; {remedy}"))
    }

    /// Returns whether the statement was cut off: without the bound, it might do something.
    pub fn is_cut_off(&self) -> bool {
        matches!(self, Self::Limit(text) if text.starts_with(CUT_OFF))
    }
}

/// How a statement ended, as the journal keeps it: `{"ok": …}`, `{"error": …}` or
/// `{"ended": …}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DbAnswer<T> {
    /// It ended the run's transaction and with it the run: the guest receives no answer.
    Ended(Failure),
    /// It was refused or failed.
    Error(Refusal),
    Ok(T),
}

impl<T> DbAnswer<T> {
    /// Returns what the guest receives, or the failure if the run ends.
    pub fn told(self) -> Result<Result<T, Refusal>, Failure> {
        match self {
            Self::Ok(done) => Ok(Ok(done)),
            Self::Error(refusal) => Ok(Err(refusal)),
            Self::Ended(failure) => Err(failure),
        }
    }
}

impl<T> From<Result<T, Refusal>> for DbAnswer<T> {
    fn from(result: Result<T, Refusal>) -> Self {
        match result {
            Ok(done) => Self::Ok(done),
            Err(refusal) => Self::Error(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::form::canonical;

    #[test]
    fn values_have_one_exact_form() {
        let values = vec![
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Real(0.1),
            Value::Real(f64::NEG_INFINITY),
            Value::Real(f64::NAN),
            Value::Text("{\"real\":1}".into()),
            Value::Blob(vec![0, 255]),
        ];
        let text = canonical::to_string_sorted(&values).unwrap();
        assert_eq!(
            text,
            r#"[null,-9223372036854775808,{"real":"0.1"},{"real":"-inf"},null,"{\"real\":1}",{"blob":"00ff"}]"#
        );
        let back: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(canonical::to_string_sorted(&back).unwrap(), text);
        for bad in [
            r#"{"blob":"0"}"#,
            r#"{"blob":"zz"}"#,
            r#"{"real":"x"}"#,
            "1.5",
            "true",
        ] {
            assert!(serde_json::from_str::<Value>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_end_of_a_statement_has_one_exact_form() {
        let ends: [(DbAnswer<u64>, &str); 3] = [
            (DbAnswer::Ok(3), r#"{"ok":3}"#),
            (
                DbAnswer::Error(Refusal::cut_off(7, "steps", "do less")),
                r#"{"error":{"limit":"more than 7 steps; do less"}}"#,
            ),
            (
                DbAnswer::Ended(Failure::Contract { reason: "r".into() }),
                r#"{"ended":{"class":"contract","reason":"r"}}"#,
            ),
        ];
        for (end, text) in ends {
            assert_eq!(canonical::to_string_sorted(&end).unwrap(), text);
            assert_eq!(serde_json::from_str::<DbAnswer<u64>>(text).unwrap(), end);
        }
        assert!(Refusal::cut_off(7, "steps", "do less").is_cut_off());
        assert!(!Refusal::Limit("string or blob too big".into()).is_cut_off());
    }

    #[test]
    fn nothing_that_crosses_weighs_nothing() {
        let empty = Rows {
            columns: vec![String::new()],
            rows: vec![Vec::new(), vec![Value::Text(String::new()), Value::Null]],
        };
        assert_eq!(empty.weight(), 5 * ITEM_BYTES);
        let statement = Statement {
            params: vec![Value::Null; 10],
            sql: "SELECT 1".into(),
        };
        assert_eq!(statement.weight(), 10 * ITEM_BYTES + 8);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            any::<u64>().prop_map(|bits| Value::Real(f64::from_bits(bits))),
            "(?s).{0,30}".prop_map(Value::Text),
            prop::collection::vec(any::<u8>(), 0..9_000).prop_map(Value::Blob),
        ]
    }

    fn any_row() -> impl Strategy<Value = Vec<Value>> {
        prop::collection::vec(any_value(), 0..4)
    }

    fn assert_writes_its_form<T: Serialize + Canonical>(value: &T) {
        let mut text = String::new();
        value.write_to(&mut text);
        assert_eq!(text, canonical::to_string(value).unwrap());
        let mut comparison = canonical::Comparison::with(&text);
        value.write_to(&mut comparison);
        assert!(comparison.is_equal());
    }

    proptest! {
        #[test]
        fn statements_and_answers_write_their_canonical_form(
            params in any_row(),
            sql in "(?s).{0,60}",
            columns in prop::collection::vec(".{0,9}", 0..4),
            rows in prop::collection::vec(any_row(), 0..4),
            number in any::<u64>(),
        ) {
            assert_writes_its_form(&Statement { params, sql: sql.clone() });
            assert_writes_its_form(&DbAnswer::Ok(Rows { columns, rows }));
            assert_writes_its_form(&DbAnswer::Ok(number));
            assert_writes_its_form(&DbAnswer::<u64>::Error(Refusal::Failed(sql.clone())));
            assert_writes_its_form(&DbAnswer::<u64>::Ended(Failure::Contract { reason: sql }));
        }

        #[test]
        fn every_value_reads_back_to_the_same_bits(bits in any::<u64>(), bytes in any::<Vec<u8>>(), text in ".*") {
            for value in [Value::Real(f64::from_bits(bits)), Value::Blob(bytes), Value::Text(text)] {
                let written = canonical::to_string_sorted(&value).unwrap();
                let back: Value = serde_json::from_str(&written).unwrap();
                prop_assert_eq!(canonical::to_string_sorted(&back).unwrap(), written);
            }
        }
    }
}

/// A statement and the answer that it got.
pub struct Applied {
    pub statement: Statement,
    /// The answer that the guest got.
    pub answer: Told,
}

/// The answer to a statement.
#[derive(Debug, PartialEq)]
pub enum Told {
    /// Answer to `query` without a change.
    Read(DbAnswer<Rows>),
    /// Answer to `execute`.
    Changed(DbAnswer<u64>),
    /// Answer to `query` with RETURNING.
    Returned(DbAnswer<Rows>),
}
