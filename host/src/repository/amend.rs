//! `coo amend`: what the kernel made of the documents is written, all or nothing, with its log
//! and patch as evidence in the state root. Where it halts, nothing is written but the
//! escalation.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use coo_kernel::baseline::TreePath;
use coo_kernel::canonical;
use coo_kernel::digest::Digest;
use coo_kernel::repository::amend::{
    Amendments, Applied, BYTES_MAX, Escalation, FORMAT, Outcome, patch,
};
use coo_kernel::repository::config::Amend;
use coo_kernel::repository::scope::Scope;
use serde::{Deserialize, Serialize};

use super::Repository;
use crate::amu0::{self, Contents, Progress};
use crate::state_root::StateRoot;

/// Below the state root: what an engine leaves, a folder a run.
const FOLDER: &str = "evidence";
const LOG: &str = "amendment_log.json";
/// A log repeats every text of its amendments.
const LOG_BYTES_MAX: u64 = 4 * BYTES_MAX;

/// Amendments judged and applied to what was read; nothing is written yet.
#[derive(Debug)]
pub struct Prepared {
    /// What they make of the documents.
    pub outcome: Outcome,
    /// The same, as a patch.
    pub patch: String,
    /// What `amendment_log.json` says.
    pub log: Log,
}

/// `amendment_log.json`. Nothing of it depends on when or where it is written.
#[derive(Debug, Serialize)]
pub struct Log {
    amendments: Vec<Applied>,
    amendments_sha256: Digest,
    config_sha256: Digest,
    /// Every document that is named.
    pub documents: Vec<Touched>,
    format: &'static str,
}

/// A document in the log.
#[derive(Debug, Serialize, Deserialize)]
pub struct Touched {
    after_sha256: Digest,
    before_sha256: Digest,
    /// From the top of the repository.
    pub path: String,
}

/// Amendments, and the documents that they name and that are there.
pub struct Given {
    amendments: Amendments,
    config_sha256: Digest,
    documents: BTreeMap<String, String>,
}

/// What tells of a log whether it is of the same amendments and documents.
#[derive(Deserialize)]
struct Earlier {
    amendments_sha256: Digest,
    documents: Vec<Touched>,
}

/// Reads amendments and documents.
pub fn read(repository: &Repository) -> Result<Given> {
    let section: &Amend = repository.section(repository.config.amend.as_ref(), "amend")?;
    let file = repository.read(&section.amendments)?;
    let shown = || format!("file {}", section.amendments);
    let amendments = Amendments::parse(&file).with_context(shown)?;
    amendments
        .stay_within(&section.documents)
        .with_context(shown)?;
    let named = Scope::exactly(amendments.documents().into_keys())?;
    let files = repository.files(&named)?;
    let documents = repository.judge(&files, |path, content| {
        let text = String::from_utf8(content.to_vec())
            .with_context(|| format!("document {}: is not UTF-8; convert it", path.text()))?;
        Ok((path.text(), text))
    })?;
    Ok(Given {
        amendments,
        config_sha256: repository.config_sha256,
        documents: documents.into_iter().collect(),
    })
}

impl Given {
    /// The folder of the evidence that says of these amendments that they made these documents
    /// what they are. An insertion that is there must not come a second time.
    pub fn is_applied(&self, root: &StateRoot) -> Result<Option<String>> {
        let entries = match root.dir().read_dir(FOLDER) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            entries => entries.with_context(|| format!("folder {FOLDER} in the state root"))?,
        };
        let mut folders = Vec::new();
        for entry in entries {
            folders.extend(entry?.file_name().into_string());
        }
        folders.sort();
        for folder in folders {
            let file = format!("{FOLDER}/{folder}/{LOG}");
            if !root.dir().exists(&file) {
                continue;
            }
            let text = root.read_bounded(&file, LOG_BYTES_MAX)?;
            let earlier: Earlier = serde_json::from_slice(&text)
                .with_context(|| format!("file {}", root.path().join(&file).display()))?;
            let is_there = |document: &Touched| {
                let found = self.documents.get(&document.path);
                found.is_some_and(|text| Digest::of(text) == document.after_sha256)
            };
            if earlier.amendments_sha256 == self.amendments.sha256
                && earlier.documents.iter().all(is_there)
            {
                return Ok(Some(format!("{FOLDER}/{folder}")));
            }
        }
        Ok(None)
    }

    /// Applies the ones to the others.
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

/// Writes the evidence, then the documents. Gives the folder of the evidence, in the state root,
/// which the caller alone writes to.
pub fn apply(
    root: &StateRoot,
    repository: &Repository,
    prepared: &Prepared,
    progress: &Progress<'_>,
) -> Result<String> {
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
    let folder = root.new_folder(FOLDER)?;
    let written = (|| {
        root.write_new(
            &format!("{folder}/amendment_diff.patch"),
            prepared.patch.as_bytes(),
        )?;
        // Before the documents: nothing is ever amended without a log. Whether what it promises
        // was done is told by its digests.
        root.write_new(&format!("{folder}/{LOG}"), log.as_bytes())?;
        amu0::change(root, &tree, &contents, progress)
    })();
    if written.is_err() && !amu0::is_pending(root) {
        // Best effort: the error that counts is the one above.
        let _ = root.discard(&folder, None);
    }
    written.map(|_| folder)
}

/// Writes the escalation, and gives its path in the state root.
pub fn escalate(root: &StateRoot, escalation: &Escalation) -> Result<String> {
    let folder = root.new_folder(FOLDER)?;
    let file = format!("{folder}/{}", escalation.file());
    root.write_new(&file, canonical::to_string(escalation)?.as_bytes())?;
    Ok(file)
}
