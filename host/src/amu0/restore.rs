//! Makes a tree a baseline again. Everything that is to come is written beside the tree's
//! content, in `.coo-restore/` at its top, and synced; then the steps are written there, which
//! is the promise; only then is anything of the tree moved, and every step can be done again.
//! A process that dies before the promise has changed nothing, and the next one clears up; after
//! it, the next one does all steps again. The state root holds one pointer to the tree.
//!
//! Nothing is believed: manifest, objects and steps are judged when read, every name is one
//! component given to an open folder, and no link is followed. Without `.coo-restore/` in it,
//! a tree that a pointer names is left alone.

use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _};
use coo_kernel::baseline::{
    Entry, MANIFEST_BYTES_MAX, Mode, Node, STAGE, Step, TreePath, bytes_of, parse_steps,
    print_steps, steps,
};
use coo_kernel::digest::Digest;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::objects::Objects;
use super::progress::Progress;
use super::scan::{Folders, Tree};
use super::{Baseline, FOLDER, RECORD_BYTES_MAX, canonical_text, disk};
use crate::fault;
use crate::hashing;
use crate::state_root::{StateRoot, read_bounded};

/// What is to come, each under the number of its step.
const NEW: &str = "new";
/// What has gone, likewise.
const OLD: &str = "old";
/// The steps. Where this file is, they are promised.
const STEPS: &str = "steps.json";
/// On its way to that name.
const STEPS_WAITING: &str = "steps.waiting";

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

/// What is in `tree`, its files read where they can be the baseline's.
pub fn found(baseline: &Baseline, tree: &Tree, progress: &Progress<'_>) -> Result<Vec<Entry>> {
    let can_be = |path: &TreePath, found: u64| matches!(baseline.manifest.get(path), Some(Node::File { size, .. }) if *size == found);
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
    let found = found(baseline, tree, progress)?;
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
        .with_context(shown)
        .and_then(|()| clear(root, &tree.dir).with_context(shown));
    kept.with_context(|| unfinished(root))?;
    let count = |is: fn(&Step) -> bool| steps.iter().filter(|step| is(step)).count();
    Ok(Restored {
        written,
        removed: count(|step| matches!(step, Step::Remove(_))),
        modes: count(|step| matches!(step, Step::Mode(..))),
    })
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
) -> Result<(Dir, usize)> {
    let shown = || format!("folder {}", tree.path.join(STAGE).display());
    let prepared = || -> io::Result<(Dir, Dir)> {
        fault::point("stage.create")?;
        tree.dir.create_dir(STAGE)?;
        let stage = disk::open_folder(&tree.dir, STAGE.as_ref())?;
        // Files of any permissions are about to lie here.
        disk::set_folder_mode(&stage, Mode::of(0o700))?;
        stage.create_dir(NEW)?;
        stage.create_dir(OLD)?;
        let new = disk::open_folder(&stage, NEW.as_ref())?;
        Ok((stage, new))
    };
    let (stage, new) = prepared().with_context(|| format!("{}: can't be made", shown()))?;
    let coming = coming(baseline, steps)?;
    let unwritable =
        |coming: &Coming<'_>| format!("{} '{}'", coming.node.kind(), coming.path.text());
    for coming in &coming {
        let written = || -> io::Result<()> {
            let folder = disk::descend(&new, coming.at.parent().as_ref())?;
            let name = disk::name(coming.at.name());
            match coming.node {
                Node::Folder { .. } => {
                    fault::point("stage.folder")?;
                    folder.create_dir(name)?;
                    // Whatever the user's mask takes away.
                    let made = disk::open_folder(&folder, name)?;
                    disk::set_folder_mode(&made, Mode::of(0o700))
                }
                Node::Link { target } => {
                    fault::point("stage.link")?;
                    folder.symlink_contents(disk::name(target), name)
                }
                Node::File { .. } | Node::Other(_) => Ok(()),
            }
        };
        written().with_context(|| unwritable(coming))?;
    }
    let files = coming
        .iter()
        .filter(|coming| matches!(coming.node, Node::File { .. }));
    progress.begin("files restored", files.count());
    let objects = Objects::new(root);
    coming
        .par_iter()
        .try_for_each_init(Folders::default, |folders, coming| {
            let Node::File { mode, sha256, size } = coming.node else {
                return Ok(());
            };
            let mut object = objects.open(sha256)?;
            let mut copied = || -> io::Result<(Digest, u64)> {
                let folder = folders.of(&new, &coming.at)?;
                fault::point("stage.file")?;
                let mut file = disk::create_file(folder, disk::name(coming.at.name()))?;
                fault::point("stage.write")?;
                let copied = hashing::copy(&mut object, &mut file)?;
                disk::set_mode(&file, *mode)?;
                Ok(copied)
            };
            let copied = copied().with_context(|| unwritable(coming))?;
            if copied != (*sha256, *size) {
                bail!(objects.damaged(sha256, copied));
            }
            progress.step();
            Ok(())
        })?;
    // The innermost first: a folder may forbid the way through it.
    for coming in coming.iter().rev() {
        if let Node::Folder { mode } = coming.node {
            // One that has to be moved stays open until its own step closes it.
            let is_top = coming.at.parent().is_none();
            let mode = if is_top && !mode.is_open() {
                Mode::of(mode.bits() | 0o700)
            } else {
                *mode
            };
            disk::descend(&new, Some(&coming.at))
                .and_then(|folder| disk::set_folder_mode(&folder, mode))
                .with_context(|| unwritable(coming))?;
        }
    }
    promise(&stage, steps).with_context(|| format!("{}: can't be written", shown()))?;
    Ok((stage, coming.len()))
}

/// The steps get their name, and with it everything is promised.
fn promise(stage: &Dir, steps: &[Step]) -> io::Result<()> {
    fault::point("stage.sync")?;
    disk::sync_file_system(stage)?;
    fault::point("steps.write")?;
    let mut file = disk::create_file(stage, STEPS_WAITING.as_ref())?;
    io::Write::write_all(&mut file, print_steps(steps).as_bytes())?;
    fault::point("steps.sync")?;
    file.sync_all()?;
    fault::point("steps.rename")?;
    stage.rename(STEPS_WAITING, stage, STEPS)?;
    disk::sync_folder(stage)
}

/// An entry that is to come.
struct Coming<'a> {
    /// Below `new/`.
    at: TreePath,
    path: &'a TreePath,
    node: &'a Node,
}

/// Everything that the steps put, sorted by where it waits.
fn coming<'a>(baseline: &'a Baseline, steps: &[Step]) -> Result<Vec<Coming<'a>>> {
    let entries = baseline.manifest.entries();
    let mut coming = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let Step::Put(top) = step else { continue };
        let first = entries.partition_point(|entry| entry.path < *top);
        for entry in &entries[first..] {
            if !entry.path.bytes().starts_with(top.bytes()) {
                break;
            }
            // `a-b` stands between `a` and `a/b`.
            if entry.path.is_within(top) {
                let rest = &entry.path.bytes()[top.bytes().len()..];
                coming.push(Coming {
                    at: TreePath::new([number.to_string().as_bytes(), rest].concat())?,
                    path: &entry.path,
                    node: &entry.node,
                });
            }
        }
    }
    coming.sort_unstable_by(|a, b| a.at.cmp(&b.at));
    Ok(coming)
}

/// Does all steps. One that is done already is done.
fn perform(tree: &Dir, stage: &Dir, steps: &[Step]) -> Result<()> {
    let new = disk::open_folder(stage, NEW.as_ref()).context(STAGE)?;
    let old = disk::open_folder(stage, OLD.as_ref()).context(STAGE)?;
    let mut folders = Folders::default();
    for (number, step) in steps.iter().enumerate() {
        let number = number.to_string();
        let (Step::Remove(path) | Step::Put(path) | Step::Mode(path, _)) = step;
        let done = (|| -> io::Result<()> {
            let folder = match folders.of(tree, path) {
                // Moved away by an earlier process, with what was in it.
                Err(error) if is_absent(&error) && matches!(step, Step::Remove(_)) => return Ok(()),
                folder => folder?,
            };
            let name = disk::name(path.name());
            match step {
                Step::Remove(_) => away(folder, name.as_ref(), &old, &number),
                Step::Put(_) => {
                    let Some(comes_folder) = is_folder(&new, number.as_ref())? else {
                        // It has come.
                        return Ok(());
                    };
                    // A file takes another's place in one go; a folder's place must be free.
                    if is_folder(folder, name.as_ref())?
                        .is_some_and(|is_folder| is_folder || comes_folder)
                    {
                        away(folder, name.as_ref(), &old, &number)?;
                    }
                    fault::point("tree.put")?;
                    opening(folder, || new.rename(&number, folder, name))
                }
                Step::Mode(_, mode) => {
                    fault::point("tree.mode")?;
                    disk::set_folder_mode(&disk::open_folder(folder, name)?, *mode)
                }
            }
        })();
        done.with_context(|| format!("'{}': can't be changed", path.text()))?;
    }
    fault::point("tree.sync")?;
    disk::sync_file_system(tree).context("can't be synced")
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Whether a folder stands there; `None` where nothing does.
fn is_folder(folder: &Dir, name: &std::path::Path) -> io::Result<Option<bool>> {
    match folder.symlink_metadata(name) {
        Ok(metadata) => Ok(Some(metadata.is_dir())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Moves what stands there, if anything does, out of the tree.
fn away(folder: &Dir, name: &std::path::Path, old: &Dir, number: &str) -> io::Result<()> {
    let Some(is_folder) = is_folder(folder, name)? else {
        return Ok(());
    };
    fault::point("tree.remove")?;
    let moved = opening(folder, || folder.rename(name, old, number));
    match moved {
        // A folder that its owner may not change can't be moved either.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_folder => {
            let inner = disk::open_folder(folder, name.as_os_str())?;
            open_up(&inner)?;
            folder.rename(name, old, number)
        }
        moved => moved,
    }
}

/// Does `change` in `folder`; where its permissions forbid that, they are widened, and the step
/// that sets them follows.
fn opening(folder: &Dir, change: impl Fn() -> io::Result<()>) -> io::Result<()> {
    match change() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            change()
        }
        changed => changed,
    }
}

fn open_up(folder: &Dir) -> io::Result<()> {
    let mode = Mode::of(folder.dir_metadata()?.mode() | 0o700);
    disk::set_folder_mode(folder, mode)
}

/// Ends a restore: the steps are forgotten first, then what it prepared or moved away goes, then
/// the pointer.
fn clear(root: &StateRoot, tree: &Dir) -> Result<()> {
    let cleared = (|| -> io::Result<()> {
        let stage = match disk::open_folder(tree, STAGE.as_ref()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            stage => stage?,
        };
        fault::point("steps.remove")?;
        match stage.remove_file(STEPS) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => {
                removed?;
                disk::sync_folder(&stage)?;
            }
        }
        fault::point("stage.remove")?;
        if tree.remove_dir_all(STAGE).is_err() {
            // Most likely a folder that its owner may not change.
            open_all(&stage)?;
            tree.remove_dir_all(STAGE)?;
        }
        disk::sync_folder(tree)
    })();
    cleared.with_context(|| format!("{STAGE}/: can't be removed"))?;
    let removed = (|| {
        fault::point("pointer.remove")?;
        root.dir().remove_file(pointer_file())
    })();
    removed.with_context(|| {
        format!(
            "file {}: can't be removed",
            root.path().join(pointer_file()).display()
        )
    })
}

/// Lets the owner change every folder in `top`.
fn open_all(top: &Dir) -> io::Result<()> {
    let mut folders = vec![top.try_clone()?];
    while let Some(folder) = folders.pop() {
        open_up(&folder)?;
        for entry in folder.entries()? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(disk::open_folder(&folder, &entry.file_name())?);
            }
        }
    }
    Ok(())
}

/// Whether an earlier process left a restore to be finished or cleared up.
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
    let forget = || -> Result<&'static str> {
        root.dir().remove_file(pointer_file())?;
        Ok("found nothing left of")
    };
    // Every restore writes an absolute one; another would mean another tree in every folder.
    anyhow::ensure!(path.is_absolute(), "is no absolute path");
    let tree = match Dir::open_ambient_dir(path, ambient_authority()) {
        Err(error) if is_absent(&error) => return forget(),
        tree => tree?,
    };
    let stage = match disk::open_folder(&tree, STAGE.as_ref()) {
        Err(error) if is_absent(&error) => return forget(),
        stage => stage.context(STAGE)?,
    };
    let did = match disk::open_file(&stage, STEPS.as_ref()) {
        Err(error) if is_absent(&error) => "cleared up",
        file => {
            let name = path.join(STAGE).join(STEPS);
            let text = read_bounded(file.context(STEPS)?, &name, MANIFEST_BYTES_MAX)?;
            perform(&tree, &stage, &parse_steps(&text).context(STEPS)?)?;
            "finished"
        }
    };
    clear(root, &tree)?;
    Ok(did)
}
