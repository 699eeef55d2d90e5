//! `coo amu0 create|list|verify|restore`: baselines of directory trees. Words only; what is
//! done is in `crate::amu0`.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use coo_kernel::baseline::{Change, Summary, TreePath};
use coo_kernel::digest::Digest;
use serde::Serialize;

use super::print;
use crate::amu0::{self, Baseline, Progress, Record, Tree};
use crate::machine::rfc3339;
use crate::session::Session;
use crate::state_root::StateRoot;

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Keep a directory tree as it is now
    Create {
        /// Directory to keep; the state root is left out if it is in it
        #[arg(long, value_name = "DIR")]
        tree: PathBuf,
        /// What to call the baseline; left out, AMU0-000001 and so on
        #[arg(long)]
        name: Option<String>,
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
    /// Read everything a baseline consists of, and compare a tree with it
    Verify {
        /// Name, id, or the first 12 or more digits of the id
        #[arg(value_name = "NAME|ID")]
        baseline: String,
        /// Directory to compare with it, byte for byte
        #[arg(long, value_name = "DIR")]
        tree: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a directory what it was: all or nothing, also when interrupted
    Restore {
        /// Name, id, or the first 12 or more digits of the id
        #[arg(value_name = "NAME|ID")]
        baseline: String,
        /// Directory to restore; whatever is not in the baseline is removed from it
        #[arg(long, value_name = "DIR")]
        tree: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Made<'a> {
    #[serde(flatten)]
    record: &'a Record,
    new_bytes: u64,
    new_objects: usize,
}

#[derive(Serialize)]
struct Verified {
    baseline: Digest,
    bytes: u64,
    damage: Vec<String>,
    objects: usize,
    summary: Summary,
    tree: Option<Compared>,
}

#[derive(Serialize)]
struct Compared {
    differences: Vec<Different>,
    identical: bool,
    left_out: Option<String>,
    path: String,
}

#[derive(Serialize)]
struct Different {
    change: Change,
    path: String,
}

#[derive(Serialize)]
struct Done {
    baseline: Digest,
    left_out: Option<String>,
    #[serde(flatten)]
    restored: amu0::Restored,
    tree: String,
}

pub fn cmd_amu0(root: &Path, options: &Options) -> Result<ExitCode> {
    let watched = std::io::stderr().is_terminal();
    let progress = Progress::new(watched.then_some(&print::note));
    match &options.command {
        Command::Create { tree, name, json } => {
            create(root, tree, name.as_deref(), *json, &progress)
        }
        Command::List { json } => list(root, *json),
        Command::Verify {
            baseline,
            tree,
            json,
        } => verify(root, baseline, tree.as_deref(), *json, &progress),
        Command::Restore {
            baseline,
            tree,
            json,
        } => restore(root, baseline, tree, *json, &progress),
    }
}

/// Looked at before the state root is made: a wrong path must not leave one.
fn existing(tree: &Path) -> Result<()> {
    anyhow::ensure!(
        tree.is_dir(),
        "tree {}: is no directory that is there; name or make one",
        tree.display()
    );
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
    let session = Session::for_writing(root, print::note)?;
    let tree = Tree::open(tree, session.root.path())?;
    let made = amu0::create(&session.root, &tree, name, progress)?;
    let record = &made.record;
    if json {
        print::json(&Made {
            record,
            new_bytes: made.added.bytes,
            new_objects: made.added.objects,
        })?;
    } else {
        print::out(&format!(
            "Baseline {}\n  Id: {}\n  Tree: {}\n{}  Holds: {}\n  New in the store: {} objects, {} bytes\n",
            record.name,
            record.baseline,
            print::one_line(&record.tree),
            left_out(record.left_out.as_deref()),
            holds(&record.summary),
            made.added.objects,
            made.added.bytes
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn holds(summary: &Summary) -> String {
    format!(
        "{} files, {} folders, {} links, {} bytes",
        summary.files, summary.folders, summary.links, summary.bytes
    )
}

fn left_out(path: Option<&str>) -> String {
    path.map_or(String::new(), |path| {
        format!("  Left out: {} (the state root)\n", print::one_line(path))
    })
}

fn list(root: &Path, json: bool) -> Result<ExitCode> {
    let records = match Session::for_reading(root, print::note)? {
        Some(session) => amu0::list(&session.root)?,
        None => Vec::new(),
    };
    if json {
        print::json(&records)?;
    } else if records.is_empty() {
        print::note(&format!(
            "no baselines in {}; 'coo amu0 create --tree DIR' makes the first",
            root.display()
        ));
    } else {
        for record in records {
            print::out(&format!(
                "{:<14} {}  {}  {} files, {} bytes  {}\n",
                record.name,
                record.baseline.short(),
                rfc3339(record.created_ms),
                record.summary.files,
                record.summary.bytes,
                print::one_line(&record.tree)
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn find(root: Option<&StateRoot>, asked: &str) -> Result<Baseline> {
    amu0::find(root.with_context(|| amu0::not_found(asked))?, asked)
}

fn verify(
    root: &Path,
    asked: &str,
    tree: Option<&Path>,
    json: bool,
    progress: &Progress<'_>,
) -> Result<ExitCode> {
    let session = Session::for_reading(root, print::note)?;
    let baseline = find(session.as_ref().map(|session| &session.root), asked)?;
    let Some(session) = session else {
        return Ok(ExitCode::FAILURE);
    };
    let tree = tree.map(|tree| Tree::open(tree, root)).transpose()?;
    let kept = amu0::verify(&session.root, &baseline, progress)?;
    let compared = tree
        .as_ref()
        .map(|tree| compared(&baseline, tree, progress))
        .transpose()?;
    let intact = kept.damage.is_empty();
    let identical = compared.as_ref().is_none_or(|tree| tree.identical);
    let view = Verified {
        baseline: baseline.id,
        bytes: kept.bytes,
        damage: kept.damage,
        objects: kept.objects,
        summary: baseline.manifest.summary(),
        tree: compared,
    };
    if json {
        print::json(&view)?;
    } else {
        print::out(&text(asked, &view))?;
    }
    if !intact {
        print::error_text(&format!(
            "baseline {asked}: {} of its {} objects can't be read or were changed; take them from a copy of the state root",
            view.damage.len(),
            view.objects
        ));
    }
    if let Some(tree) = view.tree.filter(|tree| !tree.identical) {
        print::error_text(&format!(
            "tree {}: is not the baseline, {} differences; 'coo amu0 restore {asked} --tree DIR' makes it so",
            tree.path,
            tree.differences.len()
        ));
    }
    Ok(print::code(intact && identical))
}

fn compared(baseline: &Baseline, tree: &Tree, progress: &Progress<'_>) -> Result<Compared> {
    let differences: Vec<Different> = amu0::compare(baseline, tree, progress)?
        .into_iter()
        .map(|difference| Different {
            change: difference.change,
            path: difference.path.text(),
        })
        .collect();
    Ok(Compared {
        identical: differences.is_empty(),
        differences,
        left_out: tree.left_out.as_ref().map(TreePath::text),
        path: tree.path.display().to_string(),
    })
}

fn text(asked: &str, view: &Verified) -> String {
    let mut text = format!(
        "Verify {asked}\n  Id: {}\n  Holds: {}\n  Objects: {} of {} intact, {} bytes\n",
        view.baseline,
        holds(&view.summary),
        view.objects - view.damage.len(),
        view.objects,
        view.bytes
    );
    for damage in &view.damage {
        let _ = writeln!(text, "    {}", print::one_line(damage));
    }
    if let Some(tree) = &view.tree {
        let _ = write!(
            text,
            "  Tree: {}\n{}",
            print::one_line(&tree.path),
            left_out(tree.left_out.as_deref())
        );
        for difference in &tree.differences {
            let words = match difference.change {
                Change::Missing => "missing",
                Change::Extra => "extra",
                Change::Content => "other content",
                Change::Mode => "other mode",
                Change::Kind => "other kind",
                Change::Target => "other target",
            };
            let path = print::one_line(&difference.path);
            let _ = writeln!(text, "    {words:<14}{path}");
        }
    }
    let result = match &view.tree {
        _ if !view.damage.is_empty() => "DAMAGED",
        None => "INTACT",
        Some(tree) if tree.identical => "IDENTICAL",
        Some(_) => "DIFFERENT",
    };
    text + &format!("  Result: {result}\n")
}

fn restore(
    root: &Path,
    asked: &str,
    tree: &Path,
    json: bool,
    progress: &Progress<'_>,
) -> Result<ExitCode> {
    existing(tree)?;
    let session = Session::for_changing(root, print::note)?;
    let baseline = find(session.as_ref().map(|session| &session.root), asked)?;
    let Some(session) = session else {
        return Ok(ExitCode::FAILURE);
    };
    let tree = Tree::open(tree, session.root.path())?;
    let restored = amu0::restore(&session.root, &baseline, &tree, progress)?;
    let done = Done {
        baseline: baseline.id,
        left_out: tree.left_out.as_ref().map(TreePath::text),
        restored,
        tree: tree.path.display().to_string(),
    };
    if json {
        print::json(&done)?;
    } else {
        print::out(&format!(
            "Restore {asked}\n  Id: {}\n  Tree: {}\n{}  Written: {} entries\n  Removed: {} entries\n  Folders with other permissions: {}\n  Result: {}\n",
            done.baseline,
            print::one_line(&done.tree),
            left_out(done.left_out.as_deref()),
            restored.written,
            restored.removed,
            restored.modes,
            if restored == amu0::Restored::default() {
                "UNCHANGED"
            } else {
                "RESTORED"
            }
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
