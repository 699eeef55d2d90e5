//! How a call ends, and how each of its attempts does: an answer, or why there is none and what may have
//! to be paid for. Decides nothing and sends nothing.

use std::fmt;
use std::time::Duration;

use coo_kernel::llm::protocol::{Failure, Reach};
use coo_kernel::llm::{ModelAnswer, Provenance, Request};

use super::site::Site;

/// The answer of a call and its provenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Part of the deterministic record.
    pub answer: ModelAnswer,
    /// Kept beside the record, not part of it.
    pub provenance: Provenance,
}

/// A call that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{failure}{at_stake}")]
pub struct Unanswered {
    pub failure: Failure,
    /// The request was sent and no usable response came back, so the server may have processed it.
    pub in_doubt: bool,
    /// What may have to be paid for if the call is in doubt; empty otherwise.
    pub(super) at_stake: String,
}

impl Unanswered {
    /// A request that can't be written: one of its schemas is no JSON.
    pub(super) fn unwritable(error: &serde_json::Error) -> Self {
        Self {
            failure: Failure::Unusable {
                server: "this machine".to_owned(),
                found: format!("a request that can't be written: {error}"),
                next: "check the schemas of the request",
            },
            in_doubt: false,
            at_stake: String::new(),
        }
    }

    /// An error after which nothing can have to be paid.
    pub(super) fn settled(failure: Failure) -> Self {
        Self {
            failure,
            in_doubt: false,
            at_stake: String::new(),
        }
    }
}

/// Describes what a call in doubt may have cost.
pub(super) fn at_stake(request: &Request, site: &Site) -> String {
    let bytes: usize = request
        .messages
        .iter()
        .map(|message| message.content.len())
        .sum();
    let most = request.max_tokens.map_or_else(
        || "an answer of any length".to_owned(),
        |tokens| format!("an answer of at most {tokens} tokens"),
    );
    format!(
        "; it was sent: {bytes} bytes of messages to the model {}, for {most}",
        site.message(&request.model)
    )
}

/// The end of one attempt.
pub(super) enum Outcome {
    Replied(Box<Reply>),
    Trouble(Trouble),
    Failed(Failure),
    InDoubt(Failure),
}

impl Outcome {
    /// Returns the tokens of the attempt: as the server counted them, or `most` if it did not.
    pub(super) fn tokens(&self, most: u64) -> u64 {
        match self {
            Self::Replied(reply) => match reply.answer.completion() {
                Some(completion) => {
                    let usage = completion.usage;
                    let counted = usage.prompt_tokens.zip(usage.completion_tokens);
                    counted.map_or(most, |(asked, answered)| asked.saturating_add(answered))
                }
                None => 0,
            },
            Self::InDoubt(_) => most,
            Self::Trouble(_) | Self::Failed(_) => 0,
        }
    }
}

/// A problem that may pass, so that another attempt makes sense.
pub(super) struct Trouble {
    pub(super) reach: Reach,
    pub(super) retry_after: Option<Duration>,
    /// Clean text; continues `answered <status>`, or stands alone without a status.
    pub(super) said: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reach.status() {
            Some(status) => write!(f, "answered {status}{}", self.said),
            None => f.write_str(&self.said),
        }
    }
}
