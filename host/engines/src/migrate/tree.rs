//! Computes the tree after each part of a migration (packet §9): with the package in its new place
//! beside the old one, and without the old one. Lists entries; moves nothing.

use std::collections::BTreeMap;

use coo_kernel::baseline::{Manifest, ManifestError, Mode, Node, TreeEntry, TreePath};
use coo_kernel::form::digest::Digest;

use super::Planned;

/// The mode of folders that have no counterpart in the old tree; bits that a folder inherits from
/// its parent folder stay.
const FOLDER_MODE: Mode = Mode::permissions(0o755);

/// Why a tree cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTree {
    /// The result would not be a valid tree.
    #[error(transparent)]
    Tree(#[from] ManifestError),
    /// The plan does not fit the tree.
    #[error("file {0}: was planned and is not there")]
    Gone(String),
    /// Something other than a folder is where a folder of the package must be.
    #[error("{kind} {path}: is where a folder of the package is to be")]
    Taken {
        /// The kind of the entry there, as messages name it.
        kind: &'static str,
        path: String,
    },
}

impl NoTree {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Tree(refused) => refused.hint(),
            Self::Gone(_) => Some("let nobody write to the repository meanwhile"),
            Self::Taken { .. } => Some("move it away"),
        }
    }
}

/// Returns `before` with every planned file in its new place and with its new content. A file that
/// moves is added; its old copy stays unchanged. `contents` has the digest and size of each changed
/// file, by the path before the move.
pub fn ported(
    before: &Manifest,
    planned: &[Planned],
    contents: &BTreeMap<String, (Digest, u64)>,
    (from, to): (&TreePath, &TreePath),
) -> Result<Manifest, NoTree> {
    let mut entries: BTreeMap<TreePath, Node> = before
        .entries()
        .iter()
        .map(|entry| (entry.path.clone(), entry.node.clone()))
        .collect();
    // Folders are copied as they are, including empty ones.
    let folders = before
        .entries()
        .iter()
        .filter(|entry| entry.path.is_within(from) && matches!(entry.node, Node::Folder { .. }));
    for folder in folders {
        put(&mut entries, moved(&folder.path, from, to)?, &folder.node)?;
    }
    for file in planned {
        let path = TreePath::from_text(&file.path)?;
        let Some(Node::File { mode, sha256, size }) = before.get(&path) else {
            return Err(NoTree::Gone(file.path.clone()));
        };
        let (sha256, size) = *contents.get(&file.path).unwrap_or(&(*sha256, *size));
        let node = Node::File {
            mode: *mode,
            sha256,
            size,
        };
        match &file.becomes {
            Some(becomes) => put(&mut entries, TreePath::from_text(becomes)?, &node)?,
            None => {
                entries.insert(path, node);
            }
        }
    }
    manifest(entries)
}

/// Returns `before` without the folder `from`.
pub fn deleted(before: &Manifest, from: &TreePath) -> Result<Manifest, NoTree> {
    let entries = before.entries().iter();
    let entries = entries.filter(|entry| !entry.path.is_within(from));
    Ok(Manifest::new(entries.cloned().collect())?)
}

fn moved(path: &TreePath, from: &TreePath, to: &TreePath) -> Result<TreePath, ManifestError> {
    let rest = &path.bytes()[from.bytes().len()..];
    TreePath::new([to.bytes(), rest].concat())
}

/// Puts `node` at `path` and creates missing folders. Leaves an existing folder as it is.
fn put(entries: &mut BTreeMap<TreePath, Node>, path: TreePath, node: &Node) -> Result<(), NoTree> {
    for folder in path.ancestry().skip(1) {
        let there = entries
            .entry(folder.clone())
            .or_insert(Node::Folder { mode: FOLDER_MODE });
        if !matches!(there, Node::Folder { .. }) {
            return Err(taken(&folder, there));
        }
    }
    match entries.get(&path) {
        Some(Node::Folder { .. }) if matches!(node, Node::Folder { .. }) => Ok(()),
        Some(there) => Err(taken(&path, there)),
        None => {
            entries.insert(path, node.clone());
            Ok(())
        }
    }
}

fn taken(path: &TreePath, there: &Node) -> NoTree {
    NoTree::Taken {
        kind: there.kind(),
        path: path.text(),
    }
}

fn manifest(entries: BTreeMap<TreePath, Node>) -> Result<Manifest, NoTree> {
    let entries = entries.into_iter();
    let entries = entries.map(|(path, node)| TreeEntry { path, node });
    Ok(Manifest::new(entries.collect())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::from_text(text).unwrap()
    }

    /// Folders end with a slash, scripts with an exclamation mark.
    fn tree(lines: &[(&str, &str)]) -> Manifest {
        let entries = lines.iter().map(|(name, content)| TreeEntry {
            path: path(name.trim_end_matches(['/', '!'])),
            node: if name.ends_with('/') {
                Node::Folder {
                    mode: Mode::of(0o750),
                }
            } else {
                Node::File {
                    mode: Mode::of(if name.ends_with('!') { 0o755 } else { 0o644 }),
                    sha256: Digest::of(content),
                    size: content.len() as u64,
                }
            },
        });
        Manifest::new(entries.collect()).unwrap()
    }

    fn planned(path: &str, becomes: Option<&str>) -> Planned {
        Planned {
            becomes: becomes.map(str::to_owned),
            path: path.to_owned(),
            ..Planned::default()
        }
    }

    #[test]
    fn the_package_comes_to_its_new_place_and_then_leaves_the_old_one() {
        let before = tree(&[
            ("old/", ""),
            ("old/a.py", "a"),
            ("old/empty/", ""),
            ("old/run!", "r"),
            ("t.py", "t"),
        ]);
        let plan = [
            planned("old/a.py", Some("far/new/a.py")),
            planned("old/run", Some("far/new/run")),
            planned("t.py", None),
        ];
        let contents = BTreeMap::from([
            ("old/a.py".to_owned(), (Digest::of("A"), 1)),
            ("t.py".to_owned(), (Digest::of("T"), 1)),
        ]);
        let (from, to) = (path("old"), path("far/new"));
        let between = ported(&before, &plan, &contents, (&from, &to)).unwrap();
        let shown: Vec<String> = between
            .entries()
            .iter()
            .map(|entry| match &entry.node {
                Node::File { mode, sha256, .. } => {
                    format!("{} {} {}", entry.path.text(), mode.text(), sha256.short())
                }
                Node::Folder { mode } => format!("{}/ {}", entry.path.text(), mode.text()),
                _ => unreachable!(),
            })
            .collect();
        let short = |text: &str| Digest::of(text).short();
        assert_eq!(
            shown,
            [
                "far/ 0755".to_owned(),
                "far/new/ 00750".to_owned(),
                format!("far/new/a.py 00644 {}", short("A")),
                "far/new/empty/ 00750".to_owned(),
                format!("far/new/run 00755 {}", short("r")),
                "old/ 00750".to_owned(),
                format!("old/a.py 00644 {}", short("a")),
                "old/empty/ 00750".to_owned(),
                format!("old/run 00755 {}", short("r")),
                format!("t.py 00644 {}", short("T")),
            ]
        );
        let after = deleted(&between, &from).unwrap();
        assert_eq!(after.entries().len(), 6);
        assert!(after.get(&from).is_none());
    }

    #[test]
    fn nothing_takes_the_place_of_something() {
        let (from, to) = (path("old"), path("new"));
        let none = BTreeMap::new();
        let before = tree(&[("new", "x"), ("old/", ""), ("old/a.py", "a")]);
        let plan = [planned("old/a.py", Some("new/a.py"))];
        let refused = ported(&before, &plan, &none, (&from, &to)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "file new: is where a folder of the package is to be"
        );
        assert_eq!(refused.hint(), Some("move it away"));
        let before = tree(&[("old/", "")]);
        let refused = ported(&before, &plan, &none, (&from, &to)).unwrap_err();
        assert_eq!(refused, NoTree::Gone("old/a.py".to_owned()));
    }
}
