//! Where a replay and its journal disagree, and what that is usually put down to. Compares
//! nothing itself.

use serde::Serialize;

use super::Kind;
use crate::mission::state::State;

/// One side of a divergence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The state.
    pub state: State,
    /// The kind, by name.
    pub kind: &'static str,
    /// The body, canonical JSON.
    pub body: String,
}

/// The first event in which a replay and its journal disagree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("replay diverges at event {seq}")]
pub struct Divergence {
    /// Where.
    pub seq: u64,
    /// What the journal has; `None` where it has ended.
    pub expected: Option<Side>,
    /// What the replay did; `None` where it has ended.
    pub actual: Option<Side>,
}

impl Divergence {
    /// What usually makes two runs differ in such an event, for the person who has to find out.
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
