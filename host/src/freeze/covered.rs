//! Finds differences of a frozen state root outside the governed state and the store: in its
//! reports, and in the `coo` executable that reads it. Changes nothing.

use anyhow::Result;
use coo_kernel::baseline::freeze::covered::Stamp;
use coo_kernel::baseline::freeze::{Difference, FreezeManifest};
use coo_kernel::state::index::Drift;
use coo_kernel::state::reports::change_of;

use super::seen;
use crate::machine;
use crate::machine::hashing;
use crate::manifests;
use crate::state::state_root::StateRoot;
use crate::state::store::Store;

/// Name of the executable in a difference.
pub const COO: &str = "coo";

/// Compares the reports with their record. Ignores the evidence of changes that were unfinished
/// when the freeze began and, if there are such changes, the index, which lists that evidence.
pub fn reports(
    root: &StateRoot,
    store: &Store,
    manifest: &FreezeManifest,
) -> Result<Vec<Difference>> {
    let Some(covered) = &manifest.covered else {
        return Ok(Vec::new());
    };
    let open = &covered.store.bounds.open_changes;
    let mut drifts = crate::state::reports::check(root, store)?;
    drifts.retain(|drift| {
        let change = change_of(drift.path());
        let is_index = matches!(drift, Drift::Index { .. });
        let is_under_way = change.is_some_and(|change| open.contains_key(&change));
        !is_under_way && (open.is_empty() || !is_index)
    });
    let drifts = drifts.into_iter();
    Ok(drifts
        .map(|drift| Difference {
            change: match drift {
                Drift::Missing { .. } => "missing",
                Drift::Changed { .. } | Drift::Index { .. } => "other content",
                Drift::Replaced { .. } => "other kind",
                Drift::Extra { .. } => "extra",
            },
            what: drift.path().to_owned(),
        })
        .collect())
}

/// Returns a difference if this executable is not the one that froze `root`.
pub fn coo(root: &StateRoot, manifest: &FreezeManifest) -> Option<Difference> {
    // Also recorded in manifests of earlier versions.
    let recorded = manifests::recorded_coo(root)?;
    let stamp = manifest
        .covered
        .as_ref()
        .and_then(|covered| covered.coo_stamp);
    let change = match machine::executable_file() {
        Err(_) => "can't be read",
        Ok(file) if stamp.is_some() && hashing::stamp_of(&file).ok() == stamp => return None,
        Ok(file) => match hashing::digest_of(file) {
            Ok(found) if found == recorded => return None,
            Ok(_) => "another executable",
            Err(_) => "can't be read",
        },
    };
    Some(Difference {
        change,
        what: COO.to_owned(),
    })
}

/// Returns the executable's stamp, if every later change of the file would change the stamp.
pub fn coo_stamp() -> Option<Stamp> {
    let stamp = hashing::stamp_of(&machine::executable_file().ok()?).ok()?;
    seen::is_settled(&stamp).then_some(stamp)
}
