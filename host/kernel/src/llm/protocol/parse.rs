//! Parses the bytes of a body as JSON, or says what they are and where they fail: an HTML page,
//! text cut off, NaN, half a surrogate pair, excessive nesting, a name given twice.
//! Invariant: strict. A form that JSON does not have is reported, never guessed at. A leading byte
//! order mark, white space and keep-alive comments are skipped. The meaning of the JSON is never
//! looked at here.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::stream;

/// How much of a body is read to distinguish a page from text.
const HEAD_BYTES: usize = 1024;

/// A body that is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What the body is, as the end of a sentence that begins with "whose body".
    pub what: String,
    /// The body is an HTML page, so no chat-completions server answered.
    pub is_page: bool,
}

/// Parses a body. An event stream is assembled into the answer that it spells.
pub fn json(body: &[u8]) -> Result<Value, Unreadable> {
    let not = |what: String| Unreadable {
        what,
        is_page: false,
    };
    let skipped = body.len() - body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).len();
    let text = &body[skipped..];
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(not(if body.is_empty() {
            "is empty".to_owned()
        } else {
            "holds nothing but white space".to_owned()
        }));
    }
    if is_page(text) {
        return Err(Unreadable {
            what: "is an HTML page and is not JSON".to_owned(),
            is_page: true,
        });
    }
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        return Err(not("is UTF-16 and is not JSON, which is UTF-8".to_owned()));
    }
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let at = skipped + error.valid_up_to();
            return Err(not(format!(
                "is not JSON: it is not UTF-8 text at byte {at}"
            )));
        }
    };
    if let Some(events) = stream::events(text) {
        return stream::assemble(&events).map_err(not);
    }
    let comments = stream::comments_bytes(text);
    value(&text[comments..])
        .map_err(|(what, at)| not(format!("{what} at byte {}", skipped + comments + at)))
}

/// Parses one JSON text; on failure, returns what is wrong and at which byte.
pub(super) fn value(text: &str) -> Result<Value, (String, usize)> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let parsed = Tree::deserialize(&mut parser);
    parsed
        .and_then(|tree| parser.end().map(|()| tree.0))
        .map_err(|error| wrong(text, &error))
}

fn is_page(text: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&text[..text.len().min(HEAD_BYTES)]);
    let head = head.trim_start().to_ascii_lowercase();
    head.starts_with("<!doctype html")
        || head.starts_with("<html")
        || (head.starts_with('<') && (head.contains("<head") || head.contains("<body")))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn what(body: &[u8]) -> String {
        json(body).expect_err("JSON").what
    }

    #[test]
    fn what_stands_in_the_place_of_json_is_named_with_its_place() {
        for (body, expected) in [
            ("", "is empty"),
            (" \n", "holds nothing but white space"),
            ("<!DOCTYPE HTML><p>", "is an HTML page and is not JSON"),
            ("\n<html>", "is an HTML page and is not JSON"),
            (r#"{"a": [1,"#, "ends in the middle of JSON at byte 9"),
            (
                r#"{"a": NaN}"#,
                "is not JSON: it has NaN, which JSON does not know, at byte 6",
            ),
            (
                "{\"b\":1,\n \"a\": -Infinity}",
                "is not JSON: it has -Infinity, which JSON does not know, at byte 14",
            ),
            (
                r#"{"a": "x\ud83d"}"#,
                "is not JSON: it has half of a surrogate pair at byte 8",
            ),
            (
                r#"{"a": "\udc00 y"}"#,
                "is not JSON: it has half of a surrogate pair at byte 7",
            ),
            (
                r#"{"a": "\ud83d\u0041"}"#,
                "is not JSON: it has half of a surrogate pair",
            ),
            (
                r#"{"a": 1e999}"#,
                "is not JSON: it has a number that is too large at byte ",
            ),
            (
                r#"{"a": 1, "a": 2}"#,
                "is not to be read: it has the name 'a' twice, with different values, at byte ",
            ),
            (r#"{"a": 1} {"a": 2}"#, "goes on after its JSON at byte 9"),
            (
                "{\"a\": \"x\ny\"}",
                "is not JSON: it has a bare control character in a text at byte ",
            ),
            ("pong", "is not JSON: expected value at byte 0"),
        ] {
            let found = what(body.as_bytes());
            assert!(found.starts_with(expected), "{body}: {found}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        let found = what(deep.as_bytes());
        assert!(
            found.contains("nested deeper than 128 levels at byte 12"),
            "{found}"
        );
        assert!(what(b"{\"a\": \"\xff\"}").contains("not UTF-8 text at byte 7"));
        assert!(what(b"\xff\xfe{\0").contains("UTF-16"));
    }

    #[test]
    fn a_byte_order_mark_white_space_and_comments_are_skipped() {
        for body in [
            "\u{feff}{\"a\": 1}",
            "\n\n   {\"a\": 1}\n",
            ": PROCESSING\n\n: PROCESSING\n\n{\"a\": 1}",
            r#"{"a": 1, "a": 1}"#,
        ] {
            assert_eq!(json(body.as_bytes()).unwrap()["a"], 1, "{body}");
        }
        let found = what(b"\xef\xbb\xbf: wait\n{\"a\": NaN}");
        assert!(found.contains("at byte 16"), "{found}");
    }
}
