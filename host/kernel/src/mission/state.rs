//! The mission state machine: one `State`, one exhaustive `next`.
//! Invariant: a mission's state is the fold of its journal; nothing else stores it.
//! Never skips a state and knows no way out of COMPLETE or FAILED.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a mission stands (design, "One run").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Created and admitted; nothing of the guest has run.
    Init,
    /// The deterministic environment is being written down.
    CaptureEnv,
    /// The guest runs.
    Run,
    /// Waiting for a person.
    Paused,
    /// The guest is done; outputs and world changes are being written down.
    WriteReport,
    /// Done: everything the mission changed is promised.
    Complete,
    /// Ended without changing anything.
    Failed,
}

/// What can happen to a mission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Descriptor and module have passed every check.
    Admitted,
    /// The environment is on record.
    EnvironmentCaptured,
    /// A human step was reached.
    HumanStepReached,
    /// A person said yes.
    Approved,
    /// The last step returned.
    StepsReturned,
    /// Outputs and world changes are on record.
    ReportWritten,
    /// The mission can't go on.
    Failed,
}

impl State {
    /// Every state, in the order a mission passes them.
    pub const ALL: [Self; 7] = [
        Self::Init,
        Self::CaptureEnv,
        Self::Run,
        Self::Paused,
        Self::WriteReport,
        Self::Complete,
        Self::Failed,
    ];

    /// The name as journal, logs and timeline show it.
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

    /// No event leads out of it.
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

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no state's.
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
pub struct Refused {
    /// The state it was asked of.
    pub from: State,
    /// The event that has no transition there.
    pub event: Event,
}

/// The state after `event`, or the refusal. Total: every pair has an answer.
pub const fn next(from: State, event: Event) -> Result<State, Refused> {
    match (from, event) {
        (State::Init, Event::Admitted) => Ok(State::CaptureEnv),
        (State::CaptureEnv, Event::EnvironmentCaptured) | (State::Paused, Event::Approved) => {
            Ok(State::Run)
        }
        (State::Run, Event::HumanStepReached) => Ok(State::Paused),
        (State::Run, Event::StepsReturned) => Ok(State::WriteReport),
        (State::WriteReport, Event::ReportWritten) => Ok(State::Complete),
        // A person's "no" ends a paused mission; DESIGN's "first four" states and PAUSED fail.
        (
            State::Init | State::CaptureEnv | State::Run | State::Paused | State::WriteReport,
            Event::Failed,
        ) => Ok(State::Failed),
        _ => Err(Refused { from, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole relation, written out once more by hand; every pair not listed is illegal.
    const LEGAL: [(State, Event, State); 11] = [
        (State::Init, Event::Admitted, State::CaptureEnv),
        (State::CaptureEnv, Event::EnvironmentCaptured, State::Run),
        (State::Run, Event::HumanStepReached, State::Paused),
        (State::Paused, Event::Approved, State::Run),
        (State::Run, Event::StepsReturned, State::WriteReport),
        (State::WriteReport, Event::ReportWritten, State::Complete),
        (State::Init, Event::Failed, State::Failed),
        (State::CaptureEnv, Event::Failed, State::Failed),
        (State::Run, Event::Failed, State::Failed),
        (State::Paused, Event::Failed, State::Failed),
        (State::WriteReport, Event::Failed, State::Failed),
    ];

    #[test]
    fn every_pair_of_state_and_event_is_legal_exactly_where_listed() {
        for from in State::ALL {
            for event in Event::ALL {
                let expected = LEGAL
                    .iter()
                    .find(|(f, e, _)| (*f, *e) == (from, event))
                    .map(|(_, _, to)| *to)
                    .ok_or(Refused { from, event });
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
