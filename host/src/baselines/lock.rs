//! Sets the permissions of files and folders in a state root: a freeze removes write permissions,
//! and lifting it restores them. Follows no link, touches no file that has another hard link, and
//! changes nothing else.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result};
use cap_std::fs::Dir;
use coo_kernel::baseline::{Mode, Node, TreeEntry};

use super::disk;
use crate::hint;
use crate::machine::failpoint;
use crate::state::state_root::StateRoot;

/// Opens a file that has only this one hard link. Permissions belong to the file and not to its
/// name, and another name could be anywhere.
fn open_single(folder: &Dir, name: &OsStr) -> io::Result<File> {
    let file = disk::open_file_for_mode(folder, name)?;
    if file.metadata()?.nlink() > 1 {
        return Err(hint::io_error(
            io::ErrorKind::Other,
            "is a hard link, so they are another file's too",
            "put a copy in its place",
        ));
    }
    Ok(file)
}

/// Checks whether the permissions of each of `entries`, which lie in `root`, can be set. Changes
/// none.
pub fn check_modes<'a>(
    root: &StateRoot,
    entries: impl Iterator<Item = &'a TreeEntry>,
) -> Result<()> {
    for entry in entries {
        if matches!(entry.node, Node::File { .. }) {
            let looked = disk::descend(root.dir(), entry.path.parent().as_ref())
                .and_then(|folder| open_single(&folder, disk::name(entry.path.name())));
            looked.with_context(|| unset(root, entry))?;
        }
    }
    Ok(())
}

fn unset(root: &StateRoot, entry: &TreeEntry) -> String {
    let path = root.path().join(disk::name(entry.path.bytes()));
    format!("{}: its permissions can't be set", path.display())
}

/// Sets the permissions of each of `entries`, which lie in `root`, to what `mode` returns for its
/// recorded mode. Skips entries that no longer exist.
pub fn set_modes<'a>(
    root: &StateRoot,
    entries: impl Iterator<Item = &'a TreeEntry>,
    mode: impl Fn(Mode) -> Mode,
) -> Result<()> {
    for entry in entries {
        let Some(own) = entry.node.mode() else {
            continue;
        };
        let set = || -> io::Result<()> {
            let folder = disk::descend(root.dir(), entry.path.parent().as_ref())?;
            let name = disk::name(entry.path.name());
            failpoint::reach("lock.mode")?;
            match entry.node {
                Node::Folder { .. } => disk::set_folder_mode(&folder, name, mode(own)),
                _ => disk::set_mode(&open_single(&folder, name)?, mode(own)),
            }
        };
        match set() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done.with_context(|| unset(root, entry))?,
        }
    }
    Ok(())
}
