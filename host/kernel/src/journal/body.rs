//! The bodies of events: the content of each kind, as data. Every body serialises in key order and
//! is canonical JSON. None holds anything that depends on one machine or moment.

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

/// Bytes that are kept beside the chain, by digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Blob {
    pub bytes: u64,
    pub sha256: Digest,
}

impl Blob {
    /// Returns size and digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self {
            bytes: content.len() as u64,
            sha256: Digest::of(content),
        }
    }
}

/// Body of `Kind::Mission`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MissionBody {
    /// Digest of the canonical descriptor.
    pub descriptor: Digest,
    /// As the descriptor names it.
    pub mission_type: String,
    /// Digest of the module's bytes.
    pub module: Digest,
    /// The bundle of a script; left out if the mission is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Blob>,
    /// Of the interfaces that the module imports, as `surface::digest_of` returns it.
    pub surface: Digest,
}

/// Body of `Kind::Transition`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TransitionBody {
    pub event: Event,
    /// Why, if `event` is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    pub from: State,
    pub to: State,
}

/// Body of `Kind::StepStarted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StepStartedBody {
    pub id: String,
    /// What the guest receives.
    pub input: Blob,
}

/// Body of `Kind::StepReturned`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StepReturnedBody {
    pub id: String,
    /// What the step gives its reader: the text that `run` returned, or a WASI program's
    /// standard output. Absent if the step failed.
    pub output: Option<Blob>,
    pub stderr: Blob,
    pub stdout: Blob,
}

/// Body of a call that is answered at once: database and gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub struct CallBody<'a> {
    /// What the guest received.
    #[serde(borrow)]
    pub answer: &'a RawValue,
    /// What the guest asked for.
    #[serde(borrow)]
    pub request: &'a RawValue,
}

/// Body of `Kind::Environment`: everything that a guest can learn besides its input, and every
/// bound that applies to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EnvironmentBody {
    pub arguments: Vec<String>,
    /// Engine settings that a guest can observe.
    pub engine: EngineSettings,
    pub environment: BTreeMap<String, String>,
    /// What the operator had decided about missions; left out if nothing.
    #[serde(default, skip_serializing_if = "Governance::is_empty")]
    pub governance: Governance,
    /// The budgets in force.
    pub limits: Limits,
    /// Sampling of every model call.
    pub llm: Sampling,
    /// Seed of the one random stream.
    pub rng_seed: u64,
    /// The edition of coo's own rules.
    #[serde(
        default = "Edition::unsaid",
        skip_serializing_if = "Edition::is_unsaid"
    )]
    pub rules: Edition,
    /// SHA-256 of these rules; left out in journals of earlier builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_sha256: Option<Digest>,
    /// Seconds since 1970.
    pub wall_clock_start_s: u64,
}

/// Body of `Kind::HumanDecision`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    pub approved: bool,
    /// In the person's words, if any were given.
    pub reason: Option<String>,
    /// The step that asked.
    pub step: String,
}

impl DecisionBody {
    /// Returns how the mission continues after this decision: it runs on, or it fails for this
    /// reason.
    pub fn outcome(self) -> Result<(), Failure> {
        if self.approved {
            return Ok(());
        }
        Err(Failure::Rejected {
            reason: self.reason,
            step: self.step,
        })
    }
}

/// Body of `Kind::World`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WorldBody {
    /// Sorted by path.
    pub artefacts: Vec<crate::effects::artefact::Artefact>,
    /// Number of `db.execute` and `db.returning` events to apply, in order.
    pub db_executes: u64,
}
