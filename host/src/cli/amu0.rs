//! `coo amu0 create|promote|list|lineage|verify|restore`: baselines of directory trees and of the
//! state root. Only parses and prints; `crate::baselines` does the work.

pub mod list;
pub mod restore;
pub mod verify;

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use coo_kernel::baseline::Summary;
use serde::Serialize;

use super::{print, progress};
use crate::baselines::{self, Baseline, Captured, Progress, Record, Tree};
use crate::freeze::Purpose;
use crate::hint::{self, Hint as _};
use crate::manifests;
use crate::mission::find::find_in_root;
use crate::session::Session;
use crate::state::state_root::StateRoot;

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Create a baseline of the state root, or of a directory, as it is now
    Create {
        /// Directory to capture instead; a state root in it is left out
        #[arg(long, value_name = "DIR")]
        tree: Option<PathBuf>,
        /// Name of the baseline [default: AMU0-000001 and so on]
        #[arg(long)]
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Create a baseline from the final state of a run, and record the run
    Promote {
        /// Id of a mission that ended SUCCESS and was the last to change the state
        #[arg(value_name = "MISSION-ID")]
        id: String,
        /// Name of the baseline [default: AMU0-000001 and so on]
        #[arg(long)]
        name: Option<String>,
        /// Create it even if the state was edited since; its lineage records that
        #[arg(long)]
        edited: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all baselines
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the order of the baselines of the state root, and the run of each
    Lineage {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check all objects of a baseline, and compare a directory or the state with it
    #[command(after_help = "Exit codes:  0 identical, 3 different")]
    Verify {
        /// Name, id, or the first 12 or more digits of the id
        #[arg(value_name = "NAME|ID")]
        baseline: String,
        /// Directory to compare with the baseline, byte for byte
        #[arg(long, value_name = "DIR")]
        tree: Option<PathBuf>,
        /// Compare the present state of the state root with the baseline
        #[arg(long)]
        state: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Restore a directory to a baseline: completely or not at all, even if interrupted
    Restore {
        /// Name, id, or the first 12 or more digits of the id
        #[arg(value_name = "NAME|ID")]
        baseline: String,
        /// Directory to restore; everything that is not in the baseline is removed
        #[arg(long, value_name = "DIR")]
        tree: PathBuf,
        /// A person permits what is replaced and removed in the directory: do not ask
        #[arg(long, alias = "approve")]
        yes: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Made<'a> {
    #[serde(flatten)]
    record: &'a Record,
    new_bytes: u64,
    new_objects: usize,
}

pub fn cmd_amu0(root: &Path, options: &Options) -> Result<ExitCode> {
    let watched = std::io::stderr().is_terminal();
    let progress = Progress::new(watched.then_some(&progress::status_line));
    match &options.command {
        Command::Create { tree, name, json } => match tree {
            Some(tree) => create(root, tree, name.as_deref(), *json, &progress),
            None => create_of_state(root, name.as_deref(), *json, &progress),
        },
        Command::Promote {
            id,
            name,
            edited,
            json,
        } => promote(root, id, name.as_deref(), *edited, *json, &progress),
        Command::List { json } => list::list(root, *json),
        Command::Lineage { json } => list::lineage(root, *json),
        Command::Verify {
            baseline,
            tree,
            state,
            json,
        } => verify::verify(root, baseline, tree.as_deref(), *state, *json, &progress),
        Command::Restore {
            baseline,
            tree,
            yes,
            json,
        } => restore::restore(root, baseline, tree, *yes, *json, &progress),
    }
}

/// Checks that the tree exists. Called before the state root is created, because a wrong path must
/// not leave one behind.
fn existing(tree: &Path) -> Result<()> {
    if !tree.is_dir() {
        bail!(
            anyhow!("tree {}: is not an existing directory", tree.display())
                .hint("name or make one")
        );
    }
    Ok(())
}

fn create(
    root: &Path,
    tree: &Path,
    name: Option<&str>,
    json: bool,
    progress: &Progress<'_>,
) -> Result<ExitCode> {
    existing(tree)?;
    let session = Session::create(root, Purpose::Keep, print::note)?;
    let tree = Tree::open(tree, session.root.path())?;
    let made = baselines::create(&session.root, &tree, name, progress)?;
    show(&made, json)
}

fn create_of_state(
    root: &Path,
    name: Option<&str>,
    json: bool,
    progress: &Progress<'_>,
) -> Result<ExitCode> {
    let session = Session::create(root, Purpose::Keep, print::note)?;
    say_what_lacks(&session);
    let reason = baselines::Reason::Asked;
    let made = baselines::create_of_state(&session.root, &session.store, name, reason, progress)?;
    show(&made, json)
}

fn promote(
    root: &Path,
    id: &str,
    name: Option<&str>,
    edited: bool,
    json: bool,
    progress: &Progress<'_>,
) -> Result<ExitCode> {
    let (session, mission) = find_in_root(root, id, Purpose::Keep, print::note)?;
    say_what_lacks(&session);
    let (root, store) = (&session.root, &session.store);
    let made = baselines::promote(root, store, &mission, name, edited, progress)?;
    show(&made, json)
}

/// Warns about manifests that are missing or out of date. The state is captured all the same.
fn say_what_lacks(session: &Session) {
    let missing = baselines::missing_manifests(&session.root);
    if !missing.is_empty() {
        print::note(&format!(
            "manifests/ lacks {}: the baseline lacks them, too; 'coo manifests write' makes them",
            missing.join(", ")
        ));
    }
    if missing.len() == manifests::files().count() {
        return;
    }
    let drifts = session
        .config()
        .and_then(|config| manifests::check(&session.root, config, &session.environment));
    let differ = |drift: &manifests::Drift| !matches!(drift, manifests::Drift::Missing { .. });
    match drifts.map(|drifts| drifts.into_iter().filter(differ).count()) {
        Ok(0) => {}
        Ok(count) => print::note(&format!(
            "manifests/ differs from the current environment in {}: the baseline keeps it as it is; 'coo manifests check' lists the differences",
            print::count(count, "place")
        )),
        Err(error) => print::note(&format!(
            "manifests/ can't be checked: {}",
            hint::flat(&error)
        )),
    }
}

fn show(made: &Captured, json: bool) -> Result<ExitCode> {
    let record = &made.record;
    if json {
        print::json(
            "coo-amu0-created/1",
            &Made {
                record,
                new_bytes: made.added.bytes,
                new_objects: made.added.objects,
            },
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!(
        "Baseline {}\n  Id: {}\n  {}: {}\n",
        record.name,
        record.baseline,
        list::kind(record, "Tree", "State"),
        print::one_line(&record.tree)
    );
    if let Some(lineage) = &record.lineage {
        if let Some(run) = &lineage.run {
            let _ = writeln!(
                text,
                "  Run: {} (chain {})",
                run.mission,
                run.chain_head.short()
            );
            for line in list::compared(run) {
                let _ = writeln!(text, "    {line}");
            }
        }
        if let Some(after) = &lineage.after {
            let _ = writeln!(text, "  After: {} ({})", after.name, after.baseline.short());
        }
    }
    let _ = writeln!(
        text,
        "{}  Holds: {}\n  New in the store: {}, {}",
        left_out(record.left_out.as_deref()),
        holds(&record.summary),
        print::count(made.added.objects, "object"),
        print::count(made.added.bytes, "byte")
    );
    print::out(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn holds(summary: &Summary) -> String {
    format!(
        "{}, {}, {}, {}",
        print::count(summary.files, "file"),
        print::count(summary.folders, "folder"),
        print::count(summary.links, "link"),
        print::count(summary.bytes, "byte")
    )
}

fn left_out(path: Option<&str>) -> String {
    path.map_or(String::new(), |path| {
        format!("  Left out: {} (the state root)\n", print::one_line(path))
    })
}

fn find(root: Option<&StateRoot>, asked: &str) -> Result<Baseline> {
    baselines::find(root.ok_or_else(|| baselines::not_found(asked))?, asked)
}
