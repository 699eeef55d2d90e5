//! Parses the bytes of a body as JSON, or says what they are and where they fail: an HTML page,
//! text cut off, NaN, half a surrogate pair, excessive nesting, a name given twice.
//! Invariant: strict. A form that JSON does not have is reported, never guessed at. A leading byte
//! order mark, white space and keep-alive comments are skipped. The meaning of the JSON is never
//! looked at here.

use serde_json::Value;

use super::stream;
use super::value::value;

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

fn is_page(text: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&text[..text.len().min(HEAD_BYTES)]);
    let head = head.trim_start().to_ascii_lowercase();
    head.starts_with("<!doctype html")
        || head.starts_with("<html")
        || (head.starts_with('<') && (head.contains("<head") || head.contains("<body")))
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
