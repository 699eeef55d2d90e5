//! Replacements for the SQL functions whose cost in `SQLite` grows with the product of two lengths.
//! They run in linear time, return the same results, and charge the bytes that they read. Every
//! result depends only on the arguments.

use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem::Finder;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Error, Result, ffi};

use super::bounds::SQL_LIMITS;
use super::budget::Budget;

/// Most bytes in the character set of `trim(X, Y)`, which compares every character with every one
/// of the set.
pub const TRIM_BYTES_MAX: usize = 100;

/// Registers the functions in place of `SQLite`'s own.
pub fn replace(connection: &Connection, budget: &Arc<Budget>) -> Result<()> {
    // INNOCUOUS: views and triggers may call them, as with SQLite's own.
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    let texts = Arc::new(Texts::default());
    let arguments = |budget: &Arc<Budget>| (Arc::clone(budget), Arc::clone(&texts));
    let (own, as_text) = arguments(budget);
    connection.create_scalar_function("instr", 2, flags, move |context| {
        instr(context, &own, &as_text)
    })?;
    let (own, as_text) = arguments(budget);
    connection.create_scalar_function("replace", 3, flags, move |context| {
        replaced(context, &own, &as_text)
    })?;
    for (name, left, right) in [
        ("trim", true, true),
        ("ltrim", true, false),
        ("rtrim", false, true),
    ] {
        let (own, as_text) = arguments(budget);
        connection.create_scalar_function(name, 2, flags, move |context| {
            trimmed(context, &own, &as_text, left, right)
        })?;
    }
    connection.create_scalar_function("unhex", 2, flags, |_| -> Result<Option<i64>> {
        Err(failed(
            "unhex() with characters to pass over: take them out with replace() before",
        ))
    })
}

fn failed(message: &str) -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(message.to_owned()))
}

fn too_big() -> Error {
    Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_TOOBIG),
        // With a message of its own, SQLite would report an ordinary error.
        None,
    )
}

fn charge(budget: &Budget, bytes: usize) -> Result<()> {
    if budget.charge(bytes as u64) {
        Ok(())
    } else {
        Err(Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_INTERRUPT),
            None,
        ))
    }
}

/// Formats numbers as text exactly as `SQLite` does, by asking a separate in-memory database.
#[derive(Default)]
struct Texts(Mutex<Option<Connection>>);

impl Texts {
    fn of(&self, number: f64) -> Result<Vec<u8>> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match &mut *connection {
            Some(connection) => connection,
            none => none.insert(Connection::open_in_memory()?),
        };
        connection
            .prepare_cached("SELECT CAST(?1 AS TEXT)")?
            .query_row([number], |row| row.get::<_, String>(0))
            .map(String::into_bytes)
    }
}

/// Returns an argument as text; `None` for NULL.
fn text<'a>(value: ValueRef<'a>, texts: &Texts) -> Result<Option<std::borrow::Cow<'a, [u8]>>> {
    Ok(Some(match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(number) => number.to_string().into_bytes().into(),
        ValueRef::Real(number) => texts.of(number)?.into(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.into(),
    }))
}

/// A result that is text to `SQLite`, even if it is not valid UTF-8.
struct Text(Vec<u8>);

impl ToSql for Text {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

const fn is_inside_a_character(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// `instr(X, Y)`: returns the position of the first Y in X, counted from 1 in characters, or in
/// bytes if both are blobs.
fn instr(context: &Context<'_>, budget: &Budget, texts: &Texts) -> Result<Option<i64>> {
    let (hay, needle) = (context.get_raw(0), context.get_raw(1));
    let in_bytes = matches!((hay, needle), (ValueRef::Blob(_), ValueRef::Blob(_)));
    let (Some(hay), Some(needle)) = (text(hay, texts)?, text(needle, texts)?) else {
        return Ok(None);
    };
    charge(budget, hay.len() + needle.len())?;
    let found = match needle.first() {
        None => Some(0),
        // In text, a match must begin at a character boundary, or at the very start of the text.
        Some(first) if !in_bytes && is_inside_a_character(*first) => {
            hay.starts_with(&needle).then_some(0)
        }
        Some(_) => Finder::new(&*needle).find(&hay),
    };
    let Some(place) = found else {
        return Ok(Some(0));
    };
    let before = &hay[..place];
    let characters = if in_bytes || place == 0 {
        place
    } else {
        // The first byte always counts as a character.
        1 + before[1..]
            .iter()
            .filter(|byte| !is_inside_a_character(**byte))
            .count()
    };
    Ok(Some(i64::try_from(characters).unwrap_or(i64::MAX - 1) + 1))
}

/// Returns the largest permitted size of a value in bytes.
fn length_max() -> usize {
    usize::try_from(SQL_LIMITS[0].most).unwrap_or(usize::MAX)
}

/// `replace(X, Y, Z)`: returns X with every Y replaced by Z.
fn replaced(context: &Context<'_>, budget: &Budget, texts: &Texts) -> Result<Option<Text>> {
    let Some(subject) = text(context.get_raw(0), texts)? else {
        return Ok(None);
    };
    let Some(pattern) = text(context.get_raw(1), texts)? else {
        return Ok(None);
    };
    // An empty pattern never matches. SQLite treats one that begins with NUL as empty.
    if pattern.first().is_none_or(|first| *first == 0) {
        return Ok(Some(Text(subject.into_owned())));
    }
    let Some(by) = text(context.get_raw(2), texts)? else {
        return Ok(None);
    };
    charge(budget, subject.len() + pattern.len())?;
    let finder = Finder::new(&*pattern);
    let found = finder.find_iter(&subject).count();
    let length =
        (subject.len() - found * pattern.len()).saturating_add(found.saturating_mul(by.len()));
    if length > length_max() {
        return Err(too_big());
    }
    charge(budget, length)?;
    let mut result = Vec::with_capacity(length);
    let mut rest = 0;
    for place in finder.find_iter(&subject) {
        result.extend_from_slice(&subject[rest..place]);
        result.extend_from_slice(&by);
        rest = place + pattern.len();
    }
    result.extend_from_slice(&subject[rest..]);
    Ok(Some(Text(result)))
}

/// `trim`, `ltrim` and `rtrim(X, Y)`: returns X without the characters of Y at its ends.
fn trimmed(
    context: &Context<'_>,
    budget: &Budget,
    texts: &Texts,
    left: bool,
    right: bool,
) -> Result<Option<Text>> {
    let Some(subject) = text(context.get_raw(0), texts)? else {
        return Ok(None);
    };
    let Some(set) = text(context.get_raw(1), texts)? else {
        return Ok(None);
    };
    let set = set.split(|byte| *byte == 0).next().unwrap_or_default();
    if set.len() > TRIM_BYTES_MAX {
        return Err(failed(&format!(
            "trim(): {} bytes of characters to take away, the limit is {TRIM_BYTES_MAX}",
            set.len()
        )));
    }
    charge(budget, subject.len())?;
    let set = characters(set);
    let mut rest = &*subject;
    while left
        && let Some(character) = set.iter().find(|character| rest.starts_with(character))
        && !rest.is_empty()
    {
        rest = &rest[character.len()..];
    }
    while right
        && let Some(character) = set.iter().find(|character| rest.ends_with(character))
        && !rest.is_empty()
    {
        rest = &rest[..rest.len() - character.len()];
    }
    Ok(Some(Text(rest.to_vec())))
}

/// Splits text into characters; a byte below 0xc0 always forms a character of its own.
fn characters(text: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let inside = behind
            .iter()
            .take_while(|byte| first >= 0xc0 && is_inside_a_character(**byte))
            .count();
        let (character, behind) = rest.split_at(1 + inside);
        found.push(character);
        rest = behind;
    }
    found
}
