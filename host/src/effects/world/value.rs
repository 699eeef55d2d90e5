//! Converts values between a guest and `SQLite`. Only values that one side lacks change: NaN
//! becomes NULL, and text that is not UTF-8 becomes a blob.

use coo_kernel::effects::db::{Statement, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Params, ToSql, params_from_iter};

/// Returns the parameters of a statement for `SQLite`.
pub fn params(statement: &Statement) -> impl Params {
    params_from_iter(statement.params.iter().map(Parameter))
}

struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) if number.is_nan() => ValueRef::Null,
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Returns a value of a row for the guest.
pub fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        // SQLite accepts any bytes as text (CAST of a blob); the guest's strings are UTF-8.
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Blob(text.to_owned()),
        },
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_owned()),
    }
}
