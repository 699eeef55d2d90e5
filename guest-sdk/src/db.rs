//! The missions' SQLite database (the world): statements with typed parameters, rows with typed
//! columns. Each statement is one call to the host. Never builds SQL from values and never
//! converts a value silently: a column of another type is an error that names both types.

use crate::{Result, bindings::v1_0::db as wit};
use std::rc::Rc;

pub use crate::params;
pub use wit::{Error, Value};

/// Runs one read-only statement and returns its rows.
///
/// ```no_run
/// use coo_guest::db::{self, params};
///
/// # fn main() -> coo_guest::Result<()> {
/// for row in db::query("SELECT id, text FROM ticket WHERE label = ?1", params!["bug"])? {
///     let (id, text): (i64, String) = (row.get("id")?, row.get("text")?);
/// #   let _ = (id, text);
/// }
/// # Ok(())
/// # }
/// ```
pub fn query(sql: &str, params: &[Value]) -> Result<Vec<Row>> {
    let wit::Rows { columns, rows } = wit::query(sql, params)?;
    let columns: Rc<[String]> = columns.into();
    Ok(rows
        .into_iter()
        .map(|values| Row {
            columns: Rc::clone(&columns),
            values,
        })
        .collect())
}

/// Runs one statement that changes data or schema; returns the number of changed rows.
pub fn execute(sql: &str, params: &[Value]) -> Result<u64> {
    Ok(wit::execute(sql, params)?)
}

/// Lists the values that bind to `?1`, `?2`, … in order: `params![1, "two", None::<f64>]`.
#[macro_export]
macro_rules! params {
    () => { &[] as &[$crate::db::Value] };
    ($($value:expr),+ $(,)?) => { &[$($crate::db::Value::from($value)),+] as &[$crate::db::Value] };
}

/// One row of a [`query`].
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    columns: Rc<[String]>,
    values: Vec<Value>,
}

impl Row {
    /// Returns the value of the first column with this name, as `i64`, `f64`, `String`, `Vec<u8>`,
    /// [`Value`], or an `Option` of these if the column may be NULL.
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T> {
        let index = self
            .columns
            .iter()
            .position(|name| name == column)
            .ok_or_else(|| {
                let found = self.columns.join(", ");
                crate::Error::Column(format!("no column {column:?}; there is {found}"))
            })?;
        self.at(index)
    }

    /// Returns the value of the column at this position; the first is 0.
    pub fn at<T: FromValue>(&self, index: usize) -> Result<T> {
        let value = self.values.get(index).ok_or_else(|| {
            let count = self.values.len();
            crate::Error::Column(format!("no column at {index}; there are {count}"))
        })?;
        T::from_value(value).ok_or_else(|| {
            let column = self.columns.get(index).map_or("?", String::as_str);
            let (wanted, got) = (T::SQL_TYPE, sql_type(value));
            crate::Error::Column(format!("column {column:?} is {got}, wanted {wanted}"))
        })
    }

    /// Returns the names of the columns, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
}

/// A type that a column can be read as: exactly the type that SQLite stored.
pub trait FromValue: Sized {
    /// The type's name in SQLite, for error messages.
    const SQL_TYPE: &'static str;

    /// Returns the value if it has this type.
    fn from_value(value: &Value) -> Option<Self>;
}

/// Implements both directions of the conversion between a Rust type and a SQLite type.
macro_rules! corresponds {
    ($rust:ty, $variant:ident, $sql_type:literal) => {
        impl FromValue for $rust {
            const SQL_TYPE: &'static str = $sql_type;

            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::$variant(inner) => Some(inner.clone()),
                    _ => None,
                }
            }
        }

        impl From<$rust> for Value {
            fn from(value: $rust) -> Self {
                Self::$variant(value)
            }
        }
    };
}

corresponds!(i64, Integer, "INTEGER");
corresponds!(f64, Real, "REAL");
corresponds!(String, Text, "TEXT");
corresponds!(Vec<u8>, Blob, "BLOB");

impl FromValue for Value {
    const SQL_TYPE: &'static str = "any type";

    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const SQL_TYPE: &'static str = T::SQL_TYPE;

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(value.to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

fn sql_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Integer(_) => i64::SQL_TYPE,
        Value::Real(_) => f64::SQL_TYPE,
        Value::Text(_) => String::SQL_TYPE,
        Value::Blob(_) => Vec::<u8>::SQL_TYPE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            columns: vec!["id".to_owned(), "text".to_owned(), "label".to_owned()].into(),
            values: params![7, "it broke", None::<String>].to_vec(),
        }
    }

    #[test]
    fn columns_are_read_as_the_type_they_have() {
        let row = row();
        assert_eq!(row.get::<i64>("id"), Ok(7));
        assert_eq!(row.at::<String>(1), Ok("it broke".to_owned()));
        assert_eq!(row.get::<Option<String>>("label"), Ok(None));
        assert_eq!(row.get::<Option<i64>>("id"), Ok(Some(7)));
        assert_eq!(row.get::<Value>("label"), Ok(Value::Null));
        assert_eq!(row.columns(), ["id", "text", "label"]);
    }

    #[test]
    fn another_type_or_no_column_names_both_sides() {
        let text = |result: Result<i64>| result.unwrap_err().to_string();
        let row = row();
        assert_eq!(
            text(row.get("text")),
            r#"unexpected row: column "text" is TEXT, wanted INTEGER"#
        );
        assert_eq!(
            text(row.get("label")),
            r#"unexpected row: column "label" is NULL, wanted INTEGER"#
        );
        assert_eq!(
            text(row.get("txt")),
            r#"unexpected row: no column "txt"; there is id, text, label"#
        );
        assert_eq!(
            text(row.at(3)),
            "unexpected row: no column at 3; there are 3"
        );
    }

    #[test]
    fn params_bind_in_order_by_their_own_type() {
        assert_eq!(params![], &[] as &[Value]);
        assert_eq!(
            params![1_i64, 2.5, "three", vec![4_u8], None::<i64>],
            &[
                Value::Integer(1),
                Value::Real(2.5),
                Value::Text("three".into()),
                Value::Blob(vec![4]),
                Value::Null
            ]
        );
    }
}
