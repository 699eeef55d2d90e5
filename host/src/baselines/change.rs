//! New contents for files of a tree, all or none, also when the process dies: the tree as it is
//! to be is made a baseline without a name, and the tree is restored to it. Makes and removes no
//! file, and changes nobody's permissions.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use coo_kernel::baseline::{Manifest, Node, TreePath};
use coo_kernel::form::digest::Digest;

use super::capture::{keep_tree, kept};
use super::{Baseline, Progress, Restored, Tree, restore};
use crate::root::state_root::StateRoot;

/// What a file had when somebody decided about it, and what it is to have.
pub type Contents = BTreeMap<TreePath, (Digest, Vec<u8>)>;

/// Gives every file of `contents` its new content. `tree` must be no more than what the new
/// contents rest on: all of it is kept in `root`, which the caller alone writes to. Refuses where
/// somebody has written to one of the files since.
pub fn change(
    root: &StateRoot,
    tree: &Tree,
    contents: &Contents,
    progress: &Progress<'_>,
) -> Result<Restored> {
    let (entries, _) = kept(root, progress, |batch| {
        let mut entries = keep_tree(batch, tree, progress)?;
        for (path, (known, content)) in contents {
            let place = entries.binary_search_by(|entry| entry.path.cmp(path));
            match place.ok().map(|place| &mut entries[place].node) {
                Some(Node::File { sha256, size, .. }) if sha256 == known => {
                    (*sha256, *size) = batch.add_text(content)?;
                }
                _ => bail!(
                    "file {}: was changed meanwhile; let nobody write to it and try again",
                    tree.shown(path)
                ),
            }
        }
        Ok(entries)
    })?;
    let manifest = Manifest::new(entries)?;
    let id = Digest::of(manifest.to_text());
    let wanted = Baseline {
        id,
        asked: id.short(),
        manifest,
    };
    // Known by nobody else: a part of a tree is nothing that the whole could be restored to.
    restore(root, &wanted, tree, progress)
}
