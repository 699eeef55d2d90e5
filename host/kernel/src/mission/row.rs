//! What is known of a mission beside its journal: what was run, and facts about the execution on
//! one machine. None of it is part of the record, so it never decides how a mission stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::MissionId;
use super::ledger::Used;
use super::ruleset::Digests;
use crate::form::digest::Digest;
use crate::llm::models::{Chosen, Mapped};

/// A mission as a state root and an exported run keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MissionRow {
    pub id: MissionId,
    /// Type of the mission, as the descriptor names it.
    pub mission_type: String,
    /// Name of the mission that the user asked to run.
    pub name: String,
    /// SHA-256 of the canonical descriptor.
    pub descriptor: Digest,
    /// SHA-256 of the module.
    pub module: Digest,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// Time at which it ended or was stopped; `None` while it runs or waits for a person.
    pub finished_ms: Option<i64>,
    /// Why it was stopped from outside the record.
    pub interrupted: Option<String>,
    pub facts: Facts,
}

/// Facts about this machine and this execution. They are stored beside the record, never in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// SHA-256 of the configuration in force.
    pub config_sha256: Option<Digest>,
    /// SHA-256 of what identifies the system and its environment.
    pub environment_sha256: Option<Digest>,
    /// Name, version and settings of the engine.
    pub engine: String,
    /// SHA-256 of `engine`.
    pub engine_sha256: Option<Digest>,
    /// Fuel that all steps used together.
    pub fuel: u64,
    /// Largest sum of linear memories, in bytes.
    pub memory_peak_bytes: u64,
    /// Where a trap happened, innermost frame first.
    pub backtrace: Vec<String>,
    /// Wall-clock time of the run, in microseconds. For a resumed mission, the sum over all its
    /// processes that were not killed.
    pub elapsed_us: u64,
    pub pid: u32,
    /// The model in force, if the module can ask one.
    pub model: Option<String>,
    /// The models behind the aliases of the descriptor.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, Mapped>,
    /// Number of times the mission was resumed.
    pub resumed: u64,
    /// Number of times the mission executed again because what it had read had changed meanwhile.
    #[serde(skip_serializing_if = "is_zero")]
    pub moved: u64,
    /// Digests of the rulesets of the coo that ran it; empty for runs of earlier builds.
    #[serde(skip_serializing_if = "Digests::is_empty")]
    pub rulesets: Digests,
    /// Counters of the run; `None` for runs of earlier releases.
    pub used: Option<Used>,
}

impl Facts {
    /// Returns the models that the run asks.
    pub fn chosen(&self) -> Chosen {
        Chosen {
            default: self.model.clone(),
            aliases: self.models.clone(),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The engine's text does not have the digest beside it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "mission {id}: the record of its engine was changed after the run (it has SHA-256 {}, recorded is {}), so its fuel can't be compared",
    .found.short(), .recorded.map_or("none".to_owned(), |digest| digest.short())
)]
pub struct EngineChanged {
    id: MissionId,
    found: Digest,
    recorded: Option<Digest>,
}

impl EngineChanged {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some("take the state root or the file from a copy")
    }
}

impl Facts {
    /// Returns the digest of the engine that ran mission `id`. Fuel can be compared only between
    /// equal engines, so it is an error if the engine's text and its digest do not match.
    pub fn engine(&self, id: MissionId) -> Result<Digest, EngineChanged> {
        let found = Digest::of(&self.engine);
        let recorded = self.engine_sha256;
        if recorded == Some(found) {
            Ok(found)
        } else {
            Err(EngineChanged {
                id,
                found,
                recorded,
            })
        }
    }
}
