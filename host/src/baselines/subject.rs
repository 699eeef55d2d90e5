//! The state that a Tier-1 hardening judges (`coo_kernel::tier1::subject`): as it is now, and as a
//! baseline holds it. Also copies a baseline to another state root, where it can be restored
//! without touching this one. Writes only to that other root.

use anyhow::{Context as _, Result, bail};
use coo_kernel::baseline::Node;
use coo_kernel::baseline::governed::State;
use coo_kernel::baseline::lineage::Lineage;
use coo_kernel::form::digest::Digest;
use coo_kernel::state::index;
use coo_kernel::tier1::subject;

use super::capture::{kept, publish};
use super::objects::Objects;
use super::progress::Progress;
use super::state::{found, last_number, unlock};
use super::target::object;
use super::{Baseline, Record, disk, manifest, write_record};
use crate::state::state_root::StateRoot;
use crate::state::store::Store;

/// Returns the digest of the present state, without the documents of a hardening.
pub fn subject(root: &StateRoot, store: &Store, progress: &Progress<'_>) -> Result<Digest> {
    let mut entries = found(root, store, progress)?;
    unlock(store, &mut entries)?;
    Ok(subject::digest(&entries, &store.artefacts()?)?)
}

/// Returns the same digest of the state that `baseline` holds.
pub fn subject_of(root: &StateRoot, baseline: &Baseline) -> Result<Digest> {
    let shown = || format!("baseline {}", baseline.asked);
    let state = State::of(&baseline.manifest).with_context(shown)?;
    let record = index::parse(&object(root, &state.record.0)?).with_context(shown)?;
    Ok(subject::digest(baseline.manifest.entries(), &record)?)
}

/// Copies a baseline of the state root `from` to `to`, under the same name. The caller is the only
/// writer of `to`.
pub fn copy(
    from: &StateRoot,
    record: &Record,
    to: &StateRoot,
    progress: &Progress<'_>,
) -> Result<()> {
    let manifest = manifest(from, &record.baseline)?;
    let objects = Objects::new(from);
    kept(to, progress, |batch| {
        for entry in manifest.entries() {
            let Node::File { sha256, size, .. } = entry.node else {
                continue;
            };
            let mut object = objects.open(&sha256)?;
            let length = object.length();
            let known = batch.add(&mut object, length, progress)?;
            if known != (sha256, size) {
                bail!(objects.damaged(&sha256, known));
            }
        }
        Ok(Vec::new())
    })?;
    publish(to, &manifest)?;
    let record = Record {
        lineage: Some(Lineage {
            after: None,
            number: last_number(to)? + 1,
            rollback: None,
            run: None,
        }),
        tree: disk::text(to.path().canonicalize()?),
        ..record.clone()
    };
    write_record(to, &record)
}
