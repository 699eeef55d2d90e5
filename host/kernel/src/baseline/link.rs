//! A reference to a baseline. Knows nothing of what it holds.

use serde::{Deserialize, Serialize};

use crate::form::digest::Digest;

/// A baseline, by name and id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// SHA-256 of its manifest.
    pub baseline: Digest,
    pub name: String,
}
