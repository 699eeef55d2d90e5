//! Freezes of a state root: the intent is committed in `coo.db`, files and permissions are put in
//! place, every command that opens the root checks the freeze, and lifting removes it. Invariant:
//! every step after the intent is idempotent, and the next command performs those that are left.
//! This module decides nothing about the state: the kernel compares.

mod covered;
mod locked;
mod seen;

use std::fmt::Display;

use anyhow::{Context as _, Error, Result, anyhow, bail};
use coo_kernel::baseline::freeze::covered::Stamp;
use coo_kernel::baseline::freeze::{
    Covered, Difference, FILE, FreezeManifest, MANIFEST, Phase, TEXT, lock,
};
use coo_kernel::baseline::governed;
use coo_kernel::baseline::{self, TreeEntry, TreePath};
use coo_kernel::state::layout;
use covered::Compared;
use seen::Seen;

use crate::baselines::{self, Progress, Tree};
use crate::effects::environment::Environment;
use crate::effects::world::dump;
use crate::hint::Hint as _;
use crate::machine::{self, rfc3339};
use crate::manifests::{self, Drift};
use crate::state::config::Config;
use crate::state::state_root::StateRoot;
use crate::state::store::{Durability, FreezeRow, Store};

/// Limit for the two files that a freeze writes; the manifest names every artefact.
const BYTES_MAX: u64 = 1 << 30;
/// Number of differences that an error names; `coo freeze status` names all.
const NAMED_MAX: usize = 3;

/// What a command is about to do with a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Read it.
    Read,
    /// Add only what is not governed: baselines, and the pointer of a restore elsewhere.
    Keep,
    /// Change it.
    Change,
    /// Check or lift its freeze.
    Freeze,
}

/// A freeze that is in force.
#[derive(Debug)]
pub struct Standing {
    pub row: FreezeRow,
    /// Differences from the frozen state.
    pub differences: Vec<Difference>,
    /// Stamps of the store's files, if this process has read the store to compare it.
    fresh: Option<Seen>,
    /// Stamp of the executable, if this process has read it to compare it.
    fresh_coo: Option<Stamp>,
}

impl Standing {
    /// Creates the value for a freeze from which nothing differs yet.
    #[must_use]
    pub fn new(row: FreezeRow) -> Self {
        Self {
            row,
            differences: Vec::new(),
            fresh: None,
            fresh_coo: None,
        }
    }

    /// Returns the error for a state that differs from the frozen one; `shown` is its root.
    fn changed(&self, shown: impl Display) -> Error {
        let number = self.row.number;
        let is_of_coo = |difference: &Difference| {
            difference.what == covered::COO
                || TreePath::from_text(&difference.what)
                    .is_ok_and(|path| governed::is_of_the_binary(&path))
        };
        let (coo, mut others): (Vec<_>, Vec<_>) = self
            .differences
            .iter()
            .partition(|difference| is_of_coo(difference));
        if others.is_empty() {
            return anyhow!(
                "state root {shown}: was frozen by another coo (version {}; this one has version \
                 {} and another executable, freeze {number})",
                self.row.manifest.version,
                env!("CARGO_PKG_VERSION")
            )
            .hint(
                "use that one, or, if the change is intended, run 'coo freeze lift', \
                 'coo manifests write' and 'coo freeze'",
            );
        }
        others.extend(coo);
        let (named, more) = others.split_at(others.len().min(NAMED_MAX));
        let mut named: Vec<String> = named
            .iter()
            .map(|difference| format!("{} ({})", difference.what, difference.change))
            .collect();
        if !more.is_empty() {
            named.push(format!("{} more", more.len()));
        }
        anyhow!(
            "state root {shown}: was changed since freeze {number}: {}",
            named.join(", ")
        )
        .hint("'coo freeze status' lists all differences")
    }
}

/// Why a root cannot be frozen yet.
#[derive(Debug)]
pub enum Unready {
    /// It is frozen already.
    Frozen(Box<FreezeRow>),
    /// The manifests are out of date.
    Manifests(Vec<Drift>),
    /// Another process reads this database.
    Reader(&'static str),
}

/// Returns whether a freeze was begun or is being lifted, and is not finished.
pub fn is_pending(store: &Store) -> Result<bool> {
    let phase = store.open_freeze()?.map(|row| row.phase);
    Ok(matches!(phase, Some(Phase::Freezing | Phase::Lifting)))
}

/// Finishes a freeze or its lifting. The caller is the only writer of `root`. Returns a line for
/// the user if something was finished.
pub fn recover(root: &StateRoot, store: &mut Store) -> Result<Option<String>> {
    let Some(row) = store.open_freeze()? else {
        return Ok(None);
    };
    match row.phase {
        Phase::Freezing => put_in_place(root, store, &row)?,
        Phase::Lifting => take_away(root, store, &row)?,
        Phase::Frozen | Phase::Lifted => return Ok(None),
    }
    Ok(Some(match row.phase {
        Phase::Freezing => format!("finished freeze {}", row.number),
        _ => format!("finished lifting freeze {}", row.number),
    }))
}

/// Refuses a command whose purpose the freeze forbids, or any but `Purpose::Freeze` if the state
/// differs from the frozen one. Every command calls this.
pub fn guard(root: &StateRoot, store: &Store, purpose: Purpose) -> Result<()> {
    let Some(standing) = look(root, store, true)? else {
        return Ok(());
    };
    let Standing { row, .. } = &standing;
    if purpose == Purpose::Read && standing.differences.is_empty() {
        if let Some(seen) = &standing.fresh {
            seen.note(root, &row.manifest);
        }
        if let Some(stamp) = standing.fresh_coo {
            seen::note_coo(root, &row.manifest, stamp);
        }
    }
    if purpose == Purpose::Freeze {
        return Ok(());
    }
    let shown = root.path().display();
    if !standing.differences.is_empty() {
        bail!(standing.changed(shown));
    }
    if purpose == Purpose::Change {
        bail!(
            anyhow!(
                "state root {shown}: has been frozen since {} by freeze {}, nothing was changed",
                rfc3339(row.frozen_ms),
                row.number
            )
            .hint(way_out(store, row)?)
        );
    }
    Ok(())
}

/// Returns how the user can end a freeze from which nothing differs.
fn way_out(store: &Store, row: &FreezeRow) -> Result<String> {
    // A build without the repository pipeline reads no changes.
    #[cfg(feature = "repository")]
    if let Some(id) = store.change_frozen_by(row.number)? {
        return Ok(format!(
            "it belongs to {id} and ends with that; 'coo pipeline status {id}' shows what it waits for"
        ));
    }
    #[cfg(not(feature = "repository"))]
    let _ = (store, row);
    Ok("'coo freeze lift' lifts the freeze".to_owned())
}

/// Examines the freeze in force, if there is one. Reads everything that it covers.
pub fn examine(root: &StateRoot, store: &Store) -> Result<Option<Standing>> {
    look(root, store, false)
}

/// Examines the freeze. If `trust`, skips the store if its files are as an earlier command saw
/// them.
fn look(root: &StateRoot, store: &Store, trust: bool) -> Result<Option<Standing>> {
    let row = store
        .open_freeze()?
        .filter(|row| row.phase == Phase::Frozen);
    let Some(row) = row else {
        if root.dir().symlink_metadata(FILE).is_ok() && store.open_freeze()?.is_none() {
            bail!(
                anyhow!(
                    "file {}: says that the state root is frozen, but the log of \
                     freezes has no open freeze",
                    root.path().join(FILE).display()
                )
                .hint("if the log was not tampered with, remove the file")
            );
        }
        return Ok(None);
    };
    let mut differences = Vec::new();
    for (file, wanted) in [(FILE, TEXT), (MANIFEST, row.manifest.to_text().as_str())] {
        let change = match root.read_bounded(file, BYTES_MAX) {
            Ok(found) if found == wanted.as_bytes() => continue,
            Ok(_) => "other content",
            Err(_) => "missing",
        };
        differences.push(Difference {
            change,
            what: file.to_owned(),
        });
    }
    differences.extend(locked::differences(root, &row.manifest, &differences));
    let found = found(root, store)?;
    let seen = Seen::now(root, &row.manifest);
    let is_known = trust && seen.is_known(root);
    let journal = if is_known {
        row.manifest.journal.clone()
    } else {
        store.journal_digests()?
    };
    differences.extend(row.manifest.differences(&found, &journal));
    if let Some(covered) = &row.manifest.covered {
        differences.extend(covered.differences_of_modules(&modules(root)?));
        if !is_known {
            differences.extend(store.differences_of_tables(&covered.store)?);
        }
    }
    differences.extend(covered::reports(root, store, &row.manifest)?);
    let mut fresh_coo = None;
    match covered::coo(root, &row.manifest, trust) {
        Compared::Known => {}
        Compared::Equal(stamp) => fresh_coo = stamp,
        Compared::Differs(difference) => differences.push(difference),
    }
    Ok(Some(Standing {
        row,
        differences,
        fresh: (!is_known).then_some(seen),
        fresh_coo,
    }))
}

/// Reads every module, as a tree.
fn modules(root: &StateRoot) -> Result<Vec<TreeEntry>> {
    Tree::of_modules(root)?.entries(|_, _| true, &Progress::new(None))
}

/// Reads the state without the manifest that a freeze itself writes.
fn found(root: &StateRoot, store: &Store) -> Result<Vec<TreeEntry>> {
    let mut found = baselines::found_state(root, store, &Progress::new(None))?;
    found.retain(|entry| entry.path.text() != MANIFEST);
    Ok(found)
}

/// Freezes `root`. The caller is its only writer and has finished all committed intents; the
/// manifests must agree with the machine, `config` and `environment`. `by` says who asked for the
/// freeze, or what it is for.
pub fn activate(
    root: &StateRoot,
    store: &mut Store,
    config: &Config,
    environment: &Environment,
    by: &str,
) -> Result<Result<FreezeRow, Unready>> {
    if let Some(row) = store.open_freeze()? {
        return Ok(Err(Unready::Frozen(Box::new(row))));
    }
    let drifts = manifests::check(root, config, environment)?;
    if !drifts.is_empty() {
        return Ok(Err(Unready::Manifests(drifts)));
    }
    if !store.checkpoint()? {
        return Ok(Err(Unready::Reader(layout::STORE)));
    }
    if !dump::checkpoint(root.path())? {
        return Ok(Err(Unready::Reader(layout::WORLD)));
    }
    let state = baseline::Manifest::new(found(root, store)?)?;
    governed::State::of(&state).context("the present state")?;
    let covered = Covered {
        coo_stamp: None,
        locked: locked::mode_of_world(root)?,
        modules: baseline::Manifest::new(modules(root)?)?,
        store: store.covered()?,
    };
    let manifest = FreezeManifest {
        covered: Some(covered),
        journal: store.journal_digests()?,
        state,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    // Reports what cannot be locked now, before there is a committed intent to finish.
    baselines::check_modes(root, manifest.locked())?;
    let mut others = locked::entries(&manifest)?;
    // The two files that a freeze itself writes do not exist yet.
    others.retain(|entry| ![FILE, MANIFEST].contains(&entry.path.text().as_str()));
    baselines::check_modes(root, others.iter())?;
    store.promise_freeze(&manifest, by, machine::now_unix_ms())?;
    store.commit(Durability::Power)?;
    let row = store
        .open_freeze()?
        .context("freeze: missing after it was committed")?;
    put_in_place(root, store, &row).with_context(|| {
        format!(
            "freeze {}: is begun and will be finished by the next coo command",
            row.number
        )
    })?;
    // Moves the writes of the freeze into the database. If a reader prevents that, they stay in the
    // log.
    store.checkpoint()?;
    Ok(Ok(row))
}

fn put_in_place(root: &StateRoot, store: &mut Store, row: &FreezeRow) -> Result<()> {
    for (file, text) in [(MANIFEST, row.manifest.to_text().as_str()), (FILE, TEXT)] {
        // If the file is complete already, its folder may be locked.
        if root.read_bounded(file, BYTES_MAX).ok().as_deref() != Some(text.as_bytes()) {
            root.write_new(file, text.as_bytes())?;
        }
    }
    // Innermost first. A locked folder still allows changing the modes of its entries.
    baselines::set_modes(root, row.manifest.locked().rev(), lock)?;
    baselines::set_modes(root, locked::entries(&row.manifest)?.iter(), lock)?;
    store.freeze_holds(row.number)?;
    store.commit(Durability::Power)
}

/// Lifts a freeze that is in force. The caller is the only writer of `root`.
pub fn lift(root: &StateRoot, store: &mut Store, row: &FreezeRow) -> Result<()> {
    store.give_freeze_up(row.number, machine::now_unix_ms())?;
    store.commit(Durability::Power)?;
    finish_lifting(root, store, row)
}

/// Finishes lifting a freeze after the store has recorded that it is being lifted.
pub fn finish_lifting(root: &StateRoot, store: &mut Store, row: &FreezeRow) -> Result<()> {
    take_away(root, store, row).with_context(|| {
        format!(
            "freeze {}: is being lifted, which the next coo command will finish",
            row.number
        )
    })
}

fn take_away(root: &StateRoot, store: &mut Store, row: &FreezeRow) -> Result<()> {
    baselines::set_modes(root, row.manifest.locked(), |mode| mode)?;
    // The manifest stays: baselines that were made meanwhile contain it.
    let locked = locked::entries(&row.manifest)?;
    baselines::set_modes(root, locked.iter(), |mode| mode)?;
    root.remove(FILE)?;
    store.freeze_is_over(row.number)?;
    store.commit(Durability::Power)
}
