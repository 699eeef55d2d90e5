//! Restores a tree to a baseline. All incoming entries are first written and synced in
//! `.coo-restore/` at the tree's top. Then the steps are written there: this is the write-ahead
//! intent. Only then are entries of the tree moved, and every step is idempotent. A process that
//! dies before the intent has changed nothing, and the next process cleans up; if it dies later,
//! the next process repeats all steps. The state root holds one pointer to the tree.
//!
//! Invariants: manifest, objects and steps are checked when read, every name is one component
//! resolved in an open folder, and no link is followed. A tree that a pointer names is left alone
//! if it does not contain `.coo-restore/`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coo_kernel::baseline::{
    Effect, Manifest, Node, STAGE, Step, TreeEntry, TreePath, bytes_of, effect, steps,
};
use coo_kernel::form::digest::Digest;
use serde::{Deserialize, Serialize};

use super::objects::Objects;
use super::perform::perform;
use super::progress::Progress;
use super::scan::Tree;
use super::scanned::Scanned;
use super::staging::{StagingDir, is_absent};
use super::{Baseline, FOLDER, RECORD_BYTES_MAX, canonical_text, disk};
use crate::hint::Hint as _;
use crate::machine::failpoint;
use crate::state::state_root::StateRoot;

/// Counts of what a restore did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Restored {
    /// Files and links written, and folders created.
    pub written: usize,
    /// Topmost entries that the baseline does not have, or has with another kind or content.
    pub removed: usize,
    /// Folders whose mode was set.
    pub modes: usize,
}

impl Restored {
    /// Counts `steps`; `written` is the number of entries that were written for them.
    #[must_use]
    pub fn of(steps: &[Step], written: usize) -> Self {
        let count = |is: fn(&Step) -> bool| steps.iter().filter(|step| is(step)).count();
        Self {
            written,
            removed: count(|step| matches!(step, Step::Remove(_))),
            modes: count(|step| matches!(step, Step::Mode(..))),
        }
    }
}

/// The content of `amu0/restore.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    baseline: Digest,
    tree: String,
}

fn pointer_file() -> String {
    format!("{FOLDER}/restore.json")
}

/// Returns a predicate: can a file at this path with this size be the wanted one?
pub fn can_be(wanted: &Manifest) -> impl Fn(&TreePath, u64) -> bool + Sync {
    |path, found| matches!(wanted.get(path), Some(Node::File { size, .. }) if *size == found)
}

/// Reads the entries of `tree`; hashes only files that can be the wanted ones. A folder that this
/// user may not read is one closed entry, which a restore removes as a whole.
pub fn found(wanted: &Manifest, tree: &Tree, progress: &Progress<'_>) -> Result<Vec<TreeEntry>> {
    tree.entries_as_found(can_be(wanted), progress)
}

/// Refuses, before there is a committed intent, a mode that the last steps could not set.
pub fn refuse_impossible(tree: &Tree, steps: &[Step]) -> Result<()> {
    for step in steps {
        let Step::Mode(path, mode) = step else {
            continue;
        };
        let looked = disk::descend(&tree.dir, path.parent().as_ref())
            .and_then(|folder| disk::can_set_folder_mode(&folder, disk::name(path.name()), *mode));
        match looked {
            // The folder does not exist yet.
            Err(error) if is_absent(&error) => {}
            Ok(true) => {}
            looked => {
                let shown = tree.shown(path);
                looked.with_context(|| format!("folder {shown}: can't be examined"))?;
                bail!(
                    anyhow!(
                        "folder {shown}: this user can't give it mode {}",
                        mode.text()
                    )
                    .hint("restore as its owner, in its group, or as root")
                );
            }
        }
    }
    Ok(())
}

/// The steps from a tree to a baseline.
#[derive(Debug)]
pub struct Plan {
    pub effect: Effect,
    /// What the tree held when the plan was made.
    seen: Vec<Scanned>,
    steps: Vec<Step>,
}

impl Plan {
    /// Returns whether the plan changes a tree that is not empty.
    #[must_use]
    pub fn touches_something(&self) -> bool {
        !self.seen.is_empty() && !self.steps.is_empty()
    }
}

/// Plans the restore of `tree` to `baseline`. Changes nothing.
pub fn plan(baseline: &Baseline, tree: &Tree, progress: &Progress<'_>) -> Result<Plan> {
    let shown = || format!("tree {}", tree.path.display());
    if tree.dir.symlink_metadata(STAGE).is_ok() {
        bail!(
            anyhow!(
                "{}: has {STAGE}/ in it, which another restore left",
                shown()
            )
            .hint("run any coo command with that restore's state root, or remove it")
        );
    }
    let seen = tree.look()?;
    let found = tree.read(seen.clone(), can_be(&baseline.manifest), progress)?;
    let steps = steps(&baseline.manifest, &found, tree.left_out.as_ref()).with_context(shown)?;
    refuse_impossible(tree, &steps)?;
    Ok(Plan {
        effect: effect(&baseline.manifest, &found, &steps),
        seen,
        steps,
    })
}

/// Restores as `restore` does, after a person has confirmed `plan`, which was made for `baseline`
/// and `tree`. Fails and changes nothing if the tree has changed since.
pub fn restore_as_planned(
    root: &StateRoot,
    baseline: &Baseline,
    tree: &Tree,
    plan: &Plan,
    progress: &Progress<'_>,
) -> Result<Restored> {
    if tree.look()? != plan.seen {
        bail!(
            anyhow!(
                "tree {}: was changed meanwhile, so nothing was done",
                tree.path.display()
            )
            .hint("make sure that nothing writes to it, then try again")
        );
    }
    carry_out(root, baseline, tree, &plan.steps, progress)
}

/// Restores `tree` to `baseline`. The caller is the only writer of `root` and has recovered it.
pub fn restore(
    root: &StateRoot,
    baseline: &Baseline,
    tree: &Tree,
    progress: &Progress<'_>,
) -> Result<Restored> {
    let plan = plan(baseline, tree, progress)?;
    carry_out(root, baseline, tree, &plan.steps, progress)
}

fn carry_out(
    root: &StateRoot,
    baseline: &Baseline,
    tree: &Tree,
    steps: &[Step],
    progress: &Progress<'_>,
) -> Result<Restored> {
    let shown = || format!("tree {}", tree.path.display());
    if steps.is_empty() {
        return Ok(Restored::default());
    }
    let pointer = Pointer {
        baseline: baseline.id,
        tree: disk::text(tree.path.clone()),
    };
    root.write_new(&pointer_file(), canonical_text(&pointer)?.as_bytes())?;
    let staged = stage(root, baseline, tree, steps, progress);
    let (stage, written) = match staged {
        Ok(staged) => staged,
        Err(error) => {
            // There is no committed intent. If this cleanup fails, the next command cleans up.
            let _ = clear(root, &tree.dir);
            return Err(error);
        }
    };
    let kept = perform(&tree.dir, &stage, steps, progress)
        .and_then(|()| clear(root, &tree.dir))
        .with_context(shown);
    kept.with_context(|| unfinished(root))?;
    Ok(Restored::of(steps, written))
}

fn unfinished(root: &StateRoot) -> String {
    format!(
        "restore: is begun and will be finished by the next coo command (to give it up instead, remove {} and {STAGE}/ in the tree)",
        root.path().join(pointer_file()).display()
    )
}

/// Writes the incoming entries, then the steps. Changes nothing in the tree outside the stage.
fn stage(
    root: &StateRoot,
    baseline: &Baseline,
    tree: &Tree,
    steps: &[Step],
    progress: &Progress<'_>,
) -> Result<(StagingDir, usize)> {
    let shown = || format!("folder {}", tree.path.join(STAGE).display());
    let stage =
        StagingDir::create(&tree.dir).with_context(|| format!("{}: can't be made", shown()))?;
    let (written, bytes) = stage.fill(&Objects::new(root), &baseline.manifest, steps, progress)?;
    stage
        .seal(steps, bytes, progress)
        .with_context(|| format!("{}: can't be written", shown()))?;
    Ok((stage, written))
}

/// Ends a restore: removes the stage with everything in it, then the pointer.
fn clear(root: &StateRoot, tree: &Dir) -> Result<()> {
    StagingDir::clear(tree)?;
    forget(root)
}

#[allow(
    clippy::disallowed_methods,
    reason = "the pointer, which this file wrote"
)]
fn forget(root: &StateRoot) -> Result<()> {
    let removed =
        failpoint::reach("pointer.remove").and_then(|()| root.dir().remove_file(pointer_file()));
    removed.with_context(|| {
        format!(
            "file {}: can't be removed",
            root.path().join(pointer_file()).display()
        )
    })
}

/// Returns whether an earlier process left a restore to finish or to clean up.
#[must_use]
pub fn is_pending(root: &StateRoot) -> bool {
    root.dir().exists(pointer_file())
}

/// Finishes a restore whose intent an earlier process committed, or cleans up if there is no
/// committed intent. The caller is the only writer of `root`. Returns a line for the user if there
/// was something to do.
pub fn recover(root: &StateRoot) -> Result<Option<String>> {
    if !is_pending(root) {
        return Ok(None);
    }
    let file = root.path().join(pointer_file());
    let text = root.read_bounded(&pointer_file(), RECORD_BYTES_MAX)?;
    let pointer: Pointer = serde_json::from_slice(&text)
        .with_context(|| format!("file {}: was changed", file.display()))
        .hint("remove it")?;
    let path = PathBuf::from(disk::name(&bytes_of(&pointer.tree)?));
    let done = recover_tree(root, &path).with_context(|| format!("tree {}", path.display()));
    let did = done.with_context(|| unfinished(root))?;
    Ok(Some(format!(
        "{did} an interrupted restore of {} to baseline {}",
        path.display(),
        pointer.baseline.short()
    )))
}

fn recover_tree(root: &StateRoot, path: &std::path::Path) -> Result<&'static str> {
    let nothing_left = || forget(root).map(|()| "found nothing left of");
    // Every restore writes an absolute path; a relative one would depend on the current folder.
    anyhow::ensure!(path.is_absolute(), "is not an absolute path");
    let tree = match Dir::open_ambient_dir(path, ambient_authority()) {
        Err(error) if is_absent(&error) => return nothing_left(),
        tree => tree?,
    };
    let Some(stage) = StagingDir::open(&tree).context(STAGE)? else {
        return nothing_left();
    };
    let did = match stage.steps().context(STAGE)? {
        None => "cleared up",
        Some(steps) => {
            perform(&tree, &stage, &steps, &Progress::new(None))?;
            "finished"
        }
    };
    clear(root, &tree)?;
    Ok(did)
}
