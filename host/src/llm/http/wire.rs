//! The chat-completions protocol as data: the request's bytes out, a response's meaning in.
//! Invariant: pure, and tolerant of both error forms in use (`OpenRouter`'s and `OpenAI`'s) and of
//! an HTTP 200 that carries an error. Never passes on a provider's text before it is cleaned
//! of the API key and of control characters; only the model's own answer stays untouched.

use std::time::Duration;

use coo_kernel::llm::{Completion, FinishReason, Request, Usage};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::site::Site;
use super::stated::Stated;

/// Of names and ids.
const NAME_CHARS_MAX: usize = 200;
/// Of a body that is not understood: enough to tell HTML from anything else.
const EXCERPT_CHARS_MAX: usize = 80;
/// How much of such a body is looked at for the excerpt.
const EXCERPT_BYTES: usize = 4096;

const CHECK_BASE_URL: &str = "check that the base URL is that of a chat-completions API";
const ASK_PROVIDER: &str = "run again, or ask the provider";

/// A whole HTTP response.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// HTTP status.
    pub status: u16,
    /// Parsed from its header.
    pub retry_after: Option<Duration>,
    /// Where a redirect points.
    pub location: Option<String>,
    /// Undecoded.
    pub body: Vec<u8>,
}

/// What a response amounts to.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// The model answered.
    Answered(Completion, Origin),
    /// The provider refused this very request; its reason.
    Rejected(String),
    /// Something that may pass; `retry` decides.
    Trouble {
        /// The HTTP status, or the one the error in the body stands for.
        status: u16,
        /// The provider's words, with their introduction; empty without any.
        said: String,
    },
    /// Nothing that another attempt would change.
    Failed(Failure),
}

/// What the provider says of the answer's origin; every part optional.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// See `Provenance`.
    pub response_id: Option<String>,
    /// See `Provenance`.
    pub provider: Option<String>,
    /// See `Provenance`.
    pub system_fingerprint: Option<String>,
}

/// The body to send. `OpenRouter` drops parameters silently and changes providers unless told
/// not to; others refuse a field they do not know.
pub(super) fn request_body(request: &Request, max_tokens_field: &str, openrouter: bool) -> String {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    body.insert("messages".into(), json!(request.messages));
    body.insert("temperature".into(), json!(request.temperature));
    body.insert("top_p".into(), json!(request.top_p));
    body.insert(max_tokens_field.into(), json!(request.max_tokens));
    body.insert("seed".into(), json!(request.seed));
    body.insert("stream".into(), json!(false));
    if openrouter {
        body.insert(
            "provider".into(),
            json!({"allow_fallbacks": false, "require_parameters": true}),
        );
    }
    Value::Object(body).to_string()
}

/// Reads a whole response to `request`.
pub(super) fn judge(received: &Received, request: &Request, site: &Site) -> Verdict {
    let body = serde_json::from_slice::<Value>(&received.body);
    match received.status {
        200..=299 => match body {
            Ok(body) => judge_success(&body, request, site),
            Err(error) => judge_not_json(received, &error, site),
        },
        300..=399 => Verdict::Failed(Failure::Redirected {
            server: site.server.clone(),
            status: received.status,
            location: received
                .location
                .as_deref()
                .map_or_else(|| "an unnamed place".into(), |place| site.message(place)),
        }),
        status => {
            let stated = body.ok().as_ref().and_then(Stated::at_top);
            judge_error(status, stated.as_ref(), "", site)
        }
    }
}

fn unusable(site: &Site, found: impl Into<String>, next: &'static str) -> Verdict {
    Verdict::Failed(Failure::Unusable {
        server: site.server.clone(),
        found: found.into(),
        next,
    })
}

fn judge_not_json(received: &Received, error: &serde_json::Error, site: &Site) -> Verdict {
    let bytes = received.body.len();
    let what = if error.is_eof() {
        "ends in the middle of JSON"
    } else {
        "is not JSON"
    };
    let start = &received.body[..bytes.min(EXCERPT_BYTES)];
    let excerpt = site.clean(&String::from_utf8_lossy(start), EXCERPT_CHARS_MAX);
    unusable(
        site,
        format!(
            "HTTP {} whose body {what} ({bytes} bytes, beginning '{excerpt}')",
            received.status
        ),
        CHECK_BASE_URL,
    )
}

fn judge_success(body: &Value, request: &Request, site: &Site) -> Verdict {
    if let Some(stated) = Stated::at_top(body) {
        return judge_stated(&stated, site);
    }
    let Some(choice) = body.pointer("/choices/0") else {
        return unusable(site, "HTTP 200 without 'choices'", CHECK_BASE_URL);
    };
    if let Some(stated) = Stated::in_error_field(choice) {
        return judge_stated(&stated, site);
    }
    let finish_reason = match choice["finish_reason"].as_str() {
        Some("stop") => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        Some("content_filter") => FinishReason::ContentFilter,
        // OpenRouter's word for an upstream provider that broke off; 502 is its code for that.
        Some("error") => {
            return Verdict::Trouble {
                status: 502,
                said: " inside an HTTP 200, as finish reason 'error'".into(),
            };
        }
        _ => FinishReason::Other,
    };
    let text = match (&choice["message"]["content"], finish_reason) {
        (Value::String(text), _) => text.clone(),
        (Value::Null, FinishReason::ContentFilter) => String::new(),
        (Value::Null, FinishReason::Length) => {
            return unusable(
                site,
                format!(
                    "no text before the limit of {} tokens (finish reason length)",
                    request.max_tokens
                ),
                "raise the mission's max_tokens",
            );
        }
        (Value::Null, _) => {
            return unusable(
                site,
                "an answer without text",
                "check that the model answers in text and without tools",
            );
        }
        _ => return unusable(site, "an answer whose content is not text", CHECK_BASE_URL),
    };
    let named = ["model", "id", "provider", "system_fingerprint"]
        .iter()
        .filter_map(|field| body[*field].as_str());
    if named
        .chain([text.as_str()])
        .any(|text| site.betrays_key(text))
    {
        return betrayed(site, "an answer", "");
    }
    let name = |field: &str| {
        body[field]
            .as_str()
            .map(|name| site.clean(name, NAME_CHARS_MAX))
            .filter(|name| !name.is_empty())
    };
    Verdict::Answered(
        Completion {
            finish_reason,
            model: name("model").unwrap_or_else(|| request.model.clone()),
            text,
            usage: Usage {
                completion_tokens: body["usage"]["completion_tokens"].as_u64(),
                prompt_tokens: body["usage"]["prompt_tokens"].as_u64(),
            },
        },
        Origin {
            response_id: name("id"),
            provider: name("provider"),
            system_fingerprint: name("system_fingerprint"),
        },
    )
}

/// An error inside an HTTP 200.
fn judge_stated(stated: &Stated, site: &Site) -> Verdict {
    match stated.status() {
        Some(status) => judge_error(status, Some(stated), " inside an HTTP 200", site),
        None if stated.is_quota() => judge_error(429, Some(stated), " inside an HTTP 200", site),
        None => unusable(
            site,
            format!(
                "HTTP 200 with an error of unknown kind{}",
                site.said(&stated.message)
            ),
            ASK_PROVIDER,
        ),
    }
}

fn judge_error(status: u16, stated: Option<&Stated>, inside: &str, site: &Site) -> Verdict {
    let message = stated.map_or("", |stated| stated.message.as_str());
    let said = format!("{inside}{}", site.said(message));
    let server = site.server.clone();
    if stated.is_some_and(Stated::is_quota) {
        return Verdict::Failed(Failure::QuotaUsedUp {
            server,
            status,
            said,
        });
    }
    match status {
        // A wrong path or a proxy in between answers 400 and 404 too, and that is no word on
        // the request: those count only with the provider's own error.
        400 | 404 if stated.is_some() => rejected(status, message, site),
        413 | 422 => rejected(status, message, site),
        401 | 403 => Verdict::Failed(Failure::Unauthorised {
            server,
            status,
            said,
        }),
        402 | 408 | 429 | 500..=599 => Verdict::Trouble { status, said },
        _ if stated.is_some() => unusable(site, format!("error {status}{said}"), ASK_PROVIDER),
        _ => unusable(
            site,
            format!("HTTP {status} without a provider's error in its body"),
            CHECK_BASE_URL,
        ),
    }
}

/// Kept in the record and shown to the guest: says nothing of the place or the moment, and is not
/// rewritten for the sake of a key.
fn rejected(status: u16, message: &str, site: &Site) -> Verdict {
    if site.betrays_key(message) {
        return betrayed(site, "a rejection", message);
    }
    Verdict::Rejected(format!(
        "the provider rejected the request with status {status}{}",
        site.said(message)
    ))
}

fn betrayed(site: &Site, what: &str, message: &str) -> Verdict {
    unusable(
        site,
        format!(
            "{what} that contains the API key, which must not be recorded{}",
            site.said(message)
        ),
        "keep the key out of the prompt, and replace the key",
    )
}

#[cfg(test)]
mod tests;
