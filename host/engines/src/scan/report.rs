//! The scanner's report (packet §5.5), with exactly these keys in exactly this order. Contains
//! nothing that depends on the time or the machine: the same files and rules give the same bytes.

use coo_kernel::form::digest::Digest;
use serde::Serialize;

use crate::repository::pattern::Hit;
use crate::repository::scope::Scope;
use crate::repository::text::{self, Cursor};

/// Whether anything was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Pass,
    Fail,
}

impl Status {
    /// Returns the status of a report with this many findings.
    pub fn of(findings: usize) -> Self {
        if findings == 0 {
            Self::Pass
        } else {
            Self::Fail
        }
    }

    /// Returns the text that reports show.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
        }
    }
}

/// An occurrence of a forbidden pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Violation {
    /// The path from the top of the repository.
    pub file: String,
    /// The line on which it begins, from 1.
    pub line: u64,
    /// The rule's name.
    pub pattern: String,
    /// The line's text, as an excerpt.
    pub excerpt: String,
    /// The exact place; not in the report.
    #[serde(skip)]
    pub region: Region,
}

/// A range of text. Lines and columns count from 1, columns in characters. The end is the first
/// character after the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct Region {
    pub start_line: u64,
    pub start_column: u64,
    pub end_line: u64,
    pub end_column: u64,
}

impl Region {
    pub(super) fn of(content: &[u8], hit: &Hit) -> Self {
        let within = &content[hit.range.clone()];
        Self {
            start_line: hit.line,
            start_column: text::column(content, hit.range.start),
            end_line: hit.line + Cursor::default().line(within, within.len()) - 1,
            end_column: text::column(content, hit.range.end),
        }
    }
}

/// The scanner's report on a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Report {
    /// FAIL if there is a violation.
    pub status: Status,
    /// Sorted by the bytes of the path, then by line and rule name.
    pub violations: Vec<Violation>,
    /// The paths as configured.
    pub scanned_paths: Scope,
    pub ruleset_sha256: Digest,
}

impl Report {
    /// Makes a report of violations, which must be sorted.
    pub fn new(violations: Vec<Violation>, scanned_paths: Scope, ruleset_sha256: Digest) -> Self {
        Self {
            status: Status::of(violations.len()),
            violations,
            scanned_paths,
            ruleset_sha256,
        }
    }

    /// Returns the number of files with violations.
    pub fn files(&self) -> usize {
        let files = self.violations.chunk_by(|a, b| a.file == b.file);
        files.count()
    }
}
