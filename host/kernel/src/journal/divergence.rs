//! The first event in which a replay and its journal disagree, and the usual causes of such a
//! divergence. Nothing here compares events.

use serde::Serialize;

use super::Kind;
use crate::mission::state::State;

/// One side of a divergence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Side {
    pub state: State,
    /// The name of the kind.
    pub kind: &'static str,
    /// Canonical JSON.
    pub body: String,
}

/// The first event in which a replay and its journal disagree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("replay diverges at event {seq}")]
pub struct Divergence {
    /// Number of the event.
    pub seq: u64,
    /// The event of the journal; `None` if the journal has ended.
    pub expected: Option<Side>,
    /// The event of the replay; `None` if the replay has ended.
    pub actual: Option<Side>,
}

impl Divergence {
    /// Returns the usual causes of a difference in such an event, as hints for a person who has to
    /// find the cause.
    pub fn usual_causes(&self) -> &'static [&'static str] {
        let kind = |side: &Option<Side>| {
            side.as_ref()
                .and_then(|side| side.kind.parse::<Kind>().ok())
        };
        let (Some(expected), Some(actual)) = (kind(&self.expected), kind(&self.actual)) else {
            return &["one of the two runs ended earlier: a limit, the fuel or the engine differs"];
        };
        if expected != actual {
            return &[
                "the guest took another path: look at the last answer it was given before this",
                "a limit that only one of the two runs has hit (another release of coo, another engine)",
            ];
        }
        match expected {
            Kind::Mission => &[
                "another release of coo: the descriptor's defaults or the capability surface have changed",
                "a run file or module that is not the one the mission ran",
            ],
            Kind::Environment => {
                &["another release of coo: a default limit, the clock or the seed has changed"]
            }
            Kind::Transition => &[
                "another engine: the stack overflows at another depth, or fuel is counted otherwise",
                "another release of coo: a failure is worded otherwise",
            ],
            Kind::StepStarted => &["another release of coo: the step's input is derived otherwise"],
            Kind::StepReturned => &[
                "numbers whose NaN bits were left to the processor (engine.canonical_nan: false)",
                "another engine that computes otherwise: compare facts.engine of 'coo inspect --json'",
            ],
            Kind::LlmIntent
            | Kind::DbQuery
            | Kind::DbExecute
            | Kind::DbReturning
            | Kind::GatewayWrite => &[
                "the guest computed another request: NaN bits left to the processor (engine.canonical_nan: false), or another engine",
                "the answer before this one was read otherwise (another release of coo)",
            ],
            Kind::HumanDecision => {
                &["a forged journal: a decision is taken from it and from nowhere else"]
            }
            Kind::LlmOutcome | Kind::LlmRefused | Kind::World => {
                &["another release of coo: answers or changes are written down otherwise"]
            }
        }
    }
}
