//! A tree: which part of which directory it is, and the digests of its files. Follows no link, and
//! changes nothing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coo_engines::repository::config::Repository;
use coo_engines::repository::scope::Scope;
use coo_kernel::baseline::freeze::covered::MODULES;
use coo_kernel::baseline::governed;
use coo_kernel::baseline::{Entry, NOT_READ, Node, TreePath};
use coo_kernel::form::digest::Digest;
use rayon::prelude::*;

use super::disk;
use super::look::{Scanned, files_of, vanished};
use super::progress::Progress;
use crate::machine::hashing;
use crate::root::state_root::StateRoot;

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

    pub(super) fn has(&self, path: &TreePath) -> bool {
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

    /// What is in the tree, in the form a baseline is compared with. A file is read where
    /// `is_read` says so of its path and size.
    pub fn entries(
        &self,
        is_read: impl Fn(&TreePath, u64) -> bool + Sync,
        progress: &Progress<'_>,
    ) -> Result<Vec<Entry>> {
        self.read(self.scan()?, is_read, progress)
    }

    /// As `entries`, but a folder that this user may not look into is an entry that says so.
    pub fn entries_as_found(
        &self,
        is_read: impl Fn(&TreePath, u64) -> bool + Sync,
        progress: &Progress<'_>,
    ) -> Result<Vec<Entry>> {
        self.read(self.look()?, is_read, progress)
    }

    /// What `look` has found, in that form.
    pub(super) fn read(
        &self,
        found: Vec<Scanned>,
        is_read: impl Fn(&TreePath, u64) -> bool + Sync,
        progress: &Progress<'_>,
    ) -> Result<Vec<Entry>> {
        progress.begin("files compared", files_of(&found, &is_read));
        found
            .into_par_iter()
            .map_init(Folders::default, |folders, found| {
                let mut entry = found.entry;
                if let Node::File { sha256, size, .. } = &mut entry.node {
                    if is_read(&entry.path, *size) {
                        *sha256 = self
                            .digest(folders, &entry.path, progress)
                            .map_err(vanished)
                            .with_context(|| format!("file {}", self.shown(&entry.path)))?;
                    }
                    progress.step();
                }
                Ok(entry)
            })
            .collect()
    }

    fn digest(
        &self,
        folders: &mut Folders,
        path: &TreePath,
        progress: &Progress<'_>,
    ) -> std::io::Result<Digest> {
        let folder = folders.of(&self.dir, path)?;
        match disk::open_file(folder, disk::name(path.name())) {
            Ok(file) => hashing::digest_of(progress.reading(file)),
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
        self.of_with(top, path, disk::open_folder)
    }

    /// As `of`, with `open` to open each folder on the way.
    pub fn of_with(
        &mut self,
        top: &Dir,
        path: &TreePath,
        open: impl Fn(&Dir, &OsStr) -> std::io::Result<Dir>,
    ) -> std::io::Result<&Dir> {
        let parent = path.parent();
        let last = self.last.take().filter(|(last, _)| *last == parent);
        let last = if let Some(last) = last {
            last
        } else {
            let dir = disk::descend_with(top, parent.as_ref(), open)?;
            (parent, dir)
        };
        Ok(&self.last.insert(last).1)
    }
}
