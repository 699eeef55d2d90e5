//! Lists the entries of a tree without reading any file's content. Follows no link, refuses a tree
//! with another file system mounted in it, and changes nothing.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, anyhow, bail};
use cap_std::fs::{Dir, DirEntry, FileType, FileTypeExt as _, Metadata, MetadataExt as _};
use coo_kernel::baseline::{ManifestError, Mode, NOT_READ, Node, TreeEntry, TreePath};
use rayon::prelude::*;

use super::disk;
use super::scan::Tree;
use super::scanned::{Scanned, gone_meanwhile, vanished};
use crate::hint::{self, Hint as _};

impl Tree {
    /// Lists everything in the tree, sorted by the bytes of the paths, without reading files. A
    /// folder that this user may not read is an error.
    pub fn scan(&self) -> Result<Vec<Scanned>> {
        let found = self.look()?;
        let closed: Vec<String> = found
            .iter()
            .filter_map(Scanned::closed)
            .map(|(path, mode)| format!("'{}' (mode {:04o})", path.text(), mode.bits()))
            .collect();
        if !closed.is_empty() {
            bail!(
                anyhow!(
                    "tree {}: its folders {} can't be read by this user",
                    self.path.display(),
                    listed(&closed)
                )
                .hint("if they are this user's, 'chmod u+rwx' makes them readable")
            );
        }
        Ok(found)
    }

    /// Lists as `scan` does, but returns a folder that this user may not read as a closed entry.
    pub fn look(&self) -> Result<Vec<Scanned>> {
        let device = self
            .dir
            .dir_metadata()
            .with_context(|| format!("tree {}: can't be examined", self.path.display()))?
            .dev();
        let mut found = Vec::new();
        // All folders of one depth at a time.
        let mut folders = vec![None];
        while !folders.is_empty() {
            let listed: Vec<_> = std::mem::take(&mut folders)
                .into_par_iter()
                .map(|folder| {
                    let inside = self.look_into(folder.as_ref(), device)?;
                    Ok((folder, inside))
                })
                .collect::<Result<_>>()?;
            for (folder, inside) in listed {
                let (inside, folder) = match (inside, folder) {
                    (Ok(inside), folder) => (inside, folder),
                    (Err(_), Some(mut folder)) => {
                        if let Node::Folder { mode } = folder.entry.node {
                            folder.entry.node = Node::Closed { mode };
                        }
                        (Vec::new(), Some(folder))
                    }
                    (Err(error), None) => {
                        return Err(error).with_context(|| {
                            format!("tree {}: can't be read", self.path.display())
                        });
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
        }
        found.par_sort_unstable_by(|a, b| a.entry.path.cmp(&b.entry.path));
        Ok(found)
    }

    /// Lists `folder`, or the tree's top if `None`. Returns an inner error if this user may not
    /// read it.
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
                    let entry = TreeEntry { path, node };
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
                anyhow!(
                    "folder {}: another file system is mounted there",
                    self.shown(&other.entry.path)
                )
                .hint("unmount it, or choose a tree without it")
            );
        }
        Ok(Ok(inside.into_iter().map(|(found, _)| found).collect()))
    }
}

/// Does as `vanished` does and names the entry, for an error whose context names only the folder.
fn gone(entry: &DirEntry, error: std::io::Error) -> std::io::Error {
    if error.kind() != std::io::ErrorKind::NotFound {
        return error;
    }
    let name = entry.file_name().display().to_string();
    gone_meanwhile(&format!("'{name}' "))
}

/// Returns the error for an entry whose path a baseline cannot hold; the context names the folder.
fn unkept(entry: &DirEntry, refused: &ManifestError) -> std::io::Error {
    let why = match refused {
        ManifestError::Path { why, .. } => (*why).to_owned(),
        other => other.to_string(),
    };
    let name = entry.file_name().display().to_string();
    hint::io_error(
        std::io::ErrorKind::Other,
        &format!("'{}': its path {why}", name.escape_debug()),
        "shorten it, or move it out of the tree",
    )
}

/// Shortens a very long path for messages to its beginning and its end.
fn short(shown: &str) -> String {
    let count = shown.chars().count();
    if count <= 2 * SHOWN_CHARACTERS {
        return shown.to_owned();
    }
    let begins: String = shown.chars().take(SHOWN_CHARACTERS).collect();
    let ends: String = shown.chars().skip(count - SHOWN_CHARACTERS).collect();
    format!("{begins}…{ends}")
}

/// Number of characters of a long path shown at each end.
const SHOWN_CHARACTERS: usize = 100;
/// Maximum number of offending entries that a message names; the rest are counted.
const NAMED_MAX: usize = 20;

/// Joins the first `NAMED_MAX` of `lines` and adds the number of the rest.
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
        let error = hint::flat(&error.unwrap_err());
        assert!(
            error.contains(
                "a/file: vanished while the tree was read; make sure that nothing writes to it"
            ),
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
