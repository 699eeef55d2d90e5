//! `coo gates [REPOSITORY]`: judges a repository by the gates A to F, in order, up to the first
//! that fails. Only parses and prints; `crate::repository::gates` does the work. Writes nothing.

use coo_kernel::mission::exit::Exit;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Error, Result, anyhow};
use coo_engines::gate::{Results, Verdict};
use coo_engines::repository::test_results::{BYTES_MAX, TestResults, closing_lines, junit};

use super::{print, progress};
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::machine::input_file;
use crate::machine::input_file::read_bounded;
use crate::repository::Repository;
use crate::repository::gates::{Gates, Tested};
use crate::session::Session;
use crate::state::config::Config;

#[derive(Debug, clap::Args)]
#[allow(clippy::doc_markdown, reason = "these comments are what --help prints")]
pub struct Options {
    /// Directory of the repository
    #[arg(value_name = "REPOSITORY", default_value = ".")]
    repository: PathBuf,
    /// Configuration of the repository [default: coo.toml in it]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Use the results of an earlier test run, from its printed output or from a JUnit report (.xml),
    /// instead of running the tests
    #[arg(long, value_name = "FILE")]
    tested: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn cmd_gates(root: &Path, options: &Options) -> Result<ExitCode> {
    let repository = Repository::open(&options.repository, options.config.as_deref(), root)?;
    let tested = match &options.tested {
        None => Tested::Now,
        Some(path) => Tested::Before(results_of(path)?),
    };
    // Frozen answers of missions that ran in this root; without a root, only the bundled ones.
    let session = Session::open(root, Purpose::Read, print::note)?;
    let (config, answers) = match &session {
        Some(session) => (session.config()?.clone(), session.store.frozen_calls()?),
        None => (Config::fresh(), Vec::new()),
    };
    let passed = Gates {
        repository: &repository,
        config: &config,
        answers: &answers,
        tested,
        snapshot: None,
        amendments: None,
    }
    .pass(
        |gate| progress::status_line(&format!("gate {gate}: {}", gate.title())),
        |_| Ok(()),
    )?;
    if options.json {
        print::document(&passed.results)?;
    } else {
        print::out(&text(&passed.results))?;
    }
    if let Some(failed) = passed.results.failed() {
        print::error(&failure(failed.gate, &failed.findings));
    }
    Ok(print::code(Exit::compared(
        passed.results.status == Verdict::Pass,
    )))
}

/// Reads the results of an earlier test run of this tree.
fn results_of(path: &Path) -> Result<TestResults> {
    let shown = || format!("test results {}", path.display());
    let content = read_bounded(input_file::open("test results", path)?, path, BYTES_MAX)?;
    let is_xml = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("xml"));
    let counts = if is_xml {
        junit(&content)
    } else {
        closing_lines(&content)
    };
    let counts = counts.with_context(shown)?;
    // The file does not contain the command's exit status, so derive it from the failed tests.
    Ok(TestResults::new(counts, i32::from(counts.failed > 0)))
}

/// Returns the error for a failed gate.
pub fn failure(gate: coo_engines::gate::Gate, findings: &[String]) -> Error {
    anyhow!(
        "gate {gate} ({}): {}; the gates after it were not run",
        gate.title(),
        print::count(findings.len(), "finding")
    )
    .hint("correct the findings and run the gates again")
}

/// Formats the results for people.
pub fn text(results: &Results) -> String {
    let mut text = "Gates\n".to_owned();
    for judged in &results.gates {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "  {} {:<26}  {}",
            judged.gate, judged.title, judged.status
        );
        for finding in &judged.findings {
            let _ = writeln!(text, "    {}", finding.replace('\n', "\n    "));
        }
    }
    let _ = writeln!(text, "  Result: {}", results.status);
    text
}
