//! The write gateway. Files are staged while a mission runs; they appear, complete and together
//! with the INDEX, once the journal holds the write-ahead intent. Never overwrites other content,
//! never follows a symbolic link, and never waits for a pipe. Folders are opened one by one, each
//! through the handle of its parent, so that no other process can swap one for a link in between.

#![allow(
    clippy::disallowed_methods,
    reason = "makes the folders of artefacts; their files are written by the state root"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};

use anyhow::{Context as _, Result, anyhow, bail};
use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;
use coo_kernel::effects::artefact::{
    self, Artefact, Taken, WriteAnswer, WritePermit, WriteRequest,
};
use coo_kernel::form::digest::Digest;
use coo_kernel::state::index::{self, Drift, Found};
use coo_kernel::state::layout;

use crate::hint::Hint as _;
use crate::state::state_root::{StateRoot, make_folder};
use crate::state::store::Store;
use crate::state::walk::{examine, in_the_way, set_aside, walk};

/// Folders that a run keeps open to look for files in them.
const FOLDERS_MAX: usize = 16;

/// The files that a run has staged. Others may change record and files only between two turns of the
/// run, and then it forgets all of this; so each is looked at once.
#[derive(Default)]
pub struct Gateway {
    /// By collision key, so that two names that differ only in case can't both be staged.
    staged: BTreeMap<String, Staged>,
    /// The folder of the artefacts, and those below it, by their paths.
    folders: BTreeMap<String, Folder>,
}

/// A staged file, with what had its path before.
struct Staged {
    path: String,
    recorded: Option<(String, Digest)>,
    found: Option<Found>,
}

/// A folder of artefacts, as it was found.
enum Folder {
    Open(Dir),
    Missing,
    Blocked(&'static str),
}

/// Fails if the folder of the artefacts can't be opened, before a mission depends on it.
pub fn check_folder(root: &StateRoot) -> Result<()> {
    folder_of(root).map(drop)
}

impl Gateway {
    /// Stages one file. The caller stores its content.
    pub fn stage(
        &mut self,
        root: &StateRoot,
        store: &Store,
        permit: &WritePermit,
        request: &WriteRequest,
    ) -> Result<WriteAnswer> {
        let path = permit.path();
        let key = permit.collision_key();
        if let Some(staged) = self.staged.get(&key) {
            return Ok(staged.judge(permit, request, true));
        }
        let looked = Staged {
            path: path.to_owned(),
            recorded: store.artefact_like(path)?,
            found: self.look(root, path)?,
        };
        let answer = looked.judge(permit, request, false);
        if matches!(answer, WriteAnswer::Written(_)) {
            self.staged.insert(key, looked);
        }
        Ok(answer)
    }

    /// Examines `path` without following links, as the function `look` does.
    fn look(&mut self, root: &StateRoot, path: &str) -> Result<Option<Found>> {
        let shown = || format!("artefact {path}: can't be examined");
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !self.folders.contains_key(parent) {
            if self.folders.len() == FOLDERS_MAX {
                self.folders.clear();
            }
            let folder = match descend(&folder_of(root)?, path, false).with_context(shown)? {
                Descent::Arrived(folder, _) => Folder::Open(folder),
                Descent::Missing => Folder::Missing,
                Descent::Blocked(what) => Folder::Blocked(what),
            };
            self.folders.insert(parent.to_owned(), folder);
        }
        match self.folders.get(parent) {
            Some(Folder::Open(folder)) => examine(folder, name).with_context(shown),
            Some(Folder::Blocked(what)) => Ok(Some(Found::Else(what))),
            Some(Folder::Missing) | None => Ok(None),
        }
    }
}

impl Staged {
    fn judge(&self, permit: &WritePermit, request: &WriteRequest, is_staged: bool) -> WriteAnswer {
        let recorded = self.recorded.as_ref();
        let taken = Taken {
            staged: is_staged.then_some(self.path.as_str()),
            recorded: recorded.map(|(path, sha256)| (path.as_str(), *sha256)),
            found: self.found.clone(),
        };
        artefact::judge(permit, request, &taken)
    }
}

/// Examines `path` below `folder` without following links. An object that is not a folder and
/// stands where a folder should be is found as well.
fn look(folder: &Dir, path: &str) -> Result<Option<Found>> {
    let shown = || format!("artefact {path}: can't be examined");
    match descend(folder, path, false).with_context(shown)? {
        Descent::Arrived(folder, name) => examine(&folder, name).with_context(shown),
        Descent::Missing => Ok(None),
        Descent::Blocked(what) => Ok(Some(Found::Else(what))),
    }
}

/// Result of opening the folder of a file.
enum Descent<'a> {
    /// The folder, and the file's name in it.
    Arrived(Dir, &'a str),
    Missing,
    Blocked(&'static str),
}

/// Opens the folder of `path` below `folder`, one handle after the other, without following links.
/// Creates missing folders if `make` is set.
fn descend<'a>(folder: &Dir, path: &'a str, make: bool) -> io::Result<Descent<'a>> {
    let mut here = folder.try_clone()?;
    let mut components = path.split('/').peekable();
    while let Some(name) = components.next() {
        if components.peek().is_none() {
            return Ok(Descent::Arrived(here, name));
        }
        let next = here.open_dir_nofollow(name);
        here = match next {
            Ok(next) => next,
            Err(error) if error.kind() == ErrorKind::NotFound && make => {
                make_folder(&here, name)?;
                match here.open_dir_nofollow(name) {
                    Ok(next) => next,
                    // Another process put something else there in the meantime.
                    Err(_) => return Ok(Descent::Blocked("something that is not a folder")),
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Descent::Missing),
            Err(error) => {
                return match here.symlink_metadata(name) {
                    Ok(metadata) if !metadata.is_dir() => {
                        Ok(Descent::Blocked(in_the_way(metadata.file_type())))
                    }
                    Err(gone) if gone.kind() == ErrorKind::NotFound => Ok(Descent::Missing),
                    _ => Err(error),
                };
            }
        };
    }
    Ok(Descent::Missing)
}

fn folder_of(root: &StateRoot) -> Result<Dir> {
    root.folder(layout::ARTEFACTS, false)
        .context("state root: artefacts/ can't be opened")
}

/// Creates the files of a committed intent, then writes the INDEX. Files that already exist are
/// left unchanged, so it may run repeatedly.
pub fn apply(root: &StateRoot, store: &Store, artefacts: &[Artefact]) -> Result<()> {
    apply_unlisted(root, store, artefacts)?;
    if !artefacts.is_empty() {
        write_index(root, store)?;
    }
    Ok(())
}

/// Creates the files of a mission that came from another root, without the INDEX. The record says
/// which of them are kept: where another artefact has the name, nothing is made. Moves a file that an
/// artefact of this mission replaces to `set-aside/`. May run repeatedly.
pub fn apply_merged(root: &StateRoot, store: &Store, artefacts: &[Artefact]) -> Result<()> {
    let folder = folder_of(root)?;
    for artefact in artefacts {
        let wanted = (artefact.path.clone(), artefact.sha256);
        if store.artefact_like(&artefact.path)?.as_ref() != Some(&wanted) {
            continue;
        }
        let permit = artefact::permit(&artefact.path)?;
        if let Some(Found::File(found)) = look(&folder, permit.path())?
            && found != artefact.sha256
        {
            set_aside(root, &below(permit.path()))?;
        }
        make(root, store, &folder, &permit, &artefact.sha256)?;
    }
    Ok(())
}

/// Creates the files of a committed intent, without the INDEX; see `apply`.
pub fn apply_unlisted(root: &StateRoot, store: &Store, artefacts: &[Artefact]) -> Result<()> {
    let folder = folder_of(root)?;
    for artefact in artefacts {
        // The journal may come from a build with other rules: judge the path again.
        let permit = artefact::permit(&artefact.path)?;
        make(root, store, &folder, &permit, &artefact.sha256)?;
    }
    Ok(())
}

/// Creates one file completely, or not at all; never replaces a file.
fn make(
    root: &StateRoot,
    store: &Store,
    folder: &Dir,
    permit: &WritePermit,
    sha256: &Digest,
) -> Result<()> {
    let path = permit.path();
    let in_the_way = |what: &str| {
        anyhow!("artefact {path}: a mission recorded it, but {what} is in its place")
            .hint("move it away and run any coo command again")
    };
    match look(folder, path)? {
        Some(Found::File(found)) if found == *sha256 => return Ok(()),
        None => {}
        Some(Found::File(_)) => return Err(in_the_way("something else")),
        Some(Found::Else(what)) => return Err(in_the_way(what)),
    }
    let content = store.blob(sha256)?;
    let folder = match descend(folder, path, true)? {
        Descent::Arrived(folder, _) => folder,
        Descent::Missing => {
            bail!(
                anyhow!("artefact {path}: its folder went away").hint("run any coo command again")
            )
        }
        Descent::Blocked(what) => return Err(in_the_way(what)),
    };
    match root.write_first(permit, &folder, &content) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(in_the_way("something that was not there a moment ago"))
        }
        Err(error) => Err(error).with_context(|| format!("artefact {path}: can't be written")),
    }
}

/// Writes both forms of the INDEX from the record, if they differ from it.
pub fn write_index(root: &StateRoot, store: &Store) -> Result<()> {
    let entries = store.artefacts()?;
    if entries.is_empty() {
        return Ok(());
    }
    let folder = folder_of(root)?;
    for (name, text) in [
        (index::JSON, index::json(&entries)?),
        (index::MARKDOWN, index::markdown(&entries)),
    ] {
        if examine(&folder, name)? != Some(Found::File(Digest::of(&text))) {
            root.write_new(&below(name), text.as_bytes())?;
        }
    }
    Ok(())
}

/// Returns every difference between `artefacts/` and the record.
pub fn check(root: &StateRoot, store: &Store) -> Result<Vec<Drift>> {
    let entries = store.artefacts()?;
    let expected: BTreeSet<&str> = entries
        .iter()
        .map(|entry| entry.path.as_str())
        .chain([index::JSON, index::MARKDOWN])
        .collect();
    let mut found = BTreeMap::new();
    walk(&folder_of(root)?, "", &expected, &mut found)?;
    Ok(index::compare(&entries, &found)?)
}

/// Restores `artefacts/` to the record. Everything that differs, including a changed INDEX, is
/// moved to `set-aside/`, so nothing is lost. The caller holds the lock.
pub fn repair(root: &StateRoot, store: &Store, drifts: &[Drift]) -> Result<()> {
    for drift in drifts {
        if !matches!(drift, Drift::Missing { .. }) {
            set_aside(root, &below(drift.path()))?;
        }
    }
    let folder = folder_of(root)?;
    for entry in store.artefacts()? {
        let permit = artefact::permit(&entry.path)?;
        // An object in place of one of its folders was reported as extra and has been set aside.
        make(root, store, &folder, &permit, &entry.sha256)?;
    }
    write_index(root, store)
}

/// Returns the path in the state root.
fn below(path: &str) -> String {
    format!("{}/{path}", layout::ARTEFACTS)
}
