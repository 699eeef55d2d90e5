//! Permissions of what lies in a state root: taken away by a freeze, given back afterwards.
//! Follows no link, and changes nothing else.

use std::io;

use anyhow::{Context as _, Result};
use coo_kernel::baseline::{Entry, Mode, Node};
use coo_kernel::freeze::mode_of;

use super::disk;
use crate::fault;
use crate::state_root::StateRoot;

/// Gives each of `entries`, which lie in `root`, the permissions that `mode` makes of its own.
/// What is not there any more has none.
pub fn set_modes<'a>(
    root: &StateRoot,
    entries: impl Iterator<Item = &'a Entry>,
    mode: impl Fn(Mode) -> Mode,
) -> Result<()> {
    for entry in entries {
        let Some(own) = mode_of(&entry.node) else {
            continue;
        };
        let set = || -> io::Result<()> {
            let folder = disk::descend(root.dir(), entry.path.parent().as_ref())?;
            let name = disk::name(entry.path.name());
            fault::point("lock.mode")?;
            match entry.node {
                Node::Folder { .. } => {
                    disk::set_folder_mode(&disk::open_folder(&folder, name)?, mode(*own))
                }
                _ => disk::set_mode(&disk::open_file(&folder, name)?, mode(*own)),
            }
        };
        match set() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done.with_context(|| {
                let path = root.path().join(disk::name(entry.path.bytes()));
                format!("{}: its permissions can't be set", path.display())
            })?,
        }
    }
    Ok(())
}
