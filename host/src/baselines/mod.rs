//! Baselines of directory trees and of the state root (AMU₀): capture, compare, restore, roll back.
//! Below the state root, `packs/` holds each content once, under its SHA-256; the manifest of
//! each captured state lies under its own SHA-256; `names/` maps the names that people use to
//! manifests, with the time of their creation.
//!
//! Invariants: a pack or manifest is never rewritten, and never trusted: each reader checks the
//! digest. A manifest reaches the disk after its objects, and a name after its manifest, so a named
//! baseline is complete.

mod capture;
#[cfg(feature = "repository")]
mod change;
mod confirm;
mod disk;
mod lock;
mod look;
mod objects;
mod packs;
#[cfg(feature = "repository")]
pub mod part;
mod perform;
mod progress;
mod promote;
mod restore;
pub mod rollback;
mod scan;
mod scanned;
mod sparse;
mod staged;
mod staging;
mod state;
mod subject;
mod target;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::baseline::lineage::Lineage;
use coo_kernel::baseline::link::Link;
use coo_kernel::baseline::{
    Difference, MANIFEST_BYTES_MAX, Manifest, Node, Summary, check_name, differences, is_id,
};
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::hint::Hint as _;
use crate::state::state_root::StateRoot;

pub use capture::{Captured, create};
#[cfg(feature = "repository")]
pub use change::{Contents, change};
pub use lock::{check_modes, set_modes};
pub use progress::Progress;
pub use promote::promote;
pub use restore::{Plan, Restored, is_pending, plan, recover, restore, restore_as_planned};
#[cfg(feature = "repository")]
pub use scan::Folders;
pub use scan::Tree;
pub use state::{
    Reason, compare as compare_state, create as create_of_state, found as found_state,
    missing_manifests, position, states,
};
pub use subject::{copy, subject, subject_of};

/// The folder of baselines in the state root.
const FOLDER: &str = "amu0";
const RECORD_BYTES_MAX: u64 = 64 << 10;

/// The record stored beside a manifest. It is not part of the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// SHA-256 of the manifest.
    pub baseline: Digest,
    /// Time of naming, in milliseconds since 1970.
    pub created_ms: i64,
    /// Path of the state root within the tree, which the capture left out.
    pub left_out: Option<String>,
    /// Present only for a baseline of the state root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// Unique in its state root.
    pub name: String,
    /// True if the baseline covers only part of its tree. Restoring the whole tree to it would
    /// delete the rest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    pub summary: Summary,
    /// Absolute path of the tree or of the state root.
    pub tree: String,
}

impl Record {
    /// Returns the baseline's name and id.
    #[must_use]
    pub fn link(&self) -> Link {
        Link {
            baseline: self.baseline,
            name: self.name.clone(),
        }
    }
}

/// A baseline whose manifest was read and matches its id.
#[derive(Debug)]
pub struct Baseline {
    /// SHA-256 of its manifest.
    pub id: Digest,
    /// The name or id by which the caller asked for it.
    pub asked: String,
    pub manifest: Manifest,
}

/// The result of verifying a baseline's objects.
#[derive(Debug)]
pub struct Kept {
    /// Number of distinct objects.
    pub objects: usize,
    /// Total size of the distinct objects.
    pub bytes: u64,
    /// One line for each object that is missing or damaged.
    pub damage: Vec<String>,
}

fn manifest_file(id: &Digest) -> String {
    format!("{FOLDER}/baselines/{id}.json")
}

fn record_file(name: &str) -> String {
    format!("{FOLDER}/names/{name}.json")
}

/// Returns the names in `folder`, sorted and without `.json`; empty if the folder does not exist.
fn names_in(root: &StateRoot, folder: &str) -> Result<Vec<String>> {
    let folder = format!("{FOLDER}/{folder}");
    let shown = || {
        format!(
            "folder {}: can't be read",
            root.path().join(&folder).display()
        )
    };
    let entries = match root.dir().read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(shown)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.with_context(shown)?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
        names.extend(name.map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn record(root: &StateRoot, name: &str) -> Result<Option<Record>> {
    let file = record_file(name);
    if !root
        .dir()
        .try_exists(&file)
        .with_context(|| shown(root, &file))?
    {
        return Ok(None);
    }
    let text = root.read_bounded(&file, RECORD_BYTES_MAX)?;
    let record: Record = serde_json::from_slice(&text).with_context(|| shown(root, &file))?;
    if record.name != name {
        bail!("{}: is the record of another name", shown(root, &file));
    }
    Ok(Some(record))
}

fn write_record(root: &StateRoot, record: &Record) -> Result<()> {
    let text = canonical_text(record)?;
    root.write_new(&record_file(&record.name), text.as_bytes())
}

fn shown(root: &StateRoot, file: &str) -> String {
    format!("file {}", root.path().join(file).display())
}

/// Refuses to restore a folder that is not empty to a baseline of only part of a tree.
pub fn refuse_partial(root: &StateRoot, baseline: &Baseline, tree: &Tree) -> Result<()> {
    let records = list(root)?;
    let of_a_part = |record: &&Record| record.partial && record.baseline == baseline.id;
    if let Some(record) = records.iter().find(of_a_part)
        && !tree.look()?.is_empty()
    {
        bail!(
            anyhow!(
                "baseline {}: contains only a part of {}, and restoring it would \
                 remove everything else from {}",
                record.name,
                record.tree,
                tree.path.display()
            )
            .hint("name an empty folder")
        );
    }
    Ok(())
}

/// Returns every named baseline, oldest first.
pub fn list(root: &StateRoot) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for name in names_in(root, "names")? {
        records.extend(record(root, &name)?);
    }
    records.sort_by(|a, b| (a.created_ms, &a.name).cmp(&(b.created_ms, &b.name)));
    Ok(records)
}

/// Returns the error for a baseline that was not found.
#[must_use]
pub fn not_found(asked: &str) -> anyhow::Error {
    anyhow!(
        "Baseline '{}' not found.",
        asked.escape_debug().take(80).collect::<String>()
    )
    .hint("'coo amu0 list' lists all baselines")
}

/// Reads the baseline that `asked` names: by its name, its id, or the first digits of its id.
pub fn find(root: &StateRoot, asked: &str) -> Result<Baseline> {
    let not_found = || not_found(asked);
    let id = if is_id(asked) {
        let mut ids = names_in(root, "baselines")?;
        ids.retain(|id| id.starts_with(asked));
        match ids.as_slice() {
            [id] => id.parse().ok().ok_or_else(not_found)?,
            [] => bail!(not_found()),
            _ => bail!(
                anyhow!("Baseline '{asked}': several ids begin with that")
                    .hint("give more of its digits")
            ),
        }
    } else {
        // An invalid name is not looked up.
        let record = match check_name(asked) {
            Ok(()) => record(root, asked)?,
            Err(_) => None,
        };
        record.ok_or_else(not_found)?.baseline
    };
    Ok(Baseline {
        id,
        asked: asked.to_owned(),
        manifest: manifest(root, &id)?,
    })
}

fn manifest(root: &StateRoot, id: &Digest) -> Result<Manifest> {
    let file = manifest_file(id);
    let text = root.read_bounded(&file, MANIFEST_BYTES_MAX)?;
    if Digest::of(&text) != *id {
        bail!(
            anyhow!("{}: was changed after it was written", shown(root, &file))
                .hint("take it from a copy of the state root")
        );
    }
    Manifest::parse(&text).with_context(|| shown(root, &file))
}

/// Reads every object of `baseline` and checks its digest and size.
pub fn verify(root: &StateRoot, baseline: &Baseline, progress: &Progress<'_>) -> Kept {
    let mut wanted: Vec<(Digest, u64)> = baseline
        .manifest
        .entries()
        .iter()
        .filter_map(|entry| match entry.node {
            Node::File { sha256, size, .. } => Some((sha256, size)),
            _ => None,
        })
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let bytes = wanted
        .iter()
        .fold(0, |sum: u64, (_, size)| sum.saturating_add(*size));
    progress.begin("objects verified", (wanted.len(), bytes));
    let objects = objects::Objects::new(root);
    let mut damage: Vec<String> = wanted
        .par_iter()
        .filter_map(|(sha256, size)| {
            let checked = objects.check(sha256, *size, progress);
            progress.step();
            checked.err().map(|error| format!("{error:#}"))
        })
        .collect();
    damage.sort();
    Kept {
        objects: wanted.len(),
        bytes,
        damage,
    }
}

/// Compares a tree with `baseline`, byte for byte.
pub fn compare(
    baseline: &Baseline,
    tree: &Tree,
    progress: &Progress<'_>,
) -> Result<Vec<Difference>> {
    let found = tree.entries(restore::can_be(&baseline.manifest), progress)?;
    Ok(differences(&baseline.manifest, &found))
}

/// Opens a file of a tree in `folder`, the folder that holds it. A link is an error.
#[cfg(feature = "repository")]
pub fn open_file(
    folder: &cap_std::fs::Dir,
    path: &coo_kernel::baseline::TreePath,
) -> std::io::Result<std::fs::File> {
    disk::open_file(folder, disk::name(path.name()))
}

fn canonical_text(value: &impl Serialize) -> Result<String> {
    Ok(canonical::to_string(value)?)
}
