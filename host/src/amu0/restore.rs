//! Makes a tree a baseline again. Everything that is to come is written beside the tree's
//! content, in `.coo-restore/` at its top, and synced; then the steps are written there, which
//! is the promise; only then is anything of the tree moved, and every step can be done again.
//! A process that dies before the promise has changed nothing, and the next one clears up; after
//! it, the next one does all steps again. The state root holds one pointer to the tree.
//!
//! Nothing is believed: manifest, objects and steps are judged when read, every name is one
//! component given to an open folder, and no link is followed. Without `.coo-restore/` in it,
//! a tree that a pointer names is left alone.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coo_kernel::baseline::{Entry, Manifest, Node, STAGE, Step, TreePath, bytes_of, steps};
use coo_kernel::digest::Digest;
use serde::{Deserialize, Serialize};

use super::objects::Objects;
use super::perform::perform;
use super::progress::Progress;
use super::scan::Tree;
use super::stage::{Stage, is_absent};
use super::{Baseline, FOLDER, RECORD_BYTES_MAX, canonical_text, disk};
use crate::fault;
use crate::state_root::StateRoot;

/// What a restore did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Files and links written, folders made.
    pub written: usize,
    /// Topmost entries that the baseline does not have, or has otherwise.
    pub removed: usize,
    /// Folders that got other permissions.
    pub modes: usize,
}

impl Restored {
    /// What `steps` come to; `written` is what was written for them.
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

/// `amu0/restore.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    baseline: Digest,
    tree: String,
}

fn pointer_file() -> String {
    format!("{FOLDER}/restore.json")
}

/// What is in `tree`, its files read where they can be the wanted ones.
pub fn found(wanted: &Manifest, tree: &Tree, progress: &Progress<'_>) -> Result<Vec<Entry>> {
    let can_be = |path: &TreePath, found: u64| matches!(wanted.get(path), Some(Node::File { size, .. }) if *size == found);
    tree.entries(can_be, progress)
}

/// Makes `tree` what `baseline` says. The caller alone writes to `root`, and has recovered it.
pub fn restore(
    root: &StateRoot,
    baseline: &Baseline,
    tree: &Tree,
    progress: &Progress<'_>,
) -> Result<Restored> {
    let shown = || format!("tree {}", tree.path.display());
    if tree.dir.symlink_metadata(STAGE).is_ok() {
        bail!(
            "{}: has {STAGE}/ in it, which another restore left; run any coo command with that restore's state root, or remove it",
            shown()
        );
    }
    let found = found(&baseline.manifest, tree, progress)?;
    let steps = steps(&baseline.manifest, &found, tree.left_out.as_ref()).with_context(shown)?;
    if steps.is_empty() {
        return Ok(Restored::default());
    }
    let pointer = Pointer {
        baseline: baseline.id,
        tree: disk::text(tree.path.clone()),
    };
    root.write_new(&pointer_file(), canonical_text(&pointer)?.as_bytes())?;
    let staged = stage(root, baseline, tree, &steps, progress);
    let (stage, written) = match staged {
        Ok(staged) => staged,
        Err(error) => {
            // Nothing was promised. What can't be cleared up now is by the next command.
            let _ = clear(root, &tree.dir);
            return Err(error);
        }
    };
    let kept = perform(&tree.dir, &stage, &steps)
        .and_then(|()| clear(root, &tree.dir))
        .with_context(shown);
    kept.with_context(|| unfinished(root))?;
    Ok(Restored::of(&steps, written))
}

fn unfinished(root: &StateRoot) -> String {
    format!(
        "restore: is begun and will be finished by the next coo command (to give it up instead, remove {} and {STAGE}/ in the tree)",
        root.path().join(pointer_file()).display()
    )
}

/// Writes what is to come, then the steps. Nothing of the tree itself changes.
fn stage(
    root: &StateRoot,
    baseline: &Baseline,
    tree: &Tree,
    steps: &[Step],
    progress: &Progress<'_>,
) -> Result<(Stage, usize)> {
    let shown = || format!("folder {}", tree.path.join(STAGE).display());
    let stage = Stage::create(&tree.dir).with_context(|| format!("{}: can't be made", shown()))?;
    let written = stage.fill(&Objects::new(root), &baseline.manifest, steps, progress)?;
    stage
        .seal(steps)
        .with_context(|| format!("{}: can't be written", shown()))?;
    Ok((stage, written))
}

/// Ends a restore: what it prepared or moved away goes, then the pointer.
fn clear(root: &StateRoot, tree: &Dir) -> Result<()> {
    Stage::clear(tree)?;
    forget(root)
}

#[allow(
    clippy::disallowed_methods,
    reason = "the pointer, which this file wrote"
)]
fn forget(root: &StateRoot) -> Result<()> {
    let removed =
        fault::point("pointer.remove").and_then(|()| root.dir().remove_file(pointer_file()));
    removed.with_context(|| {
        format!(
            "file {}: can't be removed",
            root.path().join(pointer_file()).display()
        )
    })
}

/// Whether an earlier process left a restore to be finished or cleared up.
#[must_use]
pub fn is_pending(root: &StateRoot) -> bool {
    root.dir().exists(pointer_file())
}

/// Finishes a restore that an earlier process promised, or clears up after one that it had not
/// promised yet. The caller alone writes to `root`. Gives a line to say, if there was one.
pub fn recover(root: &StateRoot) -> Result<Option<String>> {
    if !is_pending(root) {
        return Ok(None);
    }
    let file = root.path().join(pointer_file());
    let text = root.read_bounded(&pointer_file(), RECORD_BYTES_MAX)?;
    let pointer: Pointer = serde_json::from_slice(&text)
        .with_context(|| format!("file {}: was changed; remove it", file.display()))?;
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
    // Every restore writes an absolute one; another would mean another tree in every folder.
    anyhow::ensure!(path.is_absolute(), "is no absolute path");
    let tree = match Dir::open_ambient_dir(path, ambient_authority()) {
        Err(error) if is_absent(&error) => return nothing_left(),
        tree => tree?,
    };
    let Some(stage) = Stage::open(&tree).context(STAGE)? else {
        return nothing_left();
    };
    let did = match stage.steps().context(STAGE)? {
        None => "cleared up",
        Some(steps) => {
            perform(&tree, &stage, &steps)?;
            "finished"
        }
    };
    clear(root, &tree)?;
    Ok(did)
}
