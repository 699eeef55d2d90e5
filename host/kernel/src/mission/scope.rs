//! The `scope` of a descriptor, as data. Judges nothing: `authority` does.

use serde::{Deserialize, Serialize};

/// The permissions that a mission asks for: `scope` of a descriptor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Patterns of the artefacts it may write; if left out, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// The highest tier of its calls; if left out, `TIER_MAX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<u8>,
}
