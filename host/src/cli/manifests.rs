//! `coo manifests write|check`: records the environment of the state root, and compares it later.
//! Only parses and prints; `crate::state::manifests` does the work.

use coo_kernel::mission::exit::Exit;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use serde::Serialize;
use serde_json::Value;

use super::print;
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::manifests::{self, Drift, Written};
use crate::session::Session;

/// Most characters of a value in the output for people.
const VALUE_CHARS_MAX: usize = 200;

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Record tools, environment, hardware and module set as they are now
    Write,
    /// Compare the manifests with the current environment, and list every difference
    #[command(after_help = "Exit codes:  0 in order, 3 a difference")]
    Check,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Made<'a> {
    manifests: &'a [Written],
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Checked<'a> {
    drifts: &'a [Drift],
    in_order: bool,
}

pub fn cmd_manifests(root: &Path, options: &Options) -> Result<ExitCode> {
    let no_root = || anyhow!("no state root at {}", root.display()).hint("'coo init' makes one");
    match options.command {
        Command::Write => {
            let session = Session::open(root, Purpose::Change, print::note)?.ok_or_else(no_root)?;
            write(&session, options.json)
        }
        Command::Check => {
            let session = Session::open(root, Purpose::Read, print::note)?.ok_or_else(no_root)?;
            check(&session, options.json)
        }
    }
}

fn write(session: &Session, json: bool) -> Result<ExitCode> {
    let manifests = manifests::write(&session.root, session.config()?, &session.environment)?;
    if json {
        print::json(
            "coo-manifests-written/1",
            &Made {
                manifests: &manifests,
            },
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for made in &manifests {
        let done = if made.changed { "written" } else { "unchanged" };
        let _ = writeln!(text, "{}  {done:<9}  {}", made.sha256.short(), made.file);
    }
    print::out(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn check(session: &Session, json: bool) -> Result<ExitCode> {
    let drifts = manifests::check(&session.root, session.config()?, &session.environment)?;
    if json {
        print::json(
            "coo-manifests-check/1",
            &Checked {
                drifts: &drifts,
                in_order: drifts.is_empty(),
            },
        )?;
    } else {
        let mut text: String = drifts.iter().map(line).collect();
        let files = manifests::files().count();
        let _ = match drifts.len() {
            0 => writeln!(text, "{files} manifests, all in order"),
            found => writeln!(
                text,
                "{files} manifests, {}",
                print::count(found, "difference")
            ),
        };
        print::out(&text)?;
    }
    if !drifts.is_empty() {
        print::error(
            &anyhow!(
                "manifests in {}: out of date, {}",
                session.root.path().join(manifests::FOLDER).display(),
                print::count(drifts.len(), "difference")
            )
            .hint(
                "if this is intended, run 'coo manifests write' to accept the current environment",
            ),
        );
    }
    Ok(print::code(Exit::compared(drifts.is_empty())))
}

/// Formats a drift for people; ends with a line break.
pub fn line(drift: &Drift) -> String {
    match drift {
        Drift::Missing { file } => format!("missing     {file}\n"),
        Drift::Unreadable { file, reason } => {
            format!("unreadable  {file}: {}\n", print::one_line(reason))
        }
        Drift::Changed { file, difference } => format!(
            "changed     {file}: {}\n  recorded  {}\n  found     {}\n",
            print::one_line(&difference.field),
            value(&difference.recorded),
            value(&difference.found)
        ),
    }
}

fn value(value: &Value) -> String {
    let text = print::one_line(&value.to_string());
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    let cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
    cut + "…"
}
