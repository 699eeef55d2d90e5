//! Prepares a rollback before its intent is committed: opens closed folders, and stages all
//! incoming content on the disk. Writes only to the stage and to the modes of folders. Both can be
//! undone until there is a committed intent.

use std::io;

use anyhow::{Context as _, Result};
use coo_kernel::baseline::governed::{self, State};
use coo_kernel::baseline::{Mode, STAGE, Step, TreeEntry, TreePath, steps};
use coo_kernel::form::digest::Digest;
use coo_kernel::state::index;
use coo_kernel::state::layout;

use super::disk;
use super::objects::Objects;
use super::progress::Progress;
use super::restore::{self, Restored};
use super::scan::Tree;
use super::scanned::Scanned;
use super::staging::StagingDir;
use crate::effects::world::dump;
use crate::machine::failpoint;
use crate::state::state_root::StateRoot;
use crate::state::store::Store;

/// Opens every folder of the state that this user may not read, so that the state can be captured.
/// Returns each with its former mode, which `StagingDir::give_up` restores as long as there is no
/// committed intent.
pub fn open_closed(root: &StateRoot) -> Result<Vec<(TreePath, Mode)>> {
    let tree = Tree::of_state(root)?;
    let mut opened: Vec<(TreePath, Mode)> = Vec::new();
    loop {
        // A folder inside one that was just opened may be closed, too.
        let closed: Vec<_> = tree.look()?.iter().filter_map(Scanned::closed).collect();
        let is_stuck = closed.iter().any(|closed| opened.contains(closed));
        if closed.is_empty() || is_stuck {
            return Ok(opened);
        }
        opened.extend(closed.iter().cloned());
        let stage = StagingDir::open_or_create(root.dir()).context(STAGE)?;
        let back: Vec<Step> = opened
            .iter()
            .rev()
            .map(|(path, mode)| Step::Mode(path.clone(), *mode))
            .collect();
        stage.note_opened(&back).context(STAGE)?;
        for (path, _) in &closed {
            failpoint::reach("closed.open")?;
            disk::descend(root.dir(), path.parent().as_ref())
                .and_then(|folder| disk::open_up(&folder, disk::name(path.name())))
                .with_context(|| {
                    let shown = tree.shown(path);
                    format!("folder {shown}: can't be read, and can't be opened")
                })?;
        }
    }
}

/// Stages the steps from the present files and world to `wanted`; returns `None` if there is no
/// difference. A rebuilt world gets `commit` as the number of its last commit, so that no older
/// commit is applied to it again.
pub fn prepare(
    root: &StateRoot,
    wanted: &State,
    (files, world): (&[TreeEntry], (Digest, u64)),
    commit: u32,
    progress: &Progress<'_>,
) -> Result<Option<(Restored, bool)>> {
    let steps = steps(&wanted.files, files, None)?;
    restore::refuse_impossible(&Tree::of_state(root)?, &steps)?;
    let is_rebuilt = world != wanted.world;
    if steps.is_empty() && !is_rebuilt {
        return Ok(None);
    }
    let commit = is_rebuilt.then_some(commit);
    let restored = stage(root, wanted, &steps, commit, |_| Ok(()), progress)?;
    Ok(Some((restored, is_rebuilt)))
}

/// Stages the steps to `wanted` from a state that cannot be captured: every part of the present
/// state is set aside unchanged, and every part of `wanted` is put in its place.
pub fn prepare_aside(
    root: &StateRoot,
    store: &Store,
    wanted: &State,
    commit: u32,
    progress: &Progress<'_>,
) -> Result<(Restored, bool)> {
    let mut all = Vec::new();
    for name in governed::ON_DISK.iter().chain(&governed::WORLD_ON_DISK) {
        if root.dir().symlink_metadata(name).is_ok() {
            all.push(Step::SetAside(TreePath::from_text(name)?));
        }
    }
    all.extend(steps(&wanted.files, &[], None)?);
    // The record of artefacts is the only part of the state without a file of its own.
    let record = index::json(&store.artefacts()?)?;
    let note = |stage: &StagingDir| stage.begin_aside(&record);
    let restored = stage(root, wanted, &all, Some(commit), note, progress)?;
    Ok((restored, true))
}

/// Stages the entries that `steps` put and, if `commit` is given, the world of `wanted` with that
/// commit number.
fn stage(
    root: &StateRoot,
    wanted: &State,
    steps: &[Step],
    commit: Option<u32>,
    more: impl FnOnce(&StagingDir) -> io::Result<()>,
    progress: &Progress<'_>,
) -> Result<Restored> {
    let folder = root.path().canonicalize()?.join(STAGE);
    let shown = || format!("folder {}", folder.display());
    let stage = StagingDir::open_or_create(root.dir())
        .with_context(|| format!("{}: can't be made", shown()))?;
    let unwritable = || format!("{}: can't be written", shown());
    more(&stage).with_context(unwritable)?;
    let objects = Objects::new(root);
    let (written, bytes) = stage.fill(&objects, &wanted.files, steps, progress)?;
    if let Some(commit) = commit {
        let dump = objects.open(&wanted.world.0)?;
        dump::rebuild(dump, wanted.world, &folder.join(layout::WORLD), commit)
            .with_context(|| objects.shown(&wanted.world.0))?;
    }
    stage
        .seal(steps, bytes, progress)
        .with_context(unwritable)?;
    Ok(Restored::of(steps, written))
}
