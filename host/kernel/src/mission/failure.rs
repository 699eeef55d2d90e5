//! Why a mission ended FAILED: one type for each cause, with a reason that has the same bytes on
//! every machine. Failures of the machine (network, disk, wall clock) are not here: they
//! interrupt a run and never enter its record.

mod whose;

pub use whose::{Said, Whose, classify};

use std::fmt;

use serde::{Deserialize, Serialize};

/// The bounds that a run can hit. Each is the descriptor's `limits.<name>`, except those that are
/// fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    ArtefactBytes,
    Artefacts,
    DbBytes,
    /// Fixed: memory that the statements of one run may take.
    DbMemory,
    DbRows,
    DbRowsTotal,
    DbStatements,
    DbSteps,
    Fuel,
    HostBytes,
    LlmCalls,
    LlmTokens,
    MemoryBytes,
    OutputBytes,
    TableElements,
    /// Fixed: open host resources (streams, pollables) of one run.
    Resources,
}

impl Bound {
    /// Every bound that a descriptor can set, by name.
    pub const ALL: [Self; 14] = [
        Self::ArtefactBytes,
        Self::Artefacts,
        Self::DbBytes,
        Self::DbRows,
        Self::DbRowsTotal,
        Self::DbStatements,
        Self::DbSteps,
        Self::Fuel,
        Self::HostBytes,
        Self::LlmCalls,
        Self::LlmTokens,
        Self::MemoryBytes,
        Self::OutputBytes,
        Self::TableElements,
    ];

    /// Returns the name in descriptors and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ArtefactBytes => "artefact_bytes",
            Self::Artefacts => "artefacts",
            Self::DbBytes => "db_bytes",
            Self::DbMemory => "db_memory",
            Self::DbRows => "db_rows",
            Self::DbRowsTotal => "db_rows_total",
            Self::DbStatements => "db_statements",
            Self::DbSteps => "db_steps",
            Self::Fuel => "fuel",
            Self::HostBytes => "host_bytes",
            Self::LlmCalls => "llm_calls",
            Self::LlmTokens => "llm_tokens",
            Self::MemoryBytes => "memory_bytes",
            Self::OutputBytes => "output_bytes",
            Self::TableElements => "table_elements",
            Self::Resources => "resources",
        }
    }

    /// Returns whether the bound is the same for every mission, because no descriptor can set it.
    pub fn is_fixed(self) -> bool {
        !Self::ALL.contains(&self)
    }
}

/// The governance rule that a mission broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A budget that the ceiling makes smaller than the descriptor asks.
    Limit,
    /// A path outside those that the mission may write.
    Path,
    /// A path that no mission may write.
    Protected,
    /// A call above the permitted tier.
    Tier,
}

/// Who set the limit that a mission broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SetBy {
    /// `governance.ceiling` of the configuration.
    Ceiling,
    /// `governance.protected` of the configuration.
    Configuration,
    /// The protected artefact registry that is part of `coo`.
    Registry,
    /// `scope` of the descriptor.
    Scope,
}

impl SetBy {
    /// Returns the subject of a sentence in a message.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ceiling => "the ceiling (governance.ceiling of the configuration)",
            Self::Configuration => "the configuration (governance.protected)",
            Self::Registry => "the built-in registry of protected artefacts",
            Self::Scope => "the descriptor's scope",
        }
    }
}

/// A deterministic end without success. Fields stand in key order, the tag `class` first (see
/// `canonical::to_string_sorted`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Failure {
    /// The guest reported it: `run` returned `err`.
    Guest {
        /// The guest's own words.
        message: String,
    },
    /// A WASI program ended with a status other than 0.
    Exit {
        /// The status that the program gave, by custom 0 to 255; 1 if it only reported an error.
        status: u32,
    },
    /// A WebAssembly trap.
    Trap {
        /// The engine's name for the trap.
        reason: String,
    },
    /// All fuel is used.
    Fuel {
        /// `limits.fuel`.
        limit: u64,
    },
    /// A bound was hit.
    Limit {
        /// The most that is permitted.
        limit: u64,
        #[serde(rename = "name")]
        bound: Bound,
        /// The amount that the guest wanted to reach.
        wanted: u64,
    },
    /// The guest tried more than it may do (design, "Policy"), whatever its descriptor asks.
    Governance {
        /// What is permitted; for a protected path, the pattern that protects it.
        limit: String,
        rule: Rule,
        set_by: SetBy,
        /// What the guest tried.
        wanted: String,
    },
    /// A person rejected a human step.
    Rejected {
        /// In the person's words, if any were given.
        reason: Option<String>,
        /// The step that asked.
        step: String,
    },
    /// The guest broke the contract of the host interface (a stream used after its end, a
    /// transaction destroyed from within).
    Contract {
        /// What the guest did.
        reason: String,
    },
}

impl Failure {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fuel { .. } => Some("raise limits.fuel if the mission needs more".to_owned()),
            Self::Limit {
                bound: Bound::Resources,
                ..
            } => Some("have the guest drop those no longer needed".to_owned()),
            Self::Limit { bound, .. } if bound.is_fixed() => None,
            Self::Limit { bound, .. } => Some(format!(
                "raise limits.{} if the mission needs more",
                bound.name()
            )),
            Self::Governance {
                limit,
                rule,
                set_by: SetBy::Ceiling,
                ..
            } => {
                let key = match rule {
                    Rule::Tier => "tier".to_owned(),
                    Rule::Path => "paths".to_owned(),
                    // The limit begins with the name of its bound.
                    Rule::Limit => {
                        let bound = limit.split(' ').next().unwrap_or_default();
                        format!("limits.{bound}")
                    }
                    Rule::Protected => return None,
                };
                Some(format!(
                    "raise governance.ceiling.{key} of config.json if the mission may do more"
                ))
            }
            Self::Guest { .. }
            | Self::Exit { .. }
            | Self::Trap { .. }
            | Self::Governance { .. }
            | Self::Rejected { .. }
            | Self::Contract { .. } => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guest { message } => write!(f, "guest error: {message}"),
            Self::Exit { status } => write!(f, "guest exited with status {status}"),
            Self::Trap { reason } => write!(f, "trap: {reason}"),
            Self::Fuel { limit } => {
                write!(f, "fuel exhausted: all {limit} units used")
            }
            Self::Limit {
                bound: Bound::Resources,
                wanted,
                limit,
            } => write!(
                f,
                "limit hit: {wanted} open streams and pollables wanted, limit {limit}, which is the same for every mission"
            ),
            Self::Limit {
                bound,
                wanted,
                limit,
            } if bound.is_fixed() => write!(
                f,
                "limit hit: {} {wanted} wanted, limit {limit}, which is fixed (docs/limits.md)",
                bound.name()
            ),
            Self::Limit {
                bound,
                wanted,
                limit,
            } => write!(
                f,
                "limit hit: {} {wanted} wanted, limit {limit}",
                bound.name()
            ),
            Self::Governance {
                limit,
                rule: Rule::Protected,
                set_by,
                wanted,
            } => write!(
                f,
                "governance error: {wanted}: protected as '{limit}' by {}; nobody can write it through the runtime",
                set_by.name()
            ),
            Self::Governance {
                limit,
                set_by,
                wanted,
                ..
            } => write!(
                f,
                "governance error: {wanted}: {} permits {limit}",
                set_by.name()
            ),
            Self::Rejected { reason, step } => {
                write!(f, "rejected by a person at step '{step}'")?;
                reason
                    .as_ref()
                    .map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Self::Contract { reason } => write!(f, "contract broken: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::canonical;

    #[test]
    fn only_a_limit_that_a_descriptor_can_set_is_said_to_be_raised() {
        let limit_hit = |bound: Bound| Failure::Limit {
            limit: 1,
            bound,
            wanted: 2,
        };
        for bound in Bound::ALL {
            let hint = format!("raise limits.{} if the mission needs more", bound.name());
            assert_eq!(limit_hit(bound).hint(), Some(hint));
        }
        assert_eq!(limit_hit(Bound::DbMemory).hint(), None);
        assert_eq!(
            limit_hit(Bound::Resources).to_string(),
            "limit hit: 2 open streams and pollables wanted, limit 1, which is the same for every mission"
        );
    }

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
                Failure::Governance {
                    limit: "tier 1".into(),
                    rule: Rule::Tier,
                    set_by: SetBy::Scope,
                    wanted: "w".into(),
                },
                r#"{"class":"governance","limit":"tier 1","rule":"tier","set_by":"scope","wanted":"w"}"#,
            ),
            (
                Failure::Rejected {
                    reason: None,
                    step: "s".into(),
                },
                r#"{"class":"rejected","reason":null,"step":"s"}"#,
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
