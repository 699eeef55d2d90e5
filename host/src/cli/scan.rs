//! `coo scan`: runs the governance-leak scanner on a repository. Only parses and prints;
//! `crate::repository` does the work.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use coo_engines::scan::{self, Status};

use super::print;
use crate::hint::Hint as _;
use crate::repository::{self, Repository, Scanned};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Directory of the repository
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// Configuration to use instead of the coo.toml in it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// Print the report as SARIF 2.1.0, for code hosts
    #[arg(long)]
    sarif: bool,
}

pub fn cmd_scan(root: &Path, options: &Options) -> Result<ExitCode> {
    let repository = Repository::open(&options.repository, options.config.as_deref(), root)?;
    let scanned = repository::scan(&repository)?;
    for pattern in &scanned.unmatched {
        print::note(&format!("scope of [scan]: no file matches {pattern}"));
    }
    let report = &scanned.report;
    if options.json {
        print::json("coo-scan-report/1", report)?;
    } else if options.sarif {
        print::document(&scan::sarif(report, &scanned.ruleset))?;
    } else {
        print::out(&text(&scanned))?;
    }
    if report.status == Status::Fail {
        print::error(
            &anyhow!(
                "governance leaks: {} in {}",
                print::count(report.violations.len(), "violation"),
                print::count(report.files(), "file")
            )
            .hint("name the CEO there or rephrase it, or have the phrase permitted in the ruleset"),
        );
    }
    Ok(print::done(report.status == Status::Pass))
}

fn text(scanned: &Scanned) -> String {
    let mut text = String::new();
    for violation in &scanned.report.violations {
        let _ = writeln!(
            text,
            "{}:{}: {}: {}",
            print::one_line(&violation.file),
            violation.line,
            violation.pattern,
            print::one_line(&violation.excerpt)
        );
    }
    let _ = writeln!(
        text,
        "Scan: {}\n  Files: {}\n  Violations: {}\n  Ruleset: version {}, {} forbidden, {} permitted\n  SHA-256: {}",
        scanned.report.status.text(),
        scanned.files,
        scanned.report.violations.len(),
        print::one_line(&scanned.ruleset.version),
        scanned.ruleset.forbidden.len(),
        scanned.ruleset.permitted.len(),
        scanned.report.ruleset_sha256
    );
    text
}
