//! The database and the gateway as functions for the JavaScript side. An error of the host is a value
//! with `error` and `text`, which `js/coo.js` throws. Chooses no SQL and no name.

use coo_guest::{bindings::v1_0 as wit, db, gateway};
use rquickjs::{BigInt, Ctx, Exception, IntoJs as _, Object, Result, TypedArray, Value};

use crate::native::bytes_of;

/// Integers beyond it are no numbers in JavaScript: they become a `BigInt`.
const SAFE_INTEGER_MAX: i64 = 9_007_199_254_740_991;

/// `db.query`.
pub fn query<'js>(ctx: Ctx<'js>, sql: String, params: Vec<Value<'js>>) -> Result<Object<'js>> {
    let params = parameters(&ctx, params)?;
    let found = match wit::db::query(&sql, &params) {
        Ok(found) => found,
        Err(error) => return failed(&ctx, error),
    };
    let rows = Object::new(ctx.clone())?;
    rows.set("columns", found.columns)?;
    let mut lists = Vec::with_capacity(found.rows.len());
    for row in found.rows {
        let values = row.into_iter().map(|value| to_js(&ctx, value));
        lists.push(values.collect::<Result<Vec<_>>>()?);
    }
    rows.set("rows", lists)?;
    Ok(rows)
}

/// `db.execute`.
pub fn execute<'js>(ctx: Ctx<'js>, sql: String, params: Vec<Value<'js>>) -> Result<Object<'js>> {
    let params = parameters(&ctx, params)?;
    match wit::db::execute(&sql, &params) {
        Ok(changed) => {
            let result = Object::new(ctx.clone())?;
            let changed = i64::try_from(changed).unwrap_or(i64::MAX);
            result.set("changed", to_js(&ctx, db::Value::Integer(changed))?)?;
            Ok(result)
        }
        Err(error) => failed(&ctx, error),
    }
}

/// `gateway.write`.
pub fn write<'js>(
    ctx: Ctx<'js>,
    path: String,
    content: TypedArray<'js, u8>,
) -> Result<Object<'js>> {
    let result = Object::new(ctx.clone())?;
    match wit::gateway::write(&path, &bytes_of(&content)) {
        Ok(receipt) => {
            result.set("path", receipt.path)?;
            result.set("sha256", receipt.sha256)?;
            let bytes = i64::try_from(receipt.bytes).unwrap_or(i64::MAX);
            result.set("bytes", to_js(&ctx, db::Value::Integer(bytes))?)?;
        }
        Err(error) => {
            let (kind, text) = match error {
                gateway::Error::Refused(text) => ("refused", text),
                gateway::Error::Conflict(text) => ("conflict", text),
            };
            result.set("error", kind)?;
            result.set("text", text)?;
        }
    }
    Ok(result)
}

fn failed<'js>(ctx: &Ctx<'js>, error: db::Error) -> Result<Object<'js>> {
    let (kind, text) = match error {
        db::Error::Refused(text) => ("refused", text),
        db::Error::Failed(text) => ("failed", text),
        db::Error::Constraint(text) => ("constraint", text),
        db::Error::Limit(text) => ("limit", text),
    };
    let result = Object::new(ctx.clone())?;
    result.set("error", kind)?;
    result.set("text", text)?;
    Ok(result)
}

fn parameters<'js>(ctx: &Ctx<'js>, params: Vec<Value<'js>>) -> Result<Vec<db::Value>> {
    params.iter().map(|param| from_js(ctx, param)).collect()
}

/// `js/coo.js` lets only these through, and only bigints of 64 bits.
fn from_js<'js>(ctx: &Ctx<'js>, param: &Value<'js>) -> Result<db::Value> {
    if param.is_null() {
        return Ok(db::Value::Null);
    }
    if let Some(flag) = param.as_bool() {
        return Ok(db::Value::Integer(flag.into()));
    }
    if let Some(number) = param.as_number() {
        return Ok(whole(number).map_or(db::Value::Real(number), db::Value::Integer));
    }
    if let Some(text) = param.as_string() {
        return Ok(db::Value::Text(text.to_string()?));
    }
    if let Some(big) = param.as_big_int() {
        return Ok(db::Value::Integer(big.clone().to_i64()?));
    }
    if let Ok(bytes) = TypedArray::<u8>::from_value(param.clone()) {
        return Ok(db::Value::Blob(bytes_of(&bytes)));
    }
    let text = format!(
        "a statement takes no parameter of type {}",
        param.type_name()
    );
    Err(Exception::throw_type(ctx, &text))
}

/// A number without a fraction is an integer to SQLite, as an author means it.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the bounds make both casts exact"
)]
fn whole(number: f64) -> Option<i64> {
    let bound = SAFE_INTEGER_MAX as f64;
    let is_whole = number.trunc() == number && (-bound..=bound).contains(&number);
    (is_whole && !(number == 0.0 && number.is_sign_negative())).then_some(number as i64)
}

#[allow(clippy::cast_precision_loss, reason = "the bound makes the cast exact")]
fn to_js<'js>(ctx: &Ctx<'js>, value: db::Value) -> Result<Value<'js>> {
    match value {
        db::Value::Null => Ok(Value::new_null(ctx.clone())),
        db::Value::Integer(whole) if whole.unsigned_abs() <= SAFE_INTEGER_MAX.unsigned_abs() => {
            (whole as f64).into_js(ctx)
        }
        db::Value::Integer(whole) => Ok(BigInt::from_i64(ctx.clone(), whole)?.into_value()),
        db::Value::Real(number) => number.into_js(ctx),
        db::Value::Text(text) => text.into_js(ctx),
        db::Value::Blob(content) => Ok(TypedArray::new(ctx.clone(), content)?.into_value()),
    }
}
