//! Gives files of a tree new contents, all or none, even if the process dies: captures the intended
//! tree as a baseline without a name, then restores the tree to it. Creates and removes no file,
//! and changes no permissions.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use coo_kernel::baseline::{Manifest, Node, TreePath};
use coo_kernel::form::digest::Digest;

use super::capture::{keep_tree, kept};
use super::{Baseline, Progress, Restored, Tree, restore};
use crate::hint::Hint as _;
use crate::state::state_root::StateRoot;

/// For each file, the digest on which the change is based, and the new content.
pub type Contents = BTreeMap<TreePath, (Digest, Vec<u8>)>;

/// Gives every file of `contents` its new content. All of `tree` is captured in `root`, so it
/// should cover only the files that the new contents depend on. The caller is the only writer of
/// `root`. Fails if one of the files no longer has the digest on which the change is based.
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
                    anyhow!("file {}: was changed meanwhile", tree.shown(path))
                        .hint("make sure that nothing writes to it, then try again")
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
    // The baseline stays without a name: restoring a whole tree to part of it would delete the
    // rest.
    restore(root, &wanted, tree, progress)
}
