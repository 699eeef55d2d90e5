//! The state machine of the repository pipeline: one `Stage` and one exhaustive `next`, as `state`
//! has for missions. Never skips a stage: a change that fails or cannot be decided goes to ERROR
//! and from there to QUESTION. There is no REPLAY stage: replay is one of the gates.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The stage of a governed change of a repository (design, "Repository pipeline").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// Nothing has been read.
    Init,
    /// Amendments are being read and their anchors searched.
    AmendmentPrep,
    /// Amendments are being applied.
    AmendmentExec,
    /// The amended documents are being checked.
    AmendmentVerify,
    /// Waits for approval of the amendments.
    CeoReview,
    /// Tools and environment are being verified.
    FreezePrep,
    /// The freeze manifest is being written.
    FreezeActivated,
    /// The baseline is being captured.
    #[serde(rename = "CAPTURE_AMU0")]
    CaptureAmu0,
    /// The migration is being carried out.
    MigrationSequence,
    /// Gates A to F are being passed.
    Gates,
    /// Waits for approval of the whole change.
    CeoFinalReview,
    Complete,
    /// Something failed or cannot be decided; the question is being written.
    Error,
    /// Waits for an answer that only a person can give.
    Question,
}

/// An event that a transition follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Configuration and repository have been read.
    Started,
    /// Every amendment has exactly one anchor.
    AnchorsFound,
    /// Every amendment is applied.
    AmendmentsApplied,
    /// The amended documents passed their checks.
    AmendmentsVerified,
    /// A person approved.
    Approved,
    /// Tools and environment match their manifests.
    EnvironmentVerified,
    /// The freeze manifest is written to disk.
    FreezeWritten,
    /// The baseline is captured and verified.
    BaselineCaptured,
    Migrated,
    /// All gates have passed.
    GatesPassed,
    /// The change cannot continue.
    Failed,
    /// The question is written to disk.
    QuestionWritten,
}

impl Stage {
    /// Every stage, in the order a change passes them.
    pub const ALL: [Self; 14] = [
        Self::Init,
        Self::AmendmentPrep,
        Self::AmendmentExec,
        Self::AmendmentVerify,
        Self::CeoReview,
        Self::FreezePrep,
        Self::FreezeActivated,
        Self::CaptureAmu0,
        Self::MigrationSequence,
        Self::Gates,
        Self::CeoFinalReview,
        Self::Complete,
        Self::Error,
        Self::Question,
    ];

    /// Returns the name that logs and reports show.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::AmendmentPrep => "AMENDMENT_PREP",
            Self::AmendmentExec => "AMENDMENT_EXEC",
            Self::AmendmentVerify => "AMENDMENT_VERIFY",
            Self::CeoReview => "CEO_REVIEW",
            Self::FreezePrep => "FREEZE_PREP",
            Self::FreezeActivated => "FREEZE_ACTIVATED",
            Self::CaptureAmu0 => "CAPTURE_AMU0",
            Self::MigrationSequence => "MIGRATION_SEQUENCE",
            Self::Gates => "GATES",
            Self::CeoFinalReview => "CEO_FINAL_REVIEW",
            Self::Complete => "COMPLETE",
            Self::Error => "ERROR",
            Self::Question => "QUESTION",
        }
    }

    /// Returns whether no event leads out of the stage.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Question)
    }
}

impl Event {
    pub const ALL: [Self; 12] = [
        Self::Started,
        Self::AnchorsFound,
        Self::AmendmentsApplied,
        Self::AmendmentsVerified,
        Self::Approved,
        Self::EnvironmentVerified,
        Self::FreezeWritten,
        Self::BaselineCaptured,
        Self::Migrated,
        Self::GatesPassed,
        Self::Failed,
        Self::QuestionWritten,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no such transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no transition from {from} on {event:?}")]
pub struct Refused {
    pub from: Stage,
    pub event: Event,
}

/// Returns the stage after `event`, or a refusal. Defined for every pair.
pub const fn next(from: Stage, event: Event) -> Result<Stage, Refused> {
    match (from, event) {
        (Stage::Init, Event::Started) => Ok(Stage::AmendmentPrep),
        (Stage::AmendmentPrep, Event::AnchorsFound) => Ok(Stage::AmendmentExec),
        (Stage::AmendmentExec, Event::AmendmentsApplied) => Ok(Stage::AmendmentVerify),
        (Stage::AmendmentVerify, Event::AmendmentsVerified) => Ok(Stage::CeoReview),
        (Stage::CeoReview, Event::Approved) => Ok(Stage::FreezePrep),
        (Stage::FreezePrep, Event::EnvironmentVerified) => Ok(Stage::FreezeActivated),
        (Stage::FreezeActivated, Event::FreezeWritten) => Ok(Stage::CaptureAmu0),
        (Stage::CaptureAmu0, Event::BaselineCaptured) => Ok(Stage::MigrationSequence),
        (Stage::MigrationSequence, Event::Migrated) => Ok(Stage::Gates),
        (Stage::Gates, Event::GatesPassed) => Ok(Stage::CeoFinalReview),
        (Stage::CeoFinalReview, Event::Approved) => Ok(Stage::Complete),
        (Stage::Error, Event::QuestionWritten) => Ok(Stage::Question),
        // A failure is possible in every stage before these.
        (Stage::Complete | Stage::Error | Stage::Question, Event::Failed) => {
            Err(Refused { from, event })
        }
        (_, Event::Failed) => Ok(Stage::Error),
        _ => Err(Refused { from, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The complete path, written out by hand as a second statement of it.
    const WAY: [(Event, Stage); 11] = [
        (Event::Started, Stage::AmendmentPrep),
        (Event::AnchorsFound, Stage::AmendmentExec),
        (Event::AmendmentsApplied, Stage::AmendmentVerify),
        (Event::AmendmentsVerified, Stage::CeoReview),
        (Event::Approved, Stage::FreezePrep),
        (Event::EnvironmentVerified, Stage::FreezeActivated),
        (Event::FreezeWritten, Stage::CaptureAmu0),
        (Event::BaselineCaptured, Stage::MigrationSequence),
        (Event::Migrated, Stage::Gates),
        (Event::GatesPassed, Stage::CeoFinalReview),
        (Event::Approved, Stage::Complete),
    ];

    /// Every legal pair; all others are illegal.
    fn legal() -> Vec<(Stage, Event, Stage)> {
        let mut legal = Vec::new();
        let mut from = Stage::Init;
        for (event, to) in WAY {
            legal.push((from, event, to));
            legal.push((from, Event::Failed, Stage::Error));
            from = to;
        }
        legal.push((Stage::Error, Event::QuestionWritten, Stage::Question));
        legal
    }

    #[test]
    fn every_pair_of_stage_and_event_is_legal_exactly_where_listed() {
        let legal = legal();
        assert_eq!(legal.len(), 23);
        for from in Stage::ALL {
            for event in Event::ALL {
                let expected = legal
                    .iter()
                    .find(|(f, e, _)| (*f, *e) == (from, event))
                    .map(|(_, _, to)| *to)
                    .ok_or(Refused { from, event });
                assert_eq!(next(from, event), expected);
            }
        }
    }

    #[test]
    fn final_stages_have_no_way_out_and_names_are_those_of_the_journal() {
        for stage in Stage::ALL {
            let has_way_out = Event::ALL.iter().any(|&event| next(stage, event).is_ok());
            assert_ne!(stage.is_final(), has_way_out);
            let written = serde_json::to_string(&stage).unwrap();
            assert_eq!(written, format!("\"{stage}\""));
        }
    }
}
