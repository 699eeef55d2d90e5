//! Looks at what is in a tree, and reads no file. Follows no link, looks at nothing below another
//! mount point, and changes nothing.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use cap_std::fs::{Dir, DirEntry, FileType, FileTypeExt as _, Metadata, MetadataExt as _};
use coo_kernel::baseline::{Entry, Mode, NOT_READ, Node, Refused, TreePath};
use rayon::prelude::*;

use super::disk;
use super::scan::Tree;

/// An entry, its files not read yet, and what changes when somebody changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// A file has the digest `NOT_READ`.
    pub entry: Entry,
    stamp: [i64; 5],
}

impl Scanned {
    /// Path and mode of a folder that this user may not look into.
    pub fn closed(&self) -> Option<(TreePath, Mode)> {
        match self.entry.node {
            Node::Closed { mode } => Some((self.entry.path.clone(), mode)),
            _ => None,
        }
    }
}

impl Tree {
    /// Everything in it, sorted by the bytes of the paths; no file is read. A folder that this
    /// user may not look into is an error.
    pub fn scan(&self) -> Result<Vec<Scanned>> {
        let found = self.look()?;
        let closed: Vec<String> = found
            .iter()
            .filter_map(Scanned::closed)
            .map(|(path, mode)| format!("'{}' (mode {:04o})", path.text(), mode.bits()))
            .collect();
        if !closed.is_empty() {
            bail!(
                "tree {}: its folders {} can't be read by this user; 'chmod u+rwx' opens them, if they are this user's",
                self.path.display(),
                listed(&closed)
            );
        }
        Ok(found)
    }

    /// As `scan`, but a folder that this user may not look into is an entry that says so.
    pub fn look(&self) -> Result<Vec<Scanned>> {
        let device = self
            .dir
            .dir_metadata()
            .with_context(|| format!("tree {}: can't be examined", self.path.display()))?
            .dev();
        let mut found = Vec::new();
        let mut folders = vec![None];
        while let Some(folder) = folders.pop() {
            let inside = self.look_into(folder.as_ref(), device)?;
            let (inside, folder) = match (inside, folder) {
                (Ok(inside), folder) => (inside, folder),
                (Err(_), Some(mut folder)) => {
                    if let Node::Folder { mode } = folder.entry.node {
                        folder.entry.node = Node::Closed { mode };
                    }
                    (Vec::new(), Some(folder))
                }
                (Err(error), None) => {
                    return Err(error)
                        .with_context(|| format!("tree {}: can't be read", self.path.display()));
                }
            };
            found.extend(folder);
            for inside in inside {
                if matches!(inside.entry.node, Node::Folder { .. }) {
                    folders.push(Some(inside));
                } else {
                    found.push(inside);
                }
            }
        }
        found.par_sort_unstable_by(|a, b| a.entry.path.cmp(&b.entry.path));
        Ok(found)
    }

    /// What is in `folder`, or in the tree's top where there is none; an inner error where this
    /// user may not know.
    fn look_into(
        &self,
        folder: Option<&Scanned>,
        device: u64,
    ) -> Result<std::io::Result<Vec<Scanned>>> {
        let folder = folder.map(|folder| &folder.entry.path);
        let shown = || match folder {
            Some(path) => format!("folder {}: can't be read", short(&self.shown(path))),
            None => format!("tree {}: can't be read", self.path.display()),
        };
        let read = || -> std::io::Result<_> {
            let dir = disk::descend(&self.dir, folder)?;
            let mut inside = Vec::new();
            for entry in dir.entries()? {
                let entry = entry?;
                let name = disk::bytes(entry.file_name());
                let path = match folder {
                    Some(folder) => [folder.bytes(), &name].join(&b'/'),
                    None => name,
                };
                let path = TreePath::new(path).map_err(|error| unkept(&entry, &error))?;
                if self.has(&path) {
                    let gone = |error| gone(&entry, error);
                    let metadata = entry.metadata().map_err(gone)?;
                    let node = node(&dir, &metadata, &path).map_err(gone)?;
                    let stamp = stamp(&metadata);
                    let entry = Entry { path, node };
                    inside.push((Scanned { entry, stamp }, metadata.dev()));
                }
            }
            Ok(inside)
        };
        let inside = match read() {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Ok(Err(error));
            }
            inside => inside.map_err(vanished).with_context(shown)?,
        };
        if let Some((other, _)) = inside.iter().find(|(_, own)| *own != device) {
            bail!(
                "folder {}: another file system is mounted there; unmount it, or choose a tree without it",
                self.shown(&other.entry.path)
            );
        }
        Ok(Ok(inside.into_iter().map(|(found, _)| found).collect()))
    }
}

/// What is said where something is not there any more that was there just now.
pub(super) fn vanished(error: std::io::Error) -> std::io::Error {
    if error.kind() != std::io::ErrorKind::NotFound || error.raw_os_error().is_none() {
        return error;
    }
    std::io::Error::new(
        error.kind(),
        "vanished while the tree was read; let nobody write to it meanwhile and try again",
    )
}

/// The same of an entry of a folder that is named already.
fn gone(entry: &DirEntry, error: std::io::Error) -> std::io::Error {
    if error.kind() != std::io::ErrorKind::NotFound {
        return error;
    }
    let name = entry.file_name().display().to_string();
    std::io::Error::new(error.kind(), format!("'{name}' {}", vanished(error)))
}

/// What is said of an entry whose path can't be kept, of a folder that is named already.
fn unkept(entry: &DirEntry, refused: &Refused) -> std::io::Error {
    let why = match refused {
        Refused::Path { why, .. } => (*why).to_owned(),
        other => other.to_string(),
    };
    let name = entry.file_name().display().to_string();
    std::io::Error::other(format!(
        "'{}': its path {why}; shorten it, or move it out of the tree",
        name.escape_debug()
    ))
}

/// A path for people: of a very long one the beginning and the end.
fn short(shown: &str) -> String {
    let count = shown.chars().count();
    if count <= 2 * SHOWN_CHARACTERS {
        return shown.to_owned();
    }
    let begins: String = shown.chars().take(SHOWN_CHARACTERS).collect();
    let ends: String = shown.chars().skip(count - SHOWN_CHARACTERS).collect();
    format!("{begins}…{ends}")
}

/// How many files there are, and how many bytes in those of them that are read.
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

/// Of a long path so many characters are shown at each end.
const SHOWN_CHARACTERS: usize = 100;
/// So many offending entries are named; more are counted.
const NAMED_MAX: usize = 20;

/// Some of `lines`, and how many there are besides.
pub(super) fn listed(lines: &[String]) -> String {
    let mut text = lines[..lines.len().min(NAMED_MAX)].join(", ");
    if lines.len() > NAMED_MAX {
        // Writing to a string does not fail.
        let _ = write!(text, " and {} more", lines.len() - NAMED_MAX);
    }
    text
}

fn node(folder: &Dir, metadata: &Metadata, path: &TreePath) -> std::io::Result<Node> {
    let mode = Mode::of(metadata.mode());
    let kind = metadata.file_type();
    Ok(if kind.is_file() {
        Node::File {
            mode,
            sha256: NOT_READ,
            size: metadata.len(),
        }
    } else if kind.is_dir() {
        Node::Folder { mode }
    } else if kind.is_symlink() {
        let target = folder.read_link_contents(disk::name(path.name()))?;
        Node::Link {
            target: disk::bytes(target),
        }
    } else {
        Node::Other(special(kind))
    })
}

fn special(kind: FileType) -> &'static str {
    if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "pipe"
    } else {
        "device"
    }
}

fn stamp(metadata: &Metadata) -> [i64; 5] {
    [
        metadata.ino().cast_signed(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ]
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "makes files for itself")]
mod tests {
    use super::*;
    use crate::baselines::Progress;

    #[test]
    fn what_vanishes_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tree");
        std::fs::create_dir_all(path.join("a")).unwrap();
        std::fs::write(path.join("a/file"), "x").unwrap();
        let tree = Tree::open(&path, &folder.path().join("root")).unwrap();
        let found = tree.scan().unwrap();
        std::fs::remove_file(path.join("a/file")).unwrap();
        let error = tree.read(found, |_, _| true, &Progress::new(None));
        let error = format!("{:#}", error.unwrap_err());
        assert!(
            error.contains("a/file: vanished while the tree was read; let nobody write to it"),
            "{error}"
        );
    }

    #[test]
    fn a_long_path_is_shown_by_its_ends() {
        assert_eq!(short("a/b"), "a/b");
        let long = short(&format!("begin{}end", "x".repeat(5_000)));
        assert!(long.starts_with("begin") && long.ends_with("end"));
        assert!(long.chars().count() < 250);
    }
}
