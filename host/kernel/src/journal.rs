//! The flight recorder's format: events, the hash chain over them, and the fold that computes a
//! mission's state from them. This module holds no events and stores nothing.

mod answers;
mod body;
mod conversation;
mod divergence;
mod facts;
pub mod run_file;
mod segment;
mod transcript;

use std::fmt;
use std::str::FromStr;

use crate::form::chain;
use crate::mission::Status;
use crate::mission::authority::Policy;
use crate::mission::failure::Failure;
use crate::mission::state::{self, Event, State};

pub use crate::form::chain::{Broken, Chain};
pub use answers::{Answers, Given};
pub use body::{
    Blob, CallBody, DecisionBody, EnvironmentBody, MissionBody, StepReturnedBody, StepStartedBody,
    TransitionBody, WorldBody,
};
pub use conversation::{
    CallError, ContentError, Conversation, INLINE_BYTES_MAX, IntentBody, OutcomeBody, Requests,
    SaidAnswer, SaidCompletion, SaidMessage, SaidRequest, SaidToolCall, SaidUnfit, Since, Text,
    long_texts,
};
pub use divergence::{Divergence, Side};
pub use facts::EventFacts;
pub use segment::{SEGMENT_BYTES, Segment, Verified};
pub use transcript::{ReplayedEnd, Transcript};

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Always first: descriptor, module, surface.
    Mission,
    /// The mission passes from one state to the next.
    Transition,
    /// The deterministic environment of the run.
    Environment,
    /// A step begins: its input.
    StepStarted,
    /// A step ended: its outputs.
    StepReturned,
    /// A model call is about to be sent.
    LlmIntent,
    /// The answer to a model call.
    LlmOutcome,
    /// A model call was refused before it could be sent.
    LlmRefused,
    /// A read of the missions' database (the world).
    DbQuery,
    /// A change of the missions' database.
    DbExecute,
    /// A change of the missions' database that returns rows.
    DbReturning,
    /// A file written through the gateway.
    GatewayWrite,
    /// A person's answer to a human step.
    HumanDecision,
    /// The mission's changes, as a write-ahead intent.
    World,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Mission,
        Self::Transition,
        Self::Environment,
        Self::StepStarted,
        Self::StepReturned,
        Self::LlmIntent,
        Self::LlmOutcome,
        Self::LlmRefused,
        Self::DbQuery,
        Self::DbExecute,
        Self::DbReturning,
        Self::GatewayWrite,
        Self::HumanDecision,
        Self::World,
    ];

    /// Returns whether such an event is a call whose answer depends on the mission's own world: its
    /// database or its artefacts.
    pub const fn asks_world(self) -> bool {
        matches!(self, Self::DbQuery | Self::GatewayWrite) || self.changes_world()
    }

    /// Returns whether such a call can change the missions' database at once.
    pub const fn changes_world(self) -> bool {
        matches!(self, Self::DbExecute | Self::DbReturning)
    }

    /// Returns the name in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mission => "mission",
            Self::Transition => "transition",
            Self::Environment => "environment",
            Self::StepStarted => "step.started",
            Self::StepReturned => "step.returned",
            Self::LlmIntent => "llm.intent",
            Self::LlmOutcome => "llm.outcome",
            Self::LlmRefused => "llm.refused",
            Self::DbQuery => "db.query",
            Self::DbExecute => "db.execute",
            Self::DbReturning => "db.returning",
            Self::GatewayWrite => "gateway.write",
            Self::HumanDecision => "human.decision",
            Self::World => "world",
        }
    }
}

impl chain::Name for Kind {
    fn name(self) -> &'static str {
        self.name()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no kind has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a kind of event")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownKind(text.chars().take(40).collect()))
    }
}

/// An event of a mission as it is stored. Its state is the one in which it happened; for a
/// transition, the one that it leads to.
pub type Record = chain::Record<State, Kind>;

/// The same, in a text that holds other events, too.
pub type Seen<'a> = chain::Record<State, Kind, &'a str>;

/// An event that can't follow those before it.
#[derive(Debug, thiserror::Error)]
pub enum Unfoldable {
    /// The state machine has no such transition.
    #[error("event {seq}: {source}")]
    Transition {
        /// Number of the event.
        seq: u64,
        source: state::TransitionRefused,
    },
    /// The event contradicts itself or those before it.
    #[error("event {seq}: {what}")]
    Contradiction {
        /// Number of the event.
        seq: u64,
        what: &'static str,
    },
    /// The body is not one of its kind.
    #[error("event {seq}: body is not that of a {kind}: {source}")]
    Body {
        seq: u64,
        kind: Kind,
        source: serde_json::Error,
    },
}

/// What a journal states about its mission so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    /// The states in the order in which they were entered; the last one is the present state.
    pub timeline: Vec<State>,
    /// Why the mission failed, if it did.
    pub failure: Option<Failure>,
    /// Number of the event of a model call that may have been sent and has no recorded answer.
    pub in_doubt: Option<u64>,
    /// What the mission runs, from the first event.
    pub mission: Option<MissionBody>,
    /// The policy of the run; none before the journal states it.
    pub policy: Option<Policy>,
    /// A person's decision that no transition has followed yet.
    pub decided: Option<bool>,
}

impl Fold {
    /// Returns the present state; `None` before the first event.
    pub fn state(&self) -> Option<State> {
        self.timeline.last().copied()
    }

    /// Returns how the mission stands. The journal decides wherever it can; where it has no end,
    /// `is_interrupted` says that its process recorded an interruption, and `is_at_work`, which is
    /// asked only then, that a process may still be at it.
    pub fn status(&self, is_interrupted: bool, is_at_work: impl FnOnce() -> bool) -> Status {
        match self.state() {
            Some(State::Complete) => Status::Success,
            Some(State::Failed) => Status::Failed,
            Some(State::Paused) => Status::Paused,
            _ if !is_interrupted && is_at_work() => Status::Running,
            _ => Status::Interrupted,
        }
    }

    /// Folds one more event in; fails if it can't follow those before it.
    pub fn apply<B: AsRef<str>>(
        &mut self,
        record: &chain::Record<State, Kind, B>,
    ) -> Result<(), Unfoldable> {
        let seq = record.seq;
        let contradiction = |what| Unfoldable::Contradiction { seq, what };
        let body_error = |source| Unfoldable::Body {
            seq,
            kind: record.kind,
            source,
        };
        match (record.kind, self.state()) {
            (Kind::Mission, None) => {
                if record.state != State::Init {
                    return Err(contradiction("a mission begins in INIT"));
                }
                self.mission =
                    Some(serde_json::from_str(record.body.as_ref()).map_err(body_error)?);
                self.timeline.push(State::Init);
            }
            (Kind::Mission, Some(_)) => return Err(contradiction("a mission begins once")),
            (_, None) => return Err(contradiction("the first event is not 'mission'")),
            (Kind::Transition, Some(from)) => {
                let body: TransitionBody =
                    serde_json::from_str(record.body.as_ref()).map_err(body_error)?;
                let to = state::next(from, body.event)
                    .map_err(|source| Unfoldable::Transition { seq, source })?;
                if (body.from, body.to, record.state) != (from, to, to) {
                    return Err(contradiction("its states are not those of the transition"));
                }
                // A mission continues after a question only if a person approved it.
                if body.event == Event::Approved && self.decided != Some(true) {
                    return Err(contradiction("it was approved without anybody's decision"));
                }
                self.decided = None;
                self.failure = body.failure;
                self.timeline.push(to);
            }
            (kind, Some(current)) => {
                if record.state != current {
                    return Err(contradiction(
                        "it happened in another state than the mission's",
                    ));
                }
                match kind {
                    Kind::LlmIntent => self.in_doubt = Some(seq),
                    Kind::LlmOutcome => self.in_doubt = None,
                    Kind::Environment => {
                        let body: EnvironmentBody =
                            serde_json::from_str(record.body.as_ref()).map_err(body_error)?;
                        self.policy = Some(Policy {
                            governance: body.governance,
                            rules: body.rules,
                            rules_sha256: body.rules_sha256,
                        });
                    }
                    Kind::HumanDecision => {
                        if current != State::Paused || self.decided.is_some() {
                            return Err(contradiction("nobody was asked for a decision"));
                        }
                        let body: DecisionBody =
                            serde_json::from_str(record.body.as_ref()).map_err(body_error)?;
                        self.decided = Some(body.approved);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
