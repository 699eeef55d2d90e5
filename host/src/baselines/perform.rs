//! Performs the steps of a restore: moves entries out of the tree and into it. No file is changed
//! in place and every step is idempotent, so after a process dies between two steps, another can
//! repeat all of them. Follows no link.

#![allow(
    clippy::disallowed_methods,
    reason = "moves entries of the tree that was named, each by its own name in its open folder"
)]

use std::ffi::OsStr;
use std::io;

use anyhow::{Context as _, Result};
use cap_std::fs::{Dir, MetadataExt as _};
use coo_kernel::baseline::{Mode, STAGE, Step};

use super::disk;
use super::progress::Progress;
use super::scan::Folders;
use super::staging::{StagingDir, is_absent};
use crate::machine::failpoint;

/// Performs all steps, then syncs the tree. Skips a step that is already done.
pub fn perform(
    tree: &Dir,
    stage: &StagingDir,
    steps: &[Step],
    progress: &Progress<'_>,
) -> Result<()> {
    let new = stage.coming().context(STAGE)?;
    let old = stage.gone().context(STAGE)?;
    let aside = stage.aside().context(STAGE)?;
    let mut folders = Folders::default();
    for (number, step) in steps.iter().enumerate() {
        let number = number.to_string();
        let (Step::Remove(path) | Step::Put(path) | Step::Mode(path, _) | Step::SetAside(path)) =
            step;
        let done = (|| -> io::Result<()> {
            let folder = match folders.of_with(tree, path, enter) {
                // An earlier process has moved the folder away, with everything in it.
                Err(error) if is_absent(&error) && matches!(step, Step::Remove(_)) => return Ok(()),
                folder => folder?,
            };
            let name = disk::name(path.name());
            match step {
                Step::Remove(_) => away(folder, name.as_ref(), &old, &number),
                Step::Put(_) => {
                    let Some(comes_folder) = is_folder(&new, number.as_ref())? else {
                        // An earlier process has moved the entry into the tree.
                        return Ok(());
                    };
                    // A rename replaces a file in one step, but the place of a folder must be free.
                    if opening(folder, || is_folder(folder, name.as_ref()))?
                        .is_some_and(|is_folder| is_folder || comes_folder)
                    {
                        away(folder, name.as_ref(), &old, &number)?;
                    }
                    failpoint::reach("tree.put")?;
                    opening(folder, || new.rename(&number, folder, name))
                }
                Step::SetAside(_) => match &aside {
                    Some(aside) => set_aside(folder, name.as_ref(), aside),
                    // An earlier process has completed this step, and later ones.
                    None => Ok(()),
                },
                Step::Mode(_, mode) => {
                    failpoint::reach("tree.mode")?;
                    opening(folder, || disk::set_folder_mode(folder, name, *mode))
                }
            }
        })();
        done.with_context(|| format!("'{}': can't be changed", path.text()))?;
    }
    progress.syncing_names();
    failpoint::reach("tree.sync")?;
    disk::sync_file_system(tree).context("can't be synced")
}

/// Returns whether the entry is a folder; `None` if there is no entry.
fn is_folder(folder: &Dir, name: &std::path::Path) -> io::Result<Option<bool>> {
    match folder.symlink_metadata(name) {
        Ok(metadata) => Ok(Some(metadata.is_dir())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Moves the entry, if there is one, out of the tree.
fn away(folder: &Dir, name: &std::path::Path, old: &Dir, number: &str) -> io::Result<()> {
    let Some(is_folder) = opening(folder, || is_folder(folder, name))? else {
        return Ok(());
    };
    // An earlier process may have moved another entry to this number already.
    let mut to = number.to_owned();
    while old.symlink_metadata(&to).is_ok() {
        to.push('+');
    }
    failpoint::reach("tree.remove")?;
    let moved = opening(folder, || folder.rename(name, old, &to));
    match moved {
        // Moving a folder takes permission to change it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_folder => {
            disk::open_up(folder, name.as_os_str())?;
            folder.rename(name, old, &to)
        }
        moved => moved,
    }
}

/// Moves the entry to `aside` under its own name. If `aside` already has that name, the step is
/// done and the present entry is a new one, so it stays.
fn set_aside(folder: &Dir, name: &std::path::Path, aside: &Dir) -> io::Result<()> {
    if aside.symlink_metadata(name).is_ok() {
        return Ok(());
    }
    let Some(is_folder) = opening(folder, || is_folder(folder, name))? else {
        return Ok(());
    };
    failpoint::reach("tree.aside")?;
    let moved = opening(folder, || folder.rename(name, aside, name));
    match moved {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_folder => {
            let mode = Mode::of(folder.symlink_metadata(name)?.mode());
            disk::open_up(folder, name.as_os_str())?;
            folder.rename(name, aside, name)?;
            disk::set_folder_mode(aside, name.as_os_str(), mode)
        }
        moved => moved,
    }
}

/// Does `what` in `folder`. If the folder's mode forbids it, first adds the owner's permissions; a
/// later step sets the final mode.
fn opening<T>(folder: &Dir, what: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match what() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            disk::open_up_itself(folder)?;
            what()
        }
        done => done,
    }
}

/// Opens the folder `name` in `folder`. If an earlier process has set its final mode already and
/// that mode forbids this, opens it up again; that step follows again.
fn enter(folder: &Dir, name: &OsStr) -> io::Result<Dir> {
    opening(folder, || match disk::open_folder(folder, name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            disk::open_up(folder, name)?;
            disk::open_folder(folder, name)
        }
        opened => opened,
    })
}
