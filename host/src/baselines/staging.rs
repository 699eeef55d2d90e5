//! The stage: the folder at the top of a tree in which a restore prepares itself. `new/` holds the
//! incoming entries, each under the number of its step; `old/` is room for removed entries;
//! `steps.json` lists the steps.
//!
//! Invariant: once `steps.json` exists under that name, everything the steps need is in the stage
//! and on the disk. This module changes nothing outside the stage, except in `give_up`, which gives
//! folders back the mode they had.

#![allow(
    clippy::disallowed_methods,
    reason = "writes in a folder of its own, which it made, and nowhere else"
)]

use std::io;

use anyhow::{Context as _, Result, bail};
use cap_std::fs::Dir;
use coo_kernel::baseline::{
    MANIFEST_BYTES_MAX, Manifest, Mode, Node, STAGE, Step, TreePath, parse_steps, print_steps,
};
use coo_kernel::form::digest::Digest;
use rayon::prelude::*;

use super::disk;
use super::objects::Objects;
use super::progress::Progress;
use super::scan::Folders;
use super::sparse::Sparse;
use crate::machine::failpoint;
use crate::machine::hashing;
use crate::machine::input_file::read_bounded;

/// Incoming entries, each under the number of its step.
const NEW: &str = "new";
/// Removed entries, each under the number of its step; `+` is appended for each repetition.
const OLD: &str = "old";
const STEPS: &str = "steps.json";
/// The name of the steps until they are complete and synced.
const STEPS_WAITING: &str = "steps.waiting";
/// Steps that give folders back their mode after they were opened for reading.
const OPENED: &str = "opened.json";
/// The name of those steps until they are complete and synced.
const OPENED_WAITING: &str = "opened.waiting";
/// Entries that were set aside, each under its own name, and the record of artefacts.
pub const ASIDE: &str = "aside";
/// The record of artefacts, inside `ASIDE`.
const RECORD: &str = "artefacts_on_record.json";

/// An open staging folder.
pub struct StagingDir {
    dir: Dir,
}

impl StagingDir {
    /// Creates the stage in `top`; an error if there already is one.
    pub fn create(top: &Dir) -> io::Result<Self> {
        failpoint::reach("stage.create")?;
        // The stage will hold files of any mode, so only the owner may enter it.
        let dir = disk::create_folder(top, STAGE.as_ref())?;
        disk::create_folder(&dir, NEW.as_ref())?;
        disk::create_folder(&dir, OLD.as_ref())?;
        Ok(Self { dir })
    }

    /// Opens the stage that an earlier process left in `top`; `None` if there is none.
    pub fn open(top: &Dir) -> io::Result<Option<Self>> {
        match disk::open_folder(top, STAGE.as_ref()) {
            Err(error) if is_absent(&error) => Ok(None),
            dir => Ok(Some(Self { dir: dir? })),
        }
    }

    /// Opens the stage in `top`, or creates it.
    pub fn open_or_create(top: &Dir) -> io::Result<Self> {
        match Self::open(top)? {
            Some(stage) => Ok(stage),
            None => Self::create(top),
        }
    }

    /// Returns the stage's folder.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Opens `new/`, the folder of incoming entries.
    pub fn coming(&self) -> io::Result<Dir> {
        disk::open_folder(&self.dir, NEW.as_ref())
    }

    /// Opens `old/`, the folder of removed entries.
    pub fn gone(&self) -> io::Result<Dir> {
        disk::open_folder(&self.dir, OLD.as_ref())
    }

    /// Writes every entry that `steps` put, with the content and mode it has in `wanted`. Returns
    /// the number of entries and of bytes written.
    pub fn fill(
        &self,
        objects: &Objects<'_>,
        wanted: &Manifest,
        steps: &[Step],
        progress: &Progress<'_>,
    ) -> Result<(usize, u64)> {
        let new = self.coming().context(STAGE)?;
        let coming = coming(wanted, steps)?;
        make_folders_and_links(&new, &coming)?;
        let bytes = copy_files(objects, &new, &coming, progress)?;
        close_folders(&new, &coming)?;
        Ok((coming.len(), bytes))
    }

    /// Opens the folder of entries that are set aside; `None` if nothing is to be set aside.
    pub fn aside(&self) -> io::Result<Option<Dir>> {
        match disk::open_folder(&self.dir, ASIDE.as_ref()) {
            Err(error) if is_absent(&error) => Ok(None),
            dir => dir.map(Some),
        }
    }

    /// Creates the folder for entries to be set aside and writes `record` into it.
    pub fn begin_aside(&self, record: &str) -> io::Result<()> {
        failpoint::reach("aside.create")?;
        let aside = disk::create_folder(&self.dir, ASIDE.as_ref())?;
        let mut file = disk::create_file(&aside, RECORD.as_ref())?;
        failpoint::reach("aside.write")?;
        io::Write::write_all(&mut file, record.as_bytes())
    }

    /// Writes to the disk the steps that restore the modes of folders about to be opened.
    pub fn note_opened(&self, steps: &[Step]) -> io::Result<()> {
        self.write_steps(steps, (OPENED_WAITING, OPENED))?;
        // If the stage was just created, its own name must reach the disk as well.
        disk::sync_file_system(&self.dir)
    }

    /// Syncs the stage, which holds `bytes` of content, then writes the steps under their name.
    /// From then on they are the committed intent.
    pub fn seal(&self, steps: &[Step], bytes: u64, progress: &Progress<'_>) -> io::Result<()> {
        progress.syncing(bytes);
        failpoint::reach("stage.sync")?;
        disk::sync_file_system(&self.dir)?;
        self.write_steps(steps, (STEPS_WAITING, STEPS))
    }

    fn write_steps(&self, steps: &[Step], (waiting, name): (&str, &str)) -> io::Result<()> {
        failpoint::reach("steps.write")?;
        let mut file = disk::create_file(&self.dir, waiting.as_ref())?;
        // Independent of the user's umask: another process has to read the steps.
        disk::set_mode(&file, Mode::of(0o600))?;
        io::Write::write_all(&mut file, print_steps(steps).as_bytes())?;
        failpoint::reach("steps.sync")?;
        file.sync_all()?;
        failpoint::reach("steps.rename")?;
        self.dir.rename(waiting, &self.dir, name)?;
        disk::sync_folder(&self.dir)
    }

    /// Reads the steps and checks every path again; `None` if the stage was not sealed.
    pub fn steps(&self) -> Result<Option<Vec<Step>>> {
        self.read_steps(STEPS)
    }

    fn read_steps(&self, name: &str) -> Result<Option<Vec<Step>>> {
        let file = match disk::open_file(&self.dir, name.as_ref()) {
            Err(error) if is_absent(&error) => return Ok(None),
            file => file.with_context(|| name.to_owned())?,
        };
        let text = read_bounded(file, name.as_ref(), MANIFEST_BYTES_MAX)?;
        Ok(Some(parse_steps(&text).with_context(|| name.to_owned())?))
    }

    /// Gives up a stage without a committed intent: restores the mode of every folder that was
    /// opened for reading, then removes the stage from `top`.
    pub fn give_up(top: &Dir) -> Result<()> {
        if let Some(stage) = Self::open(top).context(STAGE)? {
            for step in stage.read_steps(OPENED).context(STAGE)?.unwrap_or_default() {
                let Step::Mode(path, mode) = step else {
                    continue;
                };
                let closed = || -> io::Result<()> {
                    failpoint::reach("closed.close")?;
                    let folder = disk::descend(top, path.parent().as_ref())?;
                    disk::set_folder_mode(&folder, disk::name(path.name()), mode)
                };
                match closed() {
                    // The folder was removed meanwhile, or it and its parent are closed already.
                    Err(error)
                        if is_absent(&error) || error.kind() == io::ErrorKind::PermissionDenied => {
                    }
                    closed => {
                        closed.with_context(|| format!("'{}': can't be closed", path.text()))?;
                    }
                }
            }
        }
        Self::clear(top)
    }

    /// Removes the stage from `top`. The steps go first: without them there is no committed intent.
    pub fn clear(top: &Dir) -> Result<()> {
        let cleared = (|| -> io::Result<()> {
            let Some(stage) = Self::open(top)? else {
                return Ok(());
            };
            // `opened.json` goes first: if the process dies here, `give_up` must not close folders
            // of a restore that was completed.
            for name in [OPENED, STEPS] {
                failpoint::reach("steps.remove")?;
                match stage.dir.remove_file(name) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => {
                        removed?;
                        disk::sync_folder(&stage.dir)?;
                    }
                }
            }
            failpoint::reach("stage.remove")?;
            if top.remove_dir_all(STAGE).is_err() {
                // Most likely the stage holds a folder that its owner may not change.
                open_all(&stage.dir)?;
                top.remove_dir_all(STAGE)?;
            }
            disk::sync_folder(top)
        })();
        cleared.with_context(|| format!("{STAGE}/: can't be removed"))
    }
}

/// Returns whether the error means that there is nothing at the path, or that a component on the
/// way to it is not a folder.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Gives the owner all permissions on every folder below `top`.
fn open_all(top: &Dir) -> io::Result<()> {
    let mut folders = vec![top.try_clone()?];
    while let Some(folder) = folders.pop() {
        for entry in folder.entries()? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                let name = entry.file_name();
                disk::open_up(&folder, &name)?;
                folders.push(disk::open_folder(&folder, &name)?);
            }
        }
    }
    Ok(())
}

/// An incoming entry.
struct Coming<'a> {
    /// Its path below `new/`.
    at: TreePath,
    path: &'a TreePath,
    node: &'a Node,
}

impl Coming<'_> {
    fn unwritable(&self) -> String {
        format!("{} '{}'", self.node.kind(), self.path.text())
    }
}

/// Returns every entry that the steps put, sorted by its path below `new/`.
fn coming<'a>(wanted: &'a Manifest, steps: &[Step]) -> Result<Vec<Coming<'a>>> {
    let entries = wanted.entries();
    let mut coming = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let Step::Put(top) = step else { continue };
        let first = entries.partition_point(|entry| entry.path < *top);
        for entry in &entries[first..] {
            if !entry.path.bytes().starts_with(top.bytes()) {
                break;
            }
            // `a-b` sorts between `a` and `a/b`.
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

fn make_folders_and_links(new: &Dir, coming: &[Coming<'_>]) -> Result<()> {
    for coming in coming {
        let written = || -> io::Result<()> {
            let folder = disk::descend(new, coming.at.parent().as_ref())?;
            let name = disk::name(coming.at.name());
            match coming.node {
                Node::Folder { .. } => {
                    failpoint::reach("stage.folder")?;
                    disk::create_folder(&folder, name).map(drop)
                }
                Node::Link { target } => {
                    failpoint::reach("stage.link")?;
                    folder.symlink_contents(disk::name(target), name)
                }
                Node::File { .. } | Node::Closed { .. } | Node::Other(_) => Ok(()),
            }
        };
        written().with_context(|| coming.unwritable())?;
    }
    Ok(())
}

fn copy_files(
    objects: &Objects<'_>,
    new: &Dir,
    coming: &[Coming<'_>],
    progress: &Progress<'_>,
) -> Result<u64> {
    let sizes = coming.iter().filter_map(|coming| match coming.node {
        Node::File { size, .. } => Some(*size),
        _ => None,
    });
    let bytes = sizes.clone().fold(0, u64::saturating_add);
    progress.begin("files restored", (sizes.count(), bytes));
    coming
        .par_iter()
        .try_for_each_init(Folders::default, |folders, coming| {
            let Node::File { mode, sha256, size } = coming.node else {
                return Ok(());
            };
            let mut object = progress.reading(objects.open(sha256)?);
            let mut copied = || -> io::Result<(Digest, u64)> {
                let folder = folders.of(new, &coming.at)?;
                failpoint::reach("stage.file")?;
                let file = disk::create_file(folder, disk::name(coming.at.name()))?;
                failpoint::reach("stage.write")?;
                let mut sparse = Sparse::new(&file, 0);
                let copied = hashing::copy(&mut object, &mut sparse)?;
                sparse.finish()?;
                disk::set_mode(&file, *mode)?;
                Ok(copied)
            };
            let copied = copied().with_context(|| coming.unwritable())?;
            if copied != (*sha256, *size) {
                bail!(objects.damaged(sha256, copied));
            }
            progress.step();
            Ok(())
        })?;
    Ok(bytes)
}

/// Sets the final modes of the folders in `new/`.
fn close_folders(new: &Dir, coming: &[Coming<'_>]) -> Result<()> {
    // Innermost first: a folder's mode may forbid the way through it.
    for coming in coming.iter().rev() {
        if let Node::Folder { mode } = coming.node {
            // A top folder has yet to be moved, so it stays open until its own step closes it.
            let is_top = coming.at.parent().is_none();
            let mode = if is_top { mode.with(0o700) } else { *mode };
            disk::descend(new, coming.at.parent().as_ref())
                .and_then(|folder| {
                    disk::set_folder_mode(&folder, disk::name(coming.at.name()), mode)
                })
                .with_context(|| coming.unwritable())?;
        }
    }
    Ok(())
}
