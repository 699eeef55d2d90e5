//! The mission state machine: one `State`, one exhaustive `next`.
//! Invariant: a mission's state is the fold of its journal; nothing else stores it.
//! It never skips a state, and no event leads out of COMPLETE or FAILED.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::form::chain::Name;

/// The state of a mission (design, "One run").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Created and admitted; nothing of the guest has run.
    Init,
    /// The deterministic environment is being recorded.
    CaptureEnv,
    Run,
    /// Waiting for a person.
    Paused,
    /// The guest has ended; outputs and changes of the missions' database are being recorded.
    WriteReport,
    /// Done: all changes of the mission are committed as a write-ahead intent.
    Complete,
    /// Ended without changing anything.
    Failed,
}

/// What can happen to a mission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Descriptor and module have passed every check.
    Admitted,
    /// The environment is recorded.
    EnvironmentCaptured,
    HumanStepReached,
    /// A person approved the human step.
    Approved,
    /// The last step returned.
    StepsReturned,
    /// Outputs and changes of the missions' database are recorded.
    ReportWritten,
    /// The mission can't continue.
    Failed,
}

impl State {
    /// Every state, in the order in which a mission passes them.
    pub const ALL: [Self; 7] = [
        Self::Init,
        Self::CaptureEnv,
        Self::Run,
        Self::Paused,
        Self::WriteReport,
        Self::Complete,
        Self::Failed,
    ];

    /// Returns the name that journal, logs and timeline show.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::CaptureEnv => "CAPTURE_ENV",
            Self::Run => "RUN",
            Self::Paused => "PAUSED",
            Self::WriteReport => "WRITE_REPORT",
            Self::Complete => "COMPLETE",
            Self::Failed => "FAILED",
        }
    }

    /// Returns whether no event leads out of it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Failed)
    }
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 7] = [
        Self::Admitted,
        Self::EnvironmentCaptured,
        Self::HumanStepReached,
        Self::Approved,
        Self::StepsReturned,
        Self::ReportWritten,
        Self::Failed,
    ];
}

impl Name for State {
    fn name(self) -> &'static str {
        self.name()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no state has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a mission state")]
pub struct UnknownState(String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| UnknownState(text.chars().take(40).collect()))
    }
}

/// A transition that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no transition from {from} on {event:?}")]
pub struct TransitionRefused {
    pub from: State,
    pub event: Event,
}

/// Returns the state after `event`, or a refusal. Total: every pair has a result.
pub const fn next(from: State, event: Event) -> Result<State, TransitionRefused> {
    match (from, event) {
        (State::Init, Event::Admitted) => Ok(State::CaptureEnv),
        (State::CaptureEnv, Event::EnvironmentCaptured) | (State::Paused, Event::Approved) => {
            Ok(State::Run)
        }
        (State::Run, Event::HumanStepReached) => Ok(State::Paused),
        (State::Run, Event::StepsReturned) => Ok(State::WriteReport),
        (State::WriteReport, Event::ReportWritten) => Ok(State::Complete),
        // All four states before the end can fail (design, "One run"), and so can PAUSED, when a
        // person rejects the step.
        (
            State::Init | State::CaptureEnv | State::Run | State::Paused | State::WriteReport,
            Event::Failed,
        ) => Ok(State::Failed),
        _ => Err(TransitionRefused { from, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier1::transitions::LEGAL;

    #[test]
    fn every_pair_of_state_and_event_is_legal_exactly_where_listed() {
        for from in State::ALL {
            for event in Event::ALL {
                let expected = LEGAL
                    .iter()
                    .find(|(f, e, _)| (*f, *e) == (from, event))
                    .map(|(_, _, to)| *to)
                    .ok_or(TransitionRefused { from, event });
                assert_eq!(next(from, event), expected);
            }
        }
    }

    #[test]
    fn names_parse_back_and_final_states_have_no_way_out() {
        for state in State::ALL {
            assert_eq!(state.name().parse(), Ok(state));
            let has_way_out = Event::ALL.iter().any(|&event| next(state, event).is_ok());
            assert_ne!(state.is_final(), has_way_out);
        }
        assert!("RUNNING".parse::<State>().is_err());
    }
}
