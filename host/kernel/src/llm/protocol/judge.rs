//! What a whole response means: status, body and finish reason are judged together, in one place.
//! Also builds the body of a request.
//!
//! Invariant: total, and cautious twice. Half an answer is never a `Completion` that ended by
//! itself, and a call that may have been paid for is `InDoubt`, never repeated unasked. Only the
//! model's own answer stays unchanged; all other words of a provider pass through `clean`.

mod error;

use core::time::Duration;

use serde_json::{Map, Value};

use super::super::{Completion, FinishReason, Request, ToolCall, Usage};
use super::exchange::Reach;
use super::failure::Failure;
use super::finish::End;
use super::parse;
use super::stated::Stated;
use error::{Found, judge_error, judge_stated, plain_words};

/// Longest name or id that is kept.
const NAME_CHARS_MAX: usize = 200;
/// Longest provider's message that is kept: enough for its reason, short enough for one error line.
const MESSAGE_CHARS_MAX: usize = 500;
/// Longest refusal of a model that is kept. It is an answer: a paragraph or two.
const REFUSAL_CHARS_MAX: usize = 4_000;
/// Excerpt of a body that can't be parsed: enough to distinguish HTML from anything else.
const EXCERPT_CHARS_MAX: usize = 80;
/// How much of such a body is read for the excerpt.
const EXCERPT_BYTES: usize = 4096;

const CHECK_BASE_URL: &str = "check that the base URL is that of a chat-completions API";
const CHECK_PROVIDER: &str = "check with the provider, whose server sent what can't be read";
const ASK_PROVIDER: &str = "run again, or ask the provider";
const ASK_ACCOUNT: &str = "look at the provider's account before it is sent again";

/// A whole HTTP response.
#[derive(Debug, Clone, Default)]
pub struct Received {
    pub status: u16,
    /// The response came before the whole request had left, and the rest never leaves.
    pub is_early: bool,
    /// Parsed from the header `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The target of a redirect.
    pub location: Option<String>,
    /// After decompression.
    pub body: Vec<u8>,
    /// Why decompression failed, as the end of a sentence that begins with "whose body".
    pub spoilt: Option<String>,
}

impl Received {
    fn reach(&self) -> Reach {
        if self.is_early {
            Reach::AnsweredEarly(self.status)
        } else {
            Reach::Answered(self.status)
        }
    }
}

/// The server that answered, and how its words are cleaned before they are kept and shown.
pub struct Site<'a> {
    /// Scheme and authority.
    pub server: &'a str,
    /// Returns the text on one line of at most the given number of characters, without the API
    /// key and without characters that forge a terminal line.
    pub clean: &'a dyn Fn(&str, usize) -> String,
}

impl Site<'_> {
    fn message(&self, text: &str) -> String {
        (self.clean)(text, MESSAGE_CHARS_MAX)
    }

    /// Returns `, saying '…'`, or nothing if there is no text.
    fn said(&self, text: &str) -> String {
        match self.message(text) {
            said if said.is_empty() => said,
            said => format!(", saying '{said}'"),
        }
    }
}

/// What a response means.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The model answered; the completion states how its answer ended.
    Answered(Completion, Origin),
    /// The provider or the model refused this very request; the reason.
    Rejected(String, Origin),
    /// A problem that may pass; no server has worked on the request. `retry` decides what follows.
    Trouble {
        /// With the HTTP status, or the one that the error in the body stands for.
        reach: Reach,
        /// The provider's words with an introduction; empty if it said nothing.
        said: String,
    },
    /// An operational failure that another attempt would not change. Nothing was paid for.
    Failed(Failure),
    /// No usable answer, but a server may have worked on the request, and that may cost money.
    InDoubt(Failure),
}

/// What the provider states about the answer's origin; every part is optional. The fields are
/// those of `Provenance`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    pub response_id: Option<String>,
    pub provider: Option<String>,
    pub system_fingerprint: Option<String>,
    pub finish_reason: Option<String>,
}

/// Judges a whole response to `request`.
#[must_use]
pub fn judge(received: &Received, request: &Request, site: &Site<'_>) -> Verdict {
    match judge_whole(received, request, site) {
        // No server works on half a request.
        Verdict::InDoubt(failure) if received.is_early => Verdict::Failed(failure),
        verdict => verdict,
    }
}

fn judge_whole(received: &Received, request: &Request, site: &Site<'_>) -> Verdict {
    match received.status {
        200..=299 => judge_success(received, request, site),
        300..=399 => Verdict::Failed(Failure::Redirected {
            server: site.server.to_owned(),
            status: received.status,
            location: received
                .location
                .as_deref()
                .map_or_else(|| "an unnamed place".into(), |place| site.message(place)),
        }),
        status => {
            let body = parse::json(&received.body);
            let stated = body.as_ref().ok().and_then(Stated::find);
            let found = Found {
                reach: received.reach(),
                status,
                inside: "",
                is_page: body.is_err_and(|unreadable| unreadable.is_page),
                is_api: stated.is_some(),
            };
            // Words that are not JSON are shown too, but do not prove that an API answered.
            let stated = stated.unwrap_or_else(|| Stated::text(&plain_words(received, &found)));
            judge_error(&found, &stated, request, site)
        }
    }
}

fn unusable(site: &Site<'_>, found: impl Into<String>, next: &'static str) -> Failure {
    Failure::Unusable {
        server: site.server.to_owned(),
        found: found.into(),
        next,
    }
}

fn judge_success(received: &Received, request: &Request, site: &Site<'_>) -> Verdict {
    let status = received.status;
    if let Some(spoilt) = &received.spoilt {
        let found = format!("HTTP {status} whose body {spoilt}");
        return Verdict::InDoubt(unusable(site, found, ASK_ACCOUNT));
    }
    match parse::json(&received.body) {
        Ok(body) => judge_body(&body, received.reach(), request, site),
        Err(unreadable) => {
            let bytes = received.body.len();
            let start = &received.body[..bytes.min(EXCERPT_BYTES)];
            let excerpt = (site.clean)(&String::from_utf8_lossy(start), EXCERPT_CHARS_MAX);
            let what = (site.clean)(&unreadable.what, MESSAGE_CHARS_MAX);
            let found =
                format!("HTTP {status} whose body {what} ({bytes} bytes, beginning '{excerpt}')");
            if unreadable.is_page {
                // A page for people: the server behind it is not a model's API.
                return Verdict::Failed(unusable(site, found, CHECK_BASE_URL));
            }
            // Text that does not even begin as JSON comes from another kind of server.
            let next = if what.contains("expected value") {
                CHECK_BASE_URL
            } else {
                CHECK_PROVIDER
            };
            Verdict::InDoubt(unusable(site, found, next))
        }
    }
}

fn judge_body(body: &Value, reach: Reach, request: &Request, site: &Site<'_>) -> Verdict {
    let in_doubt = |found: &str, next| Verdict::InDoubt(unusable(site, found, next));
    if let Some(stated) = Stated::find(body) {
        return judge_stated(&stated, reach, request, site);
    }
    let choice = match body["choices"].as_array().map(Vec::as_slice) {
        Some([choice, ..]) => choice,
        Some([]) => {
            return in_doubt(
                "HTTP 200 whose 'choices' is empty, so without an answer",
                ASK_PROVIDER,
            );
        }
        None => {
            let names: Vec<&str> = body
                .as_object()
                .into_iter()
                .flat_map(Map::keys)
                .map(String::as_str)
                .take(10)
                .collect();
            let names = (site.clean)(&names.join(", "), EXCERPT_CHARS_MAX);
            let found = match (body.is_object(), names.as_str()) {
                (true, "") => "HTTP 200 without 'choices': an empty object".to_owned(),
                (true, names) => format!("HTTP 200 without 'choices', but with: {names}"),
                (false, _) => "HTTP 200 without 'choices': not a JSON object".to_owned(),
            };
            return in_doubt(&found, CHECK_BASE_URL);
        }
    };
    if let Some(stated) = Stated::in_error_field(choice) {
        let verdict = judge_stated(&stated, reach, request, site);
        let has_text = read_message(&choice["message"])
            .is_ok_and(|words| words.text.is_some_and(|text| !text.is_empty()));
        return match verdict {
            // A model had begun its answer, whatever the error says.
            Verdict::Trouble { .. } | Verdict::Failed(_) if has_text => in_doubt(
                &format!(
                    "an answer that an error broke off{}",
                    site.said(&stated.message)
                ),
                ASK_ACCOUNT,
            ),
            verdict => verdict,
        };
    }
    judge_choice(body, choice, request, site)
}

/// The words of a message.
struct Words {
    /// `None` if there is no text at all; an empty text is `Some`.
    text: Option<String>,
    /// Empty if the model did not refuse.
    refusal: String,
}

/// Reads a message whose content is text or a list of parts. `Err` names any other content.
fn read_message(message: &Value) -> Result<Words, String> {
    let mut words = Words {
        text: None,
        refusal: message["refusal"].as_str().unwrap_or_default().to_owned(),
    };
    let parts = match &message["content"] {
        Value::Null => return Ok(words),
        Value::String(text) => {
            words.text = Some(text.clone());
            return Ok(words);
        }
        Value::Array(parts) => parts.as_slice(),
        part @ Value::Object(_) => std::slice::from_ref(part),
        Value::Bool(_) | Value::Number(_) => return Err("a bare number or truth value".to_owned()),
    };
    for part in parts {
        let kind = part["type"].as_str().unwrap_or("text");
        match (kind, part.as_str().or(part["text"].as_str())) {
            ("text" | "output_text", Some(piece)) => {
                words.text.get_or_insert_default().push_str(piece);
            }
            ("refusal", _) => words
                .refusal
                .push_str(part["refusal"].as_str().unwrap_or_default()),
            // The model's reasoning before its answer.
            ("thinking" | "reasoning" | "redacted_thinking" | "reasoning_text", _) => {}
            (kind, _) => return Err(format!("a part of type '{kind}'")),
        }
    }
    Ok(words)
}

fn judge_choice(body: &Value, choice: &Value, request: &Request, site: &Site<'_>) -> Verdict {
    let in_doubt = |found: String, next| Verdict::InDoubt(unusable(site, found, next));
    let message = &choice["message"];
    let Words { text, refusal } = match read_message(message) {
        Ok(words) => words,
        Err(what) => {
            let what = (site.clean)(&what, NAME_CHARS_MAX);
            let found = format!("an answer whose content is not text: {what}");
            return in_doubt(found, "ask a model that answers in text");
        }
    };
    let origin = origin(body, choice, site);
    let word = origin.finish_reason.clone().unwrap_or_default();
    let end = End::of(&choice["finish_reason"]);
    let asks_tool = [&message["tool_calls"], &message["function_call"]]
        .into_iter()
        .any(|calls| {
            calls
                .as_array()
                .map_or(calls.is_object(), |list| !list.is_empty())
        });
    let chars = text.as_deref().map_or(0, |text| text.chars().count());
    let has_text = chars > 0;

    if !refusal.is_empty() || end == End::Refused {
        let own = text.filter(|_| has_text).unwrap_or_default();
        let both = [own, refusal].join(" ");
        let said = (site.clean)(&both, REFUSAL_CHARS_MAX);
        let said = if said.is_empty() {
            "nothing more".to_owned()
        } else {
            format!("'{said}'")
        };
        return Verdict::Rejected(
            format!("the model refused to answer, saying {said}"),
            origin,
        );
    }
    let offers_tools = !request.options.tools.is_empty();
    let tool_calls = if offers_tools && matches!(end, End::Tool | End::Whole | End::Unstated) {
        tool_calls(message)
    } else {
        Vec::new()
    };
    let finish_reason = match end {
        _ if !tool_calls.is_empty() => FinishReason::ToolCalls,
        End::Length => FinishReason::Length,
        End::Filtered => FinishReason::ContentFilter,
        End::Tool => return Verdict::Rejected(tool(message, &word, offers_tools, site), origin),
        End::Whole | End::Unstated if asks_tool && !has_text => {
            return Verdict::Rejected(tool(message, &word, offers_tools, site), origin);
        }
        End::BrokenOff => {
            let found = format!(
                "an answer that was broken off (finish reason '{word}', {chars} characters)"
            );
            return in_doubt(found, ASK_ACCOUNT);
        }
        End::Unknown => {
            return Verdict::Rejected(
                format!(
                    "the answer ended for a reason that is not known to be its end \
                     (finish reason '{word}', {chars} characters), so it may not be whole"
                ),
                origin,
            );
        }
        End::Whole | End::Unstated if text.is_none() => {
            let thought = ["reasoning", "reasoning_content"].iter().any(|field| {
                message[*field]
                    .as_str()
                    .is_some_and(|thought| !thought.is_empty())
            });
            let found = if thought {
                "an answer without text, only with the model's reasoning"
            } else {
                "an answer without text"
            };
            return in_doubt(found.to_owned(), "check that the model answers in text");
        }
        End::Whole => FinishReason::Stop,
        End::Unstated | End::Refused => FinishReason::Other,
    };
    Verdict::Answered(
        Completion {
            finish_reason,
            model: name(&body["model"], site).unwrap_or_else(|| request.model.clone()),
            text: text.unwrap_or_default(),
            tool_calls,
            usage: Usage {
                completion_tokens: body["usage"]["completion_tokens"].as_u64(),
                prompt_tokens: body["usage"]["prompt_tokens"].as_u64(),
            },
        },
        origin,
    )
}

/// Returns the calls of tools in a message. A call without an id gets one, because its result names it.
fn tool_calls(message: &Value) -> Vec<ToolCall> {
    let listed = message["tool_calls"].as_array().into_iter().flatten();
    // The form before there could be several.
    let single = &message["function_call"];
    let single = single.is_object().then_some(single);
    let calls = listed.map(|call| (&call["id"], &call["function"]));
    let calls = calls.chain(single.map(|function| (&Value::Null, function)));
    (1..)
        .zip(calls)
        .map(|(number, (id, function))| ToolCall {
            arguments: match &function["arguments"] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                // Some servers give the object itself.
                other => other.to_string(),
            },
            id: match id.as_str() {
                Some(id) if !id.is_empty() => id.to_owned(),
                _ => format!("call-{number}"),
            },
            name: function["name"].as_str().unwrap_or_default().to_owned(),
        })
        .collect()
}

fn name(value: &Value, site: &Site<'_>) -> Option<String> {
    value
        .as_str()
        .map(|name| (site.clean)(name, NAME_CHARS_MAX))
        .filter(|name| !name.is_empty())
}

fn origin(body: &Value, choice: &Value, site: &Site<'_>) -> Origin {
    let word = match &choice["finish_reason"] {
        Value::Null => None,
        Value::String(word) => Some((site.clean)(word, NAME_CHARS_MAX)),
        other => Some((site.clean)(&other.to_string(), NAME_CHARS_MAX)),
    };
    Origin {
        response_id: name(&body["id"], site),
        provider: name(&body["provider"], site),
        system_fingerprint: name(&body["system_fingerprint"], site),
        finish_reason: word.filter(|word| !word.is_empty()),
    }
}

/// Returns the reason to reject an answer that ends with a tool, although none was offered, or
/// although it names none.
fn tool(message: &Value, word: &str, offers_tools: bool, site: &Site<'_>) -> String {
    if offers_tools {
        return format!(
            "the answer ended with finish reason '{word}' and without the call of a tool"
        );
    }
    let first = [
        &message["tool_calls"][0]["function"]["name"],
        &message["tool_calls"][0]["name"],
        &message["function_call"]["name"],
    ];
    let name = first.into_iter().find_map(|value| name(value, site));
    let name = name.map_or_else(String::new, |name| format!(" '{name}'"));
    format!("the model asked for a tool{name} in place of an answer, and none was offered")
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod total;
