//! Stores each content once, under its SHA-256. The new contents of one capture become one pack: it is
//! written to the state root's `tmp/`, synced once, and then gets its name. So a name never stands for
//! a partial pack, whenever the process or the machine stops.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use cap_std::fs::Dir;
use coo_kernel::baseline::pack::{self, HEADER, Place};
use coo_kernel::form::digest::Digest;
use coo_kernel::state::layout;

use super::packs::{self, Object, Packs};
use super::sparse::Sparse;
use super::{Progress, disk};
use crate::hint::Hint as _;
use crate::machine::failpoint;
use crate::machine::hashing;
use crate::machine::input_file::read_bounded_from;
use crate::state::state_root::{StateRoot, TEMPORARY};

/// Files up to this size are read into memory in one pass. A larger file is read once for its
/// digest and written in a second pass only if its object is new.
const WHOLE_BYTES_MAX: u64 = 1 << 20;

/// Contents are gathered up to this size, and then written with one call.
const GATHERED_BYTES: usize = 1 << 20;

/// The name of the pack in `tmp/` that is being written. Only one process writes to a root.
const WAITING: &str = "amu0.pack";

/// The objects of a state root.
pub struct Objects<'a> {
    root: &'a StateRoot,
    /// Read when the first object is asked for.
    packs: OnceLock<Packs>,
}

/// New objects that are added together.
pub struct Batch<'a> {
    objects: Objects<'a>,
    waiting: Dir,
    /// Digests that this batch has checked, written, or is writing in some thread.
    claimed: Mutex<BTreeSet<Digest>>,
    pack: Mutex<Pack>,
}

/// The pack that a batch writes.
#[derive(Default)]
struct Pack {
    /// `None` until something is new.
    file: Option<Arc<File>>,
    /// Contents that are not written yet.
    gathered: Vec<u8>,
    /// Where in the file they belong.
    begin: u64,
    places: Vec<Place>,
}

/// Counts of the objects that a batch added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Number of new objects.
    pub objects: usize,
    /// Total size of the new objects.
    pub bytes: u64,
}

impl<'a> Objects<'a> {
    /// Returns a handle to the objects of `root`.
    pub fn new(root: &'a StateRoot) -> Self {
        Self {
            root,
            packs: OnceLock::new(),
        }
    }

    fn packs(&self) -> &Packs {
        self.packs.get_or_init(|| Packs::of(self.root))
    }

    /// Opens an object without checking it; the reader checks its content.
    pub fn open(&self, sha256: &Digest) -> Result<Object> {
        let packs = self.packs();
        let found = packs.open(self.root, sha256);
        let found = found.with_context(|| self.shown(sha256))?;
        found.ok_or_else(|| packs.missing(self.root, sha256))
    }

    /// Reads an object of at most `bytes_max` bytes and checks its digest.
    pub fn read(&self, sha256: &Digest, bytes_max: u64) -> Result<Vec<u8>> {
        let object = self.open(sha256)?;
        let length = object.length();
        let content = read_bounded_from(object, length, || self.shown(sha256), bytes_max)?;
        let found = Digest::of(&content);
        if found != *sha256 {
            bail!(self.damaged(sha256, (found, length)));
        }
        Ok(content)
    }

    /// Returns the object and its pack, for messages.
    pub fn shown(&self, sha256: &Digest) -> String {
        match self.packs().holder(sha256) {
            Some(pack) => {
                let pack = self.root.path().join(packs::file_of(pack));
                format!("object {sha256} in {}", pack.display())
            }
            None => format!("object {sha256}"),
        }
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

/// Returns the error for a content that differs when it is read again.
fn changed() -> Error {
    anyhow!("changed while it was read")
        .hint("make sure that nothing writes to the tree, then try again")
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
            pack: Mutex::default(),
        })
    }

    /// Stores the content of `file`, of about `length` bytes, and returns its digest and size.
    pub fn add(
        &self,
        file: &mut (impl Read + Seek),
        length: u64,
        progress: &Progress<'_>,
    ) -> Result<(Digest, u64)> {
        if length > WHOLE_BYTES_MAX {
            let known = hashing::copy(&mut progress.reading(&mut *file), &mut io::sink())?;
            if self.is_new(known, None)? {
                file.seek(SeekFrom::Start(0))?;
                self.stream(known, file)?;
            }
            return Ok(known);
        }
        // One more byte than expected, so that one call finds the file's end.
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
        self.add_text(&content)
    }

    /// Stores `text` as `add` does.
    pub fn add_text(&self, text: &[u8]) -> Result<(Digest, u64)> {
        let known = (Digest::of(text), text.len() as u64);
        if self.is_new(known, Some(text))? {
            self.gather(known.0, text).with_context(unwritable)?;
        }
        Ok(known)
    }

    /// Returns whether the caller has to write this object, of which it may have the content. An object
    /// that exists is read and compared, so that a new baseline does not depend on a damaged one.
    fn is_new(&self, (sha256, size): (Digest, u64), content: Option<&[u8]>) -> Result<bool> {
        if !lock(&self.claimed).insert(sha256) {
            return Ok(false);
        }
        let Some(mut object) = self.objects.packs().open(self.objects.root, &sha256)? else {
            return Ok(true);
        };
        if let Some(content) = content
            && object.length() == size
        {
            let mut kept = Vec::with_capacity(content.len() + 1);
            let shown = || self.objects.shown(&sha256);
            object.read_to_end(&mut kept).with_context(shown)?;
            if kept == content {
                return Ok(false);
            }
        }
        self.objects
            .check(&sha256, size, &Progress::new(None))
            .context("move its pack away and create the baseline again")?;
        Ok(false)
    }

    /// Adds `content` to the pack.
    fn gather(&self, sha256: Digest, content: &[u8]) -> io::Result<()> {
        failpoint::reach("object.write")?;
        let mut pack = lock(&self.pack);
        let file = pack.open(&self.waiting)?;
        let offset = pack.begin + pack.gathered.len() as u64;
        pack.gathered.extend_from_slice(content);
        pack.places.push(Place {
            sha256,
            offset,
            size: content.len() as u64,
        });
        if pack.gathered.len() < GATHERED_BYTES {
            return Ok(());
        }
        let empty = Vec::with_capacity(GATHERED_BYTES + GATHERED_BYTES / 4);
        let full = pack.take(empty);
        drop(pack);
        full.write(&file)
    }

    /// Adds a content of known digest and size to the pack, as it is read.
    fn stream(&self, known: (Digest, u64), content: &mut impl Read) -> Result<()> {
        let written = (|| -> io::Result<_> {
            failpoint::reach("object.write")?;
            let mut pack = lock(&self.pack);
            let file = pack.open(&self.waiting)?;
            let before = pack.take(Vec::new());
            let offset = pack.begin;
            pack.begin += known.1;
            pack.places.push(Place {
                sha256: known.0,
                offset,
                size: known.1,
            });
            drop(pack);
            before.write(&file)?;
            // What follows it in the pack gives the file its length.
            let mut sparse = Sparse::new(&file, offset);
            hashing::copy(&mut content.take(known.1 + 1), &mut sparse)
        })();
        if written.with_context(unwritable)? != known {
            bail!(changed());
        }
        Ok(())
    }

    /// Removes the pack that has no name yet. If that fails, the next session removes it.
    #[allow(
        clippy::disallowed_methods,
        reason = "removes what this batch wrote to tmp/"
    )]
    pub fn discard(self) {
        let _ = self.waiting.remove_file(WAITING);
    }

    /// Syncs everything that was added, then gives the pack its name.
    pub fn finish(self, progress: &Progress<'_>) -> Result<Added> {
        let root = self.objects.root;
        let mut pack = self
            .pack
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let bytes = pack.places.iter().map(|place| place.size).sum();
        let added = Added {
            objects: pack.places.len(),
            bytes,
        };
        if added.objects > 0 {
            progress.syncing(bytes);
            let named = pack.name(root, &self.waiting);
            named.with_context(|| {
                let folder = root.path().join(packs::folder());
                format!("folder {}: can't be written", folder.display())
            })?;
        }
        Ok(added)
    }
}

fn unwritable() -> String {
    format!("pack {TEMPORARY}/{WAITING}: can't be written")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes, and where they belong.
struct Part {
    bytes: Vec<u8>,
    at: u64,
}

impl Part {
    fn write(self, file: &File) -> io::Result<()> {
        file.write_all_at(&self.bytes, self.at)
    }
}

impl Pack {
    /// Returns the file, which the first call creates.
    #[allow(
        clippy::disallowed_methods,
        reason = "removes what an earlier batch of this process left in tmp/"
    )]
    fn open(&mut self, waiting: &Dir) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        failpoint::reach("object.create")?;
        let mut file = disk::create_file(waiting, WAITING.as_ref());
        if matches!(&file, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
            waiting.remove_file(WAITING)?;
            file = disk::create_file(waiting, WAITING.as_ref());
        }
        self.gathered.extend_from_slice(HEADER);
        Ok(Arc::clone(self.file.insert(Arc::new(file?))))
    }

    /// Takes what is gathered, to be written without the lock; `empty` gathers what follows.
    fn take(&mut self, empty: Vec<u8>) -> Part {
        let bytes = std::mem::replace(&mut self.gathered, empty);
        let at = self.begin;
        self.begin += bytes.len() as u64;
        Part { bytes, at }
    }

    /// Writes the rest and the index, syncs the file and gives it its name.
    #[allow(
        clippy::disallowed_methods,
        reason = "a pack is renamed from tmp/, with the kernel's permit"
    )]
    fn name(&mut self, root: &StateRoot, waiting: &Dir) -> io::Result<()> {
        let (end, name) = pack::end_of(&mut self.places);
        self.gathered.extend_from_slice(&end);
        let file = self.open(waiting)?;
        self.take(Vec::new()).write(&file)?;
        failpoint::reach("object.sync")?;
        file.sync_all()?;
        let permit = layout::permit(&packs::file_of(&name)).map_err(io::Error::other)?;
        failpoint::reach("object.folder")?;
        let folder = root.folder(permit.folder(), true)?;
        failpoint::reach("object.rename")?;
        let to = &permit.path()[permit.folder().len() + 1..];
        waiting.rename(WAITING, &folder, to)?;
        failpoint::reach("object.folder_sync")?;
        disk::sync_folder(&folder)
    }
}
