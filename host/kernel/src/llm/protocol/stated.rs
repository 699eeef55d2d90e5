//! An error as a provider states it in JSON, in every form in use: `OpenRouter`'s (a number as
//! code), `OpenAI`'s (words as code and type), Gemini's (in an array), `FastAPI`'s (`detail`),
//! `Cloudflare`'s (`errors`), a bare text, or the error as the whole body.
//! Invariant: an empty value (`{}`, `""`, `false`, `null`) is not an error. This module finds the
//! kind of an error and never decides what follows; `judge` does.

use serde_json::{Map, Value};

use super::sense::{Sense, of_kinds, of_message, status_of};

/// How much of a provider's words is kept at all; messages show less of it.
const MESSAGE_BYTES_MAX: usize = 4_000;
/// How deep the search for words goes.
const DEPTH_MAX: u32 = 6;

/// An error as a provider states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// Codes and types, in lower case with `_`.
    kinds: Vec<String>,
    /// The HTTP status that it names.
    number: Option<u16>,
    /// Its words, not cleaned yet; may be empty.
    pub message: String,
}

/// Fields that hold an error's words, the most specific first.
const WORDS: [&str; 13] = [
    "message",
    "msg",
    "detail",
    "error_description",
    "description",
    "error_message",
    "Message",
    "faultstring",
    "errors",
    "error",
    "title",
    "reason",
    "details",
];
/// Fields of a whole body that hold an error if the body has no choices.
const HOLDERS: [&str; 8] = [
    "errors",
    "detail",
    "message",
    "error_message",
    "error_description",
    "Message",
    "msg",
    "fault",
];
/// Fields that state the kind of an error.
const KINDS: [&str; 10] = [
    "code",
    "type",
    "status",
    "status_code",
    "statusCode",
    "reason",
    "error_code",
    "errorCode",
    "__type",
    "status_msg",
];

impl Stated {
    /// Returns the error of a whole body, if it states one.
    #[must_use]
    pub fn find(body: &Value) -> Option<Self> {
        match body {
            Value::Array(items) => items.iter().find_map(Self::find),
            Value::Object(fields) => {
                let is_all_error = ["object", "type"]
                    .iter()
                    .any(|field| body[*field] == "error");
                if let Some(stated) = Self::in_error_field(body) {
                    return Some(stated);
                }
                if is_all_error {
                    return Some(Self::read(body, None));
                }
                let has_choices = body["choices"]
                    .as_array()
                    .is_some_and(|list| !list.is_empty());
                if has_choices {
                    return None;
                }
                if body["base_resp"]["status_code"].as_i64().unwrap_or(0) != 0 {
                    return Some(Self::read(&body["base_resp"], None));
                }
                HOLDERS
                    .iter()
                    .filter_map(|name| fields.get(*name))
                    .find(|holder| !says_nothing(holder, 0))
                    .map(|_| Self::read(body, None))
                    .filter(|stated| !stated.message.is_empty())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }

    /// Returns the error in the field `error` of a body or a choice.
    #[must_use]
    pub fn in_error_field(holder: &Value) -> Option<Self> {
        let error = &holder["error"];
        (!says_nothing(error, 0)).then(|| Self::read(error, Some(holder)))
    }

    /// Returns an error from words that are not JSON.
    #[must_use]
    pub fn text(message: &str) -> Self {
        Self {
            kinds: Vec::new(),
            number: None,
            message: message.to_owned(),
        }
    }

    fn read(error: &Value, around: Option<&Value>) -> Self {
        let mut stated = Self {
            kinds: Vec::new(),
            number: None,
            message: words(error, 0),
        };
        stated.add_kinds(error, 0);
        // Fields beside the error count only if the error itself has no kind; `type` and `status`
        // of a whole answer mean something else.
        if let Some(around) = around
            && stated.kinds.is_empty()
            && stated.number.is_none()
        {
            stated.add_kind(&around["code"]);
            stated.add_kind(&around["status_code"]);
            stated.add_kind(&around["statusCode"]);
            let beside = words(&around["message"], 0);
            stated.message = match (stated.message.as_str(), beside.as_str()) {
                (said, "") => said.to_owned(),
                ("", beside) => beside.to_owned(),
                (said, beside) => format!("{said}: {beside}"),
            };
        }
        // OpenRouter keeps the upstream provider's own words here.
        let upstream = match &error["metadata"]["raw"] {
            Value::String(raw) => raw.clone(),
            raw => words(raw, 0),
        };
        if !upstream.is_empty() {
            stated.message = format!("{}: {upstream}", stated.message);
        }
        let flagged = &error["metadata"];
        if !flagged["flagged_input"].is_null() || !flagged["reasons"].is_null() {
            stated.kinds.push("moderation".to_owned());
        }
        cut(&mut stated.message);
        stated
    }

    fn add_kinds(&mut self, error: &Value, depth: u32) {
        if depth > DEPTH_MAX {
            return;
        }
        match error {
            Value::Array(items) => {
                for item in items.iter().take(8) {
                    self.add_kinds(item, depth + 1);
                }
            }
            Value::Object(fields) => {
                for name in KINDS {
                    if let Some(kind) = fields.get(name) {
                        self.add_kind(kind);
                    }
                }
                for name in ["details", "innererror", "errors", "error", "detail"] {
                    if let Some(inner) = fields.get(name) {
                        self.add_kinds(inner, depth + 1);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn add_kind(&mut self, kind: &Value) {
        let number = match kind {
            Value::Number(number) => number.as_u64(),
            Value::String(word) => {
                let word: String = word
                    .trim()
                    .chars()
                    .take(80)
                    .map(|c| match c {
                        '-' | ' ' => '_',
                        c => c.to_ascii_lowercase(),
                    })
                    .collect();
                let number = word.parse().ok();
                if number.is_none() && !word.is_empty() {
                    self.kinds.push(word);
                }
                number
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let status = number
            .and_then(|number| u16::try_from(number).ok())
            .filter(|status| (400..600).contains(status));
        self.number = self.number.or(status);
    }

    /// Returns whether a code or type names a used-up quota, so that waiting can't help.
    #[must_use]
    pub fn is_quota(&self) -> bool {
        self.sense_of_kinds() == Some(Sense::Quota)
    }

    fn sense_of_kinds(&self) -> Option<Sense> {
        of_kinds(&self.kinds)
    }

    /// Returns what it is about: by code or type, else by its words.
    #[must_use]
    pub fn sense(&self) -> Option<Sense> {
        self.sense_of_kinds().or_else(|| of_message(&self.message))
    }

    /// Returns the HTTP status that the error stands for, if that is known.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.number
            .or_else(|| self.kinds.iter().find_map(|kind| status_of(kind)))
    }
}

/// Returns whether a value is empty: `null`, `false`, 0, an empty text, or a list or object of only
/// such values.
fn says_nothing(value: &Value, depth: u32) -> bool {
    if depth > DEPTH_MAX {
        return false;
    }
    match value {
        Value::Null => true,
        Value::Bool(is_set) => !is_set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(|item| says_nothing(item, depth + 1)),
        Value::Object(fields) => fields.values().all(|field| says_nothing(field, depth + 1)),
    }
}

/// Returns the words in an error, at any depth.
fn words(value: &Value, depth: u32) -> String {
    if depth > DEPTH_MAX {
        return String::new();
    }
    let mut text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items = items.iter().take(8).map(|item| words(item, depth + 1));
            let said: Vec<String> = items.filter(|item| !item.is_empty()).collect();
            said.join("; ")
        }
        Value::Object(fields) => words_of(fields, depth),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    };
    cut(&mut text);
    text
}

fn words_of(fields: &Map<String, Value>, depth: u32) -> String {
    let known = WORDS
        .iter()
        .filter_map(|name| fields.get(*name))
        .map(|field| words(field, depth + 1))
        .find(|said| !said.is_empty());
    // Otherwise names with words below them: some frameworks list errors by field.
    known.unwrap_or_else(|| {
        let lists = fields.iter().filter(|(_, value)| value.is_array());
        let said = lists.take(8).filter_map(|(name, list)| {
            let said = words(list, depth + 1);
            (!said.is_empty()).then(|| format!("{name}: {said}"))
        });
        said.collect::<Vec<_>>().join("; ")
    })
}

fn cut(text: &mut String) {
    if text.len() > MESSAGE_BYTES_MAX {
        let mut end = MESSAGE_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_an_error_is_read() {
        for (body, status, message) in [
            (
                json!({"error": {"code": 429, "message": "slow"}}),
                Some(429),
                "slow",
            ),
            (
                json!({"error": {"code": "502", "message": "up"}}),
                Some(502),
                "up",
            ),
            (
                json!({"error": {"message": "m", "type": "invalid_request_error", "param": null, "code": null}}),
                Some(400),
                "m",
            ),
            (
                json!({"error": {"message": "m", "type": "x", "code": "invalid_api_key"}}),
                Some(401),
                "m",
            ),
            (
                json!({"error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": "out of memory"}}}),
                Some(502),
                "Provider returned error: out of memory",
            ),
            (
                json!({"error": "model is loading"}),
                None,
                "model is loading",
            ),
            (
                json!({"object": "error", "message": "too long", "code": 400}),
                Some(400),
                "too long",
            ),
            (
                json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
                Some(503),
                "Overloaded",
            ),
            (
                json!([{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}]),
                Some(400),
                "bad",
            ),
            (json!({"detail": "Not Found"}), None, "Not Found"),
            (
                json!({"detail": [{"loc": ["body", "model"], "msg": "field required", "type": "missing"}]}),
                None,
                "field required",
            ),
            (
                json!({"errors": [{"code": 7003, "message": "no route"}], "success": false}),
                None,
                "no route",
            ),
            (
                json!({"errors": {"model": ["is required"]}}),
                None,
                "model: is required",
            ),
            (json!({"message": "Forbidden"}), None, "Forbidden"),
            (
                json!({"statusCode": 404, "error": "Not Found", "message": "Cannot POST"}),
                Some(404),
                "Not Found: Cannot POST",
            ),
            (
                json!({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}),
                None,
                "",
            ),
            (
                json!({"error": {"error": {"message": "inner", "code": 400}}}),
                Some(400),
                "inner",
            ),
            (json!({"error": {"code": 200, "type": 70000}}), None, ""),
            (json!({"error": true}), None, ""),
        ] {
            let stated = Stated::find(&body).unwrap_or_else(|| panic!("{body}"));
            assert_eq!(stated.status(), status, "{body}");
            assert_eq!(stated.message, message, "{body}");
        }
    }

    #[test]
    fn no_error_is_no_error() {
        for error in [
            json!(null),
            json!(false),
            json!(""),
            json!(" "),
            json!({}),
            json!([]),
            json!(0),
            json!({"message": "", "code": null}),
            json!({"code": 0, "message": ""}),
        ] {
            assert!(Stated::find(&json!({"error": error})).is_none(), "{error}");
        }
        for body in [
            json!({}),
            json!([]),
            json!("error"),
            json!(null),
            json!({"choices": [{}], "message": "fine", "detail": "fine"}),
        ] {
            assert!(Stated::find(&body).is_none(), "{body}");
        }
    }

    #[test]
    fn the_sense_is_found_by_code_or_by_words() {
        for (error, sense) in [
            (json!({"type": "insufficient_quota"}), Some(Sense::Quota)),
            (
                json!({"code": "insufficient_quota", "type": "other"}),
                Some(Sense::Quota),
            ),
            (
                json!({"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}),
                Some(Sense::Money),
            ),
            (
                json!({"message": "nope/nope is not a valid model ID"}),
                Some(Sense::Model),
            ),
            (
                json!({"message": "The model `x` does not exist or you do not have access to it."}),
                Some(Sense::Model),
            ),
            (
                json!({"message": "flagged", "metadata": {"reasons": ["violence"], "flagged_input": "…"}}),
                Some(Sense::Moderation),
            ),
            (
                json!({"message": "bad", "innererror": {"code": "ResponsibleAIPolicyViolation"}}),
                Some(Sense::Moderation),
            ),
            (
                json!({"message": "bad", "details": [{"reason": "API_KEY_INVALID"}]}),
                Some(Sense::Key),
            ),
            (
                json!("Unexpected endpoint or method. (POST /chat/completions)"),
                Some(Sense::Place),
            ),
            (
                json!({"message": "'temperature' is not supported with this model"}),
                None,
            ),
            (json!({"code": 429}), None),
        ] {
            let stated = Stated::find(&json!({"error": error})).unwrap();
            assert_eq!(stated.sense(), sense, "{error}");
        }
    }
}
