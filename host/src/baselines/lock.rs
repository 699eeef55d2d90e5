//! Permissions of what lies in a state root: taken away by a freeze, given back afterwards.
//! Follows no link, touches no file that has another name, and changes nothing else.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result};
use cap_std::fs::Dir;
use coo_kernel::baseline::{Entry, Mode, Node};

use super::disk;
use crate::machine::fault;
use crate::root::state_root::StateRoot;

/// Opens a file that has this one name: permissions belong to a file, not to its name, and the
/// other one may be anywhere.
fn open_single(folder: &Dir, name: &OsStr) -> io::Result<File> {
    let file = disk::open_file_for_mode(folder, name)?;
    if file.metadata()?.nlink() > 1 {
        return Err(io::Error::other(
            "is a hard link, so they are another file's too; put a copy in its place",
        ));
    }
    Ok(file)
}

/// Looks whether permissions of each of `entries`, which lie in `root`, can be set; changes none.
pub fn check_modes<'a>(root: &StateRoot, entries: impl Iterator<Item = &'a Entry>) -> Result<()> {
    for entry in entries {
        if matches!(entry.node, Node::File { .. }) {
            let looked = disk::descend(root.dir(), entry.path.parent().as_ref())
                .and_then(|folder| open_single(&folder, disk::name(entry.path.name())));
            looked.with_context(|| unset(root, entry))?;
        }
    }
    Ok(())
}

fn unset(root: &StateRoot, entry: &Entry) -> String {
    let path = root.path().join(disk::name(entry.path.bytes()));
    format!("{}: its permissions can't be set", path.display())
}

/// Gives each of `entries`, which lie in `root`, the permissions that `mode` makes of its own.
/// What is not there any more has none.
pub fn set_modes<'a>(
    root: &StateRoot,
    entries: impl Iterator<Item = &'a Entry>,
    mode: impl Fn(Mode) -> Mode,
) -> Result<()> {
    for entry in entries {
        let Some(own) = entry.node.mode() else {
            continue;
        };
        let set = || -> io::Result<()> {
            let folder = disk::descend(root.dir(), entry.path.parent().as_ref())?;
            let name = disk::name(entry.path.name());
            fault::point("lock.mode")?;
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
