//! `coo freeze [status|lift]`: makes the state root read-only, and ends that again. Only parses,
//! prints and asks; `crate::freeze` does the work.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::baseline::freeze::{Difference, LIFT, LIFT_CHANGED, MANIFEST};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::exit::Exit;
use serde::Serialize;

use super::{manifests, print};
use crate::freeze::{self, Purpose, Standing, Unready};
use crate::hint::Hint as _;
use crate::machine::{self, rfc3339};
use crate::session::{Held, Read, Session};
use crate::state::state_root::StateRoot;
use crate::state::store::FreezeRow;

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show whether the state root is frozen, and list every change since
    #[command(after_help = "Exit codes:  0 unchanged, 3 changed")]
    Status,
    /// Lift the freeze, after confirmation
    Lift,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View<'a> {
    by: &'a str,
    differences: &'a [Difference],
    frozen: String,
    is_frozen: bool,
    manifest_sha256: Digest,
    number: u32,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct NotFrozen {
    is_frozen: bool,
}

pub fn cmd_freeze(root: &Path, options: &Options) -> Result<ExitCode> {
    match options.command {
        None => activate(root, options.json),
        Some(Command::Status) => status(root, options.json),
        Some(Command::Lift) => lift(root, options.json),
    }
}

fn activate(path: &Path, json: bool) -> Result<ExitCode> {
    // Check before coo opens files of its own.
    refuse_strangers("freeze", path)?;
    let no_root = || anyhow!("no state root at {}", path.display()).hint("'coo init' makes one");
    let mut session = Session::open(path, Purpose::Freeze, print::note)?.ok_or_else(no_root)?;
    let row = match session.freeze(&machine::user())? {
        Ok(row) => row,
        Err(unready) => return refuse(path, &unready),
    };
    show(&Standing::new(row), json, "FROZEN")?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to freeze while this process has inherited open files, or while standard input, output
/// or error is a file of the state root (packet §7). Must be called before coo opens files of its
/// own.
pub fn refuse_strangers(command: &str, root: &Path) -> Result<()> {
    let root = root.canonicalize().ok();
    let is_of_root = |target: &Path| root.as_ref().is_some_and(|root| target.starts_with(root));
    for (number, target) in machine::open_files().into_iter().flatten() {
        let shown = print::one_line(&target.display().to_string());
        if number > 2 {
            bail!(
                anyhow!(
                    "descriptor {number} ({shown}): was handed to this process and is \
                     neither stdio nor coo's"
                )
                .hint(format!(
                    "close it with 'coo {command} {number}>&-', or start coo elsewhere"
                ))
            );
        }
        if is_of_root(&target) {
            let stream = ["input", "output", "error"][number as usize];
            bail!(
                anyhow!(
                    "descriptor {number} ({shown}): standard {stream} is a file of the \
                     state root that is to be frozen"
                )
                .hint("redirect it to a file elsewhere")
            );
        }
    }
    Ok(())
}

fn refuse(path: &Path, unready: &Unready) -> Result<ExitCode> {
    let shown = path.display();
    match unready {
        Unready::Frozen(row) => bail!(
            "state root {shown}: has been frozen since {} by freeze {}",
            rfc3339(row.frozen_ms),
            row.number
        ),
        Unready::Reader(database) => bail!(
            anyhow!(
                "database {}: another process reads it",
                path.join(database).display()
            )
            .hint("wait for it and try again")
        ),
        Unready::Manifests(drifts) => {
            print::out(&drifts.iter().map(manifests::line).collect::<String>())?;
            bail!(
                anyhow!(
                    "state root {shown}: its manifests are out of date, {}, so it was \
                     not frozen",
                    print::count(drifts.len(), "difference")
                )
                .hint(
                    "if this is intended, run 'coo manifests write' to accept the \
                     current environment"
                )
            );
        }
    }
}

fn status(path: &Path, json: bool) -> Result<ExitCode> {
    let standing = match Read::open(path, Purpose::Freeze, print::note)? {
        Some(read) => freeze::examine(&read.root, &read.store)?,
        None => None,
    };
    let Some(standing) = standing else {
        if json {
            print::json("coo-freeze/1", &NotFrozen { is_frozen: false })?;
        } else {
            print::out("not frozen\n")?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let changed = standing.differences.len();
    show(
        &standing,
        json,
        if changed == 0 { "FROZEN" } else { "CHANGED" },
    )?;
    if changed > 0 {
        print::error(
            &anyhow!(
                "state root {}: was changed since freeze {}, {}",
                path.display(),
                standing.row.number,
                print::count(changed, "difference")
            )
            .hint("undo that, or 'coo freeze lift' ends the freeze"),
        );
    }
    Ok(print::code(Exit::compared(changed == 0)))
}

fn lift(path: &Path, json: bool) -> Result<ExitCode> {
    let not_frozen = || format!("state root {}: is not frozen", path.display());
    StateRoot::open_existing(path)?.with_context(not_frozen)?;
    let mut held = Held::take(path, Purpose::Freeze, print::note)?;
    let standing = freeze::examine(&held.root, &held.store)?.with_context(not_frozen)?;
    // A build without the repository pipeline reads no changes. A change fails if its freeze was
    // lifted meanwhile.
    #[cfg(feature = "repository")]
    if let Some(id) = held.store.change_frozen_by(standing.row.number)?
        && standing.differences.is_empty()
    {
        bail!(
            anyhow!(
                "freeze {}: belongs to {id} and ends with that",
                standing.row.number
            )
            .hint(format!(
                "'coo pipeline status {id}' shows what it waits for, 'coo pipeline reject {id}' \
                 abandons it"
            ))
        );
    }
    let word = if standing.differences.is_empty() {
        LIFT
    } else {
        print::out(&lines(&standing.differences))?;
        print::before_asking(&[
            "the state differs from the frozen one, and lifting does not undo that".to_owned(),
        ]);
        LIFT_CHANGED
    };
    let purpose = format!("lift freeze {}", standing.row.number);
    if let Err(said) = print::ask_for(word, &purpose) {
        bail!(
            anyhow!(
                "freeze {}: '{}' does not lift it, so it stays in force",
                standing.row.number,
                String::from_utf8_lossy(&said)
                    .trim_end()
                    .escape_debug()
                    .take(40)
                    .collect::<String>()
            )
            .hint(format!("run the command again and type exactly {word}"))
        );
    }
    freeze::lift(&held.root, &mut held.store, &standing.row)?;
    show(&standing, json, "LIFTED")?;
    Ok(ExitCode::SUCCESS)
}

fn lines(differences: &[Difference]) -> String {
    let mut text = String::new();
    for Difference { change, what } in differences {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{change:<13}  {}", print::one_line(what));
    }
    text
}

fn show(standing: &Standing, json: bool, result: &str) -> Result<()> {
    let FreezeRow {
        number,
        by,
        frozen_ms,
        manifest,
        ..
    } = &standing.row;
    let manifest_sha256 = Digest::of(manifest.to_text());
    if json {
        return print::json(
            "coo-freeze/1",
            &View {
                by,
                differences: &standing.differences,
                frozen: rfc3339(*frozen_ms),
                is_frozen: result != "LIFTED",
                manifest_sha256,
                number: *number,
            },
        );
    }
    let summary = manifest.state.summary();
    let mut text = lines(&standing.differences);
    let _ = writeln!(
        text,
        "Freeze {number}\n  Since: {}\n  By: {}\n  Manifest: {MANIFEST}\n  {manifest_sha256}\n  Governed: {}, {}, {}\n  Missions: {}\n  Result: {result}",
        rfc3339(*frozen_ms),
        print::one_line(by),
        print::count(summary.files, "file"),
        print::count(summary.folders, "folder"),
        print::count(summary.bytes, "byte"),
        manifest.journal.missions
    );
    print::out(&text)
}
