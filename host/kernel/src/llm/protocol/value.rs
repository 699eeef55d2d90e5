//! One JSON text, in which no name may be given twice with different values, and what is wrong with
//! a text that is not JSON. Knows nothing of providers.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Parses one JSON text; on failure, returns what is wrong and at which byte.
pub(super) fn value(text: &str) -> Result<Value, (String, usize)> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let parsed = Tree::deserialize(&mut parser);
    parsed
        .and_then(|tree| parser.end().map(|()| tree.0))
        .map_err(|error| wrong(text, &error))
}

/// Returns what is wrong with `text`, in words, and at which byte.
fn wrong(text: &str, error: &serde_json::Error) -> (String, usize) {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = (line_start + error.column().saturating_sub(1)).min(text.len());
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let what = |what: &str| format!("is not JSON: it has {what}");
    if error.is_eof() {
        return ("ends in the middle of JSON".to_owned(), text.len());
    }
    if error.is_data() {
        return (format!("is not to be read: it has {said}"), at);
    }
    if said.contains("surrogate") || said.contains("hex escape") {
        let before = &text.as_bytes()[..at];
        let start = before.windows(2).rposition(|two| two == b"\\u");
        return (what("half of a surrogate pair"), start.unwrap_or(at));
    }
    if said.contains("recursion limit") {
        return (
            "is not to be read: it is nested deeper than 128 levels".to_owned(),
            at,
        );
    }
    if said.contains("out of range") {
        return (what("a number that is too large"), at);
    }
    if said.contains("trailing characters") {
        return ("goes on after its JSON".to_owned(), at);
    }
    // The parser stops at the first byte that it does not expect, or behind a sign.
    let token = |word: &str| {
        let from = at.saturating_sub(word.len());
        let mut places = text.as_bytes()[from..]
            .windows(word.len())
            .take(word.len() + 1);
        places
            .position(|bytes| bytes == word.as_bytes())
            .map(|offset| from + offset)
    };
    for word in [
        "-Infinity",
        "Infinity",
        "NaN",
        "undefined",
        "None",
        "True",
        "False",
    ] {
        if let Some(place) = token(word) {
            return (what(&format!("{word}, which JSON does not know,")), place);
        }
    }
    if said.contains("control character") {
        return (what("a bare control character in a text"), at);
    }
    (format!("is not JSON: {said}"), at)
}

/// A JSON value in which no name is given twice with different values.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Builder).map(Self)
    }
}

struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Tree(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, Tree(value))) = fields.next_entry::<String, Tree>()? {
            if map.get(&name).is_some_and(|before| *before != value) {
                let name: String = name.chars().take(40).collect();
                return Err(de::Error::custom(format!(
                    "the name '{}' twice, with different values,",
                    name.escape_debug()
                )));
            }
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}
