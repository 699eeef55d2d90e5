//! The flight recorder's format: events, the hash chain over them, and the fold that gives a
//! mission's state. Holds no events itself and stores nothing.
//!
//! Chain: `sha256(prev hex ‖ "\n" ‖ seq ‖ "\n" ‖ STATE ‖ "\n" ‖ kind ‖ "\n" ‖ body)`, where
//! `prev` of the first event is 64 zeros and `body` is canonical JSON. None of the first
//! four can hold a line break, so no two events have the same text. The mission's number is
//! not part of it: equal runs have equal chains.

mod body;
mod divergence;

use std::fmt;
use std::str::FromStr;

use crate::form::digest::{Digest, ZERO};
use crate::mission::authority::Policy;
use crate::mission::failure::Failure;
use crate::mission::state::{self, Event, State};

pub use body::{
    Blob, CallBody, DecisionBody, EnvironmentBody, IntentBody, MissionBody, OutcomeBody,
    StepReturnedBody, StepStartedBody, TransitionBody, WorldBody,
};
pub use divergence::{Divergence, Side};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Always first: descriptor, module, surface.
    Mission,
    /// From one state to the next.
    Transition,
    /// The deterministic environment of the run.
    Environment,
    /// A step begins: its input.
    StepStarted,
    /// A step ended: its outputs.
    StepReturned,
    /// A model call is about to leave.
    LlmIntent,
    /// Its answer.
    LlmOutcome,
    /// A model call that was refused before it could leave.
    LlmRefused,
    /// A read of the world's database.
    DbQuery,
    /// A change of the world's database.
    DbExecute,
    /// A change of the world's database that gives rows back.
    DbReturning,
    /// A file made through the gateway.
    GatewayWrite,
    /// A person's answer to a human step.
    HumanDecision,
    /// What the mission changes, promised.
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

    /// The name in the journal.
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

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no kind's.
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

/// One event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// 1, 2, 3, …
    pub seq: u64,
    /// The state the event happened in; for a transition, the state it leads to.
    pub state: State,
    /// What it is about.
    pub kind: Kind,
    /// Canonical JSON.
    pub body: String,
    /// The digest before it.
    pub prev: Digest,
    /// Its own digest.
    pub sha256: Digest,
}

/// The running end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    head: Digest,
    seq: u64,
}

impl Default for Chain {
    fn default() -> Self {
        Self { head: ZERO, seq: 0 }
    }
}

/// A stored event that does not fit its chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("journal broken at event {seq}: {what}; it was changed after it was written")]
pub struct Broken {
    /// Where.
    pub seq: u64,
    /// What does not fit.
    pub what: &'static str,
}

impl Chain {
    /// Digest of the last event.
    pub const fn head(&self) -> Digest {
        self.head
    }

    /// Number of the last event; 0 before the first.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The chain that ends with `record`, for whoever has verified it and all before it.
    pub const fn ending_with(record: &Record) -> Self {
        Self {
            head: record.sha256,
            seq: record.seq,
        }
    }

    /// Appends an event and gives it its number and digest.
    pub fn append(&mut self, state: State, kind: Kind, body: String) -> Record {
        let prev = self.extend(state.name(), kind.name(), &body);
        Record {
            seq: self.seq,
            state,
            kind,
            body,
            prev,
            sha256: self.head,
        }
    }

    /// Accepts a stored event if it is the next one, unchanged.
    pub fn verify(&mut self, record: &Record) -> Result<(), Broken> {
        self.accept(&Link {
            seq: record.seq,
            state: record.state.name(),
            kind: record.kind.name(),
            body: &record.body,
            prev: record.prev,
            sha256: record.sha256,
        })
    }

    /// Goes on by an event of any record, and gives the digest before it.
    pub fn extend(&mut self, state: &str, kind: &str, body: &str) -> Digest {
        let prev = self.head;
        self.seq += 1;
        self.head = digest(&prev, self.seq, state, kind, body);
        prev
    }

    /// As `verify`, for an event of any record.
    pub fn accept(&mut self, link: &Link<'_>) -> Result<(), Broken> {
        let broken = |what| Broken {
            seq: link.seq,
            what,
        };
        if link.seq != self.seq + 1 {
            return Err(broken("an event is missing or out of order"));
        }
        if link.prev != self.head {
            return Err(broken("its 'prev' is not the digest of the event before"));
        }
        let found = digest(&link.prev, link.seq, link.state, link.kind, link.body);
        if found != link.sha256 {
            return Err(broken("its digest is not that of its content"));
        }
        self.seq = link.seq;
        self.head = link.sha256;
        Ok(())
    }
}

/// An event as it goes into a chain: of a mission, or of a governed change.
pub struct Link<'a> {
    pub seq: u64,
    pub state: &'a str,
    pub kind: &'a str,
    pub body: &'a str,
    pub prev: Digest,
    pub sha256: Digest,
}

fn digest(prev: &Digest, seq: u64, state: &str, kind: &str, body: &str) -> Digest {
    let prev = prev.hex();
    let seq = seq.to_string();
    Digest::of_parts([
        prev.as_slice(),
        b"\n",
        seq.as_bytes(),
        b"\n",
        state.as_bytes(),
        b"\n",
        kind.as_bytes(),
        b"\n",
        body.as_bytes(),
    ])
}

/// An event that can't follow those before it.
#[derive(Debug, thiserror::Error)]
pub enum Unfoldable {
    /// The state machine has no such transition.
    #[error("event {seq}: {source}")]
    Transition {
        /// Where.
        seq: u64,
        /// Which.
        source: state::Refused,
    },
    /// The event contradicts those before it or itself.
    #[error("event {seq}: {what}")]
    Contradiction {
        /// Where.
        seq: u64,
        /// What.
        what: &'static str,
    },
    /// The body is not what its kind says.
    #[error("event {seq}: body is not that of a {kind}: {source}")]
    Body {
        /// Where.
        seq: u64,
        /// Of which kind.
        kind: Kind,
        /// The parser's words.
        source: serde_json::Error,
    },
}

/// What a journal says of its mission so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The states in the order they were entered; the last is where the mission stands.
    pub timeline: Vec<State>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// A model call that left and has no answer on record: its sequence number.
    pub in_doubt: Option<u64>,
    /// What it runs, from the first event.
    pub mission: Option<MissionBody>,
    /// What it stands under; none before it has said so.
    pub policy: Option<Policy>,
    /// What a person has decided and no transition has followed yet.
    pub decided: Option<bool>,
}

impl Progress {
    /// Where the mission stands; `None` before the first event.
    pub fn state(&self) -> Option<State> {
        self.timeline.last().copied()
    }

    /// Folds one more event in.
    pub fn apply(&mut self, record: &Record) -> Result<(), Unfoldable> {
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
                self.mission = Some(serde_json::from_str(&record.body).map_err(body_error)?);
                self.timeline.push(State::Init);
            }
            (Kind::Mission, Some(_)) => return Err(contradiction("a mission begins once")),
            (_, None) => return Err(contradiction("the first event is not 'mission'")),
            (Kind::Transition, Some(from)) => {
                let body: TransitionBody =
                    serde_json::from_str(&record.body).map_err(body_error)?;
                let to = state::next(from, body.event)
                    .map_err(|source| Unfoldable::Transition { seq, source })?;
                if (body.from, body.to, record.state) != (from, to, to) {
                    return Err(contradiction("its states are not those of the transition"));
                }
                // Nobody goes on from a question that was not answered with yes.
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
                            serde_json::from_str(&record.body).map_err(body_error)?;
                        self.policy = Some(Policy {
                            governance: body.governance,
                            rules: body.rules,
                        });
                    }
                    Kind::HumanDecision => {
                        if current != State::Paused || self.decided.is_some() {
                            return Err(contradiction("nobody was asked for a decision"));
                        }
                        let body: DecisionBody =
                            serde_json::from_str(&record.body).map_err(body_error)?;
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
