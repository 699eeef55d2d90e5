//! Why a mission ended FAILED: told apart by type, with a reason that is the same bytes on
//! every machine. Failures of the outside (network, disk, wall clock) are not here: they
//! interrupt a run and never enter its record.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The bounds that a run can hit, by the names the descriptor gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// `limits.artefact_bytes`
    ArtefactBytes,
    /// `limits.artefacts`
    Artefacts,
    /// `limits.db_statements`
    DbStatements,
    /// `limits.db_steps`
    DbSteps,
    /// `limits.host_bytes`
    HostBytes,
    /// `limits.llm_calls`
    LlmCalls,
    /// `limits.memory_bytes`
    MemoryBytes,
    /// `limits.output_bytes`
    OutputBytes,
    /// `limits.table_elements`
    TableElements,
    /// A fixed bound: open host resources (streams, pollables) of one run.
    Resources,
}

impl Bound {
    /// The name in descriptor and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ArtefactBytes => "artefact_bytes",
            Self::Artefacts => "artefacts",
            Self::DbStatements => "db_statements",
            Self::DbSteps => "db_steps",
            Self::HostBytes => "host_bytes",
            Self::LlmCalls => "llm_calls",
            Self::MemoryBytes => "memory_bytes",
            Self::OutputBytes => "output_bytes",
            Self::TableElements => "table_elements",
            Self::Resources => "resources",
        }
    }
}

/// A deterministic end without success. Fields stand in key order, the tag `class` first (see
/// `canonical::to_string_sorted`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Failure {
    /// The guest itself said so: `run` returned `err`.
    Guest {
        /// Its own words.
        message: String,
    },
    /// A WASI program ended with a status other than 0.
    Exit {
        /// The status; a program that only said "error" has 1.
        status: u8,
    },
    /// A WebAssembly trap.
    Trap {
        /// The engine's name for it.
        reason: String,
    },
    /// All fuel is gone.
    Fuel {
        /// `limits.fuel`.
        limit: u64,
    },
    /// A bound was hit.
    Limit {
        /// What it may.
        limit: u64,
        /// Which.
        #[serde(rename = "name")]
        bound: Bound,
        /// What the guest wanted to reach.
        wanted: u64,
    },
    /// The guest broke the contract of the host interface (a stream used after its end, a
    /// transaction destroyed from within).
    Contract {
        /// What it did.
        reason: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guest { message } => write!(f, "guest error: {message}"),
            Self::Exit { status } => write!(f, "guest exited with status {status}"),
            Self::Trap { reason } => write!(f, "trap: {reason}"),
            Self::Fuel { limit } => {
                write!(
                    f,
                    "fuel exhausted: all {limit} units used; raise limits.fuel if the mission needs more"
                )
            }
            Self::Limit {
                bound,
                wanted,
                limit,
            } => write!(
                f,
                "limit hit: {} {wanted} wanted, limit {limit}; raise limits.{} if the mission needs more",
                bound.name(),
                bound.name()
            ),
            Self::Contract { reason } => write!(f, "contract broken: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical;

    #[test]
    fn every_failure_has_one_canonical_form() {
        let (limit, wanted) = (1, 2);
        for (failure, text) in [
            (
                Failure::Guest {
                    message: "m".into(),
                },
                r#"{"class":"guest","message":"m"}"#,
            ),
            (
                Failure::Exit { status: 3 },
                r#"{"class":"exit","status":3}"#,
            ),
            (
                Failure::Trap { reason: "r".into() },
                r#"{"class":"trap","reason":"r"}"#,
            ),
            (Failure::Fuel { limit }, r#"{"class":"fuel","limit":1}"#),
            (
                Failure::Limit {
                    limit,
                    bound: Bound::DbSteps,
                    wanted,
                },
                r#"{"class":"limit","limit":1,"name":"db_steps","wanted":2}"#,
            ),
            (
                Failure::Contract { reason: "r".into() },
                r#"{"class":"contract","reason":"r"}"#,
            ),
        ] {
            assert_eq!(canonical::to_string_sorted(&failure).unwrap(), text);
            assert_eq!(serde_json::from_str::<Failure>(text).unwrap(), failure);
        }
    }
}
