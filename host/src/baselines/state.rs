//! Baselines of the state root itself. Its governed parts (`coo_kernel::baseline::governed`) are
//! read as one tree: files as they are on the disk; databases, the module set and the bundled
//! missions as text. This module writes objects, manifests and records, and never changes the
//! state.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::baseline::freeze;
use coo_kernel::baseline::governed;
use coo_kernel::baseline::lineage::{self, Lineage, Run};
use coo_kernel::baseline::link::Link;
use coo_kernel::baseline::rollback::{self, BEFORE_PREFIX};
use coo_kernel::baseline::{Difference, Manifest, Mode, Node, TreeEntry, TreePath, differences};
use coo_kernel::form::digest::Digest;
use coo_kernel::module::module_set;
use coo_kernel::state::index;
use coo_kernel::state::layout;

use super::capture::{Captured, chosen_name, keep_tree, kept, publish};
use super::objects::{Added, Batch};
use super::progress::Progress;
use super::scan::Tree;
use super::{Baseline, Record, disk, list, write_record};
use crate::effects::world::dump;
use crate::hint::Hint as _;
use crate::machine;
use crate::machine::failpoint;
use crate::program::bundle;
use crate::state::state_root::{StateRoot, TEMPORARY};
use crate::state::store::Store;

/// The dump of the missions' database (the world), until it is an object.
const DUMP: &str = "world.jsonl";
/// A database rebuilt from the dump, only to check that this works.
const REBUILT: &str = "world.db";

/// Why a baseline of the state is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A user asked for it.
    Asked,
    /// It is the end state of this run.
    Promoted(Run),
    /// It is the state before the rollback with this number.
    Rollback(u32),
}

/// A captured state that has no name yet.
#[derive(Debug)]
pub struct KeptState {
    /// SHA-256 of its manifest.
    pub id: Digest,
    pub manifest: Manifest,
    /// The objects that the capture added.
    pub added: Added,
}

/// Creates a baseline of the state under `name`, or under the next number. The caller is the only
/// writer of `root`.
pub fn create(
    root: &StateRoot,
    store: &Store,
    name: Option<&str>,
    reason: Reason,
    progress: &Progress<'_>,
) -> Result<Captured> {
    if let Some(name) = name.filter(|name| name.starts_with(BEFORE_PREFIX)) {
        bail!(
            anyhow!("name '{name}': {BEFORE_PREFIX}… is reserved for rollbacks")
                .hint("choose another")
        );
    }
    let name = chosen_name(root, name)?;
    let kept = capture(root, store, &[], progress)?;
    Ok(Captured {
        record: enter(root, store, &name, &kept, reason)?,
        added: kept.added,
    })
}

/// Creates the baseline of the state before rollback `number`.
pub fn keep_before(
    root: &StateRoot,
    store: &Store,
    number: u32,
    kept: &KeptState,
) -> Result<Record> {
    let name = rollback::before_name(number);
    enter(root, store, &name, kept, Reason::Rollback(number))
}

/// Captures the state and writes its manifest, without a name. Folders in `opened`, which were
/// opened only for reading, are recorded with their former mode.
pub fn capture(
    root: &StateRoot,
    store: &Store,
    opened: &[(TreePath, Mode)],
    progress: &Progress<'_>,
) -> Result<KeptState> {
    let tree = Tree::of_state(root)?;
    let (entries, added) = kept(root, progress, |batch| {
        let mut entries = keep_tree(batch, &tree, progress)?;
        for (path, mode) in opened {
            let place = entries.binary_search_by(|entry| entry.path.cmp(path));
            if let Ok(place) = place {
                entries[place].node = Node::Folder { mode: *mode };
            }
        }
        unlock(store, &mut entries)?;
        for (path, text) in texts(store)? {
            let known = batch.add_text(text.as_bytes())?;
            entries.push(file(&path, known)?);
        }
        entries.push(file(governed::WORLD, keep_world(root, batch)?)?);
        whole(entries)
    })?;
    let manifest = Manifest::new(entries)?;
    // A manifest that does not parse as a state could not be restored.
    governed::State::of(&manifest)
        .context("the present state (move away what stands in its place)")?;
    Ok(KeptState {
        id: publish(root, &manifest)?,
        manifest,
        added,
    })
}

/// Returns the differences between the present state and `baseline`. The caller is the only writer
/// of `root`.
pub fn compare(
    root: &StateRoot,
    store: &Store,
    baseline: &Baseline,
    progress: &Progress<'_>,
) -> Result<Vec<Difference>> {
    governed::State::of(&baseline.manifest)?;
    let mut found = found(root, store, progress)?;
    unlock(store, &mut found)?;
    Ok(differences(&baseline.manifest, &found))
}

/// Reads the present state without keeping any of it.
pub fn found(root: &StateRoot, store: &Store, progress: &Progress<'_>) -> Result<Vec<TreeEntry>> {
    let mut entries = Tree::of_state(root)?.entries(|_, _| true, progress)?;
    for (path, text) in texts(store)? {
        entries.push(file(&path, (Digest::of(&text), text.len() as u64))?);
    }
    let world = dump::digest_and_size(&root.path().join(layout::WORLD))?;
    entries.push(file(governed::WORLD, world)?);
    whole(entries)
}

/// Removes a freeze's lock from the modes: the lock is not part of the state.
pub(super) fn unlock(store: &Store, entries: &mut [TreeEntry]) -> Result<()> {
    if let Some(freeze) = store.open_freeze()? {
        freeze::unlock(entries, &freeze.manifest.state);
    }
    Ok(())
}

/// Returns the names of the governed manifests that are missing.
#[must_use]
pub fn missing_manifests(root: &StateRoot) -> Vec<&'static str> {
    let path = |name: &str| format!("{}/{name}", governed::MANIFESTS_FOLDER);
    let mut names = governed::MANIFESTS.to_vec();
    names.retain(|name| root.dir().symlink_metadata(path(name)).is_err());
    names
}

/// Returns every named baseline of the state root, in order of creation.
pub fn states(root: &StateRoot) -> Result<Vec<Record>> {
    let mut states = list(root)?;
    states.retain(|record| record.lineage.is_some());
    states.sort_by_key(|record| record.lineage.as_ref().map(|lineage| lineage.number));
    Ok(states)
}

/// Returns the baseline from which the present state derives.
pub fn position(root: &StateRoot, store: &Store) -> Result<Option<Link>> {
    Ok(lineage::position(&links(root)?, &store.rollbacks()?))
}

/// Returns the number of the newest baseline of the state root.
pub fn last_number(root: &StateRoot) -> Result<u32> {
    let links = links(root)?;
    Ok(lineage::last_number(
        links.iter().map(|(_, lineage)| lineage),
    ))
}

fn links(root: &StateRoot) -> Result<Vec<(Link, Lineage)>> {
    let link = |record: Record| {
        let link = record.link();
        record.lineage.map(|lineage| (link, lineage))
    };
    Ok(states(root)?.into_iter().filter_map(link).collect())
}

fn enter(
    root: &StateRoot,
    store: &Store,
    name: &str,
    kept: &KeptState,
    reason: Reason,
) -> Result<Record> {
    let (run, rollback) = match reason {
        Reason::Asked => (None, None),
        Reason::Promoted(run) => (Some(run), None),
        Reason::Rollback(number) => (None, Some(number)),
    };
    let lineage = Lineage {
        after: position(root, store)?,
        number: last_number(root)? + 1,
        rollback,
        run,
    };
    let record = Record {
        baseline: kept.id,
        created_ms: machine::now_unix_ms(),
        left_out: None,
        lineage: Some(lineage),
        name: name.to_owned(),
        partial: false,
        summary: kept.manifest.summary(),
        tree: disk::text(root.path().canonicalize()?),
    };
    write_record(root, &record)?;
    Ok(record)
}

fn file(path: &str, (sha256, size): (Digest, u64)) -> Result<TreeEntry> {
    let mode = Mode::of(0o644);
    Ok(TreeEntry {
        path: TreePath::from_text(path)?,
        node: Node::File { mode, sha256, size },
    })
}

/// Adds the folders that exist only in the manifest, and sorts the entries.
fn whole(mut entries: Vec<TreeEntry>) -> Result<Vec<TreeEntry>> {
    for folder in [governed::DATABASES, governed::MISSIONS] {
        let mode = Mode::of(0o755);
        entries.push(TreeEntry {
            path: TreePath::from_text(folder)?,
            node: Node::Folder { mode },
        });
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Returns the digest of this binary's module set, in the text form that a state holds.
pub fn sandbox() -> String {
    module_set::digest(&bundle::members()).to_string()
}

/// Returns the small texts of a state that have no file of their own, each with its path.
fn texts(store: &Store) -> Result<Vec<(String, String)>> {
    let mut texts = of_the_binary();
    let record = index::json(&store.artefacts()?)?;
    texts.push((governed::RECORD.to_owned(), record));
    Ok(texts)
}

/// Returns the texts of a state that come from this binary and not from the state root.
pub(super) fn of_the_binary() -> Vec<(String, String)> {
    let mission = |(name, descriptor): (&str, &str)| {
        let path = format!("{}/{name}.json", governed::MISSIONS);
        (path, descriptor.to_owned())
    };
    let sandbox = (governed::SANDBOX.to_owned(), sandbox());
    let missions = bundle::MISSIONS.into_iter().map(mission);
    missions.chain([sandbox]).collect()
}

/// Stores the dump of the world as an object, after checking that a database can be rebuilt from
/// it.
#[allow(clippy::disallowed_methods, reason = "removes what it wrote to tmp/")]
fn keep_world(root: &StateRoot, batch: &Batch<'_>) -> Result<(Digest, u64)> {
    let waiting = root.folder(TEMPORARY, false)?;
    let path = root.path().join(layout::WORLD);
    let kept = (|| -> Result<_> {
        let mut file = dumped(root, &waiting)?;
        let length = file.metadata()?.len();
        let known = batch.add(&mut file, length, &Progress::new(None))?;
        file.rewind()?;
        let rebuilt = root.path().join(TEMPORARY).canonicalize()?.join(REBUILT);
        dump::rebuild(file, known, &rebuilt, 0)?;
        Ok(known)
    })();
    // Temporary files. If removing one fails, the next session removes it.
    for name in [DUMP, REBUILT] {
        let _ = waiting.remove_file(name);
    }
    kept.with_context(|| format!("database {}", path.display()))
}

#[allow(clippy::disallowed_methods, reason = "opens what it made in tmp/")]
fn dumped(root: &StateRoot, waiting: &cap_std::fs::Dir) -> Result<File> {
    failpoint::reach("dump.create")?;
    disk::create_file(waiting, DUMP.as_ref())?;
    let mut options = cap_std::fs::OpenOptions::new();
    options.read(true).write(true);
    let file = waiting.open_with(DUMP, &options)?.into_std();
    let mut out = BufWriter::new(file);
    failpoint::reach("dump.write")?;
    dump::write(&root.path().join(layout::WORLD), &mut |bytes| {
        out.write_all(bytes)
    })?;
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}
