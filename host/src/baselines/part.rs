//! Baselines of part of a tree, for governed changes of a repository. Invariant: such a baseline
//! has no name, or a name marked as partial, because restoring a whole directory to it would delete
//! the rest. Its manifest is an object like any content, and the change's record holds its digest.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::baseline::{MANIFEST_BYTES_MAX, Manifest, Node, TreePath};
use coo_kernel::form::digest::Digest;

use super::capture::{keep_tree, kept, publish};
use super::objects::Objects;
use super::{Baseline, Progress, Record, Tree, disk, record, write_record};
use crate::hint::Hint as _;
use crate::machine;
use crate::state::state_root::StateRoot;

/// Captures `tree`, then reads it once more to check that it equals the baseline (packet §8). The
/// caller is the only writer of `root`.
pub fn keep(root: &StateRoot, tree: &Tree, progress: &Progress<'_>) -> Result<Baseline> {
    let (entries, _) = kept(root, progress, |batch| keep_tree(batch, tree, progress))?;
    let baseline = keep_manifest(root, Manifest::new(entries)?)?;
    let damage = super::verify(root, &baseline, progress).damage;
    if let Some(first) = damage.first() {
        bail!("baseline: was damaged while it was written: {first}");
    }
    let differences = super::compare(&baseline, tree, progress)?;
    if let Some(first) = differences.first() {
        bail!(
            anyhow!(
                "'{}' changed while the tree was captured",
                first.path.text()
            )
            .hint("make sure that nothing writes to it, then try again")
        );
    }
    Ok(baseline)
}

/// Names `baseline`, which covers part of `tree`: `begins`, or the first free of `begins-2`,
/// `begins-3`, …
pub fn name(root: &StateRoot, baseline: &Baseline, tree: &Tree, begins: &str) -> Result<String> {
    let mut name = begins.to_owned();
    let mut number = 1;
    while record(root, &name)?.is_some() {
        number += 1;
        name = format!("{begins}-{number}");
    }
    write_record(
        root,
        &Record {
            baseline: publish(root, &baseline.manifest)?,
            created_ms: machine::now_unix_ms(),
            left_out: None,
            lineage: None,
            name: name.clone(),
            partial: true,
            summary: baseline.manifest.summary(),
            tree: disk::text(tree.path.clone()),
        },
    )?;
    Ok(name)
}

/// Stores a manifest whose contents are stored already.
pub fn keep_manifest(root: &StateRoot, manifest: Manifest) -> Result<Baseline> {
    let text = manifest.to_text();
    let known = keep_contents(root, [text.as_bytes()])?;
    let id = known.first().context("manifest: was not kept")?.0;
    Ok(baseline(id, manifest))
}

/// Stores contents and returns digest and size of each.
pub fn keep_contents<'c>(
    root: &StateRoot,
    contents: impl IntoIterator<Item = &'c [u8]>,
) -> Result<Vec<(Digest, u64)>> {
    let mut known = Vec::new();
    kept(root, &Progress::new(None), |batch| {
        for content in contents {
            known.push(batch.add_text(content)?);
        }
        Ok(Vec::new())
    })?;
    Ok(known)
}

/// Reads a baseline that `keep` or `keep_manifest` stored.
pub fn load(root: &StateRoot, id: &Digest) -> Result<Baseline> {
    let objects = Objects::new(root);
    let text = objects.read(id, MANIFEST_BYTES_MAX)?;
    let manifest = Manifest::parse(&text).with_context(|| objects.shown(id))?;
    Ok(baseline(*id, manifest))
}

fn baseline(id: Digest, manifest: Manifest) -> Baseline {
    Baseline {
        id,
        asked: id.short(),
        manifest,
    }
}

/// Returns the content of those of `paths` that are files in `baseline`, by path.
pub fn contents(
    root: &StateRoot,
    baseline: &Baseline,
    paths: impl IntoIterator<Item = String>,
    bytes_max: u64,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let objects = Objects::new(root);
    let mut contents = BTreeMap::new();
    for path in paths {
        let Some(Node::File { sha256, .. }) = baseline.manifest.get(&TreePath::from_text(&path)?)
        else {
            continue;
        };
        let content = objects.read(sha256, bytes_max);
        let content = content.with_context(|| format!("file {path}"))?;
        contents.insert(path, content);
    }
    Ok(contents)
}
