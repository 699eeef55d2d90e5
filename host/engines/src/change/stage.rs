//! The state machine of the repository pipeline: one table of the stages, from which `next` and all
//! names follow. Never skips a stage: a change that fails or cannot be decided goes to ERROR
//! and from there to QUESTION. There is no REPLAY stage: replay is one of the gates.

use std::fmt;
use std::str::FromStr;

use coo_kernel::form::chain::Name;
use serde::{Deserialize, Serialize};

/// The stage of a governed change of a repository (design, "Repository pipeline").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
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

/// What is fixed about a stage.
struct Row {
    stage: Stage,
    name: &'static str,
    /// The failpoint that precedes the stage's work; tests stop a change there.
    failpoint: &'static str,
    /// The event that ends the stage's work and leads to the next row; none in a final stage.
    done: Option<Event>,
}

const fn row(
    stage: Stage,
    name: &'static str,
    failpoint: &'static str,
    done: Option<Event>,
) -> Row {
    Row {
        stage,
        name,
        failpoint,
        done,
    }
}

/// The stages in the order in which a change passes them. Everything about a stage follows from its
/// row: `next`, names and failpoints. A stage before COMPLETE can fail, which leads to ERROR.
#[rustfmt::skip]
const TABLE: [Row; 14] = [
    row(Stage::Init,              "INIT",               "stage.init",               Some(Event::Started)),
    row(Stage::AmendmentPrep,     "AMENDMENT_PREP",     "stage.amendment_prep",     Some(Event::AnchorsFound)),
    row(Stage::AmendmentExec,     "AMENDMENT_EXEC",     "stage.amendment_exec",     Some(Event::AmendmentsApplied)),
    row(Stage::AmendmentVerify,   "AMENDMENT_VERIFY",   "stage.amendment_verify",   Some(Event::AmendmentsVerified)),
    row(Stage::CeoReview,         "CEO_REVIEW",         "stage.ceo_review",         Some(Event::Approved)),
    row(Stage::FreezePrep,        "FREEZE_PREP",        "stage.freeze_prep",        Some(Event::EnvironmentVerified)),
    row(Stage::FreezeActivated,   "FREEZE_ACTIVATED",   "stage.freeze_activated",   Some(Event::FreezeWritten)),
    row(Stage::CaptureAmu0,       "CAPTURE_AMU0",       "stage.capture_amu0",       Some(Event::BaselineCaptured)),
    row(Stage::MigrationSequence, "MIGRATION_SEQUENCE", "stage.migration_sequence", Some(Event::Migrated)),
    row(Stage::Gates,             "GATES",              "stage.gates",              Some(Event::GatesPassed)),
    row(Stage::CeoFinalReview,    "CEO_FINAL_REVIEW",   "stage.ceo_final_review",   Some(Event::Approved)),
    row(Stage::Complete,          "COMPLETE",           "stage.none",               None),
    row(Stage::Error,             "ERROR",              "stage.none",               Some(Event::QuestionWritten)),
    row(Stage::Question,          "QUESTION",           "stage.none",               None),
];

// `Stage::row` counts on it.
const _: () = {
    let mut at = 0;
    while at < TABLE.len() {
        assert!(TABLE[at].stage as usize == at, "a row is out of order");
        at += 1;
    }
};

impl Stage {
    /// Every stage, in the order a change passes them.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::Init; TABLE.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = TABLE[at].stage;
            at += 1;
        }
        all
    };

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Returns the name that logs and reports show.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the failpoint that precedes the stage's work.
    pub const fn failpoint(self) -> &'static str {
        self.row().failpoint
    }

    /// Returns whether no event leads out of the stage.
    pub const fn is_final(self) -> bool {
        self.row().done.is_none()
    }

    /// Returns whether the stage waits for a person's decision.
    pub const fn is_review(self) -> bool {
        matches!(self.row().done, Some(Event::Approved))
    }
}

/// A name that no stage has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a stage of a change")]
pub struct UnknownStage;

impl FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(text: &str) -> Result<Self, UnknownStage> {
        let mut stages = Self::ALL.into_iter().filter(|stage| stage.name() == text);
        stages.next().ok_or(UnknownStage)
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

impl Name for Stage {
    fn name(self) -> &'static str {
        self.name()
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no such transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no transition from {from} on {event:?}")]
pub struct StageRefused {
    pub from: Stage,
    pub event: Event,
}

/// Returns the stage after `event`, or a refusal. Defined for every pair.
pub fn next(from: Stage, event: Event) -> Result<Stage, StageRefused> {
    let at = from as usize;
    if event == Event::Failed && at < Stage::Complete as usize {
        return Ok(Stage::Error);
    }
    match TABLE.get(at + 1) {
        Some(next) if from.row().done == Some(event) => Ok(next.stage),
        _ => Err(StageRefused { from, event }),
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
                    .ok_or(StageRefused { from, event });
                assert_eq!(next(from, event), expected);
            }
        }
    }

    #[test]
    fn final_stages_have_no_way_out_and_names_are_those_of_the_record() {
        for stage in Stage::ALL {
            let has_way_out = Event::ALL.iter().any(|&event| next(stage, event).is_ok());
            assert_ne!(stage.is_final(), has_way_out);
            let written = serde_json::to_string(&stage).unwrap();
            assert_eq!(written, format!("\"{stage}\""));
            assert_eq!(stage.name().parse(), Ok(stage));
            let can_fail = next(stage, Event::Failed).is_ok();
            let failpoint = format!("stage.{}", stage.name().to_lowercase());
            assert_eq!(stage.failpoint() == failpoint, can_fail);
        }
    }
}
