//! `coo artefacts`: lists the artefacts that missions wrote, and compares the files with the
//! record. Changes files only with `--repair`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use coo_kernel::mission::exit::Exit;
use coo_kernel::state::index::{Drift, IndexEntry};
use serde::Serialize;

use super::print;
use crate::effects::gateway;
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::session::Session;
use crate::state::reports;
use crate::state::state_root::StateRoot;

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
    /// List every artefact on record
    List,
    /// Compare artefacts/ with the record and list every difference
    #[command(after_help = "Exit codes:  0 in order, or repaired; 3 a difference")]
    Check {
        /// Make artefacts/ match the record; move other files to set-aside/
        #[arg(long)]
        repair: bool,
    },
}

pub fn cmd_artefacts(root: &Path, options: &Options) -> Result<ExitCode> {
    match options.command {
        None | Some(Command::List) => list(root, options.json),
        Some(Command::Check { repair }) => check(root, repair, options.json),
    }
}

/// The list as `--json` prints it.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct List<'a> {
    artefacts: &'a [IndexEntry],
}

fn list(root: &Path, json: bool) -> Result<ExitCode> {
    let entries = match Session::open(root, Purpose::Read, print::note)? {
        Some(session) => session.store.artefacts()?,
        None => Vec::new(),
    };
    if json {
        print::json(
            "coo-artefacts/1",
            &List {
                artefacts: &entries,
            },
        )?;
    } else if entries.is_empty() {
        print::note(&format!("no artefacts in {}", root.display()));
    } else {
        let mut text = String::new();
        for entry in &entries {
            let _ = writeln!(
                text,
                "{} {:>10} {:<15} {}",
                entry.sha256.short(),
                entry.bytes,
                entry.mission,
                entry.path
            );
        }
        print::out(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View<'a> {
    in_order: bool,
    repaired: bool,
    artefacts: usize,
    drifts: &'a [Drift],
    reports: usize,
    report_drifts: &'a [Drift],
}

fn check(root: &Path, repair: bool, json: bool) -> Result<ExitCode> {
    let no_root = || anyhow!("no state root at {}", root.display()).hint("'coo run' makes one");
    StateRoot::open_existing(root)?.ok_or_else(no_root)?;
    // Under the lock, because the intent of a running writer names files that don't exist yet. An
    // earlier writer's unfinished intent is not completed first; the check sees the files as they
    // are.
    let purpose = if repair {
        Purpose::Change
    } else {
        Purpose::Read
    };
    let mut session = Session::create_unrecovered(root, purpose, print::note)?;
    let drifts = gateway::check(&session.root, &session.store)?;
    let report_drifts = reports::check(&session.root, &session.store)?;
    if repair {
        gateway::repair(&session.root, &session.store, &drifts)?;
        reports::repair(&session.root, &mut session.store, &report_drifts)?;
        session.recover(print::note)?;
    }
    let count = session.store.artefacts()?.len();
    let reports = session.store.reports()?.len();
    let is_in_order = drifts.is_empty() && report_drifts.is_empty();
    if json {
        print::json(
            "coo-artefacts-check/1",
            &View {
                in_order: is_in_order,
                repaired: repair && !is_in_order,
                artefacts: count,
                drifts: &drifts,
                reports,
                report_drifts: &report_drifts,
            },
        )?;
    } else {
        let mut text = String::new();
        summarise(&mut text, &drifts, repair, &print::count(count, "artefact"));
        if reports > 0 || !report_drifts.is_empty() {
            let on_record = print::count(reports, "report");
            summarise(&mut text, &report_drifts, repair, &on_record);
        }
        print::out(&text)?;
    }
    if !is_in_order && !repair {
        let what = match (drifts.is_empty(), report_drifts.is_empty()) {
            (false, true) => "artefacts/ does",
            (true, false) => "reports do",
            _ => "artefacts/ and reports do",
        };
        print::error(&anyhow!("{what} not match the record").hint(
            "'coo artefacts check --repair' corrects that and keeps the files that it removes",
        ));
    }
    Ok(print::code(Exit::compared(is_in_order || repair)))
}

fn summarise(text: &mut String, drifts: &[Drift], repair: bool, on_record: &str) {
    text.extend(drifts.iter().map(line));
    let found = match (drifts.len(), repair) {
        (0, _) => "all in order".to_owned(),
        (found, true) => format!("{} repaired", print::count(found, "difference")),
        (found, false) => print::count(found, "difference"),
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "{on_record} on record, {found}");
}

fn line(drift: &Drift) -> String {
    let path = print::one_line(drift.path());
    match drift {
        Drift::Missing { .. } => format!("missing   {path}\n"),
        Drift::Changed {
            recorded, found, ..
        } => format!(
            "changed   {path} (recorded {}, found {})\n",
            recorded.short(),
            found.short()
        ),
        Drift::Replaced { found, .. } => format!("replaced  {path} ({found} is there)\n"),
        Drift::Extra { .. } => format!("extra     {path}\n"),
        Drift::Index { .. } => format!("stale     {path}\n"),
    }
}
