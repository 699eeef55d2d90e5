//! The lint's report. Contains nothing that depends on the time or the machine: the same files and
//! rules give the same bytes.

use coo_kernel::form::digest::Digest;
use serde::Serialize;

use super::ruleset::Kind;
use crate::scan::Status;

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Finding {
    /// The path from the top of the repository; the rule's patterns if the finding is not about a
    /// file.
    pub file: String,
    /// The line, from 1; none if the finding is about the whole file.
    pub line: Option<u64>,
    /// The rule's id.
    pub rule: String,
    pub kind: Kind,
    /// The reason that the rule gives.
    pub why: String,
    /// The line's text, or what is wrong with the file.
    pub found: String,
}

/// The lint's report on a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Report {
    /// FAIL if there is a finding.
    pub status: Status,
    /// Sorted by file, line and rule.
    pub findings: Vec<Finding>,
    /// The number of files that at least one rule is about.
    pub files: u64,
    pub ruleset_sha256: Digest,
}
