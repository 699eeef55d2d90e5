//! `coo lint`: runs the constitutional lint on a repository. Only parses and prints;
//! `crate::repository` does the work.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use coo_engines::lint::{Finding, Report};
use coo_engines::scan::Status;

use super::print;
use crate::hint::Hint as _;
use crate::repository::{self, Repository};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Directory of the repository
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// Configuration to use instead of the coo.toml in it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub fn cmd_lint(root: &Path, options: &Options) -> Result<ExitCode> {
    let repository = Repository::open(&options.repository, options.config.as_deref(), root)?;
    let linted = repository::lint(&repository)?;
    for idle in &linted.idle {
        print::note(idle);
    }
    let report = &linted.report;
    if options.json {
        print::json("coo-lint-report/1", report)?;
    } else {
        print::out(&text(report))?;
    }
    if report.status == Status::Fail {
        let findings = print::count(report.findings.len(), "finding");
        print::error(
            &anyhow!("lint: {findings}")
                .hint("correct what they name, or have the rule changed in the ruleset"),
        );
    }
    Ok(print::done(report.status == Status::Pass))
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let Finding {
            file,
            line,
            rule,
            why,
            found,
            ..
        } = finding;
        let line = line.map_or(String::new(), |line| format!(":{line}"));
        let _ = writeln!(
            text,
            "{}{line}: {rule}: {}\n  {}",
            print::one_line(file),
            print::one_line(found),
            print::one_line(why)
        );
    }
    let _ = writeln!(
        text,
        "Lint: {}\n  Files: {}\n  Findings: {}\n  Ruleset SHA-256: {}",
        report.status.text(),
        report.files,
        report.findings.len(),
        report.ruleset_sha256
    );
    text
}
