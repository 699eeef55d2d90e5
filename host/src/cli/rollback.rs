//! `coo rollback`: restores the state root to a baseline, after confirmation. Only asks and prints;
//! `crate::baselines::rollback` does the work.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use coo_kernel::baseline::rollback::{Outcome, PROMPT, Request, aside_folder, before_name};
use serde::Serialize;

use super::{print, progress};
use crate::baselines::rollback::{self, RolledBack, SetAside};
use crate::baselines::{self, Progress};
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::machine::rfc3339;
use crate::session::{Held, Read};
use crate::state::state_root::StateRoot;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Name, id, or the first 12 or more digits of the id [default: the last baseline]
    #[arg(value_name = "BASELINE")]
    baseline: Option<String>,
    /// Ask on behalf of this migration attempt; each may ask once
    #[arg(long, value_name = "ID")]
    attempt: Option<String>,
    /// Move a state that can't be captured to a folder of its own, and continue
    #[arg(long)]
    set_aside: bool,
    /// List every requested rollback and its outcome
    #[arg(long, conflicts_with_all = ["baseline", "attempt", "set_aside"])]
    log: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn cmd_rollback(root: &Path, options: &Options) -> Result<ExitCode> {
    if options.log {
        return log(root, options.json);
    }
    let no_root = || match &options.baseline {
        Some(asked) => baselines::not_found(asked),
        None => anyhow!("no state root at {}", root.display())
            .hint("'coo amu0 create' makes one and its first baseline"),
    };
    StateRoot::open_existing(root)?.ok_or_else(no_root)?;
    // Without reading the configuration: that may be the broken part.
    let mut held = Held::take(root, Purpose::Change, print::note)?;
    let watched = std::io::stderr().is_terminal();
    let progress = Progress::new(watched.then_some(&progress::status_line));
    let asked = options.baseline.as_deref();
    let target = rollback::target(&held.root, &held.store, asked, &progress)?;
    let attempt = options.attempt.as_deref();
    let number = rollback::request(&held.root, &mut held.store, &target, attempt)?;
    let mut kept = format!(
        "if that changes anything, the present state is kept as {}",
        before_name(number)
    );
    let mut lines = vec![
        format!("rollback {number}: artefacts/, manifests/, config.json and the databases of"),
        format!(
            "{} are restored to baseline {} ({});",
            root.display(),
            target.record.name,
            target.record.baseline.short()
        ),
    ];
    if options.set_aside {
        kept.push(',');
        let aside = format!(
            "or, if it can't be captured, moved unchanged to {}",
            aside_folder(number)
        );
        lines.extend([kept, aside]);
    } else {
        lines.push(kept);
    }
    print::before_asking(&lines);
    rollback::confirm(&held.root, &mut held.store, number, &target, || {
        print::ask(PROMPT)
    })?;
    let done = rollback::carry_out(
        &held.root,
        &mut held.store,
        number,
        &target,
        options.set_aside,
        &progress,
    )?;
    if options.json {
        print::json("coo-rollback/1", &done)?;
    } else {
        print::out(&text(&done))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(done: &RolledBack) -> String {
    let mut text = format!(
        "Rollback {} to {}\n  Id: {}\n",
        done.number, done.to.name, done.to.baseline
    );
    if let Some(before) = &done.before {
        let _ = writeln!(
            text,
            "  Before: {} ({})",
            before.name,
            before.baseline.short()
        );
    }
    if let Some(SetAside { folder, why }) = &done.set_aside {
        let _ = writeln!(
            text,
            "  Set aside: {folder}/ in the state root\n  Why: {}",
            print::one_line(why)
        );
    }
    if done.outcome == Outcome::Restored {
        let _ = writeln!(
            text,
            "  Written: {}\n  Removed: {}\n  Folders with another mode: {}\n  World: {}\n  Artefacts on record: {}",
            print::count(done.files.written, "entry"),
            print::count(done.files.removed, "entry"),
            done.files.modes,
            if done.world_rebuilt {
                "rebuilt"
            } else {
                "as it was"
            },
            done.artefacts
        );
    }
    let result = match done.outcome {
        Outcome::Unchanged => "UNCHANGED",
        _ => "RESTORED",
    };
    text + &format!("  Result: {result}\n")
}

/// The list as `--json` prints it.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct List<'a> {
    rollbacks: &'a [Request],
}

fn log(root: &Path, json: bool) -> Result<ExitCode> {
    let log = match Read::open(root, Purpose::Read, print::note)? {
        Some(read) => read.store.rollbacks()?,
        None => Vec::new(),
    };
    if json {
        print::json("coo-rollbacks/1", &List { rollbacks: &log })?;
    } else if log.is_empty() {
        print::note(&format!(
            "no rollback was ever asked for in {}",
            root.display()
        ));
    } else {
        print::out(&log.iter().map(line).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn line(request: &Request) -> String {
    let mut text = format!(
        "{:>6}  {:<9}  {}  {}\n",
        request.number,
        request.outcome,
        rfc3339(request.requested_ms),
        request.to.name
    );
    let mut more = |what: &str, name: &str| {
        let _ = writeln!(text, "        {what} {name}");
    };
    if let Some(attempt) = &request.attempt {
        more("asked by migration attempt", attempt);
    }
    if let Some(before) = &request.before {
        more("the state before it is", &before.name);
    }
    if let Some(folder) = request.set_aside() {
        more("the state before it was set aside to", &folder);
    }
    text
}
