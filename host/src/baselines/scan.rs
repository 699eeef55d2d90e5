//! An open tree: which part of a directory it covers, and the digests of its files. Follows no
//! link, and changes nothing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coo_kernel::baseline::freeze::covered::MODULES;
use coo_kernel::baseline::governed;
use coo_kernel::baseline::{NOT_READ, Node, TreeEntry, TreePath};
use coo_kernel::form::digest::Digest;
use rayon::prelude::*;

use super::disk;
use super::progress::Progress;
use super::scanned::{Scanned, files_of, vanished};
use crate::hint::Hint as _;
use crate::machine::hashing;
use crate::state::state_root::StateRoot;

/// An open directory tree.
pub struct Tree {
    /// Canonical path.
    pub path: PathBuf,
    pub dir: Dir,
    /// Path of the state root inside the tree. It is not part of the tree.
    pub left_out: Option<TreePath>,
    part: Part,
}

type Chosen = dyn Fn(&str) -> bool + Send + Sync;

/// The part of a directory that the tree covers.
enum Part {
    All,
    /// The governed parts of a state root.
    State,
    /// The modules of a state root.
    Modules,
    /// The paths for which it holds: files, and the folders on the way to them.
    Chosen(Arc<Chosen>),
}

impl Tree {
    /// Opens the tree at `path`. Leaves out the state root at `state_root` if it is inside.
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
                anyhow!(
                    "{}: lies in the state root {}",
                    shown(),
                    state_root.display()
                )
                .hint("name a tree outside it")
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

    /// Returns a tree of the same directory that covers only the paths for which `is_covered`
    /// holds. A file is reached only if it holds for the folders on the way, too.
    pub fn part(&self, is_covered: impl Fn(&str) -> bool + Send + Sync + 'static) -> Result<Self> {
        Ok(Self {
            path: self.path.clone(),
            dir: self.dir.try_clone()?,
            left_out: self.left_out.clone(),
            part: Part::Chosen(Arc::new(is_covered)),
        })
    }

    /// Returns the tree of the state root's governed parts, as they are on the disk.
    pub fn of_state(root: &StateRoot) -> Result<Self> {
        Ok(Self {
            path: root.path().canonicalize()?,
            dir: root.dir().try_clone()?,
            left_out: None,
            part: Part::State,
        })
    }

    /// Returns the tree of the state root's modules.
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
                Part::Chosen(is_covered) => is_covered(&path.text()),
            }
    }

    /// Returns the absolute path for messages.
    #[must_use]
    pub fn shown(&self, path: &TreePath) -> String {
        self.path
            .join(disk::name(path.bytes()))
            .display()
            .to_string()
    }

    /// Reads the tree's entries in the form in which a baseline is compared. Hashes a file only if
    /// `is_read` holds for its path and size.
    pub fn entries(
        &self,
        is_read: impl Fn(&TreePath, u64) -> bool + Sync,
        progress: &Progress<'_>,
    ) -> Result<Vec<TreeEntry>> {
        self.read(self.scan()?, is_read, progress)
    }

    /// Reads as `entries` does, but returns a folder that this user may not read as a closed entry.
    pub fn entries_as_found(
        &self,
        is_read: impl Fn(&TreePath, u64) -> bool + Sync,
        progress: &Progress<'_>,
    ) -> Result<Vec<TreeEntry>> {
        self.read(self.look()?, is_read, progress)
    }

    /// Reads what `look` has found, as `entries` does.
    pub(super) fn read(
        &self,
        found: Vec<Scanned>,
        is_read: impl Fn(&TreePath, u64) -> bool + Sync,
        progress: &Progress<'_>,
    ) -> Result<Vec<TreeEntry>> {
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
            // The file was readable when the baseline was captured, so this is not the same file.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(NOT_READ),
            Err(error) => Err(error),
        }
    }
}

/// Returns the canonical path of `path`, or the one it would have if it were created.
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

/// A cache of the folder that was opened last. Files come sorted, so the next one is usually in the
/// same folder.
#[derive(Default)]
pub struct Folders {
    last: Option<(Option<TreePath>, Dir)>,
}

impl Folders {
    /// Returns the folder below `top` that holds `path`.
    pub fn of(&mut self, top: &Dir, path: &TreePath) -> std::io::Result<&Dir> {
        self.of_with(top, path, disk::open_folder)
    }

    /// Returns the folder as `of` does; opens each folder on the way with `open`.
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
