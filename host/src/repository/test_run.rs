//! Runs a repository's tests as `[tests]` says: one command in the repository, with a fresh home
//! and temporary folder, and fixed variables for locale, clock and PATH; it gets other variables of
//! the environment only if they are named. Keeps the output; The kernel (`coo-engines`) decides what it means.
//! Writes nothing to the repository itself.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_engines::repository::config::Tests;
use coo_engines::repository::test_results::{
    BYTES_MAX as REPORT_BYTES_MAX, Counts, TestResults, closing_lines, junit,
};
use coo_kernel::baseline::text_of;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;

use super::Repository;
use crate::hint::Hint as _;
use crate::machine;
use crate::machine::input_file;
use crate::machine::outside::{self, Bounds, End, Outputs};
use crate::machine::temporary::TemporaryFolder;

/// Variables that every test command gets, unless `[tests]` sets them.
const FIXED: [(&str, &str); 4] = [
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    // The clock of missions: 2025-01-01T00:00:00Z.
    ("SOURCE_DATE_EPOCH", "1735689600"),
    ("TZ", "UTC"),
];
/// Where programs are searched if `[tests]` gives no PATH.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// In an argument, stands for the file for `JUnit` XML.
const REPORT: &str = "{report}";
/// Most output of tests, in bytes; a suite that prints more is stopped.
const OUTPUT_BYTES_MAX: usize = 64 << 20;
/// Last lines of the output that an error shows.
const LINES_SHOWN: usize = 20;

/// A finished test run.
#[derive(Debug)]
pub struct TestRun {
    pub results: TestResults,
    /// What the command printed, on both outputs.
    pub output: Vec<u8>,
}

/// Returns the command's variables, without the folders that are made for each run.
fn environment(section: &Tests) -> BTreeMap<OsString, OsString> {
    let mut environment: BTreeMap<OsString, OsString> = FIXED
        .into_iter()
        .chain([("PATH", PATH)])
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    for name in &section.inherit {
        match machine::env_os(name) {
            Some(value) => environment.insert(name.into(), value),
            None => environment.remove(&OsString::from(name)),
        };
    }
    for (name, value) in &section.environment {
        environment.insert(name.into(), value.into());
    }
    environment
}

/// Returns the digest of the command's variables; only runs with the same digest can be compared.
pub fn environment_sha256(section: &Tests) -> Result<Digest> {
    let text = |text: &OsString| text_of(text.as_bytes());
    let variables: BTreeMap<String, String> = environment(section)
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    Ok(Digest::of(canonical::to_string(&variables)?))
}

/// Runs the tests. Fails only if there are no results; failed tests are a result.
#[allow(
    clippy::disallowed_methods,
    reason = "a home, a temporary folder and a place for the report, for this run alone"
)]
pub fn run(repository: &Repository, section: &Tests) -> Result<TestRun> {
    let folder = TemporaryFolder::new("tests")?;
    let place = |name: &str| folder.path().join(name);
    for name in ["home", "tmp"] {
        std::fs::create_dir(place(name)).with_context(|| place(name).display().to_string())?;
    }
    let report = place("report.xml");
    let uses_report = section.command.iter().any(|word| word.contains(REPORT));
    let words = section
        .command
        .iter()
        .map(|word| word.replace(REPORT, &report.display().to_string()));
    let words: Vec<String> = words.collect();
    let mut variables = environment(section);
    variables
        .entry("HOME".into())
        .or_insert_with(|| place("home").into());
    variables
        .entry("TMPDIR".into())
        .or_insert_with(|| place("tmp").into());
    let time_max = Duration::from_secs(section.timeout_seconds);
    // Shown as configured, since the report's path differs in every run.
    let shown = format!("test command '{}'", section.command.join(" "));
    let ended = ended(&words, &variables, &repository.tree.path, time_max);
    let (status, output) = ended.with_context(|| shown.clone())?;
    let counts = if uses_report {
        counts_of_report(&report)
    } else {
        closing_lines(&output).context("what it printed")
    };
    // The output of a failed command explains more than the reader's error.
    let counts = counts.with_context(|| {
        format!(
            "{shown}: {}; it printed last:\n{}\n  and its results can't be read",
            shown_status(status),
            last_lines(&output)
        )
    })?;
    Ok(TestRun {
        results: TestResults::new(counts, exit_code(status)),
        output,
    })
}

fn counts_of_report(path: &Path) -> Result<Counts> {
    let report = input_file::read(path, REPORT_BYTES_MAX);
    Ok(junit(&report.context("report: the command wrote none")?)?)
}

/// Runs the command; returns its exit status and its output.
fn ended(
    words: &[String],
    variables: &BTreeMap<OsString, OsString>,
    folder: &Path,
    time_max: Duration,
) -> Result<(ExitStatus, Vec<u8>)> {
    let Some((program, arguments)) = words.split_first() else {
        bail!(anyhow!("names no program").hint("correct [tests]"));
    };
    let path = variables.get(&OsString::from("PATH"));
    let Ok(program) = which::which_in(program, path, folder) else {
        bail!(
            anyhow!(
                "there is no program '{program}' in {}",
                path.map_or("no PATH".into(), |path| path.to_string_lossy())
            )
            .hint("correct [tests], or have PATH inherited")
        );
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(variables)
        .current_dir(folder);
    let bounds = Bounds {
        time: time_max,
        kept_bytes: OUTPUT_BYTES_MAX,
        printed_bytes_max: OUTPUT_BYTES_MAX as u64,
    };
    let ended = outside::run(&mut command, Outputs::Both, &bounds)?;
    match ended.end {
        End::Exited(status) => Ok((status, ended.printed)),
        End::OutOfTime => bail!(
            "was ended after {} s; give it more by timeout_seconds in [tests]; it printed last:\n{}",
            time_max.as_secs(),
            last_lines(&ended.printed)
        ),
        End::OutOfBytes => {
            bail!(
                anyhow!("printed more than {OUTPUT_BYTES_MAX} bytes and was ended")
                    .hint("have it print less")
            )
        }
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    // The code that shells use for a signal.
    let by_signal = || status.signal().map_or(1, |signal| 128 + signal);
    status.code().unwrap_or_else(by_signal)
}

fn shown_status(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("was ended by signal {signal}"),
        None => format!("ended with exit code {}", exit_code(status)),
    }
}

/// Returns the last lines of the output.
#[must_use]
pub fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LINES_SHOWN);
    if lines.is_empty() {
        return "  (nothing)".to_owned();
    }
    let lines = lines[first..].iter().map(|line| format!("  {line}"));
    lines.collect::<Vec<_>>().join("\n")
}
