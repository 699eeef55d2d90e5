//! The packs of a state root: finds a content in them by its digest, and reads it there. A pack whose
//! index can't be read is left out, and named where a content is missing. Never writes, and trusts no
//! content: the reader compares its digest.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Error, Result, anyhow};
use coo_kernel::baseline::pack::{COUNT_BYTES, HEADER, Index, NotAPack, index_at};
use coo_kernel::form::digest::Digest;

use super::FOLDER;
use crate::hint::{self, Hint as _};
use crate::state::state_root::StateRoot;

/// The folder of packs, below the folder of baselines.
const PACKS: &str = "packs";
/// The folder in which earlier builds kept a file for each content.
const OBJECTS: &str = "objects";
/// Packs that are open at once. A root may have more of them than a process may have open files.
const OPEN_MAX: usize = 64;

/// Returns the path of a pack in the state root.
pub fn file_of(name: &Digest) -> String {
    format!("{}/{name}.pack", folder())
}

/// Returns the path of the folder of packs in the state root.
pub fn folder() -> String {
    format!("{FOLDER}/{PACKS}")
}

/// All packs of a state root, as they were when they were listed.
pub struct Packs {
    all: Vec<(Digest, Index)>,
    /// Why packs, or all of them, can't be read; a line each.
    broken: Vec<String>,
    open: Mutex<Vec<(usize, Arc<File>)>>,
}

impl Packs {
    /// Lists the packs of `root` and reads the index of each.
    pub fn of(root: &StateRoot) -> Self {
        let mut packs = Self {
            all: Vec::new(),
            broken: Vec::new(),
            open: Mutex::default(),
        };
        let earlier = format!("{FOLDER}/{OBJECTS}");
        if root.dir().symlink_metadata(&earlier).is_ok() {
            packs.broken.push(format!(
                "folder {}: has the format of an earlier coo, this build reads packs ({})",
                root.path().join(earlier).display(),
                folder()
            ));
        }
        match names(root) {
            Ok(names) => {
                for name in names {
                    match read_index(root, &name) {
                        Ok(index) => packs.all.push((name, index)),
                        Err(error) => packs.broken.push(hint::flat(&error)),
                    }
                }
            }
            Err(error) => {
                let folder = root.path().join(folder());
                packs
                    .broken
                    .push(format!("folder {}: {error}", folder.display()));
            }
        }
        packs
    }

    /// Returns the name of the pack that has this content.
    pub fn holder(&self, sha256: &Digest) -> Option<&Digest> {
        let mut all = self.all.iter();
        let found = all.find(|(_, index)| index.get(sha256).is_some());
        found.map(|(name, _)| name)
    }

    /// Opens a content without checking it; `None` if no pack has it.
    pub fn open(&self, root: &StateRoot, sha256: &Digest) -> io::Result<Option<Object>> {
        let all = self.all.iter().enumerate();
        let mut found = all.filter_map(|(i, (name, index))| Some((i, name, index.get(sha256)?)));
        let Some((number, name, place)) = found.next() else {
            return Ok(None);
        };
        let file = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, file)) = open.iter().find(|(other, _)| *other == number) {
                Arc::clone(file)
            } else {
                if open.len() >= OPEN_MAX {
                    open.clear();
                }
                let file = Arc::new(root.open_plain(&file_of(name))?);
                open.push((number, Arc::clone(&file)));
                file
            }
        };
        Ok(Some(Object {
            file,
            begin: place.offset,
            at: place.offset,
            end: place.offset.saturating_add(place.size),
        }))
    }

    /// Returns the error for a content that no pack has.
    pub fn missing(&self, root: &StateRoot, sha256: &Digest) -> Error {
        let folder = root.path().join(folder());
        let mut text = format!("object {sha256}: is in no pack of {}", folder.display());
        if let Some(broken) = self.broken.first() {
            text = format!("{text}; {broken}");
        }
        anyhow!(text).hint("take it from a copy of the state root")
    }
}

/// Returns the names of all packs, sorted.
fn names(root: &StateRoot) -> io::Result<Vec<Digest>> {
    let folder = match root.folder(&folder(), false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        folder => folder?,
    };
    let mut names = Vec::new();
    for entry in folder.entries()? {
        let name = entry?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".pack"));
        names.extend(name.and_then(|name| name.parse::<Digest>().ok()));
    }
    names.sort_unstable();
    Ok(names)
}

fn read_index(root: &StateRoot, name: &Digest) -> Result<Index> {
    let path = file_of(name);
    let read = || -> io::Result<std::result::Result<Index, NotAPack>> {
        let file = root.open_plain(&path)?;
        let length = file.metadata()?.len();
        let Some(last) = length.checked_sub(COUNT_BYTES as u64) else {
            return Ok(Err(NotAPack::Length { found: length }));
        };
        let mut header = [0; HEADER.len()];
        let mut count = [0; COUNT_BYTES];
        file.read_exact_at(&mut count, last)?;
        let (begin, size) = match index_at(length, count) {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        file.read_exact_at(&mut header, 0)?;
        if header != *HEADER {
            return Ok(Err(NotAPack::Header));
        }
        let mut rows = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        file.read_exact_at(&mut rows, begin)?;
        Ok(Index::parse(rows, name, begin))
    };
    let shown = || format!("pack {}", root.path().join(&path).display());
    read().with_context(shown)?.with_context(shown)
}

/// A content in its pack.
pub struct Object {
    file: Arc<File>,
    begin: u64,
    at: u64,
    end: u64,
}

impl Object {
    /// Returns its length in bytes.
    pub fn length(&self) -> u64 {
        self.end - self.begin
    }
}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let n = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Object {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => self.begin.checked_add(at),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let target = target.filter(|at| (self.begin..=self.end).contains(at));
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at - self.begin)
    }
}
