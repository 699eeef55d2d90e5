//! Stores each content once, under its SHA-256. New objects wait in the state root's `tmp/` until
//! all of them are on the disk; then each gets its name. So a name never stands for a partial
//! content, whenever the process or the machine stops.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use cap_std::fs::Dir;
use coo_kernel::form::digest::Digest;
use coo_kernel::state::layout;

use super::sparse::Sparse;
use super::{FOLDER, Progress, disk};
use crate::hint::Hint as _;
use crate::machine::failpoint;
use crate::machine::hashing;
use crate::state::state_root::{StateRoot, TEMPORARY};

/// Files up to this size are read into memory in one pass. A larger file is read once for its
/// digest and written in a second pass only if its object is new.
const WHOLE_BYTES_MAX: u64 = 1 << 20;

/// The objects of a state root.
pub struct Objects<'a> {
    root: &'a StateRoot,
}

/// New objects that are added together.
pub struct Batch<'a> {
    objects: Objects<'a>,
    waiting: Dir,
    /// Digests that this batch has checked, written, or is writing in some thread.
    claimed: Mutex<BTreeSet<Digest>>,
    /// Objects that are written and have no name yet.
    written: Mutex<Vec<(Digest, u64)>>,
}

/// Counts of the objects that a batch added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Number of new objects.
    pub objects: usize,
    /// Total size of the new objects.
    pub bytes: u64,
}

fn path(sha256: &Digest) -> String {
    let hex = sha256.to_string();
    format!("{FOLDER}/objects/{}/{}", &hex[..2], &hex[2..])
}

fn temporary(sha256: &Digest) -> String {
    format!("{FOLDER}-{sha256}")
}

impl<'a> Objects<'a> {
    /// Returns a handle to the objects of `root`.
    pub fn new(root: &'a StateRoot) -> Self {
        Self { root }
    }

    /// Opens an object without checking it; the reader checks its content.
    pub fn open(&self, sha256: &Digest) -> Result<File> {
        let file = self.root.open_plain(&path(sha256));
        file.with_context(|| self.shown(sha256))
    }

    /// Returns the object's path for messages.
    pub fn shown(&self, sha256: &Digest) -> String {
        format!("object {}", self.root.path().join(path(sha256)).display())
    }

    /// Reads an object and checks its digest and size.
    pub fn check(&self, sha256: &Digest, size: u64, progress: &Progress<'_>) -> Result<()> {
        let mut file = progress.reading(self.open(sha256)?);
        let found =
            hashing::copy(&mut file, &mut io::sink()).with_context(|| self.shown(sha256))?;
        if found != (*sha256, size) {
            bail!(self.damaged(sha256, found));
        }
        Ok(())
    }

    /// Returns the error for an object whose content is not the one its name says.
    pub fn damaged(&self, sha256: &Digest, (found, size): (Digest, u64)) -> Error {
        anyhow!(
            "{}: was changed after it was written, it has {size} bytes and SHA-256 {}",
            self.shown(sha256),
            found.short()
        )
        .hint("take it from a copy of the state root")
    }
}

impl<'a> Batch<'a> {
    /// Creates an empty batch. The caller is the only writer of `root`.
    pub fn new(root: &'a StateRoot) -> Result<Self> {
        let waiting = root.folder(TEMPORARY, false);
        Ok(Self {
            objects: Objects::new(root),
            waiting: waiting
                .with_context(|| format!("state root {}: {TEMPORARY}/", root.path().display()))?,
            claimed: Mutex::default(),
            written: Mutex::default(),
        })
    }

    /// Stores the content of `file` and returns its digest and size.
    pub fn add(&self, file: &mut File, progress: &Progress<'_>) -> Result<(Digest, u64)> {
        let length = file.metadata()?.len();
        if length > WHOLE_BYTES_MAX {
            let known = hashing::copy(&mut progress.reading(&*file), &mut io::sink())?;
            if self.is_new(known)? {
                file.rewind()?;
                self.write(known, file)?;
            }
            return Ok(known);
        }
        let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
        let reading = progress.reading(file);
        reading
            .take(WHOLE_BYTES_MAX + 1)
            .read_to_end(&mut content)?;
        if content.len() as u64 > WHOLE_BYTES_MAX {
            bail!(
                anyhow!("grew while it was read")
                    .hint("make sure that nothing writes to the tree, then try again")
            );
        }
        let known = (Digest::of(&content), content.len() as u64);
        if self.is_new(known)? {
            self.write(known, &mut content.as_slice())?;
        }
        Ok(known)
    }

    /// Stores `text` as `add` does.
    pub fn add_text(&self, text: &[u8]) -> Result<(Digest, u64)> {
        let known = (Digest::of(text), text.len() as u64);
        if self.is_new(known)? {
            self.write(known, &mut &*text)?;
        }
        Ok(known)
    }

    /// Returns whether the caller has to write this object. An object that exists is read and
    /// checked, so that a new baseline does not depend on a damaged one.
    fn is_new(&self, (sha256, size): (Digest, u64)) -> Result<bool> {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        if !claimed.insert(sha256) {
            return Ok(false);
        }
        drop(claimed);
        let dir = self.objects.root.dir();
        if !dir
            .try_exists(path(&sha256))
            .with_context(|| self.objects.shown(&sha256))?
        {
            return Ok(true);
        }
        self.objects
            .check(&sha256, size, &Progress::new(None))
            .context("move it away and create the baseline again")?;
        Ok(false)
    }

    fn write(&self, known: (Digest, u64), content: &mut impl io::Read) -> Result<()> {
        let written = (|| -> io::Result<_> {
            failpoint::reach("object.create")?;
            let mut file = disk::create_file(&self.waiting, temporary(&known.0).as_ref())?;
            failpoint::reach("object.write")?;
            let mut sparse = Sparse::new(&mut file);
            let written = hashing::copy(content, &mut sparse)?;
            sparse.finish()?;
            Ok(written)
        })();
        let written = written
            .with_context(|| format!("{}: can't be written", self.objects.shown(&known.0)))?;
        if written != known {
            bail!(
                anyhow!("changed while it was read")
                    .hint("make sure that nothing writes to the tree, then try again")
            );
        }
        let mut list = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(known);
        Ok(())
    }

    /// Removes the objects that have no name yet. If that fails, the next session removes them.
    #[allow(
        clippy::disallowed_methods,
        reason = "removes what this batch wrote to tmp/"
    )]
    pub fn discard(self) {
        let written = self.claimed.into_inner();
        for sha256 in written.unwrap_or_else(PoisonError::into_inner) {
            let _ = self.waiting.remove_file(temporary(&sha256));
        }
    }

    /// Syncs everything that was added, then gives each object its name.
    #[allow(
        clippy::disallowed_methods,
        reason = "objects are renamed from tmp/, each with the kernel's permit"
    )]
    pub fn finish(self, progress: &Progress<'_>) -> Result<Added> {
        let root = self.objects.root;
        let mut written = self
            .written
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        written.sort_unstable();
        let names: Vec<String> = written
            .iter()
            .map(|(sha256, _)| temporary(sha256))
            .collect();
        let bytes = written.iter().map(|(_, size)| size).sum();
        progress.syncing(bytes);
        let done = (|| -> io::Result<()> {
            disk::sync_files(
                "object.sync",
                &self.waiting,
                names.iter().map(String::as_str),
            )?;
            let mut folders = BTreeSet::new();
            for ((sha256, _), temporary) in written.iter().zip(&names) {
                let permit = layout::permit(&path(sha256)).map_err(io::Error::other)?;
                let folder = permit.folder();
                if folders.insert(folder.to_owned()) {
                    failpoint::reach("object.folder")?;
                    root.folder_unsynced(folder)?;
                }
                failpoint::reach("object.rename")?;
                let name = disk::name(&permit.path().as_bytes()[folder.len() + 1..]);
                let to = root.folder(folder, false)?;
                self.waiting.rename(temporary, &to, name)?;
            }
            failpoint::reach("object.folder_sync")?;
            for folder in &folders {
                disk::sync_folder(&root.folder(folder, false)?)?;
            }
            for folder in [&(FOLDER.to_owned() + "/objects"), FOLDER, ""] {
                if !folders.is_empty() {
                    disk::sync_folder(&root.folder(folder, false)?)?;
                }
            }
            Ok(())
        })();
        done.with_context(|| {
            format!(
                "folder {}: can't be written",
                root.path().join(FOLDER).join("objects").display()
            )
        })?;
        Ok(Added {
            objects: written.len(),
            bytes,
        })
    }
}
