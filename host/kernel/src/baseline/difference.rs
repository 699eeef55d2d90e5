//! The differences between a baseline and a tree that was found.
//! It only compares: nothing here reads or changes a tree.

use serde::Serialize;

use super::{Manifest, Node, TreeEntry, TreePath};

/// How an entry differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// In the baseline, not in the tree.
    Missing,
    /// In the tree, not in the baseline.
    Extra,
    /// A file with other content.
    Content,
    /// Another mode.
    Mode,
    /// Another kind of node, such as a folder where a file should be.
    Kind,
    /// A link with another target.
    Target,
}

/// One difference at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub path: TreePath,
    pub change: Change,
}

/// Returns the entries of two sorted lists side by side, paired by path.
pub(super) fn side_by_side<'a>(
    wanted: &'a [TreeEntry],
    found: &'a [TreeEntry],
) -> impl Iterator<Item = (&'a TreePath, Option<&'a Node>, Option<&'a Node>)> {
    let (mut wanted, mut found) = (wanted.iter().peekable(), found.iter().peekable());
    std::iter::from_fn(move || {
        let first = match (wanted.peek(), found.peek()) {
            (None, None) => return None,
            (Some(one), None) | (None, Some(one)) => &one.path,
            (Some(wanted), Some(found)) => (&wanted.path).min(&found.path),
        };
        let wanted = wanted.next_if(|entry| entry.path == *first);
        let found = found.next_if(|entry| entry.path == *first);
        let node = |entry: Option<&'a TreeEntry>| entry.map(|entry| &entry.node);
        Some((first, node(wanted), node(found)))
    })
}

/// Returns how `found` differs from `wanted`.
pub(super) fn changes(wanted: &Node, found: &Node) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut note = |differs: bool, change| {
        if differs {
            changes.push(change);
        }
    };
    match (wanted, found) {
        (
            Node::File { mode, sha256, size },
            Node::File {
                mode: found_mode,
                sha256: found_sha256,
                size: found_size,
            },
        ) => {
            note(
                (sha256, size) != (found_sha256, found_size),
                Change::Content,
            );
            note(!mode.is_met_by(*found_mode), Change::Mode);
        }
        (Node::Folder { mode }, Node::Folder { mode: found }) => {
            note(!mode.is_met_by(*found), Change::Mode);
        }
        (Node::Link { target }, Node::Link { target: found }) => {
            note(target != found, Change::Target);
        }
        _ => note(true, Change::Kind),
    }
    changes
}

/// Returns every difference between `wanted` and `found` by path; `found` must be sorted.
pub fn differences(wanted: &Manifest, found: &[TreeEntry]) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (path, wanted, found) in side_by_side(wanted.entries(), found) {
        let changes = match (wanted, found) {
            (Some(wanted), Some(found)) => changes(wanted, found),
            (Some(_), None) => vec![Change::Missing],
            (None, _) => vec![Change::Extra],
        };
        differences.extend(changes.into_iter().map(|change| Difference {
            path: path.clone(),
            change,
        }));
    }
    differences
}
