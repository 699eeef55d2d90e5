//! Captures a tree: contents become objects, the tree becomes a manifest, and its name becomes a
//! record. Writes only below the state root. A capture that fails or is interrupted leaves at most
//! a pack, whose contents the next capture reuses.

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::baseline::{Manifest, Node, TreeEntry, TreePath, check_name};
use coo_kernel::form::digest::Digest;
use rayon::prelude::*;

use super::look::listed;
use super::objects::{Added, Batch};
use super::progress::Progress;
use super::scan::{Folders, Tree};
use super::scanned::{Scanned, files_of, vanished};
use super::{Record, disk, manifest_file, names_in, record, write_record};
use crate::hint::Hint as _;
use crate::machine;
use crate::state::state_root::StateRoot;

/// A baseline that was created.
#[derive(Debug)]
pub struct Captured {
    pub record: Record,
    pub added: Added,
}

/// Creates a baseline of `tree` under `name`, or under the next number. The caller is the only
/// writer of `root`.
pub fn create(
    root: &StateRoot,
    tree: &Tree,
    name: Option<&str>,
    progress: &Progress<'_>,
) -> Result<Captured> {
    let name = chosen_name(root, name)?;
    let (entries, added) = kept(root, progress, |batch| keep_tree(batch, tree, progress))?;
    let manifest = Manifest::new(entries)?;
    let record = Record {
        baseline: publish(root, &manifest)?,
        created_ms: machine::now_unix_ms(),
        left_out: tree.left_out.as_ref().map(TreePath::text),
        lineage: None,
        name,
        partial: false,
        summary: manifest.summary(),
        tree: disk::text(tree.path.clone()),
    };
    write_record(root, &record)?;
    Ok(Captured { record, added })
}

/// Returns `name` if it is valid and free, or the next number if it is `None`.
pub(super) fn chosen_name(root: &StateRoot, name: Option<&str>) -> Result<String> {
    let Some(name) = name else {
        return next_name(root);
    };
    check_name(name)?;
    if record(root, name)?.is_some() {
        bail!(anyhow!("baseline '{name}': already exists").hint("choose another name"));
    }
    Ok(name.to_owned())
}

/// Stores the objects that `keep` adds to a batch: all of them, or none if it fails.
pub(super) fn kept(
    root: &StateRoot,
    progress: &Progress<'_>,
    keep: impl FnOnce(&Batch<'_>) -> Result<Vec<TreeEntry>>,
) -> Result<(Vec<TreeEntry>, Added)> {
    let batch = Batch::new(root)?;
    match keep(&batch) {
        Ok(entries) => Ok((entries, batch.finish(progress)?)),
        Err(error) => {
            batch.discard();
            Err(error)
        }
    }
}

/// Adds the files of a tree to a batch and returns the tree's entries. Fails if the tree changes
/// meanwhile.
pub(super) fn keep_tree(
    batch: &Batch<'_>,
    tree: &Tree,
    progress: &Progress<'_>,
) -> Result<Vec<TreeEntry>> {
    let before = tree.scan()?;
    refuse_special(&before)?;
    // Refuses anything else that a manifest may not hold before anything is written.
    Manifest::new(before.iter().map(|found| found.entry.clone()).collect())
        .with_context(|| format!("tree {}", tree.path.display()))?;
    let entries = keep(batch, tree, &before, progress)?;
    refuse_changed(&before, &tree.scan()?)?;
    Ok(entries)
}

/// Writes a manifest whose objects are on the disk and returns its id.
pub(super) fn publish(root: &StateRoot, manifest: &Manifest) -> Result<Digest> {
    let text = manifest.to_text();
    let baseline = Digest::of(&text);
    let file = manifest_file(&baseline);
    if root.dir().try_exists(&file)? {
        // The same state was captured before. The existing manifest must be intact.
        super::manifest(root, &baseline)?;
    } else {
        root.write_new(&file, text.as_bytes())?;
    }
    Ok(baseline)
}

/// Returns the next free name of the series AMU0-000001, AMU0-000002, …
fn next_name(root: &StateRoot) -> Result<String> {
    let names = names_in(root, "names")?;
    let number = |name: &String| name.strip_prefix("AMU0-")?.parse::<u32>().ok();
    let last = names.iter().filter_map(number).max().unwrap_or(0);
    Ok(format!("AMU0-{:06}", last.saturating_add(1)))
}

fn refuse_special(found: &[Scanned]) -> Result<()> {
    let special: Vec<String> = found
        .iter()
        .filter_map(|found| match found.entry.node {
            Node::Other(kind) => Some(format!("'{}' is a {kind}", found.entry.path.text())),
            _ => None,
        })
        .collect();
    if !special.is_empty() {
        bail!(
            anyhow!(
                "{}, and a baseline holds files, folders and links",
                listed(&special)
            )
            .hint("remove it first")
        );
    }
    Ok(())
}

/// Stores the content of every file and returns the entries with their digests.
fn keep(
    batch: &Batch<'_>,
    tree: &Tree,
    found: &[Scanned],
    progress: &Progress<'_>,
) -> Result<Vec<TreeEntry>> {
    progress.begin("files captured", files_of(found, |_, _| true));
    found
        .par_iter()
        .map_init(Folders::default, |folders, found| {
            let mut entry = found.entry.clone();
            let path = &entry.path;
            if let Node::File { sha256, size, .. } = &mut entry.node {
                let shown = || format!("file {}", tree.shown(path));
                let opened = folders
                    .of(&tree.dir, path)
                    .and_then(|folder| disk::open_file(folder, disk::name(path.name())));
                let mut file = opened.map_err(vanished).with_context(shown)?;
                let added = batch.add(&mut file, *size, progress);
                (*sha256, *size) = added.with_context(shown)?;
                progress.step();
            }
            Ok(entry)
        })
        .collect()
}

/// Refuses a tree that changed between two scans: the capture would mix its states.
fn refuse_changed(before: &[Scanned], after: &[Scanned]) -> Result<()> {
    if before == after {
        return Ok(());
    }
    let at = |list: &[Scanned], found: &Scanned| {
        let place = list.binary_search_by(|other| other.entry.path.cmp(&found.entry.path));
        place.ok().map(|place| list[place].clone())
    };
    let mut changed: Vec<String> = before
        .iter()
        .filter(|found| at(after, found).as_ref() != Some(*found))
        .chain(after.iter().filter(|found| at(before, found).is_none()))
        .map(|found| format!("'{}'", found.entry.path.text()))
        .collect();
    changed.sort();
    bail!(
        anyhow!("{} changed while the tree was captured", listed(&changed))
            .hint("make sure that nothing writes to it, then try again")
    );
}
