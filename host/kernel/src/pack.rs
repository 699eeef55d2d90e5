//! The artefact pack, `coo-pack/1`: a run with all that follows from it, as files by name. Every
//! file follows from the run (`documents`), so a check makes each again and compares bytes; only
//! the log of rollbacks is the word of the one who made the pack. A pack holds no fact of one
//! machine or moment. Reads and writes no files, and runs nothing.

pub(crate) mod documents;
pub(crate) mod lineage;
mod manifest;
mod readme;
mod run;

use std::collections::BTreeMap;

pub use documents::{check_rollback_log, documents, rollback_log};
pub use manifest::{File, Manifest};
pub use run::{Read, Run};

use crate::baseline::rollback::Said;
use crate::form::digest::Digest;
use crate::journal::run_file::RunFileError;
use crate::journal::{Blob, Broken, CallError, Unfoldable};
use crate::mission::MissionId;

/// Name and version of the format.
pub const FORMAT: &str = "coo-pack/1";
/// Limit for a pack. While it is checked, it is in memory some six times.
pub const PACK_BYTES_MAX: u64 = 256 << 20;
/// Limit for the files of a pack. A mission has at most 1,000 artefacts by default.
pub const FILES_MAX: usize = 10_000;

/// The files, by their names in the pack.
pub const MANIFEST: &str = "MANIFEST.json";
pub const README: &str = "README.md";
pub const FLIGHT_RECORDER: &str = "flight_recorder.jsonl";
pub const FROZEN_CALLS: &str = "frozen_calls.json";
pub const LINEAGE: &str = "hash_lineage.json";
pub const MISSION: &str = "mission.json";
pub const MODULE: &str = "module.wasm";
pub const OUTPUTS: &str = "outputs/";
pub const ARTEFACTS: &str = "outputs/artefacts/";
pub const TRANSCRIPT: &str = "replay_transcript.txt";
pub const ROLLBACK_LOG: &str = "rollback_log.json";
pub const RUN: &str = "run.coorun";

/// The content of a pack: files by name.
pub type Members = BTreeMap<String, Vec<u8>>;

/// Why a pack can't be made of a run, or a pack contradicts itself.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("{MANIFEST}: {0}")]
    Manifest(serde_json::Error),
    #[error("{MANIFEST}: has format {0}, this build reads {FORMAT}")]
    Version(String),
    #[error("{MANIFEST}: is not written as 'coo pack' writes it")]
    ManifestForm,
    #[error("file {0}: is missing")]
    Missing(String),
    #[error("file {0}: is not in {MANIFEST}")]
    Extra(String),
    #[error(
        "file {path}: {} bytes with SHA-256 {}, {MANIFEST} states {} bytes with {}",
        .found.bytes, .found.sha256.short(), .stated.bytes, .stated.sha256.short()
    )]
    Changed {
        path: String,
        found: Blob,
        stated: Blob,
    },
    #[error("{RUN}")]
    RunFile(#[from] RunFileError),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error(transparent)]
    Unfoldable(#[from] Unfoldable),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("mission {0}: did not reach an end")]
    NoEnd(MissionId),
    #[error("mission {id}: its type {mission_type} has ids of another form")]
    Id { id: MissionId, mission_type: String },
    #[error("mission {0}: the record of its engine was changed")]
    Engine(MissionId),
    #[error("mission {0}: its module is not the one its journal names")]
    Module(MissionId),
    #[error("content {}: is missing", .0.short())]
    Content(Digest),
    #[error("{ROLLBACK_LOG}: {0}")]
    Rollbacks(serde_json::Error),
    #[error("{ROLLBACK_LOG}: is not written as 'coo pack' writes it")]
    RollbackForm,
    #[error("event {seq}: its body")]
    Body { seq: u64, source: serde_json::Error },
    /// A value without a JSON form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl PackError {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Version(_) => Some("use the coo that wrote it".to_owned()),
            Self::NoEnd(id) => Some(format!("'coo resume {id}' continues it")),
            _ => None,
        }
    }
}

/// Returns whether a file with this beginning may be a pack: it begins like a zip file.
#[must_use]
pub fn is_one(beginning: &[u8]) -> bool {
    beginning.starts_with(b"PK\x03\x04")
}

/// Returns the question that a person answers before a pack is made.
#[must_use]
pub fn prompt(id: MissionId) -> String {
    format!("Type '{id}' to make the pack")
}

/// A line that is not a yes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pack of mission {id}: {said}, and only {id} counts; no pack was made")]
pub struct NotApproved {
    id: MissionId,
    said: String,
}

impl NotApproved {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let id = self.id;
        Some(format!(
            "run the command again and type {id}, or give --approve"
        ))
    }
}

/// Checks that a typed line is a yes to a pack of mission `id`: exactly its id.
pub fn approve(id: MissionId, line: &[u8]) -> Result<(), NotApproved> {
    if line.strip_suffix(b"\n").unwrap_or(line) == id.to_string().as_bytes() {
        return Ok(());
    }
    Err(NotApproved {
        id,
        said: Said::Line(line).to_string(),
    })
}

/// Checks that the files are those of the manifest, and that it is written in the one form.
pub fn check(members: &Members) -> Result<Manifest, PackError> {
    let text = member(members, MANIFEST)?;
    let manifest = Manifest::parse(text)?;
    let stated: BTreeMap<&str, &File> = manifest
        .files
        .iter()
        .map(|file| (file.path.as_str(), file))
        .collect();
    for (path, content) in members {
        if path == MANIFEST {
            continue;
        }
        let Some(file) = stated.get(path.as_str()) else {
            return Err(PackError::Extra(path.clone()));
        };
        let found = Blob::of(content);
        if found != file.blob() {
            return Err(PackError::Changed {
                path: path.clone(),
                found,
                stated: file.blob(),
            });
        }
    }
    if let Some(path) = stated.keys().find(|&&path| !members.contains_key(path)) {
        return Err(PackError::Missing((*path).to_owned()));
    }
    let again = Manifest::of(manifest.mission, members).to_text()?;
    if again.as_bytes() != text {
        return Err(PackError::ManifestForm);
    }
    Ok(manifest)
}

/// Returns the content of the file `path`.
pub fn member<'a>(members: &'a Members, path: &str) -> Result<&'a [u8], PackError> {
    let content = members.get(path).map(Vec::as_slice);
    content.ok_or_else(|| PackError::Missing(path.to_owned()))
}

/// Returns every name that either has, and whether both have it with the same content.
#[must_use]
pub fn compared<'a>(found: &'a Members, made: &'a Members) -> Vec<(&'a str, bool)> {
    let mut names: Vec<&str> = found
        .keys()
        .chain(made.keys())
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names.dedup();
    let same = |name: &&str| found.get(*name) == made.get(*name);
    names.into_iter().map(|name| (name, same(&name))).collect()
}

#[cfg(test)]
mod tests;
