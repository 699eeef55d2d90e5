//! Reads a tree: what is in it, and the digests of its files. Follows no link, reads nothing
//! below another mount point, and changes nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, FileType, FileTypeExt as _, Metadata, MetadataExt as _};
use coo_kernel::baseline::{Entry, Mode, NOT_READ, Node, TreePath};
use coo_kernel::digest::Digest;
use coo_kernel::freeze::covered::MODULES;
use coo_kernel::governed;
use coo_kernel::repository::config::Repository;
use coo_kernel::repository::scope::Scope;
use rayon::prelude::*;

use super::disk;
use super::progress::Progress;
use crate::hashing;
use crate::state_root::StateRoot;

/// A directory tree, open.
pub struct Tree {
    /// Where it lies, without links on the way.
    pub path: PathBuf,
    /// Its top.
    pub dir: Dir,
    /// Where the state root lies in it: not part of it.
    pub left_out: Option<TreePath>,
    part: Part,
}

/// What of a directory is the tree.
enum Part {
    All,
    /// What is governed of a state root.
    State,
    /// The modules of a state root.
    Modules,
    /// What these have and those do not leave out, with the folders on the way.
    Scope(Scope, Repository),
}

/// An entry, its files not read yet, and what changes when somebody changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// A file has the digest `NOT_READ`.
    pub entry: Entry,
    stamp: [i64; 5],
}

impl Tree {
    /// Opens the tree at `path`, leaving out the state root at `state_root` if it is inside.
    pub fn open(path: &Path, state_root: &Path) -> Result<Self> {
        let shown = || format!("tree {}", path.display());
        let path = path
            .canonicalize()
            .with_context(|| format!("{}: can't be opened", shown()))?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())
            .with_context(|| format!("{}: can't be opened", shown()))?;
        let state_root =
            place(state_root).with_context(|| format!("state root {}", state_root.display()))?;
        if path.starts_with(&state_root) {
            bail!(
                "{}: lies in the state root {}; name a tree outside it",
                shown(),
                state_root.display()
            );
        }
        let left_out = match state_root.strip_prefix(&path) {
            Ok(inside) => Some(TreePath::new(disk::bytes(inside))?),
            Err(_) => None,
        };
        Ok(Self {
            path,
            dir,
            left_out,
            part: Part::All,
        })
    }

    /// The same directory, but of its files only those of `scope` that `repository` does not
    /// leave out.
    pub fn part(&self, scope: &Scope, repository: &Repository) -> Result<Self> {
        Ok(Self {
            path: self.path.clone(),
            dir: self.dir.try_clone()?,
            left_out: self.left_out.clone(),
            part: Part::Scope(scope.clone(), repository.clone()),
        })
    }

    /// What is governed of the state root, as it lies there.
    pub fn of_state(root: &StateRoot) -> Result<Self> {
        Ok(Self {
            path: root.path().canonicalize()?,
            dir: root.dir().try_clone()?,
            left_out: None,
            part: Part::State,
        })
    }

    /// The modules of the state root.
    pub fn of_modules(root: &StateRoot) -> Result<Self> {
        Ok(Self {
            part: Part::Modules,
            ..Self::of_state(root)?
        })
    }

    fn has(&self, path: &TreePath) -> bool {
        self.left_out.as_ref() != Some(path)
            && match &self.part {
                Part::All => true,
                Part::State => governed::is_on_disk(path),
                Part::Modules => path.components().next() == Some(MODULES.as_bytes()),
                Part::Scope(scope, repository) => {
                    let path = path.text();
                    !repository.leaves_out(&path) && (scope.has(&path) || scope.reaches(&path))
                }
            }
    }

    /// For messages.
    #[must_use]
    pub fn shown(&self, path: &TreePath) -> String {
        self.path
            .join(disk::name(path.bytes()))
            .display()
            .to_string()
    }

    /// Everything in it, sorted by the bytes of the paths; no file is read.
    pub fn scan(&self) -> Result<Vec<Scanned>> {
        let device = self
            .dir
            .dir_metadata()
            .with_context(|| format!("tree {}: can't be examined", self.path.display()))?
            .dev();
        let mut found = Vec::new();
        let mut folders = vec![None];
        while let Some(folder) = folders.pop() {
            let shown = || match &folder {
                Some(path) => format!("folder {}", self.shown(path)),
                None => format!("tree {}", self.path.display()),
            };
            let dir = disk::descend(&self.dir, folder.as_ref())
                .with_context(|| format!("{}: can't be opened", shown()))?;
            let unreadable = || format!("{}: can't be read", shown());
            for entry in dir.entries().with_context(unreadable)? {
                let entry = entry.with_context(unreadable)?;
                let name = disk::bytes(entry.file_name());
                let path = match &folder {
                    Some(folder) => [folder.bytes(), &name].join(&b'/'),
                    None => name,
                };
                let path = TreePath::new(path)?;
                if !self.has(&path) {
                    continue;
                }
                let metadata = entry
                    .metadata()
                    .with_context(|| format!("{}: can't be examined", self.shown(&path)))?;
                if metadata.dev() != device {
                    bail!(
                        "folder {}: another file system is mounted there; unmount it, or choose a tree without it",
                        self.shown(&path)
                    );
                }
                let node = node(&dir, &metadata, &path)
                    .with_context(|| format!("link {}: can't be read", self.shown(&path)))?;
                if matches!(node, Node::Folder { .. }) {
                    folders.push(Some(path.clone()));
                }
                let stamp = stamp(&metadata);
                let entry = Entry { path, node };
                found.push(Scanned { entry, stamp });
            }
        }
        found.par_sort_unstable_by(|a, b| a.entry.path.cmp(&b.entry.path));
        Ok(found)
    }

    /// What is in the tree, in the form a baseline is compared with. A file is read where
    /// `is_read` says so of its path and size.
    pub fn entries(
        &self,
        is_read: impl Fn(&TreePath, u64) -> bool + Sync,
        progress: &Progress<'_>,
    ) -> Result<Vec<Entry>> {
        let found = self.scan()?;
        let files = found
            .iter()
            .filter(|found| matches!(found.entry.node, Node::File { .. }));
        progress.begin("files compared", files.count());
        found
            .into_par_iter()
            .map_init(Folders::default, |folders, found| {
                let mut entry = found.entry;
                if let Node::File { sha256, size, .. } = &mut entry.node {
                    if is_read(&entry.path, *size) {
                        *sha256 = self
                            .digest(folders, &entry.path)
                            .with_context(|| format!("file {}", self.shown(&entry.path)))?;
                    }
                    progress.step();
                }
                Ok(entry)
            })
            .collect()
    }

    fn digest(&self, folders: &mut Folders, path: &TreePath) -> std::io::Result<Digest> {
        let folder = folders.of(&self.dir, path)?;
        match disk::open_file(folder, disk::name(path.name())) {
            Ok(file) => hashing::digest_of(file),
            // A file that its owner can't read is not the one that was once read.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(NOT_READ),
            Err(error) => Err(error),
        }
    }
}

/// Where `path` is, or would be if it were made, without links on the way.
fn place(path: &Path) -> std::io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(error)?;
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            Ok(place(folder.unwrap_or(Path::new(".")))?.join(name))
        }
        place => place,
    }
}

/// The folder that was opened last: files come sorted, so it is most often the next one, too.
#[derive(Default)]
pub struct Folders {
    last: Option<(Option<TreePath>, Dir)>,
}

impl Folders {
    /// The folder below `top` that `path` is in.
    pub fn of(&mut self, top: &Dir, path: &TreePath) -> std::io::Result<&Dir> {
        let parent = path.parent();
        let last = self.last.take().filter(|(last, _)| *last == parent);
        let last = if let Some(last) = last {
            last
        } else {
            let dir = disk::descend(top, parent.as_ref())?;
            (parent, dir)
        };
        Ok(&self.last.insert(last).1)
    }
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
