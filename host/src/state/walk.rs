//! Walks a folder of the state root and compares it with an INDEX. A file that does not belong there
//! is set aside, never deleted. Follows no symbolic link and never blocks on a pipe.

#![allow(
    clippy::disallowed_methods,
    reason = "reads files, and renames what is set aside"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, FileType, FileTypeExt as _, MetadataExt as _, OpenOptions};
use coo_kernel::baseline::governed::SET_ASIDE;
use coo_kernel::baseline::{TreePath, text_of};
use coo_kernel::state::index::Found;

use crate::machine::hashing::digest_of;
use crate::state::state_root::{StateRoot, sync_names};

/// Names the kind of object that stands in place of a file or folder.
pub fn in_the_way(kind: FileType) -> &'static str {
    if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_file() {
        "a file where a folder should be"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// Returns what `name` in `folder` is, or `None` if it does not exist. A file is opened without
/// following links and without blocking, and is judged by its handle.
pub fn examine(folder: &Dir, name: &str) -> Result<Option<Found>> {
    let metadata = match folder.symlink_metadata(name) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Ok(Some(Found::Else("a folder")));
    }
    if !kind.is_file() {
        return Ok(Some(Found::Else(in_the_way(kind))));
    }
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let file = folder.open_with(name, &options)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Some(Found::Else(in_the_way(metadata.file_type()))));
    }
    // The file can be changed, and its permissions too, through its other name. A second name in
    // `tmp/`, left by a killed process, is removed before this check.
    if metadata.nlink() > 1 {
        return Ok(Some(Found::Else("a hard link")));
    }
    Ok(Some(Found::File(digest_of(file.into_std())?)))
}

/// Collects everything below `folder` except folders; a folder counts where a file is expected, and
/// a link counts as itself. Only expected files are read. Paths have the text form of baselines: a
/// byte that is not UTF-8 is written as `%FF`, and `%` as `%25`.
pub fn walk(
    folder: &Dir,
    prefix: &str,
    expected: &BTreeSet<&str>,
    found: &mut BTreeMap<String, Found>,
) -> Result<()> {
    for entry in folder.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        let path = format!("{prefix}{}", text_of(name.as_bytes()));
        let shown = || format!("artefact {path}: can't be examined");
        let is_expected = expected.contains(path.as_str());
        if entry.file_type()?.is_dir() && !is_expected {
            let inner = folder.open_dir_nofollow(&name).with_context(shown)?;
            walk(&inner, &format!("{path}/"), expected, found)?;
        } else if !is_expected {
            found.insert(path, Found::Else("something"));
        } else if let Some(what) = name.to_str().map(|name| examine(folder, name)) {
            // Every expected name is UTF-8.
            if let Some(what) = what.with_context(shown)? {
                found.insert(path, what);
            }
        }
    }
    Ok(())
}

/// Moves the object at `path` in the state root, given in text form, to a new folder below
/// `set-aside/`. Does nothing if it does not exist.
pub fn set_aside(root: &StateRoot, path: &str) -> Result<()> {
    let from = TreePath::from_text(path)?;
    let (name, from) = (
        OsStr::from_bytes(from.name()),
        OsStr::from_bytes(from.bytes()),
    );
    if root.dir().symlink_metadata(from).is_err() {
        return Ok(());
    }
    let place = root.new_folder(SET_ASIDE)?;
    let shown = || format!("{path}: can't be moved to {place}/");
    let moved = || -> io::Result<()> {
        root.dir()
            .rename(from, root.dir(), Path::new(&place).join(name))?;
        sync_names(&root.folder(&place, false)?)?;
        let folder = Path::new(from).parent().and_then(Path::to_str);
        sync_names(&root.folder(folder.unwrap_or_default(), false)?)
    };
    moved().with_context(shown)
}
