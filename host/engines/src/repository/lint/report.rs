//! What the lint reports. Holds nothing of a machine or moment: the same files and rules give the
//! same bytes.

use serde::Serialize;

use super::ruleset::Kind;
use crate::repository::scan::Status;
use coo_kernel::form::digest::Digest;

/// A rule that is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// From the top of the repository; the rule's patterns where it is about no file.
    pub file: String,
    /// The first line is 1; none where it is about the whole file.
    pub line: Option<u64>,
    /// Id of the rule.
    pub rule: String,
    /// Kind of the rule.
    pub kind: Kind,
    /// Why there is such a rule.
    pub why: String,
    /// The line, or what is wrong with the file.
    pub found: String,
}

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// FAIL where there is a finding.
    pub status: Status,
    /// Sorted by file, line and rule.
    pub findings: Vec<Finding>,
    /// How many files a rule was about.
    pub files: u64,
    /// Of the ruleset.
    pub ruleset_sha256: Digest,
}
