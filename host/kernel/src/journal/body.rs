//! The bodies of events: what each kind says, as data. Every body serialises in key order and is
//! canonical JSON; none holds anything of one machine or moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::form::digest::Digest;
use crate::llm::Sampling;
use crate::mission::authority::Governance;
use crate::mission::descriptor::EngineSettings;
use crate::mission::edition::Edition;
use crate::mission::failure::Failure;
use crate::mission::limits::Limits;
use crate::mission::state::{Event, State};

/// Bytes kept beside the chain, by digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// Size in bytes.
    pub bytes: u64,
    /// Of the bytes.
    pub sha256: Digest,
}

impl Blob {
    /// Describes `content`.
    pub fn of(content: &[u8]) -> Self {
        Self {
            bytes: content.len() as u64,
            sha256: Digest::of(content),
        }
    }
}

/// Body of `Kind::Mission`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissionBody {
    /// Of the canonical descriptor.
    pub descriptor: Digest,
    /// As the descriptor names it.
    pub mission_type: String,
    /// Of the module's bytes.
    pub module: Digest,
    /// See `surface::digest`.
    pub surface: Digest,
}

/// Body of `Kind::Transition`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransitionBody {
    /// What happened.
    pub event: Event,
    /// Why, where `event` is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
}

/// Body of `Kind::StepStarted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepStartedBody {
    /// The step.
    pub id: String,
    /// What the guest receives.
    pub input: Blob,
}

/// Body of `Kind::StepReturned`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepReturnedBody {
    /// The step.
    pub id: String,
    /// What the step gives its reader: the text `run` returned, or a WASI program's
    /// standard output. Absent where the step failed.
    pub output: Option<Blob>,
    /// Standard error.
    pub stderr: Blob,
    /// Standard output.
    pub stdout: Blob,
}

/// Body of a call that is answered on the spot: database and gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub struct CallBody<'a> {
    /// What the guest was told.
    #[serde(borrow)]
    pub answer: &'a RawValue,
    /// What it asked.
    #[serde(borrow)]
    pub request: &'a RawValue,
}

/// Body of `Kind::LlmIntent`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub struct IntentBody<'a> {
    /// How often this run has asked this very request, this time included.
    pub nth: u64,
    /// The whole request.
    #[serde(borrow)]
    pub request: &'a RawValue,
    /// Of the request.
    pub sha256: Digest,
}

/// Body of `Kind::LlmOutcome`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeBody {
    /// What the guest was told.
    pub answer: crate::llm::Answer,
}

/// Body of `Kind::Environment`: everything a guest can learn that is not its input, and every
/// bound it is held to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentBody {
    /// Command-line arguments.
    pub arguments: Vec<String>,
    /// Engine settings that a guest can observe.
    pub engine: EngineSettings,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// What the operator had decided about missions, where he had decided anything.
    #[serde(default, skip_serializing_if = "Governance::is_empty")]
    pub governance: Governance,
    /// The budgets in force.
    pub limits: Limits,
    /// Sampling of every model call.
    pub llm: Sampling,
    /// Of the one random stream.
    pub rng_seed: u64,
    /// The edition of coo's own rules.
    #[serde(
        default = "Edition::unsaid",
        skip_serializing_if = "Edition::is_unsaid"
    )]
    pub rules: Edition,
    /// Seconds since 1970.
    pub wall_clock_start_s: u64,
}

/// Body of `Kind::HumanDecision`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// Yes or no.
    pub approved: bool,
    /// In the person's words, where they gave any.
    pub reason: Option<String>,
    /// The step that asked.
    pub step: String,
}

/// Body of `Kind::World`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldBody {
    /// Sorted by path.
    pub artefacts: Vec<crate::effects::artefact::Artefact>,
    /// Number of `db.execute` and `db.returning` events to apply, in order.
    pub db_executes: u64,
}
