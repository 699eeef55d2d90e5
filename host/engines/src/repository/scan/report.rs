//! What the scanner reports (packet §5.5), with exactly these keys in exactly this order. Holds
//! nothing of a machine or moment: the same files and rules give the same bytes.

use serde::Serialize;

use crate::repository::pattern::Hit;
use crate::repository::scope::Scope;
use crate::repository::text::{self, Cursor};
use coo_kernel::form::digest::Digest;

/// Whether anything was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Nothing.
    Pass,
    /// Something.
    Fail,
}

impl Status {
    /// Of a report with so many findings.
    pub fn of(findings: usize) -> Self {
        if findings == 0 {
            Self::Pass
        } else {
            Self::Fail
        }
    }

    /// As it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
        }
    }
}

/// A place where a forbidden pattern occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// From the top of the repository.
    pub file: String,
    /// Where it begins, the first line is 1.
    pub line: u64,
    /// Name of the rule.
    pub pattern: String,
    /// That line.
    pub excerpt: String,
    /// Where exactly; not in the report.
    #[serde(skip)]
    pub region: Region,
}

/// From where to where. Lines and columns count from 1, columns in characters; the end is the
/// first character after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// FAIL where there is a violation.
    pub status: Status,
    /// Sorted by the bytes of the file's path, line and name of the rule.
    pub violations: Vec<Violation>,
    /// As they are configured.
    pub scanned_paths: Scope,
    /// Of the ruleset.
    pub ruleset_sha256: Digest,
}

impl Report {
    /// Of violations that are sorted.
    pub fn new(violations: Vec<Violation>, scanned_paths: Scope, ruleset_sha256: Digest) -> Self {
        Self {
            status: Status::of(violations.len()),
            violations,
            scanned_paths,
            ruleset_sha256,
        }
    }

    /// In how many files something was found.
    pub fn files(&self) -> usize {
        let files = self.violations.chunk_by(|a, b| a.file == b.file);
        files.count()
    }
}
