//! `coo amu0 restore`: restores a directory to a baseline. Shows what will happen to the existing
//! content, and asks before any of it is lost. `crate::baselines` does the work.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use coo_kernel::baseline::rollback::Said;
use coo_kernel::baseline::{Effect, TreePath};
use coo_kernel::form::digest::Digest;
use serde::Serialize;

use super::{existing, find, left_out};
use crate::baselines::{self, Baseline, Plan, Progress, Tree};
use crate::cli::print;
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::session::Session;

/// The word that the user must type.
const CONFIRMATION: &str = "CONFIRM_RESTORE";

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Done {
    baseline: Digest,
    left_out: Option<String>,
    #[serde(flatten)]
    restored: baselines::Restored,
    tree: String,
}

pub fn restore(
    root: &Path,
    asked: &str,
    tree: &Path,
    yes: bool,
    json: bool,
    progress: &Progress<'_>,
) -> Result<ExitCode> {
    existing(tree)?;
    let session = Session::open(root, Purpose::Keep, print::note)?;
    let baseline = find(session.as_ref().map(|session| &session.root), asked)?;
    let Some(session) = session else {
        return Ok(print::done(false));
    };
    let root = &session.root;
    let tree = Tree::open(tree, root.path())?;
    baselines::refuse_partial(root, &baseline, &tree)?;
    let restored = if yes {
        baselines::restore(root, &baseline, &tree, progress)?
    } else {
        let plan = baselines::plan(&baseline, &tree, progress)?;
        if plan.touches_something() {
            confirm(&baseline, &tree, &plan)?;
        }
        baselines::restore_as_planned(root, &baseline, &tree, &plan, progress)?
    };
    let done = Done {
        baseline: baseline.id,
        left_out: tree.left_out.as_ref().map(TreePath::text),
        restored,
        tree: tree.path.display().to_string(),
    };
    if json {
        print::json("coo-amu0-restored/1", &done)?;
    } else {
        print::out(&format!(
            "Restore {asked}\n  Id: {}\n  Tree: {}\n{}  Written: {}\n  Removed: {}\n  Folders with another mode: {}\n  Result: {}\n",
            done.baseline,
            print::one_line(&done.tree),
            left_out(done.left_out.as_deref()),
            print::count(restored.written, "entry"),
            print::count(restored.removed, "entry"),
            restored.modes,
            if restored == baselines::Restored::default() {
                "UNCHANGED"
            } else {
                "RESTORED"
            }
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for confirmation, because the replaced content is not kept anywhere.
fn confirm(baseline: &Baseline, tree: &Tree, plan: &Plan) -> Result<()> {
    let tree = print::one_line(&tree.path.display().to_string());
    let asked = &baseline.asked;
    print::before_asking(&[
        tree.clone(),
        format!(
            "is restored to baseline {asked} ({}): {};",
            baseline.id.short(),
            shown(&plan.effect)
        ),
        format!("the removed content is not kept; 'coo amu0 verify {asked} --tree DIR' lists it"),
    ]);
    let Err(said) = print::ask_for(CONFIRMATION, "proceed") else {
        return Ok(());
    };
    bail!(
        anyhow!(
            "tree {tree}: {}, and only {CONFIRMATION} counts; nothing was restored",
            Said::Line(&said)
        )
        .hint(format!(
            "run it again and type {CONFIRMATION}, or give --yes"
        ))
    );
}

fn shown(effect: &Effect) -> String {
    let mut text = format!(
        "{} replaced, {} removed, {} made",
        print::count(effect.replaced, "entry"),
        effect.removed,
        effect.made
    );
    for (count, what) in [
        (effect.modes, "folders get another mode"),
        (effect.closed, "folders that can't be looked into go whole"),
    ] {
        if count > 0 {
            // Writing to a string does not fail.
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}
