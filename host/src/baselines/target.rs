//! Finds the baseline that a rollback restores: it must be a baseline of the state root, intact,
//! and made with the module set and missions of this `coo`. Refuses before anyone is asked to
//! confirm. Changes nothing.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::baseline::governed::{self, State};
use coo_kernel::baseline::{MANIFEST_BYTES_MAX, Manifest, Node};
use coo_kernel::form::digest::Digest;
use coo_kernel::state::index;

use super::objects::Objects;
use super::progress::Progress;
use super::{Baseline, Record, find, position, state, states, verify};
use crate::hint::Hint as _;
use crate::state::state_root::StateRoot;
use crate::state::store::Store;

/// A baseline that the state can be rolled back to: intact, and of this `coo`.
#[derive(Debug)]
pub struct Target {
    pub record: Record,
    pub(super) baseline: Baseline,
    /// The manifest's parts, by how each is restored.
    pub(super) state: State,
    /// The baseline's record of artefacts.
    pub(super) artefacts: Vec<index::IndexEntry>,
}

/// Reads the baseline that `asked` names, or the one from which the present state derives, and
/// verifies all its objects. The caller is the only writer of `root`.
pub fn target(
    root: &StateRoot,
    store: &Store,
    asked: Option<&str>,
    progress: &Progress<'_>,
) -> Result<Target> {
    let none = || {
        anyhow!(
            "state root {}: has no baseline to restore",
            root.path().display()
        )
        .hint("'coo amu0 create' makes one")
    };
    let asked = if let Some(asked) = asked {
        asked.to_owned()
    } else {
        position(root, store)?.ok_or_else(none)?.name
    };
    let baseline = find(root, &asked)?;
    let shown = || format!("baseline {asked}");
    let of_states = states(root)?.into_iter();
    let same = of_states.filter(|record| record.baseline == baseline.id);
    // One state can have several names: prefer the one asked for, then the newest.
    let record = same.enumerate().max_by_key(|(i, r)| (r.name == asked, *i));
    let Some((_, record)) = record else {
        bail!(anyhow!("{}: is not one of the state root", shown()).hint(
            "'coo amu0 lineage' lists those of the state root, and 'coo amu0 \
             restore' restores a tree"
        ));
    };
    let state = State::of(&baseline.manifest).with_context(shown)?;
    let kept = verify(root, &baseline, progress);
    if let Some(first) = kept.damage.first() {
        bail!(
            anyhow!(
                "{}: {} of its {} objects can't be read or were changed, so it can't be restored: \
                 {first}",
                shown(),
                kept.damage.len(),
                kept.objects
            )
            .hint("take them from a copy of the state root")
        );
    }
    check_binary(root, &baseline.manifest, &state).with_context(shown)?;
    let text = object(root, &state.record.0)?;
    let artefacts = index::parse(&text).with_context(|| format!("{}: its record", shown()))?;
    Ok(Target {
        record,
        baseline,
        state,
        artefacts,
    })
}

/// Reads an object and checks its digest.
pub(super) fn object(root: &StateRoot, sha256: &Digest) -> Result<Vec<u8>> {
    Objects::new(root).read(sha256, MANIFEST_BYTES_MAX)
}

/// Refuses a baseline of another `coo`: module set and bundled missions are part of the binary, so
/// a rollback cannot restore them.
fn check_binary(root: &StateRoot, manifest: &Manifest, state: &State) -> Result<()> {
    let own = state::of_the_binary();
    if state.sandbox != Digest::of(state::sandbox()) {
        bail!(
            anyhow!(
                "its sandbox digest is {}, this coo has {}",
                String::from_utf8_lossy(&object(root, &state.sandbox)?).escape_debug(),
                state::sandbox()
            )
            .hint("use the coo that has that module set ('coo digest' shows it)")
        );
    }
    let own: BTreeMap<String, Digest> = own
        .into_iter()
        .map(|(path, text)| (path, Digest::of(text)))
        .collect();
    let of_binary = manifest.entries().iter();
    let of_binary = of_binary.filter(|entry| governed::is_of_the_binary(&entry.path));
    let theirs: BTreeMap<String, Digest> = of_binary
        .filter_map(|entry| match entry.node {
            Node::File { sha256, .. } => Some((entry.path.text(), sha256)),
            _ => None,
        })
        .collect();
    let either = own.keys().chain(theirs.keys());
    if let Some(path) = either.into_iter().find(|p| own.get(*p) != theirs.get(*p)) {
        bail!(
            anyhow!("its '{path}' differs from the one of this coo")
                .hint("use the coo that made the baseline")
        );
    }
    Ok(())
}
