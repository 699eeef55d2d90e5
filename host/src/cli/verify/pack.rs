//! `coo verify <pack>`: prints one table of the pack's files and one verdict. Only reads the pack
//! and prints; `crate::mission::pack` checks it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use coo_kernel::form::digest::Digest;
use coo_kernel::pack::{MODULE, PACK_BYTES_MAX, ROLLBACK_LOG};
use serde::Serialize;

use super::code;
use crate::cli::print;
use crate::hint::Hint as _;
use crate::machine::input_file;
use crate::mission::pack::{Checked, Execution, check};

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View<'a> {
    format: &'static str,
    bytes: u64,
    sha256: Digest,
    id: Option<String>,
    identical: bool,
    difference: Option<String>,
    files: Vec<FileView<'a>>,
    rollbacks: usize,
    execution: Option<ExecutionView>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct FileView<'a> {
    path: &'a str,
    bytes: u64,
    sha256: Option<Digest>,
    identical: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct ExecutionView {
    events: u64,
    chain_head: Digest,
    fuel: u64,
    replay_identical: bool,
    other_engine: bool,
    identical: bool,
}

/// Checks the pack at `path`.
pub fn verify(path: &Path, wall_clock_max: Duration, json: bool) -> Result<ExitCode> {
    let shown = format!("pack {}", path.display());
    let content = input_file::read(path, PACK_BYTES_MAX)?;
    let checked = check(&content, wall_clock_max).with_context(|| shown.clone())?;
    if json {
        print::document(&view(&checked))?;
    } else {
        print::out(&text(&shown, &checked))?;
    }
    if let Some(difference) = checked.difference() {
        let error = if checked.damage.is_some() {
            anyhow!("{shown}: {difference}")
        } else {
            anyhow!("{shown}: differs: {difference}")
        };
        print::error(&if checked.executed.is_some() {
            error.hint("compare its SHA-256 with the one that its maker published")
        } else {
            error.hint("get a new copy")
        });
    }
    Ok(code(checked.is_identical()))
}

fn view(checked: &Checked) -> View<'_> {
    let files = checked.files.iter();
    View {
        format: "coo-pack-check/1",
        bytes: checked.bytes,
        sha256: checked.sha256,
        id: checked
            .mission
            .as_ref()
            .map(|mission| mission.id.to_string()),
        identical: checked.is_identical(),
        difference: checked.difference(),
        files: files
            .map(|file| FileView {
                path: &file.path,
                bytes: file.bytes,
                sha256: file.sha256,
                identical: file.is_identical,
            })
            .collect(),
        rollbacks: checked.rollbacks,
        execution: checked.executed.as_ref().map(|executed| ExecutionView {
            events: executed.events,
            chain_head: executed.chain_head,
            fuel: executed.fuel,
            replay_identical: executed.replay_identical,
            other_engine: executed.is_other_engine,
            identical: executed.difference.is_none(),
        }),
    }
}

fn text(shown: &str, checked: &Checked) -> String {
    let mut text = format!("Verify {}\n", print::one_line(shown));
    if let Some(mission) = &checked.mission {
        let _ = writeln!(
            text,
            "  Mission: {} {}",
            mission.id,
            print::one_line(&mission.mission_type)
        );
    }
    let _ = writeln!(
        text,
        "  Archive: {} bytes, SHA-256 {}",
        checked.bytes, checked.sha256
    );
    if !checked.files.is_empty() {
        text.push_str(&table(checked));
    }
    text.push_str(&match &checked.executed {
        Some(executed) => execution(executed),
        None if checked.damage.is_some() => {
            "  Execution: none, because the pack is not whole\n".to_owned()
        }
        None => "  Execution: none, because the pack contradicts itself\n".to_owned(),
    });
    let result = if checked.is_identical() {
        "IDENTICAL"
    } else {
        "DIFFERENT"
    };
    let _ = writeln!(text, "  Result: {result}");
    text
}

fn table(checked: &Checked) -> String {
    let files = &checked.files;
    let paths: Vec<String> = files
        .iter()
        .map(|file| print::one_line(&file.path))
        .collect();
    let width = paths.iter().map(|path| path.chars().count()).max();
    let width = width.unwrap_or_default();
    let mut text = format!(
        "\n  {:<width$}  {:>9}  {:<12}  made again\n",
        "file", "bytes", "SHA-256"
    );
    for (file, path) in files.iter().zip(&paths) {
        let found = match (&file.sha256, file.is_identical) {
            (None, _) => "MISSING",
            (_, false) => "DIFFERENT",
            _ => note(&file.path, checked),
        };
        let sha256 = file.sha256.map_or("-".to_owned(), |digest| digest.short());
        let _ = writeln!(
            text,
            "  {path:<width$}  {:>9}  {sha256:<12}  {found}",
            file.bytes
        );
    }
    text.push('\n');
    text
}

/// Says of a file that agrees what the agreement rests on.
fn note(path: &str, checked: &Checked) -> &'static str {
    match path {
        MODULE if checked.executed.is_some() => "executed",
        ROLLBACK_LOG if checked.rollbacks > 0 => "well formed; does not follow from the run",
        _ => "identical",
    }
}

fn execution(executed: &Execution) -> String {
    let same = |is_identical: bool| {
        if is_identical {
            "identical"
        } else {
            "DIFFERENT"
        }
    };
    let mut text = format!(
        "  Execution in a fresh world: {} events, {} fuel, {}\n  Replay: {}\n",
        executed.events,
        executed.fuel,
        same(executed.difference.is_none()),
        same(executed.replay_identical)
    );
    if executed.is_other_engine {
        text.push_str("  Engine: another one than recorded; fuel and memory not compared\n");
    }
    let _ = writeln!(text, "  Chain: {}", executed.chain_head);
    text
}
