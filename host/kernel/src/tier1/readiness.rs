//! Where the decision "Approve Tier-1 Readiness" stands. It is the human step of a mission: the
//! mission's first step writes the completion report once more, which binds its digest into the
//! chain, and its second step asks a person. This file describes that mission and reads it back;
//! it decides for nobody.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{FOLDER, attempts};
use crate::effects::artefact::Artefact;
use crate::form::digest::Digest;
use crate::mission::MissionId;
use crate::mission::state::State;
use crate::state::index::IndexEntry;

/// Type of the mission that writes the documents.
pub const REPORT_TYPE: &str = "TIER1_REPORT";
/// Type of the mission that asks a person.
pub const READINESS_TYPE: &str = "TIER1_READINESS";
/// Its question.
pub const QUESTION: &str = "Approve Tier-1 Readiness?";
/// The line that a person types to approve.
pub const CONFIRMATION: &str = "APPROVE_TIER1_READINESS";

const INSTALLATION: &str = "TIER1_INSTALLATION";
const REPORT: &str = "TIER1_REPORT";
const REPORT_SHA256: &str = "TIER1_REPORT_SHA256";
const STATE: &str = "TIER1_STATE";

/// Returns the scope of both missions.
pub fn scope() -> Value {
    json!({"paths": [format!("{FOLDER}/**")], "tier": 3})
}

/// What a decision is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// Digest of the installation.
    pub installation: Digest,
    /// Path of the completion report, below `artefacts/`.
    pub report: String,
    /// Its content.
    pub report_sha256: Digest,
    /// Digest of the judged state.
    pub state: Digest,
}

impl About {
    /// Returns the descriptor of the mission that asks. `content` is the completion report.
    pub fn descriptor(&self, probe: &Digest, content: &str) -> Value {
        let files = [(self.report.as_str(), content)];
        let mut descriptor = attempts::writing(READINESS_TYPE, probe, &files, &scope());
        descriptor["environment"] = json!({
            INSTALLATION: self.installation,
            REPORT: self.report,
            REPORT_SHA256: self.report_sha256,
            STATE: self.state,
        });
        if let Some(steps) = descriptor["steps"].as_array_mut() {
            steps.push(json!({"id": "approve", "human": {"ask": QUESTION}}));
        }
        descriptor
    }

    /// Reads it from the environment of a mission's descriptor; `None` if it is not one of these
    /// missions.
    pub fn of(environment: &BTreeMap<String, String>) -> Option<Self> {
        let digest = |name| environment.get(name)?.parse().ok();
        Some(Self {
            installation: digest(INSTALLATION)?,
            report: environment.get(REPORT)?.clone(),
            report_sha256: digest(REPORT_SHA256)?,
            state: digest(STATE)?,
        })
    }

    /// Returns whether the report is on record with this content.
    pub fn is_on_record(&self, record: &[IndexEntry]) -> bool {
        let report = Artefact {
            bytes: 0,
            path: self.report.clone(),
            sha256: self.report_sha256,
        };
        super::document::are_on_record(&[report], record)
    }
}

/// A mission that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub about: About,
    pub mission: MissionId,
    /// Its state; `None` if its process was stopped before the first event.
    pub state: Option<State>,
    /// Whether a person decided, and how.
    pub decided: Option<bool>,
}

/// Where the decision stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Standing {
    /// No run of the hardening has come to a report here.
    NotRun,
    /// A report waits for a person.
    Waiting,
    Approved,
    Rejected,
    /// State or installation have changed since the last report, or the report is gone.
    OutOfDate,
    /// The mission that asks was stopped from outside.
    Interrupted,
}

impl Standing {
    /// Returns the name that people see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotRun => "NOT_RUN",
            Self::Waiting => "WAITING",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
            Self::OutOfDate => "OUT_OF_DATE",
            Self::Interrupted => "INTERRUPTED",
        }
    }
}

/// Returns where the decision stands: `last` is the last mission that asked, `installation` and
/// `state` are the present ones, and `record` is the present record of artefacts.
pub fn standing(
    last: Option<&Asked>,
    installation: &Digest,
    state: &Digest,
    record: &[IndexEntry],
) -> Standing {
    let Some(asked) = last else {
        return Standing::NotRun;
    };
    let about = &asked.about;
    if (&about.installation, &about.state) != (installation, state) || !about.is_on_record(record) {
        return Standing::OutOfDate;
    }
    match (asked.state, asked.decided) {
        (Some(State::Paused), _) => Standing::Waiting,
        (Some(State::Complete), Some(true)) => Standing::Approved,
        (Some(State::Failed), Some(false)) => Standing::Rejected,
        _ => Standing::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mission::descriptor::Descriptor;
    use crate::mission::workflow;

    fn about() -> About {
        About {
            installation: Digest::of("i"),
            report: "tier1/Tier1_Hardening_Completion_Report_v0.1.md".to_owned(),
            report_sha256: Digest::of("report"),
            state: Digest::of("s"),
        }
    }

    fn record() -> Vec<IndexEntry> {
        vec![IndexEntry {
            bytes: 6,
            mission: "MISSION-000001".to_owned(),
            path: about().report,
            sha256: Digest::of("report"),
        }]
    }

    #[test]
    fn the_mission_is_valid_and_says_what_it_is_about() {
        let value = about().descriptor(&Digest::of("probe"), "report");
        let descriptor = Descriptor::parse(value.to_string().as_bytes()).unwrap();
        let steps = &descriptor.steps;
        workflow::validate(steps, crate::mission::edition::Edition::CURRENT).unwrap();
        assert_eq!(steps[1].human.as_ref().unwrap().ask, QUESTION);
        assert_eq!(About::of(&descriptor.environment), Some(about()));
        assert_eq!(About::of(&BTreeMap::new()), None);
    }

    #[test]
    fn only_a_persons_answer_to_the_present_report_decides() {
        let (installation, state) = (about().installation, about().state);
        let stands = |at: Option<State>, decided: Option<bool>| {
            let asked = Asked {
                about: about(),
                mission: MissionId::new(2, READINESS_TYPE),
                state: at,
                decided,
            };
            standing(Some(&asked), &installation, &state, &record())
        };
        assert_eq!(stands(Some(State::Paused), None), Standing::Waiting);
        assert_eq!(
            stands(Some(State::Complete), Some(true)),
            Standing::Approved
        );
        assert_eq!(stands(Some(State::Failed), Some(false)), Standing::Rejected);
        // The mission failed by itself, or was stopped.
        assert_eq!(stands(Some(State::Failed), None), Standing::Interrupted);
        assert_eq!(stands(Some(State::Run), Some(true)), Standing::Interrupted);
        assert_eq!(stands(None, None), Standing::Interrupted);
        assert_eq!(
            standing(None, &installation, &state, &record()),
            Standing::NotRun
        );
    }

    #[test]
    fn an_approval_ends_with_the_state_the_installation_or_the_report() {
        let asked = Asked {
            about: about(),
            mission: MissionId::new(2, READINESS_TYPE),
            state: Some(State::Complete),
            decided: Some(true),
        };
        let (installation, state) = (about().installation, about().state);
        let other = Digest::of("other");
        let mut changed = record();
        changed[0].sha256 = other;
        for stands in [
            standing(Some(&asked), &other, &state, &record()),
            standing(Some(&asked), &installation, &other, &record()),
            standing(Some(&asked), &installation, &state, &[]),
            standing(Some(&asked), &installation, &state, &changed),
        ] {
            assert_eq!(stands, Standing::OutOfDate);
        }
    }
}
