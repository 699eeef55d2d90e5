//! Writes the amended documents that `coo-engines` computes, all or none, with the log and the
//! patch as evidence in the state root (`coo amend`). If amending halts, writes only the
//! escalation.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use coo_engines::repository::amend::{
    Amendments, Applied, BYTES_MAX, Escalation, FORMAT, Outcome, patch,
};
use coo_engines::repository::config::Amend;
use coo_engines::repository::scope::Scope;
use coo_kernel::baseline::TreePath;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use serde::{Deserialize, Serialize};

use super::{FILE_BYTES_MAX, Repository};
use crate::baselines::{self, Baseline, Contents, Progress};
use crate::hint::Hint as _;
use crate::state::reports;
use crate::state::state_root::StateRoot;
use crate::state::store::Store;

/// Folder in the state root for evidence; each run of an engine has a folder in it.
pub const FOLDER: &str = "evidence";
/// Folder in the state root for evidence of governed changes.
pub const CHANGES: &str = "changes";
/// The file that lists the applied amendments.
pub const LOG: &str = "amendment_log.json";
/// The same changes as a patch for `git apply`.
pub const PATCH: &str = "amendment_diff.patch";
/// Largest log, in bytes: it repeats every text of its amendments.
const LOG_BYTES_MAX: u64 = 4 * BYTES_MAX;

/// Amendments applied in memory; nothing is written yet.
#[derive(Debug)]
pub struct Prepared {
    pub outcome: Outcome,
    /// The changes as a patch.
    pub patch: String,
    pub log: Log,
}

/// `amendment_log.json`. Nothing in it depends on the time or the machine.
#[derive(Debug, Serialize)]
pub struct Log {
    amendments: Vec<Applied>,
    amendments_sha256: Digest,
    config_sha256: Digest,
    /// Every document that the amendments name.
    pub documents: Vec<Touched>,
    format: &'static str,
}

impl Log {
    /// Returns the log of a change without amendments.
    #[must_use]
    pub fn empty(amendments_sha256: Digest, config_sha256: Digest) -> Self {
        Self {
            amendments: Vec::new(),
            amendments_sha256,
            config_sha256,
            documents: Vec::new(),
            format: FORMAT,
        }
    }
}

/// A document in the log, by its content before and after.
#[derive(Debug, Serialize, Deserialize)]
pub struct Touched {
    pub after_sha256: Digest,
    before_sha256: Digest,
    /// The path from the top of the repository.
    pub path: String,
}

/// Amendments, and those of the named documents that exist.
pub struct Given {
    amendments: Amendments,
    config_sha256: Digest,
    documents: BTreeMap<String, String>,
}

/// The part of a log that tells whether it is about the same amendments and documents.
#[derive(Deserialize)]
struct Earlier {
    amendments_sha256: Digest,
    documents: Vec<Touched>,
}

/// The part of a log that later stages read.
#[derive(Debug, Deserialize)]
pub struct Summary {
    pub amendments: Vec<serde_json::Value>,
    pub documents: Vec<Touched>,
}

/// Reads the amendments and the documents that they name.
pub fn read(repository: &Repository) -> Result<Given> {
    let section: &Amend = repository.section(repository.config.amend.as_ref(), "amend")?;
    let file = repository.read(&section.amendments)?;
    let amendments = parse(section, &file)?;
    let named = Scope::exactly(amendments.documents().into_keys())?;
    let files = repository.files(&named)?;
    let documents = repository.judge(&files, |path, content| {
        Ok((path.text(), text(&path.text(), content.to_vec())?))
    })?;
    Ok(Given {
        amendments,
        config_sha256: repository.config_sha256,
        documents: documents.into_iter().collect(),
    })
}

/// Reads as `read` does, from a baseline of the repository.
pub fn read_from(root: &StateRoot, was: &Baseline, repository: &Repository) -> Result<Given> {
    let section: &Amend = repository.section(repository.config.amend.as_ref(), "amend")?;
    let contents = |paths: Vec<String>| baselines::part::contents(root, was, paths, FILE_BYTES_MAX);
    let file = contents(vec![section.amendments.clone()])?;
    let file = file
        .get(&section.amendments)
        .with_context(|| format!("file {}: was not there", section.amendments))?;
    let amendments = parse(section, file)?;
    let named = amendments.documents().into_keys().map(str::to_owned);
    let documents = contents(named.collect())?
        .into_iter()
        .map(|(path, content)| {
            let text = text(&path, content)?;
            Ok((path, text))
        });
    Ok(Given {
        config_sha256: repository.config_sha256,
        documents: documents.collect::<Result<_>>()?,
        amendments,
    })
}

fn parse(section: &Amend, file: &[u8]) -> Result<Amendments> {
    let shown = || format!("file {}", section.amendments);
    let amendments = Amendments::parse(file).with_context(shown)?;
    amendments
        .stay_within(&section.documents)
        .with_context(shown)?;
    Ok(amendments)
}

fn text(path: &str, content: Vec<u8>) -> Result<String> {
    String::from_utf8(content)
        .with_context(|| format!("document {path}: is not UTF-8"))
        .hint("convert it")
}

impl Given {
    /// Returns the folder of evidence which shows that these amendments made the documents what
    /// they are, if there is one. Without this check, an insertion could be applied twice.
    pub fn is_applied(&self, root: &StateRoot) -> Result<Option<String>> {
        for parent in [FOLDER, CHANGES] {
            for folder in folders_in(root, parent)? {
                if self.is_applied_by(root, &folder)? {
                    return Ok(Some(folder));
                }
            }
        }
        Ok(None)
    }

    /// Returns whether the evidence in `folder` shows that.
    pub fn is_applied_by(&self, root: &StateRoot, folder: &str) -> Result<bool> {
        let file = format!("{folder}/{LOG}");
        if !root.dir().exists(&file) {
            return Ok(false);
        }
        let text = root.read_bounded(&file, LOG_BYTES_MAX)?;
        let earlier: Earlier = serde_json::from_slice(&text)
            .with_context(|| format!("file {}", root.path().join(&file).display()))?;
        let is_there = |document: &Touched| {
            let found = self.documents.get(&document.path);
            found.is_some_and(|text| Digest::of(text) == document.after_sha256)
        };
        Ok(earlier.amendments_sha256 == self.amendments.sha256
            && earlier.documents.iter().all(is_there))
    }

    /// Returns the log for the case that the documents already are as amended.
    #[must_use]
    pub fn log_of_nothing(&self) -> Log {
        let documents = self.documents.iter().map(|(path, text)| Touched {
            after_sha256: Digest::of(text),
            before_sha256: Digest::of(text),
            path: path.clone(),
        });
        Log {
            documents: documents.collect(),
            ..Log::empty(self.amendments.sha256, self.config_sha256)
        }
    }

    /// Applies the amendments to the documents, in memory.
    pub fn prepare(&self) -> Result<Prepared, Box<Escalation>> {
        let outcome = self.amendments.apply(&self.documents)?;
        let documents = outcome.documents.iter().map(|(path, amended)| Touched {
            after_sha256: Digest::of(&amended.after),
            before_sha256: Digest::of(&amended.before),
            path: path.clone(),
        });
        Ok(Prepared {
            log: Log {
                amendments: outcome.log.clone(),
                amendments_sha256: self.amendments.sha256,
                config_sha256: self.config_sha256,
                documents: documents.collect(),
                format: FORMAT,
            },
            patch: patch(&outcome.documents),
            outcome,
        })
    }
}

/// Writes the evidence to a new folder in the state root, then the documents. Returns the folder.
/// The caller must be the only writer of the state root.
pub fn apply(
    root: &StateRoot,
    store: &mut Store,
    repository: &Repository,
    prepared: &Prepared,
    progress: &Progress<'_>,
) -> Result<String> {
    let folder = root.new_folder(FOLDER)?;
    let written = apply_in(root, store, repository, prepared, &folder, progress);
    if written.is_err() && !baselines::is_pending(root) {
        // Best effort: the error in `written` is the one to report.
        let _ = root
            .discard(&folder, None)
            .and_then(|()| reports::forget(root, store, &folder));
    }
    written.map(|()| folder)
}

/// Does the same as `apply`, with the evidence in an existing folder.
pub fn apply_in(
    root: &StateRoot,
    store: &mut Store,
    repository: &Repository,
    prepared: &Prepared,
    folder: &str,
    progress: &Progress<'_>,
) -> Result<()> {
    let mut contents = Contents::new();
    for (path, amended) in &prepared.outcome.documents {
        let new = amended.after.clone().into_bytes();
        contents.insert(
            TreePath::from_text(path)?,
            (Digest::of(&amended.before), new),
        );
    }
    let named = Scope::exactly(prepared.outcome.documents.keys().map(String::as_str))?;
    let tree = repository.part(&named)?;
    let log = canonical::to_string(&prepared.log)?;
    let patch = prepared.patch.as_bytes();
    reports::write(root, store, &format!("{folder}/{PATCH}"), patch)?;
    // The log is written before the documents, so that none is amended without a log. Its digests
    // show whether the documents were changed.
    reports::write(root, store, &format!("{folder}/{LOG}"), log.as_bytes())?;
    baselines::change(root, &tree, &contents, progress).map(drop)
}

/// Writes the escalation; returns its path in the state root.
pub fn escalate(root: &StateRoot, store: &mut Store, escalation: &Escalation) -> Result<String> {
    let folder = root.new_folder(FOLDER)?;
    let file = format!("{folder}/{}", escalation.file());
    let text = canonical::to_string(escalation)?;
    reports::write(root, store, &file, text.as_bytes())?;
    Ok(file)
}

/// Returns the folders in a folder of the state root, sorted; none if that folder does not exist.
fn folders_in(root: &StateRoot, parent: &str) -> Result<Vec<String>> {
    let entries = match root.dir().read_dir(parent) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("folder {parent} in the state root"))?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let name = entry?.file_name().into_string();
        folders.extend(name.map(|name| format!("{parent}/{name}")));
    }
    folders.sort();
    Ok(folders)
}
