//! Database calls as data, and what a statement may do: the permission table the host's
//! `SQLite` authorizer asks. Never opens a database. Fields stand in key order (see
//! `canonical::to_string_sorted`).

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Unexpected, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// One value of a row or parameter. In the journal: `null`, a JSON integer, a JSON string,
/// `{"real": "<shortest decimal that reads back to the same bits>"}` or `{"blob": "<hex>"}`,
/// so that every value, infinities too, has one exact form.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// 64-bit integer.
    Integer(i64),
    /// Double. Never NaN: `SQLite` stores NaN as NULL, and so do we.
    Real(f64),
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// Bytes this value counts for in the ledger.
    pub fn weight(&self) -> u64 {
        match self {
            Self::Null => 1,
            Self::Integer(_) | Self::Real(_) => 8,
            Self::Text(text) => text.len() as u64,
            Self::Blob(bytes) => bytes.len() as u64,
        }
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

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tagged {
    Real(String),
    Blob(String),
}

/// Told by its JSON type at once. An untagged enum would try one form after another, and
/// print the whole text into an error for each that does not fit.
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
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Bound to `?1`, `?2`, … in order.
    pub params: Vec<Value>,
    /// One statement.
    pub sql: String,
}

impl Statement {
    /// Bytes this statement counts for in the ledger.
    pub fn weight(&self) -> u64 {
        self.sql.len() as u64 + self.params.iter().map(Value::weight).sum::<u64>()
    }
}

/// What a query returned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Names, in order.
    pub columns: Vec<String>,
    /// One list of values a row.
    pub rows: Vec<Vec<Value>>,
}

impl Rows {
    /// Bytes these rows count for in the ledger.
    pub fn weight(&self) -> u64 {
        self.rows.iter().flatten().map(Value::weight).sum()
    }
}

/// An error the guest sees; part of the deterministic record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Uses something that is not permitted.
    Refused(String),
    /// `SQLite`'s own message.
    Failed(String),
    /// A constraint was violated.
    Constraint(String),
    /// Beyond its bound of work, rows or bytes.
    Limit(String),
}

/// What the guest was told, as the journal keeps it: `{"ok": …}` or `{"error": …}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// It was refused or failed.
    Error(Refusal),
    /// It was done.
    Ok(T),
}

impl<T> From<Result<T, Refusal>> for Answer<T> {
    fn from(result: Result<T, Refusal>) -> Self {
        match result {
            Ok(done) => Self::Ok(done),
            Err(refusal) => Self::Error(refusal),
        }
    }
}

impl<T> From<Answer<T>> for Result<T, Refusal> {
    fn from(answer: Answer<T>) -> Self {
        match answer {
            Answer::Ok(done) => Ok(done),
            Answer::Error(refusal) => Err(refusal),
        }
    }
}

/// What a statement is about to do, as far as permission depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// `ATTACH`.
    Attach,
    /// `DETACH`.
    Detach,
    /// `PRAGMA`, as a statement or as a table.
    Pragma(&'a str),
    /// `BEGIN`, `COMMIT`, `ROLLBACK`.
    Transaction,
    /// `SAVEPOINT`, `RELEASE`.
    Savepoint,
    /// `CREATE VIRTUAL TABLE … USING module`.
    VirtualTable(&'a str),
    /// Reading a table or view.
    Read(&'a str),
    /// A call of an SQL function.
    Function(&'a str),
    /// Reading, writing, creating or dropping ordinary things.
    Ordinary,
    /// Anything `SQLite` may invent later.
    Unknown,
}

/// Functions that differ from run to run, read the machine or report on the connection.
/// Names as `SQLite` gives them to its authorizer, in lower case.
const REFUSED_FUNCTIONS: [&str; 23] = [
    "changes",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "edit",
    "fts3_tokenizer",
    "julianday",
    "last_insert_rowid",
    "load_extension",
    "random",
    "randomblob",
    "readfile",
    "sqlite_compileoption_get",
    "sqlite_compileoption_used",
    "sqlite_source_id",
    "sqlite_version",
    "strftime",
    "time",
    "timediff",
    "total_changes",
    "unixepoch",
];

/// Tables that the database makes up from the connection or the file's layout, which differ between
/// equal worlds.
const REFUSED_TABLES: [&str; 6] = [
    "bytecode",
    "dbstat",
    "sqlite_dbpage",
    "sqlite_memstat",
    "sqlite_stmt",
    "tables_used",
];

/// Whether a mission may do `action`: `Err` says what is refused and what to do instead.
pub fn permit(action: Action<'_>) -> Result<(), String> {
    match action {
        Action::Ordinary => Ok(()),
        Action::Attach => Err("ATTACH: a mission sees one database, its world".to_owned()),
        Action::Detach => Err("DETACH: a mission sees one database, its world".to_owned()),
        Action::Pragma(name) => Err(format!(
            "PRAGMA {name}: it depends on connection and machine"
        )),
        Action::Transaction | Action::Savepoint => Err(
            "transaction control: the whole run is one transaction, committed when it completes"
                .to_owned(),
        ),
        // Those that compute from their tables alone (fts5, rtree) run PRAGMAs of their own.
        Action::VirtualTable(module) => Err(format!(
            "virtual table module {module}: a mission's tables are ordinary ones"
        )),
        Action::Read(table) => {
            if REFUSED_TABLES.contains(&table.to_ascii_lowercase().as_str()) {
                Err(format!(
                    "table {table}: it shows the file's layout, not the world's content"
                ))
            } else {
                Ok(())
            }
        }
        Action::Function(name) => {
            let name = name.to_ascii_lowercase();
            if REFUSED_FUNCTIONS.contains(&name.as_str()) {
                Err(format!(
                    "{name}(): its result is not the same on every run; compute it in the guest and pass it as a parameter"
                ))
            } else {
                Ok(())
            }
        }
        Action::Unknown => Err("unknown kind of statement".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::canonical;

    #[test]
    fn permissions_name_what_they_refuse() {
        assert!(permit(Action::Ordinary).is_ok());
        assert!(permit(Action::Function("lower")).is_ok());
        for (action, word) in [
            (Action::Function("RANDOM"), "random()"),
            (Action::Function("current_timestamp"), "current_timestamp()"),
            (Action::Function("unixepoch"), "unixepoch()"),
            (Action::Attach, "ATTACH"),
            (Action::Pragma("journal_mode"), "PRAGMA journal_mode"),
            (Action::VirtualTable("csv"), "csv"),
            (Action::Savepoint, "transaction"),
            (Action::Read("DBSTAT"), "DBSTAT"),
            (Action::Unknown, "unknown"),
        ] {
            assert!(permit(action).unwrap_err().contains(word), "{action:?}");
        }
    }

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

    proptest! {
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
