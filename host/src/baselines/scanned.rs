//! The entries of a tree as a walk finds them, before any content is read. Reads nothing itself.

use coo_kernel::baseline::{Mode, Node, TreeEntry, TreePath};

use crate::hint;

/// An entry whose content is not read yet, with a stamp that changes whenever the entry is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// A file's digest is `NOT_READ`.
    pub entry: TreeEntry,
    pub(super) stamp: [i64; 5],
}

impl Scanned {
    /// Returns path and mode of a folder that this user may not read; `None` for any other entry.
    pub fn closed(&self) -> Option<(TreePath, Mode)> {
        match self.entry.node {
            Node::Closed { mode } => Some((self.entry.path.clone(), mode)),
            _ => None,
        }
    }
}

/// Rewords the error for an entry that vanished while the tree was read; keeps any other error.
pub(super) fn vanished(error: std::io::Error) -> std::io::Error {
    if error.kind() != std::io::ErrorKind::NotFound || error.raw_os_error().is_none() {
        return error;
    }
    gone_meanwhile("")
}

/// Returns the error for an entry that vanished; `named` introduces it.
pub(super) fn gone_meanwhile(named: &str) -> std::io::Error {
    hint::io_error(
        std::io::ErrorKind::NotFound,
        &format!("{named}vanished while the tree was read"),
        "make sure that nothing writes to it, then try again",
    )
}

/// Returns the number of files, and the total size of those for which `is_read` holds.
pub(super) fn files_of(
    found: &[Scanned],
    is_read: impl Fn(&TreePath, u64) -> bool,
) -> (usize, u64) {
    let (mut files, mut bytes) = (0, 0_u64);
    for Scanned { entry, .. } in found {
        if let Node::File { size, .. } = entry.node {
            files += 1;
            if is_read(&entry.path, size) {
                bytes = bytes.saturating_add(size);
            }
        }
    }
    (files, bytes)
}
