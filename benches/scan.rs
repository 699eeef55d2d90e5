//! What a scan for governance leaks costs beside grep (and ripgrep, if it is installed) with the
//! same patterns on the same tree. Whole processes run in turn, with files in the page cache.
//! No network, nothing outside a temporary folder. See docs/scan.md.
//!
//! ```text
//! cargo bench -p coo --bench scan               # 10,000 files, a minute
//! cargo bench -p coo --bench scan -- --quick    # a smoke test: 200 files
//! ```

#![allow(
    clippy::disallowed_methods,
    reason = "makes what it scans; the lint of writes takes this target along, see .ci/run"
)]

#[allow(dead_code, reason = "the other bench uses the rest")]
#[path = "runtime/table.rs"]
mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use coo::inside::machine;
use coo_engines::scan::Ruleset;
use coo_kernel::form::digest::Digest;
use table::{Samples, group, line, ms, note};
use tempfile::TempDir;

const RULESET: &str = include_str!("../reference/governance_leak_ruleset.json");
const PER_FOLDER: usize = 100;
/// The strings that packet §5.2 spells out, for the plainest grep possible.
const STRINGS: &str =
    "must approve|approves|authorizes|validates|confirms|requires approval|requires confirmation";
/// Subjects and predicates of sentences that are almost leaks, but are not.
const SUBJECTS: [&str; 7] = [
    "The agent",
    "A system",
    "the runtime",
    "Every file",
    "The CEO",
    "an engine",
    "Nobody",
];
const PREDICATES: [&str; 8] = [
    "reads what was written before",
    "will be decided upon later",
    "must be approachable",
    "requires a network that is up",
    "is a matter of confirmed figures",
    "has a valid date",
    "may write to its own folder",
    "sends its governor a note",
];

fn main() -> Result<()> {
    let (mut files, mut rounds) = (10_000, 5);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            // Cargo adds it to every bench.
            "--bench" => {}
            "--quick" => (files, rounds) = (200, 1),
            other => bail!("'{other}': --quick is the only option"),
        }
    }
    if cfg!(debug_assertions) {
        println!("Not a release build: ratios are off, too.\n");
    }
    let folder = TempDir::new()?;
    let bytes = make_tree(folder.path(), files)?;
    let all = perl_patterns()?;
    let coo = env!("CARGO_BIN_EXE_coo");
    let path = machine::env_text("PATH").unwrap_or_default();
    let mut floors: Vec<(&str, Command)> = vec![
        (
            "grep -rnP, all patterns",
            command(folder.path(), &path, "grep", &["-rnP", &all, "docs"]),
        ),
        (
            "grep -rniE, the strings of §5.2",
            command(folder.path(), &path, "grep", &["-rniE", STRINGS, "docs"]),
        ),
    ];
    if which::which("rg").is_ok() {
        let arguments = ["-nU", "--no-ignore", &all, "docs"];
        floors.push((
            "rg -nU, all patterns",
            command(folder.path(), &path, "rg", &arguments),
        ));
    }
    let mut ours = Samples::default();
    let mut theirs = vec![Samples::default(); floors.len()];
    for _ in 0..rounds {
        let (_, elapsed) = table::timed(command(folder.path(), &path, coo, &["scan"]))?;
        ours.add(ms(elapsed));
        for ((_, floor), samples) in floors.iter_mut().zip(&mut theirs) {
            samples.add(timed(floor)?);
        }
    }
    group(
        &format!("{files} files, {} KB, no leak", bytes / 1000),
        "ms",
    );
    for ((what, _), samples) in floors.iter().zip(&theirs) {
        line(
            &format!("coo scan / {what}"),
            ours.median(),
            samples.median(),
            1,
        );
    }
    note("grep looks at lines: phrases that go over two lines are for coo and rg alone.");
    Ok(folder.close()?)
}

/// Returns the milliseconds of a command that is run again later; otherwise as `table::timed`.
fn timed(command: &mut Command) -> Result<f64> {
    let stopwatch = machine::Stopwatch::start();
    let output = command.output()?;
    let elapsed = ms(stopwatch.elapsed());
    if !output.status.success() {
        bail!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(elapsed)
}

fn command(folder: &Path, path: &str, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .current_dir(folder)
        .args(arguments);
    command
}

/// Returns the forbidden patterns as one, in the syntax that grep -P and rg share.
fn perl_patterns() -> Result<String> {
    let ruleset = Ruleset::parse(RULESET.as_bytes()).context("reference ruleset")?;
    let patterns = ruleset.forbidden.iter().map(|rule| {
        let text = rule.pattern.text().replace("(?-u:\\b)", "\\b");
        format!("(?:{text})")
    });
    Ok(patterns.collect::<Vec<_>>().join("|"))
}

/// Writes texts of 1 to 8 KB, no two alike; every hundredth has a permitted phrase. Returns their
/// size in bytes.
fn make_tree(folder: &Path, files: usize) -> Result<usize> {
    fs::write(folder.join("rules.json"), RULESET)?;
    let sha256 = Digest::of(RULESET);
    fs::write(
        folder.join("coo.toml"),
        format!(
            "[scan]\nruleset = 'rules.json'\nruleset_sha256 = '{sha256}'\npaths = ['docs/**/*.md']\n"
        ),
    )?;
    let mut bytes = 0;
    for i in 0..files {
        let path = folder.join(format!("docs/d{:03}/f{i:05}.md", i / PER_FOLDER));
        if i % PER_FOLDER == 0 {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
        }
        let mut text = format!("# File {i}\n\n");
        for j in 0..20 + i % 140 {
            let subject = SUBJECTS[(i + j) % SUBJECTS.len()];
            let predicate = PREDICATES[(i * 3 + j * 5) % PREDICATES.len()];
            let _ = writeln!(text, "{subject} {predicate}, and {j} other things.");
        }
        if i % PER_FOLDER == 0 {
            text.push_str("The CEO approves\n");
        }
        bytes += text.len();
        fs::write(path, text)?;
    }
    Ok(bytes)
}
