//! The write gateway: files are staged while a mission runs and appear, whole, when its
//! journal has promised them. What lies on the disk is looked at through the state root's
//! handle, so no path can lead outside. Never overwrites other content.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use cap_std::fs::Dir;
use coo_kernel::artefact::{Artefact, WritePermit};
use coo_kernel::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::state_root::{StateRoot, read_bounded};
use crate::store::Store;

/// The folder in the state root.
pub const FOLDER: &str = "artefacts";
/// Largest artefact that is compared; none larger can have been written.
const ARTEFACT_BYTES_MAX: u64 = 1 << 30;

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
        let folder = root
            .dir()
            .open_dir(FOLDER)
            .context("state root: artefacts/ can't be opened")?;
        Ok(Self {
            folder,
            staged: BTreeMap::new(),
        })
    }

    /// Stages one file. The caller keeps its content in the store.
    pub fn stage(&mut self, permit: &WritePermit, request: &WriteRequest) -> Result<WriteAnswer> {
        let artefact = Artefact {
            bytes: request.bytes,
            path: permit.path().to_owned(),
            sha256: request.sha256,
        };
        let key = permit.collision_key();
        if let Some(earlier) = self.staged.get(&key)
            && earlier.path != artefact.path
        {
            return Ok(WriteAnswer::Conflict(format!(
                "'{}' differs from '{}' only in case; choose another name",
                artefact.path, earlier.path
            )));
        }
        match existing(&self.folder, permit)? {
            Existing::Nothing => {}
            Existing::File(found) if found == artefact.sha256 => {}
            Existing::File(_) => {
                return Ok(WriteAnswer::Conflict(format!(
                    "'{}' exists with other content; raise its version",
                    artefact.path
                )));
            }
            Existing::Else(what) => {
                return Ok(WriteAnswer::Refused(format!(
                    "'{}': {what} is in the way",
                    artefact.path
                )));
            }
        }
        self.staged.insert(key, artefact.clone());
        Ok(WriteAnswer::Written(artefact))
    }
}

enum Existing {
    Nothing,
    File(Digest),
    Else(&'static str),
}

/// What lies at the permitted path. Looks at each component without following links.
fn existing(folder: &Dir, permit: &WritePermit) -> Result<Existing> {
    let components: Vec<&str> = permit.path().split('/').collect();
    let mut reached = String::new();
    for (i, component) in components.iter().enumerate() {
        if i > 0 {
            reached.push('/');
        }
        reached.push_str(component);
        let metadata = match folder.symlink_metadata(&reached) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Existing::Nothing);
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("artefact {reached}: can't be examined"));
            }
        };
        let is_last = i + 1 == components.len();
        let kind = metadata.file_type();
        match (is_last, kind.is_dir(), kind.is_file()) {
            (false, true, _) => {}
            (true, _, true) => {
                let file = folder.open(&reached)?.into_std();
                let content = read_bounded(file, reached.as_ref(), ARTEFACT_BYTES_MAX)?;
                return Ok(Existing::File(Digest::of(content)));
            }
            (_, _, _) if kind.is_symlink() => return Ok(Existing::Else("a symbolic link")),
            (true, true, _) => return Ok(Existing::Else("a folder")),
            (false, _, true) => return Ok(Existing::Else("a file where a folder should be")),
            _ => return Ok(Existing::Else("a device, pipe or socket")),
        }
    }
    Ok(Existing::Nothing)
}

/// Makes promised files. Again for a file that is there already: no change.
pub fn apply(root: &StateRoot, store: &Store, artefacts: &[Artefact]) -> Result<()> {
    let folder = root
        .dir()
        .open_dir(FOLDER)
        .context("state root: artefacts/ can't be opened")?;
    for artefact in artefacts {
        // The journal may have been written by a build with other rules: judge again.
        let permit = coo_kernel::artefact::permit(&artefact.path)?;
        match existing(&folder, &permit)? {
            Existing::File(found) if found == artefact.sha256 => continue,
            Existing::Nothing => {}
            Existing::File(_) | Existing::Else(_) => bail!(
                "artefact {}: promised by a mission, but something else is there now; move it away and run any coo command again",
                artefact.path
            ),
        }
        let content = store.blob(&artefact.sha256)?;
        root.write_new(&format!("{FOLDER}/{}", permit.path()), &content)?;
    }
    Ok(())
}
