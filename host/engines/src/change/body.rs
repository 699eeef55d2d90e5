//! What the events of a change say. Fields stand in key order; nothing in them is of one moment
//! or one machine.

use serde::{Deserialize, Serialize};

use super::Route;
use crate::pipeline::{Event, Stage};
use crate::repository::gate::Verdict;
use crate::repository::test_results::TestResults;
use coo_kernel::form::digest::Digest;

/// `begun`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BegunBody {
    /// Digest of the text of `coo.toml`.
    pub config_sha256: Digest,
    /// Of `coo`.
    pub coo_version: String,
    /// Which stages it passes.
    pub route: Route,
}

/// `transition`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransitionBody {
    /// What happened.
    pub event: Event,
    /// The stage before.
    pub from: Stage,
    /// The stage after.
    pub to: Stage,
    /// Of a failure: what went wrong.
    pub why: Option<String>,
}

/// `amendments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmendmentsBody {
    /// How many there are.
    pub amendments: u64,
    /// How many documents they name.
    pub documents: u64,
    /// Of `amendment_log.json`.
    pub log_sha256: Digest,
}

/// Which baseline of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Before any amendment.
    Start,
    /// What a rollback goes back to.
    Amu0,
}

/// `baseline`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineBody {
    /// Which one.
    pub baseline: Which,
    /// Of all files, in bytes.
    pub bytes: u64,
    /// Of the manifest of the folder that a migration deletes, with what no engine reads in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded_sha256: Option<Digest>,
    /// How many files.
    pub files: u64,
    /// Of the manifest of the repository.
    pub manifest_sha256: Digest,
    /// The baseline of the state root that belongs to it.
    pub state: Option<String>,
}

/// `freeze` and `lifted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeBody {
    /// The freeze's number.
    pub number: u32,
}

/// `step`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepBody {
    /// Of the manifest of the repository afterwards.
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
    /// Of `snapshot_1.json` or `snapshot_2.json`.
    pub sha256: Digest,
    /// What the tests said.
    pub test_results: TestResults,
}

/// `gates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatesBody {
    /// Of the manifest of the repository that was judged.
    pub manifest_sha256: Digest,
    /// Of `gate_results.json`.
    pub sha256: Digest,
    /// How they came out.
    pub status: Verdict,
}

/// `evidence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceBody {
    /// The file's name in the folder of the change.
    pub file: String,
    /// Of its content.
    pub sha256: Digest,
}

/// `decision`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// Yes or no.
    pub approved: bool,
    /// What the person gave as the reason.
    pub why: Option<String>,
}

/// `rollback.requested`, `rollback.confirmed` and `rolled_back`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackBody {
    /// Nobody asked for it but the change itself.
    pub automatic: bool,
    /// Of the manifest that the repository goes back to.
    pub manifest_sha256: Digest,
}
