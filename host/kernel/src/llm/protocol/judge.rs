//! What a whole response means: status, body and finish reason are judged together, in one place.
//! Also builds the body of a request.
//!
//! Invariant: total, and cautious twice. Half an answer is never a `Completion` that ended by
//! itself, and a call that may have been paid for is `InDoubt`, never repeated unasked. Only the
//! model's own answer stays unchanged; all other words of a provider pass through `clean`.

use core::time::Duration;

use serde_json::{Map, Value, json};

use super::super::{Completion, FinishReason, Request, Usage};
use super::failure::Failure;
use super::finish::End;
use super::parse;
use super::sense::Sense;
use super::stated::Stated;

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
    /// Parsed from the header `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The target of a redirect.
    pub location: Option<String>,
    /// After decompression.
    pub body: Vec<u8>,
    /// Why decompression failed, as the end of a sentence that begins with "whose body".
    pub spoilt: Option<String>,
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
        /// The HTTP status, or the one that the error in the body stands for.
        status: u16,
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

/// Returns whether a status is one that a gateway sends if the model's own server, which may have
/// worked on the request, gave it no whole answer.
#[must_use]
pub fn is_in_doubt(status: u16) -> bool {
    matches!(status, 502 | 504 | 520..=524 | 598 | 599)
}

/// Returns the body to send. A parameter that the descriptor leaves out is left out. Only
/// `OpenRouter` gets the field `provider`: it drops parameters silently and changes providers
/// unless told not to, while other servers refuse unknown fields.
#[must_use]
pub fn request_body(request: &Request, max_tokens_field: &str, openrouter: bool) -> String {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    body.insert("messages".into(), json!(request.messages));
    for (name, value) in [
        ("temperature", json!(request.temperature)),
        ("top_p", json!(request.top_p)),
        (max_tokens_field, json!(request.max_tokens)),
        ("seed", json!(request.seed)),
    ] {
        if !value.is_null() {
            body.insert(name.into(), value);
        }
    }
    body.insert("stream".into(), json!(false));
    if openrouter {
        body.insert(
            "provider".into(),
            json!({"allow_fallbacks": false, "require_parameters": true}),
        );
    }
    Value::Object(body).to_string()
}

/// Judges a whole response to `request`.
#[must_use]
pub fn judge(received: &Received, request: &Request, site: &Site<'_>) -> Verdict {
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

/// What is known of an error besides its words.
struct Found {
    status: u16,
    /// Where the error stood, if not in the status.
    inside: &'static str,
    /// The body is an HTML page.
    is_page: bool,
    /// The body states an error in JSON, as an API does.
    is_api: bool,
}

/// Returns the words of an error that is not JSON: short text unchanged, or the title of a page.
fn plain_words(received: &Received, found: &Found) -> String {
    let start = &received.body[..received.body.len().min(EXCERPT_BYTES)];
    let text = String::from_utf8_lossy(start);
    if let Some(spoilt) = &received.spoilt {
        return format!("a body that {spoilt}");
    }
    if !found.is_page {
        return text.chars().take(MESSAGE_CHARS_MAX).collect();
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|start| {
        let start = start + "<title>".len();
        let end = start + lower[start..].find("</title>")?;
        text.get(start..end)
    });
    title.map_or_else(
        || "an HTML page".to_owned(),
        |title| format!("an HTML page, {}", title.trim()),
    )
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
        Ok(body) => judge_body(&body, request, site),
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

fn judge_body(body: &Value, request: &Request, site: &Site<'_>) -> Verdict {
    let in_doubt = |found: &str, next| Verdict::InDoubt(unusable(site, found, next));
    if let Some(stated) = Stated::find(body) {
        return judge_stated(&stated, request, site);
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
        return judge_stated(&stated, request, site);
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
    let finish_reason = match end {
        End::Length => FinishReason::Length,
        End::Filtered => FinishReason::ContentFilter,
        End::Tool => return Verdict::Rejected(tool(message, site), origin),
        End::Whole | End::Unstated if asks_tool && !has_text => {
            return Verdict::Rejected(tool(message, site), origin);
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
            usage: Usage {
                completion_tokens: body["usage"]["completion_tokens"].as_u64(),
                prompt_tokens: body["usage"]["prompt_tokens"].as_u64(),
            },
        },
        origin,
    )
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

/// Returns the reason to reject an answer that asks for a tool, although none was offered.
fn tool(message: &Value, site: &Site<'_>) -> String {
    let first = [
        &message["tool_calls"][0]["function"]["name"],
        &message["tool_calls"][0]["name"],
        &message["function_call"]["name"],
    ];
    let name = first.into_iter().find_map(|value| name(value, site));
    let name = name.map_or_else(String::new, |name| format!(" '{name}'"));
    format!("the model asked for a tool{name} in place of an answer, and none was offered")
}

/// Judges an error inside an HTTP 200.
fn judge_stated(stated: &Stated, request: &Request, site: &Site<'_>) -> Verdict {
    let status = stated.status().or_else(|| {
        Some(match stated.sense()? {
            Sense::Key => 401,
            Sense::Money => 402,
            Sense::Quota => 429,
            Sense::Model | Sense::Place => 404,
            Sense::Moderation => 400,
        })
    });
    let Some(status) = status else {
        return Verdict::InDoubt(unusable(
            site,
            format!(
                "HTTP 200 with an error of unknown kind{}",
                site.said(&stated.message)
            ),
            ASK_PROVIDER,
        ));
    };
    let found = Found {
        status,
        inside: " inside an HTTP 200",
        is_page: false,
        is_api: true,
    };
    judge_error(&found, stated, request, site)
}

fn judge_error(found: &Found, stated: &Stated, request: &Request, site: &Site<'_>) -> Verdict {
    let status = found.status;
    let said = format!("{}{}", found.inside, site.said(&stated.message));
    let server = site.server.to_owned();
    if is_in_doubt(status) {
        let last =
            format!("error {status}{said}, from a gateway whose server may have worked on it");
        return Verdict::InDoubt(unusable(site, last, ASK_ACCOUNT));
    }
    let sense = match status {
        // A failing server may say anything about its models; only a code can name a used-up quota.
        408 | 425 | 500.. => stated.is_quota().then_some(Sense::Quota),
        429 => stated
            .sense()
            .filter(|sense| matches!(sense, Sense::Quota | Sense::Money)),
        _ => stated.sense(),
    };
    let place = |what: &str| {
        let found = format!("HTTP {status}{what}{said}");
        Verdict::Failed(unusable(site, found, CHECK_BASE_URL))
    };
    match (sense, status) {
        (Some(Sense::Quota), _) => {
            return Verdict::Failed(Failure::QuotaUsedUp {
                server,
                status,
                said,
            });
        }
        (Some(Sense::Money) | None, 402) => return Verdict::Trouble { status, said },
        (Some(Sense::Money), _) => {
            return Verdict::Failed(Failure::Unpaid {
                server,
                status,
                said,
            });
        }
        (Some(Sense::Key), _) => {
            return Verdict::Failed(Failure::Unauthorised {
                server,
                status,
                said,
            });
        }
        (Some(Sense::Moderation), 400..=403 | 422 | 451) => {
            return Verdict::Rejected(rejection(found, stated, site), Origin::default());
        }
        (Some(Sense::Model), 400..=404 | 410 | 422) if found.is_api => {
            let model = (site.clean)(&request.model, NAME_CHARS_MAX);
            return Verdict::Failed(Failure::NoModel {
                server,
                status,
                said,
                model,
            });
        }
        (Some(Sense::Place), _) => return place(""),
        _ => {}
    }
    match status {
        // A wrong path or a proxy in between also answers 400, which says nothing about the
        // request: it counts only with the provider's own error.
        400 if found.is_api => Verdict::Rejected(rejection(found, stated, site), Origin::default()),
        413 | 422 => Verdict::Rejected(rejection(found, stated, site), Origin::default()),
        403 if found.is_page => place(" from something between here and the API"),
        401 | 403 => Verdict::Failed(Failure::Unauthorised {
            server,
            status,
            said,
        }),
        404 if found.is_api => Verdict::Failed(unusable(
            site,
            format!("HTTP 404{said}"),
            "check that the base URL is that of a chat-completions API, and the model's name",
        )),
        407 => Verdict::Failed(unusable(
            site,
            format!("HTTP 407 from a proxy{said}"),
            "give the proxy's user and password in HTTPS_PROXY",
        )),
        511 => Verdict::Failed(unusable(
            site,
            format!("HTTP 511 from the network{said}"),
            "log in to this network first",
        )),
        501 | 505 => place(""),
        402 | 408 | 425 | 429 | 500..=599 => Verdict::Trouble { status, said },
        _ if found.is_api => Verdict::Failed(unusable(
            site,
            format!("error {status}{said}"),
            ASK_PROVIDER,
        )),
        _ => place(" without a provider's error in its body"),
    }
}

/// Returns the reason of a rejection. The record keeps it and the guest sees it, so it mentions
/// neither the place nor the moment.
fn rejection(found: &Found, stated: &Stated, site: &Site<'_>) -> String {
    // The title of a page names the place.
    let said = if found.is_api {
        site.said(&stated.message)
    } else {
        String::new()
    };
    format!(
        "the provider rejected the request with status {}{said}",
        found.status
    )
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod total;
