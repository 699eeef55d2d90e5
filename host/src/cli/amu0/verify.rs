//! `coo amu0 verify`: checks that a baseline is complete, and compares a tree or the current state
//! with it. Changes nothing.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use coo_kernel::baseline::{Change, Difference, Summary, TreePath};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::exit::Exit;
use serde::Serialize;

use super::{find, holds, left_out};
use crate::baselines::{self, Baseline, Progress, Tree};
use crate::cli::print;
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::session::Session;

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Verified {
    baseline: Digest,
    bytes: u64,
    damage: Vec<String>,
    objects: usize,
    summary: Summary,
    state: Option<Compared>,
    tree: Option<Compared>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Compared {
    differences: Vec<Different>,
    identical: bool,
    left_out: Option<String>,
    path: String,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Different {
    change: Change,
    path: String,
}

pub fn verify(
    root: &Path,
    asked: &str,
    tree: Option<&Path>,
    state: bool,
    json: bool,
    progress: &Progress<'_>,
) -> Result<ExitCode> {
    // Comparing the state needs the lock: another process could change it meanwhile.
    let session = if state {
        Session::open(root, Purpose::Keep, print::note)?
    } else {
        Session::open(root, Purpose::Read, print::note)?
    };
    let baseline = find(session.as_ref().map(|session| &session.root), asked)?;
    let Some(session) = session else {
        return Ok(print::done(false));
    };
    let tree = tree.map(|tree| Tree::open(tree, root)).transpose()?;
    let kept = baselines::verify(&session.root, &baseline, progress);
    let tree = tree
        .as_ref()
        .map(|tree| compared(&baseline, tree, progress))
        .transpose()?;
    let state = state
        .then(|| compared_state(&session, &baseline, progress))
        .transpose()?;
    let intact = kept.damage.is_empty();
    let both = [&tree, &state];
    let identical = both.into_iter().flatten().all(|found| found.identical);
    let view = Verified {
        baseline: baseline.id,
        bytes: kept.bytes,
        damage: kept.damage,
        objects: kept.objects,
        summary: baseline.manifest.summary(),
        state,
        tree,
    };
    if json {
        print::json("coo-amu0-verification/1", &view)?;
    } else {
        print::out(&text(asked, &view))?;
    }
    if !intact {
        print::error(
            &anyhow!(
                "baseline {asked}: {} of its {} can't be read or were changed",
                view.damage.len(),
                print::count(view.objects, "object")
            )
            .hint("take them from a copy of the state root"),
        );
    }
    if let Some(tree) = view.tree.filter(|tree| !tree.identical) {
        print::error(
            &anyhow!(
                "tree {}: does not match the baseline, {}",
                tree.path,
                print::count(tree.differences.len(), "difference")
            )
            .hint(format!("'coo amu0 restore {asked} --tree DIR' restores it")),
        );
    }
    if let Some(state) = view.state.filter(|state| !state.identical) {
        print::error(
            &anyhow!(
                "state root {}: does not match the baseline, {}",
                state.path,
                print::count(state.differences.len(), "difference")
            )
            .hint(format!("'coo rollback {asked}' restores it")),
        );
    }
    Ok(print::code(Exit::compared(intact && identical)))
}

fn compared(baseline: &Baseline, tree: &Tree, progress: &Progress<'_>) -> Result<Compared> {
    let differences = different(baselines::compare(baseline, tree, progress)?);
    Ok(Compared {
        identical: differences.is_empty(),
        differences,
        left_out: tree.left_out.as_ref().map(TreePath::text),
        path: tree.path.display().to_string(),
    })
}

fn compared_state(
    session: &Session,
    baseline: &Baseline,
    progress: &Progress<'_>,
) -> Result<Compared> {
    let found = baselines::compare_state(&session.root, &session.store, baseline, progress)?;
    let differences = different(found);
    Ok(Compared {
        identical: differences.is_empty(),
        differences,
        left_out: None,
        path: session.root.path().display().to_string(),
    })
}

fn different(found: Vec<Difference>) -> Vec<Different> {
    let different = |difference: Difference| Different {
        change: difference.change,
        path: difference.path.text(),
    };
    found.into_iter().map(different).collect()
}

fn text(asked: &str, view: &Verified) -> String {
    let mut text = format!(
        "Verify {asked}\n  Id: {}\n  Holds: {}\n  Objects: {} of {} intact, {}\n",
        view.baseline,
        holds(&view.summary),
        view.objects - view.damage.len(),
        view.objects,
        print::count(view.bytes, "byte")
    );
    for damage in &view.damage {
        let _ = writeln!(text, "    {}", print::one_line(damage));
    }
    let both = [("Tree", &view.tree), ("State", &view.state)];
    for (kind, found) in both {
        let Some(found) = found else { continue };
        let _ = write!(
            text,
            "  {kind}: {}\n{}",
            print::one_line(&found.path),
            left_out(found.left_out.as_deref())
        );
        for difference in &found.differences {
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
    let mut found = both.into_iter().filter_map(|(_, found)| found.as_ref());
    let result = if !view.damage.is_empty() {
        "DAMAGED"
    } else if found.clone().next().is_none() {
        "INTACT"
    } else if found.all(|found| found.identical) {
        "IDENTICAL"
    } else {
        "DIFFERENT"
    };
    text + &format!("  Result: {result}\n")
}
