//! Questions: what a governed change cannot decide, written for a person together with the possible
//! answers (design, "ERROR → QUESTION"). Answers nothing itself.

use serde::{Deserialize, Serialize};

use crate::change::ChangeId;
use crate::change::stage::Stage;
use crate::python;

/// The format that `question.json` declares.
pub const FORMAT: &str = "coo-question/1";

/// `question.json`. Fields stand in key order.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Question<'a> {
    pub answers: Vec<PossibleAnswer>,
    pub change: ChangeId,
    pub format: &'static str,
    /// The open questions of a migration, by file.
    pub open: &'a [Open],
    /// The stage that failed.
    pub stage: Stage,
    /// What cannot be decided.
    pub undecidable: &'a str,
}

/// A possible answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct PossibleAnswer {
    /// The outcome.
    pub answer: String,
    /// What to do to get that outcome.
    pub how: String,
}

/// The open questions about one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Open {
    /// The path from the top of the repository.
    pub file: String,
    pub questions: Vec<python::Question>,
}

impl<'a> Question<'a> {
    /// Returns the question of a change that failed at `stage`.
    pub fn of(change: ChangeId, stage: Stage, undecidable: &'a str, open: &'a [Open]) -> Self {
        let mut answers: Vec<PossibleAnswer> = ways_on(stage)
            .iter()
            .map(|(answer, how)| PossibleAnswer {
                answer: (*answer).to_owned(),
                how: (*how).to_owned(),
            })
            .collect();
        answers.push(PossibleAnswer {
            answer: "leave the repository as it is".to_owned(),
            how: "nothing more; this change has ended".to_owned(),
        });
        Self {
            answers,
            change,
            format: FORMAT,
            open,
            stage,
            undecidable,
        }
    }
}

const ANEW: &str = "correct what is named, then begin another change";

/// Returns the possible answers to a failure at a stage.
const fn ways_on(stage: Stage) -> &'static [(&'static str, &'static str)] {
    match stage {
        Stage::Init => &[
            (
                "rewrite the forms that are open",
                "name them in coo.toml: [migrate] calls, strings or mentions; then begin another change",
            ),
            (
                "leave the forms that are open as they are",
                "name each in coo.toml: [[migrate.leave]] with its file and text; then begin another change",
            ),
            ("put right what is named", ANEW),
        ],
        Stage::AmendmentPrep | Stage::AmendmentExec | Stage::AmendmentVerify => &[
            (
                "name an anchor that is there once",
                "correct the file of amendments; then begin another change",
            ),
            (
                "amend without it",
                "take the amendment out of the file; then begin another change",
            ),
        ],
        Stage::CeoReview => &[(
            "amend otherwise",
            "correct the file of amendments; then begin another change",
        )],
        Stage::FreezePrep | Stage::FreezeActivated => &[
            (
                "tools and environment are meant to be what they are now",
                "'coo manifests write'; then begin another change",
            ),
            (
                "tools and environment have to be what they were",
                "'coo manifests check' names what differs: put that right; then begin another change",
            ),
        ],
        Stage::CaptureAmu0 => &[("let nobody write to the repository meanwhile", ANEW)],
        Stage::MigrationSequence => &[
            ("correct the package or its tests", ANEW),
            (
                "migrate otherwise",
                "correct [migrate] or [tests] in coo.toml; then begin another change",
            ),
        ],
        Stage::Gates => &[("put right what the gate found", ANEW)],
        Stage::CeoFinalReview => &[("change it otherwise", ANEW)],
        Stage::Complete | Stage::Error | Stage::Question => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Route;

    #[test]
    fn every_stage_that_can_fail_has_an_answer_and_the_question_reads_back() {
        let change = ChangeId {
            number: 1,
            route: Route::Pipeline,
        };
        for stage in Stage::ALL {
            let question = Question::of(change, stage, "x", &[]);
            let can_fail = !stage.is_final() && stage != Stage::Error;
            assert_eq!(question.answers.len() > 1, can_fail, "{stage}");
            let text = coo_kernel::form::canonical::to_string_sorted(&question).unwrap();
            assert!(text.starts_with(r#"{"answers":[{"answer":"#), "{text}");
            assert!(text.contains(r#""change":"PIPELINE-000001","format":"coo-question/1""#));
        }
    }
}
