//! Language-model calls as data: the request that is journalled and hashed, the answer that is
//! frozen, and the two decisions about them (which model, which sampling). Nothing here talks to
//! a model. Fields stand in key order (see `canonical::to_string_sorted`).

pub mod chat;
pub mod check;
pub mod fit;
pub mod limits;
pub mod models;
pub mod prices;
pub mod protocol;
pub mod schema;

pub use self::chat::{Image, Options, ToolCall};

use serde::{Deserialize, Serialize};

use crate::form::canonical;
use crate::form::digest::Digest;

/// The exact text that the user surface prescribes if no model is configured (spec v1.1 §3).
pub const NO_MODEL: &str =
    "No model configured for LLM operations. Set COO_LLM_MODEL or configure a default model.";

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    /// An earlier answer of the model.
    Assistant,
    /// The result of a tool that the model has asked for.
    Tool,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub content: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    pub role: Role,
    /// What a tool's result answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

impl Message {
    /// Returns a message of text alone.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            content: content.into(),
            images: Vec::new(),
            role,
            tool_call_id: None,
            tool_calls: Vec::new(),
        }
    }

    /// Returns the size of its texts and images in bytes.
    pub fn bytes(&self) -> u64 {
        let images = self.images.iter().map(|image| image.bytes);
        let calls = self.tool_calls.iter().map(ToolCall::bytes);
        let id = self.tool_call_id.as_ref().map_or(0, String::len) as u64;
        let all = images.chain(calls).chain([id]);
        all.fold(self.content.len() as u64, u64::saturating_add)
    }
}

/// The parameters that the descriptor forces on every call of the mission (spec v1.1 §2.3). `null`
/// in the descriptor is `None` here: the parameter is not sent, and the model's default applies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Largest length of the answer, in tokens.
    pub max_tokens: Option<u32>,
    /// Sent to providers that accept one.
    pub seed: Option<u64>,
    /// 0 is greedy.
    pub temperature: Option<f64>,
    /// 1 is the whole distribution.
    pub top_p: Option<f64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            max_tokens: Some(256),
            seed: Some(0),
            temperature: Some(0.0),
            top_p: Some(1.0),
        }
    }
}

/// A guest's request, before the descriptor's sampling is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub messages: Vec<Message>,
    /// If given, must equal the descriptor's.
    pub temperature: Option<f64>,
    /// As `temperature`.
    pub top_p: Option<f64>,
    /// May be less than the descriptor's, never more.
    pub max_tokens: Option<u32>,
    pub options: Options,
}

/// The whole request: model, messages and every sampling parameter. The journal holds its
/// canonical form, and the SHA-256 of that form is the key of the frozen store. A parameter
/// that is left out is `null` in it, and is not sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub max_tokens: Option<u32>,
    pub messages: Vec<Message>,
    /// As the provider names it.
    pub model: String,
    /// What only the interface of 1.1 can say; left out if nothing.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    pub seed: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
}

impl Request {
    /// Returns the request's key: SHA-256 of its canonical form.
    pub fn digest(&self) -> Result<Digest, canonical::NotCanonical> {
        Ok(Digest::of(canonical::to_string_sorted(self)?))
    }
}

/// Why the answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it.
    Stop,
    /// Cut off at `max_tokens`, or at the end of the model's context.
    Length,
    /// Withheld by the provider, as a whole or in part.
    ContentFilter,
    /// No reason given. A response with an unknown reason is not an answer: see `protocol::finish`.
    Other,
    /// The model waits for the results of tools.
    ToolCalls,
}

/// Tokens as the provider counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Tokens of the answer.
    pub completion_tokens: Option<u64>,
    /// Tokens of the question.
    pub prompt_tokens: Option<u64>,
}

/// An answer of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Completion {
    pub finish_reason: FinishReason,
    /// The model that answered, as the provider named it.
    pub model: String,
    /// The answer itself, unchanged.
    pub text: String,
    /// The tools that the model asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    pub usage: Usage,
}

impl Completion {
    /// Returns the size of its texts in bytes.
    pub fn bytes(&self) -> u64 {
        let calls = self.tool_calls.iter().map(ToolCall::bytes);
        calls.fold(self.text.len() as u64, u64::saturating_add)
    }
}

/// An answer that is not what its request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Unfit {
    pub completion: Completion,
    /// As `fit` states it. It is recorded, so that a later validator can't contradict a run.
    pub reason: String,
}

/// An error that belongs to the deterministic record and that the guest sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Contradicts the descriptor or exceeds a limit; decided here.
    Refused(String),
    /// The provider refused this very request, or the model refused to answer it.
    Rejected(String),
}

/// What the guest receives, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModelAnswer {
    Completion(Completion),
    Error(Refusal),
    Unfit(Unfit),
}

impl ModelAnswer {
    /// Returns what the model said, if it answered.
    pub const fn completion(&self) -> Option<&Completion> {
        match self {
            Self::Completion(completion) => Some(completion),
            Self::Unfit(unfit) => Some(&unfit.completion),
            Self::Error(_) => None,
        }
    }

    /// Returns the answer to a request with these options: unfit if it is not what they ask for.
    #[must_use]
    pub fn judged(self, options: &Options) -> Self {
        match self {
            Self::Completion(completion) => match fit::check(&completion, options) {
                Ok(()) => Self::Completion(completion),
                Err(reason) => Self::Unfit(Unfit { completion, reason }),
            },
            other => other,
        }
    }
}

/// The origin of an answer. It differs from call to call, so it is kept beside the journal and
/// never in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Provenance {
    /// When it was recorded, RFC 3339 in UTC.
    pub recorded_at: String,
    /// Scheme and authority of the server, without path, query or credentials.
    pub server: String,
    /// The provider's id of the answer.
    pub response_id: Option<String>,
    /// The upstream provider, where a router names it.
    pub provider: Option<String>,
    /// What the provider states about its software and weights.
    pub system_fingerprint: Option<String>,
    /// The provider's own word for why the answer ended, if it is not one of the three that
    /// `FinishReason` has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// Free text by the person who recorded it (engine, weights).
    pub note: Option<String>,
}

/// Chooses the model: `COO_LLM_MODEL` of the environment, then of `.env`, then the
/// configured default (spec v1.1 §3). Blank values count as absent.
pub fn resolve_model<'a>(
    environment: Option<&'a str>,
    dot_env: Option<&'a str>,
    default: Option<&'a str>,
) -> Option<&'a str> {
    [environment, dot_env, default]
        .into_iter()
        .flatten()
        .map(str::trim)
        .find(|model| !model.is_empty())
}

/// Applies the descriptor's sampling to a guest's request. A parameter that disagrees is refused
/// with both values, never silently changed.
pub fn force(asked: Asked, model: &str, sampling: &Sampling) -> Result<Request, Refusal> {
    if asked.messages.is_empty() {
        return Err(Refusal::Refused(
            "no messages; a request needs at least one".to_owned(),
        ));
    }
    check::messages(&asked.messages)
        .and_then(|()| check::options(&asked.options))
        .map_err(Refusal::Refused)?;
    let temperature = agree("temperature", asked.temperature, sampling.temperature, 2.0)?;
    let top_p = agree("top-p", asked.top_p, sampling.top_p, 1.0)?;
    let max_tokens = asked.max_tokens.or(sampling.max_tokens);
    let most = sampling.max_tokens.unwrap_or(u32::MAX);
    if let Some(max_tokens) = max_tokens
        && !(1..=most).contains(&max_tokens)
    {
        return Err(Refusal::Refused(format!(
            "max-tokens {max_tokens} asked; the descriptor allows 1 to {most}"
        )));
    }
    Ok(Request {
        max_tokens,
        messages: asked.messages,
        model: model.to_owned(),
        options: asked.options,
        seed: sampling.seed,
        temperature,
        top_p,
    })
}

/// Returns the value of a parameter: the descriptor's, which the guest can't change, or where the
/// descriptor leaves it open, the guest's, which is 0 to `most`.
fn agree(
    name: &str,
    asked: Option<f64>,
    forced: Option<f64>,
    most: f64,
) -> Result<Option<f64>, Refusal> {
    match (asked, forced) {
        (None, forced) => Ok(forced),
        (Some(asked), Some(forced)) if asked.to_bits() == forced.to_bits() => Ok(Some(forced)),
        (Some(asked), Some(forced)) => Err(Refusal::Refused(format!(
            "{name} {asked} asked, but the descriptor fixes it at {forced}; leave it out"
        ))),
        // Zero has one form in the request, so that it has one digest.
        (Some(asked), None) if (0.0..=most).contains(&asked) => Ok(Some(asked.abs())),
        (Some(asked), None) => Err(Refusal::Refused(format!(
            "{name} {asked} asked; 0 to {most} is possible"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            messages: vec![Message::new(Role::User, "hello")],
            temperature: None,
            top_p: None,
            max_tokens: None,
            options: Options::default(),
        }
    }

    #[test]
    fn resolution_goes_environment_then_dot_env_then_default_then_nothing() {
        assert_eq!(resolve_model(Some("a"), Some("b"), Some("c")), Some("a"));
        assert_eq!(resolve_model(Some(" "), Some("b"), Some("c")), Some("b"));
        assert_eq!(resolve_model(None, None, Some("c")), Some("c"));
        assert_eq!(resolve_model(None, Some(""), None), None);
    }

    #[test]
    fn sampling_is_forced_and_never_silently_changed() {
        let sampling = Sampling::default();
        let request = force(asked(), "m", &sampling).unwrap();
        assert_eq!(
            canonical::to_string_sorted(&request).unwrap(),
            r#"{"max_tokens":256,"messages":[{"content":"hello","role":"user"}],"model":"m","seed":0,"temperature":0.0,"top_p":1.0}"#
        );
        let smaller = Asked {
            max_tokens: Some(16),
            ..asked()
        };
        assert_eq!(force(smaller, "m", &sampling).unwrap().max_tokens, Some(16));
        for bad in [
            Asked {
                max_tokens: Some(257),
                ..asked()
            },
            Asked {
                max_tokens: Some(0),
                ..asked()
            },
            Asked {
                temperature: Some(0.5),
                ..asked()
            },
            Asked {
                temperature: Some(f64::NAN),
                ..asked()
            },
            Asked {
                top_p: Some(0.9),
                ..asked()
            },
            Asked {
                messages: vec![],
                ..asked()
            },
        ] {
            assert!(matches!(
                force(bad, "m", &sampling),
                Err(Refusal::Refused(_))
            ));
        }
    }

    #[test]
    fn what_the_descriptor_leaves_open_is_the_guests() {
        let sampling: Sampling =
            serde_json::from_str(r#"{"temperature": null, "seed": null, "max_tokens": null}"#)
                .unwrap();
        let request = force(asked(), "m", &sampling).unwrap();
        assert_eq!(
            canonical::to_string_sorted(&request).unwrap(),
            r#"{"max_tokens":null,"messages":[{"content":"hello","role":"user"}],"model":"m","seed":null,"temperature":null,"top_p":1.0}"#
        );
        let own_bound = Asked {
            max_tokens: Some(9),
            top_p: Some(1.0),
            ..asked()
        };
        assert_eq!(
            force(own_bound, "m", &sampling).unwrap().max_tokens,
            Some(9)
        );
        let given = |temperature| Asked {
            temperature: Some(temperature),
            ..asked()
        };
        for (asked, sent) in [(0.7, 0.7), (0.0, 0.0), (-0.0, 0.0), (2.0, 2.0)] {
            let sent_now = force(given(asked), "m", &sampling).unwrap().temperature;
            assert_eq!(sent_now.map(f64::to_bits), Some(f64::to_bits(sent)));
        }
        let refusal = force(given(2.5), "m", &sampling).unwrap_err();
        assert!(
            matches!(&refusal, Refusal::Refused(text) if text.contains("0 to 2 is possible")),
            "{refusal:?}"
        );
    }

    #[test]
    fn every_part_of_a_request_is_in_its_digest() {
        let base = force(asked(), "m", &Sampling::default()).unwrap();
        let digest = base.digest().unwrap();
        for other in [
            Request {
                model: "n".into(),
                ..base.clone()
            },
            Request {
                seed: Some(1),
                ..base.clone()
            },
            Request {
                seed: None,
                ..base.clone()
            },
            Request {
                top_p: Some(0.5),
                ..base.clone()
            },
            Request {
                temperature: Some(1.0),
                ..base.clone()
            },
            Request {
                temperature: None,
                ..base.clone()
            },
            Request {
                max_tokens: Some(1),
                ..base.clone()
            },
            Request {
                messages: vec![],
                ..base.clone()
            },
            Request {
                options: Options {
                    alias: Some("cheap".into()),
                    ..Options::default()
                },
                ..base.clone()
            },
            Request {
                options: Options {
                    stop: vec!["\n".into()],
                    ..Options::default()
                },
                ..base.clone()
            },
        ] {
            assert_ne!(other.digest().unwrap(), digest);
        }
    }
}
