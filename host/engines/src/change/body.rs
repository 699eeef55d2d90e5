//! The bodies of a change's events. Fields stand in key order, so that the JSON is canonical. No
//! body holds anything that depends on the time or the machine.

use coo_kernel::form::digest::Digest;
use serde::{Deserialize, Serialize};

use super::Route;
use crate::change::stage::{Event, Stage};
use crate::gate::Verdict;
use crate::repository::test_results::TestResults;

/// `begun`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BegunBody {
    /// Digest of the text of `coo.toml`.
    pub config_sha256: Digest,
    pub coo_version: String,
    /// Protected documents that a stand-alone migration changes, as the person who began it permits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<String>,
    pub route: Route,
}

/// `transition`. `why` is set only for a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransitionBody {
    pub event: Event,
    pub from: Stage,
    pub to: Stage,
    pub why: Option<String>,
}

/// `amendments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmendmentsBody {
    pub amendments: u64,
    /// The number of documents that the amendments name.
    pub documents: u64,
    /// The digest of `amendment_log.json`.
    pub log_sha256: Digest,
}

/// One of a change's two baselines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Captured before any amendment.
    Start,
    /// Captured before the migration; a rollback restores it.
    Amu0,
}

/// `baseline`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineBody {
    pub baseline: Which,
    /// The size of all files, in bytes.
    pub bytes: u64,
    /// The digest of the manifest of the folder that the migration deletes, with the files in it
    /// that the engines do not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded_sha256: Option<Digest>,
    /// The number of files.
    pub files: u64,
    /// The digest of the repository's manifest.
    pub manifest_sha256: Digest,
    /// The name of the state root's baseline that belongs to it.
    pub state: Option<String>,
}

/// `freeze` and `lifted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeBody {
    pub number: u32,
}

/// `step`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepBody {
    /// The digest of the repository's manifest after the step.
    pub manifest_sha256: Digest,
    /// 1 to 6, as packet §9 numbers them.
    pub step: u8,
}

/// `snapshot`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotBody {
    /// 1 or 2.
    pub number: u8,
    /// The digest of `snapshot_1.json` or `snapshot_2.json`.
    pub sha256: Digest,
    pub test_results: TestResults,
}

/// `gates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatesBody {
    /// The digest of the manifest of the repository that was judged.
    pub manifest_sha256: Digest,
    /// The digest of `gate_results.json`.
    pub sha256: Digest,
    pub status: Verdict,
}

/// `evidence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceBody {
    /// The file's name in the change's folder.
    pub file: String,
    /// The digest of the file's content.
    pub sha256: Digest,
}

/// `decision`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    pub approved: bool,
    /// The person's reason.
    pub why: Option<String>,
}

/// `rollback.requested`, `rollback.confirmed` and `rolled_back`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackBody {
    /// Whether the change itself requested the rollback, and not a person.
    pub automatic: bool,
    /// The digest of the manifest that the repository is restored to.
    pub manifest_sha256: Digest,
}
