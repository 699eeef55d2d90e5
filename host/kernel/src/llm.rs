//! Language-model calls as data: the request that is journalled and hashed, the answer that
//! is frozen, and the two decisions about them (which model, which sampling).
//! Never talks to a model. Fields stand in key order: see `canonical::to_string_sorted`.

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::digest::Digest;

/// The exact text the user surface prescribes when no model can be found (spec v1.1 §3).
pub const NO_MODEL: &str =
    "No model configured for LLM operations. Set COO_LLM_MODEL or configure a default model.";

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The question.
    User,
    /// An earlier answer.
    Assistant,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its text.
    pub content: String,
    /// Who speaks.
    pub role: Role,
}

/// What the descriptor forces on every call of the mission (spec v1.1 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Upper bound of the answer's length, in tokens.
    pub max_tokens: u32,
    /// Sent to providers that take one.
    pub seed: u64,
    /// 0 is greedy.
    pub temperature: f64,
    /// 1 is the whole distribution.
    pub top_p: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            max_tokens: 256,
            seed: 0,
            temperature: 0.0,
            top_p: 1.0,
        }
    }
}

/// What a guest asked for, before the descriptor's sampling is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The conversation.
    pub messages: Vec<Message>,
    /// Given parameters must agree with the descriptor's.
    pub temperature: Option<f64>,
    /// As `temperature`.
    pub top_p: Option<f64>,
    /// May be less than the descriptor's, never more.
    pub max_tokens: Option<u32>,
}

/// The whole request: model, messages and every sampling parameter. Its canonical form is
/// what the journal holds, and the SHA-256 of that is the key of the frozen store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// See `Sampling`.
    pub max_tokens: u32,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The model, as the provider names it.
    pub model: String,
    /// See `Sampling`.
    pub seed: u64,
    /// See `Sampling`.
    pub temperature: f64,
    /// See `Sampling`.
    pub top_p: f64,
}

impl Request {
    /// The request's key: SHA-256 of its canonical form.
    pub fn digest(&self) -> Result<Digest, canonical::NotCanonical> {
        Ok(Digest::of(canonical::to_string_sorted(self)?))
    }
}

/// Why the answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it.
    Stop,
    /// Cut off at `max_tokens`.
    Length,
    /// Withheld by the provider.
    ContentFilter,
    /// Another reason, or none given.
    Other,
}

/// Tokens as the provider counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Of the answer.
    pub completion_tokens: Option<u64>,
    /// Of the question.
    pub prompt_tokens: Option<u64>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// The model that answered, as the provider named it.
    pub model: String,
    /// The answer itself, untouched.
    pub text: String,
    /// Token counts, where given.
    pub usage: Usage,
}

/// An error that belongs to the deterministic record and that the guest sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Against the descriptor or a limit; decided here.
    Refused(String),
    /// The provider refused this very request.
    Rejected(String),
}

/// What the guest is told, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The model answered.
    Completion(Completion),
    /// It was refused.
    Error(Refusal),
}

/// Where an answer came from. Facts of one moment: kept beside the journal, never in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The provider's word on its software and weights.
    pub system_fingerprint: Option<String>,
    /// Free text of whoever recorded it (engine, weights).
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

/// Applies the descriptor's sampling to what the guest asked. A parameter that disagrees is
/// refused with both values, never silently changed.
pub fn force(asked: Asked, model: &str, sampling: &Sampling) -> Result<Request, Refusal> {
    let disagree = |name: &str, asked: f64, forced: f64| {
        Refusal::Refused(format!(
            "{name} {asked} asked, but the descriptor fixes it at {forced}; leave it out"
        ))
    };
    if asked.messages.is_empty() {
        return Err(Refusal::Refused(
            "no messages; a request needs at least one".to_owned(),
        ));
    }
    for (name, value, forced) in [
        ("temperature", asked.temperature, sampling.temperature),
        ("top-p", asked.top_p, sampling.top_p),
    ] {
        if let Some(value) = value
            && value.to_bits() != forced.to_bits()
        {
            return Err(disagree(name, value, forced));
        }
    }
    let max_tokens = asked.max_tokens.unwrap_or(sampling.max_tokens);
    if max_tokens == 0 || max_tokens > sampling.max_tokens {
        return Err(Refusal::Refused(format!(
            "max-tokens {max_tokens} asked; the descriptor allows 1 to {}",
            sampling.max_tokens
        )));
    }
    Ok(Request {
        max_tokens,
        messages: asked.messages,
        model: model.to_owned(),
        seed: sampling.seed,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            messages: vec![Message {
                content: "hello".into(),
                role: Role::User,
            }],
            temperature: None,
            top_p: None,
            max_tokens: None,
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
        assert_eq!(force(smaller, "m", &sampling).unwrap().max_tokens, 16);
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
    fn every_part_of_a_request_is_in_its_digest() {
        let base = force(asked(), "m", &Sampling::default()).unwrap();
        let digest = base.digest().unwrap();
        for other in [
            Request {
                model: "n".into(),
                ..base.clone()
            },
            Request {
                seed: 1,
                ..base.clone()
            },
            Request {
                top_p: 0.5,
                ..base.clone()
            },
            Request {
                temperature: 1.0,
                ..base.clone()
            },
            Request {
                max_tokens: 1,
                ..base.clone()
            },
            Request {
                messages: vec![],
                ..base.clone()
            },
        ] {
            assert_ne!(other.digest().unwrap(), digest);
        }
    }
}
