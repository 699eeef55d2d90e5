//! Model calls as the journal holds them, in a size proportional to what was said. A request names the
//! earlier request of the same run whose messages it begins with, and holds only the messages that
//! follow; a long text stands beside the chain, under its digest, once. `Conversation` writes such
//! requests, `Requests` makes them whole again. Neither stores or sends anything.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Blob;
use crate::form::canonical::{self, NotCanonical};
use crate::form::digest::Digest;
use crate::llm::{
    Completion, FinishReason, Image, Message, ModelAnswer, Options, Refusal, Request, Role,
    ToolCall, Unfit, Usage,
};

/// Size in bytes up to which a text is in the event itself.
pub const INLINE_BYTES_MAX: usize = 1024;

/// Bound on the texts of one request, and on those of all answers of a run, in bytes. A record of a few
/// kilobytes can name one long text many times; a run within its limits stays far below.
pub const TEXTS_BYTES_MAX: u64 = 1 << 30;

/// An error of the store that was asked for a content.
pub type ContentError = Box<dyn std::error::Error + Send + Sync>;

/// Reads and verifies what was kept under a digest.
pub type Content<'a> = dyn FnMut(&Digest) -> Result<Vec<u8>, ContentError> + 'a;

/// A text that was sent or received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Text {
    /// At most `INLINE_BYTES_MAX` bytes.
    Inline(String),
    /// Longer: kept beside the chain.
    Kept(Blob),
}

impl Text {
    /// Returns the form in which an event holds `text`. The caller keeps a long text.
    pub fn of(text: &str) -> Self {
        if text.len() <= INLINE_BYTES_MAX {
            Self::Inline(text.to_owned())
        } else {
            Self::Kept(Blob::of(text.as_bytes()))
        }
    }

    /// Returns the content that must be kept for this text.
    pub fn kept(&self) -> Option<Blob> {
        match self {
            Self::Inline(_) => None,
            Self::Kept(blob) => Some(*blob),
        }
    }

    /// Returns the size in bytes, as the event states it.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Inline(text) => text.len() as u64,
            Self::Kept(blob) => blob.bytes,
        }
    }

    /// Returns the text itself. Fails if its size is not the stated one. `content` reads and verifies what was kept under a digest.
    pub fn read(self, content: &mut Content<'_>) -> Result<String, ContentError> {
        match self {
            Self::Inline(text) => Ok(text),
            Self::Kept(blob) => {
                let content = content(&blob.sha256)?;
                if content.len() as u64 != blob.bytes {
                    let found = content.len();
                    return Err(format!("has {found} bytes, stated are {}", blob.bytes).into());
                }
                Ok(String::from_utf8(content)?)
            }
        }
    }
}

/// The beginning of a request: the first messages of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// Number of the event of the earlier request.
    pub call: u64,
    /// How many of its messages; at least 1.
    pub messages: u64,
}

/// A message, as an event holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SaidMessage {
    pub content: Text,
    /// Their bytes are kept beside the chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    pub role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<SaidToolCall>,
}

impl SaidMessage {
    fn of(message: &Message) -> Self {
        Self {
            content: Text::of(&message.content),
            images: message.images.clone(),
            role: message.role,
            tool_call_id: message.tool_call_id.clone(),
            tool_calls: message.tool_calls.iter().map(SaidToolCall::of).collect(),
        }
    }

    /// Returns the contents that must be kept for this message.
    fn kept(&self) -> impl Iterator<Item = Blob> {
        let images = self.images.iter().map(|image| Blob {
            bytes: image.bytes,
            sha256: image.sha256,
        });
        let calls = self.tool_calls.iter();
        let calls = calls.filter_map(|call| call.arguments.kept());
        self.content.kept().into_iter().chain(images).chain(calls)
    }

    /// Returns the size of its texts in bytes, as the event states it.
    fn bytes(&self) -> u64 {
        let calls = self.tool_calls.iter().map(|call| call.arguments.bytes());
        calls.fold(self.content.bytes(), u64::saturating_add)
    }

    fn read(self, content: &mut Content<'_>) -> Result<Message, ContentError> {
        Ok(Message {
            content: self.content.read(content)?,
            images: self.images,
            role: self.role,
            tool_call_id: self.tool_call_id,
            tool_calls: read_calls(self.tool_calls, content)?,
        })
    }
}

/// A model's call of a tool, as an event holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SaidToolCall {
    pub arguments: Text,
    pub id: String,
    pub name: String,
}

impl SaidToolCall {
    fn of(call: &ToolCall) -> Self {
        Self {
            arguments: Text::of(&call.arguments),
            id: call.id.clone(),
            name: call.name.clone(),
        }
    }
}

fn read_calls(
    calls: Vec<SaidToolCall>,
    content: &mut Content<'_>,
) -> Result<Vec<ToolCall>, ContentError> {
    let read = |call: SaidToolCall| {
        Ok(ToolCall {
            arguments: call.arguments.read(content)?,
            id: call.id,
            name: call.name,
        })
    };
    calls.into_iter().map(read).collect()
}

/// A request without the messages that an earlier one has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SaidRequest {
    pub max_tokens: Option<u32>,
    /// Those that follow the ones of `IntentBody::since`.
    pub messages: Vec<SaidMessage>,
    /// As the provider names it.
    pub model: String,
    /// The canonical form of the request's options; left out if there are none. Calls of one run repeat
    /// their tools, so a long one is kept once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Text>,
    pub seed: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
}

impl SaidRequest {
    /// Returns the contents that must be kept for this request.
    pub fn kept(&self) -> Vec<Blob> {
        let options = self.options.as_ref().and_then(Text::kept);
        let messages = self.messages.iter().flat_map(SaidMessage::kept);
        messages.chain(options).collect()
    }

    /// Returns the size of its texts in bytes, as the event states it.
    fn bytes(&self) -> u64 {
        let options = self.options.as_ref().map_or(0, Text::bytes);
        let messages = self.messages.iter().map(SaidMessage::bytes);
        messages.fold(options, u64::saturating_add)
    }
}

/// Body of `Kind::LlmIntent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IntentBody {
    /// How often this run has made this very request, including this time.
    pub nth: u64,
    pub request: SaidRequest,
    /// The request's key: SHA-256 of the canonical form of the whole request.
    pub sha256: Digest,
    /// What the request begins with; absent if it begins as no earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}

/// An answer, as an event holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SaidAnswer {
    Completion(SaidCompletion),
    Error(Refusal),
    Unfit(SaidUnfit),
}

/// An unfit answer, as an event holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SaidUnfit {
    pub completion: SaidCompletion,
    pub reason: String,
}

/// A completion, as an event holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SaidCompletion {
    pub finish_reason: FinishReason,
    /// The model that answered, as the provider named it.
    pub model: String,
    pub text: Text,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<SaidToolCall>,
    pub usage: Usage,
}

impl SaidCompletion {
    fn of(completion: &Completion) -> Self {
        Self {
            finish_reason: completion.finish_reason,
            model: completion.model.clone(),
            text: Text::of(&completion.text),
            tool_calls: completion.tool_calls.iter().map(SaidToolCall::of).collect(),
            usage: completion.usage,
        }
    }

    fn texts(&self) -> impl Iterator<Item = &Text> {
        let calls = self.tool_calls.iter().map(|call| &call.arguments);
        std::iter::once(&self.text).chain(calls)
    }

    fn read(self, content: &mut Content<'_>) -> Result<Completion, ContentError> {
        Ok(Completion {
            finish_reason: self.finish_reason,
            model: self.model,
            text: self.text.read(content)?,
            tool_calls: read_calls(self.tool_calls, content)?,
            usage: self.usage,
        })
    }
}

/// Body of `Kind::LlmOutcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OutcomeBody {
    /// What the guest received.
    pub answer: SaidAnswer,
}

impl OutcomeBody {
    /// Returns the body for `answer`. The caller keeps long texts.
    pub fn of(answer: &ModelAnswer) -> Self {
        Self {
            answer: match answer {
                ModelAnswer::Error(refusal) => SaidAnswer::Error(refusal.clone()),
                ModelAnswer::Completion(completion) => {
                    SaidAnswer::Completion(SaidCompletion::of(completion))
                }
                ModelAnswer::Unfit(unfit) => SaidAnswer::Unfit(SaidUnfit {
                    completion: SaidCompletion::of(&unfit.completion),
                    reason: unfit.reason.clone(),
                }),
            },
        }
    }

    /// Returns what the model said, if it answered.
    pub const fn completion(&self) -> Option<&SaidCompletion> {
        match &self.answer {
            SaidAnswer::Completion(completion) => Some(completion),
            SaidAnswer::Unfit(unfit) => Some(&unfit.completion),
            SaidAnswer::Error(_) => None,
        }
    }

    /// Returns the tokens that the answer reports.
    pub fn usage(&self) -> Option<&Usage> {
        self.completion().map(|completion| &completion.usage)
    }

    /// Returns the contents that must be kept for this answer.
    pub fn kept(&self) -> Vec<Blob> {
        let texts = self.completion().into_iter();
        let texts = texts.flat_map(SaidCompletion::texts);
        texts.filter_map(Text::kept).collect()
    }

    /// Returns the size of its texts in bytes, as the event states it.
    pub fn bytes(&self) -> u64 {
        let texts = self.completion().into_iter();
        let texts = texts.flat_map(SaidCompletion::texts);
        texts.map(Text::bytes).fold(0, u64::saturating_add)
    }

    /// Returns the answer with its texts.
    pub fn read(self, content: &mut Content<'_>) -> Result<ModelAnswer, ContentError> {
        Ok(match self.answer {
            SaidAnswer::Error(refusal) => ModelAnswer::Error(refusal),
            SaidAnswer::Completion(said) => ModelAnswer::Completion(said.read(content)?),
            SaidAnswer::Unfit(said) => ModelAnswer::Unfit(Unfit {
                completion: said.completion.read(content)?,
                reason: said.reason,
            }),
        })
    }
}

/// Returns the texts of `answer` that its body names by digest.
pub fn long_texts(answer: &ModelAnswer) -> impl Iterator<Item = &str> {
    let completion = answer.completion().into_iter();
    let texts = completion.flat_map(|completion| {
        let calls = completion.tool_calls.iter();
        let calls = calls.map(|call| call.arguments.as_str());
        std::iter::once(completion.text.as_str()).chain(calls)
    });
    texts.filter(|text| text.len() > INLINE_BYTES_MAX)
}

/// A content that is kept beside the chain.
pub type Kept<'a> = Cow<'a, [u8]>;

/// The requests of a run so far, for the one that writes the next.
#[derive(Debug, Default)]
pub struct Conversation {
    /// By digest of a beginning: the first request that began so, and how many messages that is.
    beginnings: BTreeMap<Digest, Since>,
}

impl Conversation {
    /// Returns the body of the intent that will be event `seq`, and the contents that the caller must
    /// keep. The longest beginning that an earlier request has is left out.
    pub fn intent<'a>(
        &mut self,
        seq: u64,
        request: &'a Request,
        sha256: Digest,
        nth: u64,
    ) -> Result<(IntentBody, Vec<Kept<'a>>), NotCanonical> {
        let since = self.begin(seq, &request.messages)?;
        let known = since.map_or(0, |since| usize::try_from(since.messages).unwrap_or(0));
        let new = &request.messages[known..];
        let options = match &request.options {
            options if options.is_empty() => None,
            options => Some(canonical::to_string_sorted(options)?),
        };
        let body = IntentBody {
            nth,
            request: SaidRequest {
                max_tokens: request.max_tokens,
                messages: new.iter().map(SaidMessage::of).collect(),
                model: request.model.clone(),
                options: options.as_deref().map(Text::of),
                seed: request.seed,
                temperature: request.temperature,
                top_p: request.top_p,
            },
            sha256,
            since,
        };
        let mut kept = Vec::new();
        for message in new {
            let calls = message.tool_calls.iter();
            let calls = calls.map(|call| call.arguments.as_str());
            let texts = std::iter::once(message.content.as_str()).chain(calls);
            let long = texts.filter(|text| text.len() > INLINE_BYTES_MAX);
            kept.extend(long.map(|text| Cow::Borrowed(text.as_bytes())));
            let images = message.images.iter();
            kept.extend(images.map(|image| Cow::Borrowed(&*image.content)));
        }
        let long = options.filter(|text| text.len() > INLINE_BYTES_MAX);
        kept.extend(long.map(|text| Cow::Owned(text.into_bytes())));
        Ok((body, kept))
    }

    /// Notes every beginning of `messages`, and returns the longest one that was known before.
    fn begin(&mut self, seq: u64, messages: &[Message]) -> Result<Option<Since>, NotCanonical> {
        let mut longest = None;
        let mut before = Digest::of("");
        for (messages, message) in (1..).zip(messages) {
            // The digest before has one size, so the parts can't be confused.
            let own = canonical::to_string_sorted(message)?;
            before = Digest::of_parts([before.as_bytes().as_slice(), own.as_bytes()]);
            if let Some(known) = self.beginnings.get(&before) {
                longest = Some(*known);
            } else {
                let own = Since {
                    call: seq,
                    messages,
                };
                self.beginnings.insert(before, own);
            }
        }
        Ok(longest)
    }
}

/// A model call of a journal that can't be made whole.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("event {seq}: its body")]
    Body { seq: u64, source: serde_json::Error },
    #[error("event {seq}: a text of its model call")]
    Content { seq: u64, source: ContentError },
    #[error("event {seq}: it begins with {} messages of event {}, which has not as many", .since.messages, .since.call)]
    Since { seq: u64, since: Since },
    #[error("event {seq}: the texts up to it have {bytes} bytes, {TEXTS_BYTES_MAX} is the limit")]
    TooLong { seq: u64, bytes: u64 },
    #[error("event {seq}: its request has SHA-256 {}, and its record states {}", .found.short(), .stated.short())]
    Other {
        seq: u64,
        found: Digest,
        stated: Digest,
    },
    #[error("event {seq}: its request")]
    NotCanonical { seq: u64, source: NotCanonical },
    #[error("event {0}: an answer to no question")]
    Unasked(u64),
}

/// The requests of a journal, for the one that reads them in order.
#[derive(Debug, Default)]
pub struct Requests {
    /// By number of the event.
    calls: BTreeMap<u64, Call>,
}

#[derive(Debug)]
struct Call {
    since: Option<Since>,
    /// Those that follow.
    new: Vec<Message>,
}

impl Call {
    fn count(&self) -> u64 {
        self.since.map_or(0, |since| since.messages) + self.new.len() as u64
    }
}

impl Requests {
    /// Returns the whole request of the intent `body`, which is event `seq`. Fails if its digest is
    /// not the stated one. `content` reads and verifies what was kept under a digest.
    pub fn take(
        &mut self,
        seq: u64,
        body: IntentBody,
        content: &mut Content<'_>,
    ) -> Result<Request, CallError> {
        if let Some(since) = body.since {
            let has = self.calls.get(&since.call).map_or(0, Call::count);
            if !(1..=has).contains(&since.messages) {
                return Err(CallError::Since { seq, since });
            }
        }
        let before = body.since.map_or(0, |since| self.bytes(since));
        let bytes = before.saturating_add(body.request.bytes());
        if bytes > TEXTS_BYTES_MAX {
            return Err(CallError::TooLong { seq, bytes });
        }
        let unread = |source| CallError::Content { seq, source };
        let options = match body.request.options {
            None => Options::default(),
            Some(text) => {
                let text = text.read(content).map_err(unread)?;
                serde_json::from_str(&text).map_err(|source| CallError::Body { seq, source })?
            }
        };
        let mut new = Vec::new();
        for message in body.request.messages {
            new.push(message.read(content).map_err(unread)?);
        }
        let call = Call {
            since: body.since,
            new,
        };
        let all = call.count();
        self.calls.insert(seq, call);
        let request = Request {
            max_tokens: body.request.max_tokens,
            messages: self.first(seq, all),
            model: body.request.model,
            options,
            seed: body.request.seed,
            temperature: body.request.temperature,
            top_p: body.request.top_p,
        };
        let found = request
            .digest()
            .map_err(|source| CallError::NotCanonical { seq, source })?;
        if found != body.sha256 {
            return Err(CallError::Other {
                seq,
                found,
                stated: body.sha256,
            });
        }
        Ok(request)
    }

    /// Returns the first `count` messages of the request of event `call`, which has as many.
    fn first(&self, call: u64, messages: u64) -> Vec<Message> {
        let parts: Vec<&[Message]> = self.parts(Since { call, messages }).collect();
        parts.into_iter().rev().flatten().cloned().collect()
    }

    /// Returns the size of those messages in bytes.
    fn bytes(&self, since: Since) -> u64 {
        let messages = self.parts(since).flatten();
        let texts = messages.map(|message| {
            let pictures = message.images.iter().map(|image| image.bytes);
            message.bytes() - pictures.sum::<u64>()
        });
        texts.fold(0, u64::saturating_add)
    }

    /// Returns those messages in the parts in which they were said, the last part first.
    fn parts(&self, since: Since) -> impl Iterator<Item = &[Message]> {
        let mut next = Some(since);
        std::iter::from_fn(move || {
            let Since { call, messages } = next.take()?;
            let found = self.calls.get(&call)?;
            let before = found.since.map_or(0, |since| since.messages);
            next = found.since.map(|since| Since {
                call: since.call,
                messages: since.messages.min(messages),
            });
            let own = usize::try_from(messages.saturating_sub(before)).unwrap_or(usize::MAX);
            Some(&found.new[..own.min(found.new.len())])
        })
    }
}

#[cfg(test)]
mod tests;
