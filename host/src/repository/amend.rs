//! Writes the amended documents that `coo-engines` computes, all or none, with the log and the
//! patch as evidence in the state root (`coo amend`). If amending halts, writes only the
//! escalation.

use anyhow::{Context as _, Result};
use coo_engines::amend::{Amendments, BYTES_MAX, Escalation, Given, Prepared};
use coo_engines::repository::config::Amend;
use coo_engines::repository::scope::Scope;
use coo_kernel::baseline::TreePath;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{FILE_BYTES_MAX, Repository};
use crate::baselines::{self, Baseline, Contents, Progress};
use crate::hint::Hint as _;
use crate::machine;
use crate::state::reports;
use crate::state::state_root::StateRoot;
use crate::state::store::Store;

/// Folder in the state root for evidence; each run of an engine has a folder in it.
pub const FOLDER: &str = "evidence";
/// Folder in the state root for evidence of governed changes.
pub const CHANGES: &str = "changes";
/// The file that lists the applied amendments.
pub const LOG: &str = "amendment_log.json";
/// Who permitted the change of protected documents, if there are any.
const APPROVAL: &str = "approval.json";
/// The same changes as a patch for `git apply`.
pub const PATCH: &str = "amendment_diff.patch";
/// Largest log, in bytes: it repeats every text of its amendments.
const LOG_BYTES_MAX: u64 = 4 * BYTES_MAX;

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

/// Returns the folder of evidence which shows that these amendments made the documents what they
/// are, if there is one.
pub fn is_applied(root: &StateRoot, given: &Given) -> Result<Option<String>> {
    for parent in [FOLDER, CHANGES] {
        for folder in folders_in(root, parent)? {
            if is_applied_by(root, given, &folder)? {
                return Ok(Some(folder));
            }
        }
    }
    Ok(None)
}

/// Returns the log in `folder`, which `is_applied` returned.
pub fn recorded(root: &StateRoot, folder: &str) -> Result<Map<String, Value>> {
    let file = format!("{folder}/{LOG}");
    let log = root.read_bounded(&file, LOG_BYTES_MAX)?;
    serde_json::from_slice(&log)
        .with_context(|| format!("file {}", root.path().join(&file).display()))
}

/// Returns whether the evidence in `folder` shows that.
pub fn is_applied_by(root: &StateRoot, given: &Given, folder: &str) -> Result<bool> {
    let file = format!("{folder}/{LOG}");
    if !root.dir().exists(&file) {
        return Ok(false);
    }
    let log = root.read_bounded(&file, LOG_BYTES_MAX)?;
    given
        .is_applied_by(&log)
        .with_context(|| format!("file {}", root.path().join(&file).display()))
}

/// Writes the evidence to a new folder in the state root, then the documents. Returns the folder.
/// The caller must be the only writer of the state root. `protected`: documents among them that are
/// protected, whose change a person has permitted.
pub fn apply(
    root: &StateRoot,
    store: &mut Store,
    repository: &Repository,
    prepared: &Prepared,
    protected: &[String],
    progress: &Progress<'_>,
) -> Result<String> {
    let folder = root.new_folder(FOLDER)?;
    let written = approve(root, store, &folder, protected)
        .and_then(|()| apply_in(root, store, repository, prepared, &folder, progress));
    if written.is_err() && !baselines::is_pending(root) {
        // Best effort: the error in `written` is the one to report.
        let _ = root
            .discard(&folder, None)
            .and_then(|()| reports::forget(root, store, &folder));
    }
    written.map(|()| folder)
}

/// Who permitted the change of protected documents.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Approval<'a> {
    approved_by: String,
    format: &'static str,
    protected: &'a [String],
}

/// Records who permitted the change of protected documents.
fn approve(root: &StateRoot, store: &mut Store, folder: &str, protected: &[String]) -> Result<()> {
    if protected.is_empty() {
        return Ok(());
    }
    let text = canonical::to_string(&Approval {
        approved_by: machine::user(),
        format: "coo-approval/1",
        protected,
    })?;
    reports::write(
        root,
        store,
        &format!("{folder}/{APPROVAL}"),
        text.as_bytes(),
    )
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
    let log = prepared.log.to_text()?;
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
