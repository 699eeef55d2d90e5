//! Performs the steps of a restore: moves what goes out of the tree and what comes into it. No
//! file is changed in place, and a step that is done already is done; so a process that dies
//! between two steps can be followed by one that does them all again. Follows no link.

#![allow(
    clippy::disallowed_methods,
    reason = "moves entries of the tree that was named, each by its own name in its open folder"
)]

use std::io;

use anyhow::{Context as _, Result};
use cap_std::fs::Dir;
use coo_kernel::baseline::{STAGE, Step};

use super::disk;
use super::scan::Folders;
use super::stage::{Stage, is_absent, open_up};
use crate::fault;

/// Does all steps. One that is done already is done.
pub fn perform(tree: &Dir, stage: &Stage, steps: &[Step]) -> Result<()> {
    let new = stage.coming().context(STAGE)?;
    let old = stage.gone().context(STAGE)?;
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
    // An earlier process may have moved something from there already.
    let mut to = number.to_owned();
    while old.symlink_metadata(&to).is_ok() {
        to.push('+');
    }
    fault::point("tree.remove")?;
    let moved = opening(folder, || folder.rename(name, old, &to));
    match moved {
        // A folder that its owner may not change can't be moved either.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_folder => {
            let inner = disk::open_folder(folder, name.as_os_str())?;
            open_up(&inner)?;
            folder.rename(name, old, &to)
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
