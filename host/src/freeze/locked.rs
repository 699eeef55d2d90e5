//! Files of a frozen state root that are locked but not part of the governed state: the files that
//! a freeze itself writes, and the missions' database. Decides nothing and sets no permissions.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use anyhow::{Context as _, Result};
use cap_std::fs::MetadataExt as _;
use coo_kernel::baseline::freeze::{
    Difference, FILE, FreezeManifest, MANIFEST, MANIFEST_MODE, lock,
};
use coo_kernel::baseline::{Mode, NOT_READ, Node, TreeEntry, TreePath};
use coo_kernel::state::layout;

use crate::state::state_root::StateRoot;

/// Returns these files with their modes when not locked. A freeze of an earlier version locked only
/// the manifest.
pub fn files(manifest: &FreezeManifest) -> Vec<(String, Mode)> {
    let mut files = vec![(MANIFEST.to_owned(), MANIFEST_MODE)];
    if let Some(covered) = &manifest.covered {
        files.push((FILE.to_owned(), MANIFEST_MODE));
        let locked = covered.locked.iter();
        files.extend(locked.map(|(file, mode)| (file.clone(), *mode)));
    }
    files
}

/// Returns these files as entries of a tree.
pub fn entries(manifest: &FreezeManifest) -> Result<Vec<TreeEntry>> {
    let files = files(manifest).into_iter();
    let entries = files.map(|(file, mode)| {
        Ok(TreeEntry {
            path: TreePath::from_text(&file)?,
            node: Node::File {
                mode,
                sha256: NOT_READ,
                size: 0,
            },
        })
    });
    entries.collect()
}

/// Returns the mode of the missions' database, if it exists.
pub fn mode_of_world(root: &StateRoot) -> Result<BTreeMap<String, Mode>> {
    let file = layout::WORLD;
    match root.dir().symlink_metadata(file) {
        Ok(found) => Ok([(file.to_owned(), Mode::of(found.mode()))].into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| {
            format!(
                "database {}: can't be examined",
                root.path().join(file).display()
            )
        }),
    }
}

/// Returns the files that should be locked but are not, except those already listed in `named`.
pub fn differences(
    root: &StateRoot,
    manifest: &FreezeManifest,
    named: &[Difference],
) -> Vec<Difference> {
    let mut found = Vec::new();
    for (file, mode) in files(manifest) {
        let change = match root.dir().symlink_metadata(&file) {
            Ok(found) if Mode::of(found.mode()) == lock(mode) => continue,
            Ok(_) => "other mode",
            Err(_) => "missing",
        };
        if !named.iter().any(|difference| difference.what == file) {
            found.push(Difference { change, what: file });
        }
    }
    found
}
