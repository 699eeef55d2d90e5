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

/// How this executable compares with the one that froze the root.
pub enum Compared {
    /// Equal to it, as an earlier command found, or nothing is on record.
    Known,
    /// Equal to it; with the stamp of the file that was read.
    Equal(Option<Stamp>),
    Differs(Difference),
}

/// Compares this executable with the one that froze `root`. If `trust`, does not read an executable
/// that an earlier command has compared.
pub fn coo(root: &StateRoot, manifest: &FreezeManifest, trust: bool) -> Compared {
    // Also recorded in manifests of earlier versions.
    let Some(recorded) = manifests::recorded_coo(root) else {
        return Compared::Known;
    };
    let change = match machine::executable_file() {
        Err(_) => "can't be read",
        Ok(file) => {
            // Taken before the file is read, so that a change meanwhile gives another stamp.
            let stamp = hashing::stamp_of(&file).ok();
            if trust && stamp.is_some_and(|stamp| seen::is_known_coo(root, manifest, &stamp)) {
                return Compared::Known;
            }
            match hashing::digest_of(file) {
                Ok(found) if found == recorded => return Compared::Equal(stamp),
                Ok(_) => "another executable",
                Err(_) => "can't be read",
            }
        }
    };
    Compared::Differs(Difference {
        change,
        what: COO.to_owned(),
    })
}
