//! The write gateway: files are staged while a mission runs and appear, whole, when its
//! journal has promised them, and the INDEX with them. Never overwrites other content, never
//! follows a symbolic link, and never waits for a pipe: folders are opened one by one, each
//! from the handle of the one before, so nobody can swap one for a link on the way.

#![allow(
    clippy::disallowed_methods,
    reason = "makes the folders of artefacts; their files are written by the state root"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};

use anyhow::{Context as _, Result, bail};
use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;
use coo_kernel::effects::artefact::{Artefact, WritePermit};
use coo_kernel::form::digest::Digest;
use coo_kernel::root::index::{self, Drift, Found};
use coo_kernel::root::layout;
use serde::{Deserialize, Serialize};

use crate::root::state_root::{StateRoot, make_folder};
use crate::root::store::Store;
use crate::root::walk::{examine, in_the_way, set_aside, walk};

/// What the guest asked, as the journal keeps it: the content by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteRequest {
    /// Size in bytes.
    pub bytes: u64,
    /// As the guest gave it.
    pub path: String,
    /// Of the content.
    pub sha256: Digest,
}

/// What the guest is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteAnswer {
    /// Exists with other content.
    Conflict(String),
    /// Not permitted.
    Refused(String),
    /// Staged.
    Written(Artefact),
}

/// Files about to be made.
pub struct Gateway {
    folder: Dir,
    /// By collision key, so that two names that differ in case can't both be staged.
    staged: BTreeMap<String, Artefact>,
}

impl Gateway {
    /// The gateway of `root`, nothing staged.
    pub fn new(root: &StateRoot) -> Result<Self> {
        Ok(Self {
            folder: folder_of(root)?,
            staged: BTreeMap::new(),
        })
    }

    /// Stages one file. The caller keeps its content in the store.
    pub fn stage(
        &mut self,
        store: &Store,
        permit: &WritePermit,
        request: &WriteRequest,
    ) -> Result<WriteAnswer> {
        let artefact = Artefact {
            bytes: request.bytes,
            path: permit.path().to_owned(),
            sha256: request.sha256,
        };
        let key = permit.collision_key();
        let recorded = store.artefact_like(&artefact.path)?;
        let like = match (self.staged.get(&key), &recorded) {
            (Some(staged), _) => Some(&staged.path),
            (None, Some((path, _))) => Some(path),
            (None, None) => None,
        };
        if let Some(other) = like.filter(|other| **other != artefact.path) {
            return Ok(WriteAnswer::Conflict(format!(
                "'{}' differs from '{other}' only in case; choose another name",
                artefact.path
            )));
        }
        // A version that was written once is taken, whatever became of its file.
        let found = match (recorded, look(&self.folder, permit.path())?) {
            (_, Look::Found(Found::Else(what)) | Look::Blocked(what)) => {
                return Ok(WriteAnswer::Refused(format!(
                    "'{}': {what} is in the way",
                    artefact.path
                )));
            }
            (_, Look::Found(Found::File(found))) if found != artefact.sha256 => Some(found),
            (recorded, _) => recorded.map(|(_, sha256)| sha256),
        };
        if found.is_some_and(|found| found != artefact.sha256) {
            return Ok(WriteAnswer::Conflict(format!(
                "'{}' exists with other content; raise its version",
                artefact.path
            )));
        }
        self.staged.insert(key, artefact.clone());
        Ok(WriteAnswer::Written(artefact))
    }
}

/// What lies at a path.
enum Look {
    Nothing,
    Found(Found),
    /// Something that is no folder stands where one should be.
    Blocked(&'static str),
}

/// Looks at `path` below `folder`, following no link.
fn look(folder: &Dir, path: &str) -> Result<Look> {
    let shown = || format!("artefact {path}: can't be examined");
    let (folder, name) = match descend(folder, path, false).with_context(shown)? {
        Descent::Arrived(folder, name) => (folder, name),
        Descent::Missing => return Ok(Look::Nothing),
        Descent::Blocked(what) => return Ok(Look::Blocked(what)),
    };
    match examine(&folder, name).with_context(shown)? {
        None => Ok(Look::Nothing),
        Some(found) => Ok(Look::Found(found)),
    }
}

/// How the way to a file's folder ended.
enum Descent<'a> {
    /// The folder, and the file's name in it.
    Arrived(Dir, &'a str),
    Missing,
    Blocked(&'static str),
}

/// Goes from `folder` to the one that `path` ends in, by handles, following no link. Folders
/// that are missing are made if `make` says so.
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
                    // Somebody put something else there in this very moment.
                    Err(_) => return Ok(Descent::Blocked("something that is no folder")),
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

/// Makes promised files, then the INDEX. Again for what is there already: no change.
pub fn apply(root: &StateRoot, store: &Store, artefacts: &[Artefact]) -> Result<()> {
    let folder = folder_of(root)?;
    for artefact in artefacts {
        // The journal may have been written by a build with other rules: judge again.
        let permit = coo_kernel::effects::artefact::permit(&artefact.path)?;
        make(root, store, &folder, &permit, &artefact.sha256)?;
    }
    if !artefacts.is_empty() {
        write_index(root, store)?;
    }
    Ok(())
}

/// Makes one file, whole and for the first time.
fn make(
    root: &StateRoot,
    store: &Store,
    folder: &Dir,
    permit: &WritePermit,
    sha256: &Digest,
) -> Result<()> {
    let path = permit.path();
    let in_the_way = |what: &str| {
        anyhow::anyhow!(
            "artefact {path}: promised by a mission, but {what} is there now; move it away and run any coo command again"
        )
    };
    match look(folder, path)? {
        Look::Found(Found::File(found)) if found == *sha256 => return Ok(()),
        Look::Nothing => {}
        Look::Found(Found::File(_)) => return Err(in_the_way("something else")),
        Look::Found(Found::Else(what)) | Look::Blocked(what) => return Err(in_the_way(what)),
    }
    let content = store.blob(sha256)?;
    let folder = match descend(folder, path, true)? {
        Descent::Arrived(folder, _) => folder,
        Descent::Missing => {
            bail!("artefact {path}: its folder went away; run any coo command again")
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

/// Writes both forms of the INDEX from the record, where they differ from it.
fn write_index(root: &StateRoot, store: &Store) -> Result<()> {
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

/// Everything in which `artefacts/` is not what the record says.
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

/// Makes `artefacts/` what the record says. What does not belong there, the INDEX that
/// somebody changed among it, is moved to `set-aside/`, so nothing is lost. The caller holds
/// the lock.
pub fn repair(root: &StateRoot, store: &Store, drifts: &[Drift]) -> Result<()> {
    for drift in drifts {
        if !matches!(drift, Drift::Missing { .. }) {
            set_aside(root, &below(drift.path()))?;
        }
    }
    let folder = folder_of(root)?;
    for entry in store.artefacts()? {
        let permit = coo_kernel::effects::artefact::permit(&entry.path)?;
        // Whatever stands where a folder of it should be was extra, and is gone.
        make(root, store, &folder, &permit, &entry.sha256)?;
    }
    write_index(root, store)
}

/// The path in the state root.
fn below(path: &str) -> String {
    format!("{}/{path}", layout::ARTEFACTS)
}
