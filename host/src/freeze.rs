//! Freezes of a state root: promised in `coo.db`, put in place, checked by every command that
//! opens the root, and lifted. Every step after the promise can be done again, and the next
//! command does those that are left. Decides nothing about the state: the kernel compares.

use anyhow::{Context as _, Result, bail};
use coo_kernel::baseline::{self, Entry, NOT_READ, Node, TreePath};
use coo_kernel::freeze::{Difference, FILE, MANIFEST, MANIFEST_MODE, Manifest, Phase, TEXT, lock};
use coo_kernel::governed;

use crate::amu0::{self, Progress};
use crate::machine::{self, rfc3339};
use crate::manifests::{self, Drift};
use crate::session::Session;
use crate::state_root::StateRoot;
use crate::store::{Durability, FreezeRow, Store};
use crate::world::{self, dump};

/// Of the two small files; the manifest names every artefact.
const BYTES_MAX: u64 = 1 << 30;
/// So many differences are named in an error; `coo freeze status` names all.
const NAMED_MAX: usize = 3;

/// What a command is about to do with a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Look at it.
    Read,
    /// Add to it what is not governed: baselines, and what a tree elsewhere is restored from.
    Keep,
    /// Change it.
    Change,
    /// See how its freeze stands, or lift it.
    Freeze,
}

/// A freeze that is in force.
#[derive(Debug)]
pub struct Standing {
    /// As the log has it.
    pub row: FreezeRow,
    /// In which way the state is not what was frozen.
    pub differences: Vec<Difference>,
}

/// Why a root can't be frozen yet.
#[derive(Debug)]
pub enum Unready {
    /// It is frozen.
    Frozen(Box<FreezeRow>),
    /// The manifests are not what is so now.
    Manifests(Vec<Drift>),
    /// Somebody reads one of the databases.
    Reader(&'static str),
}

/// Whether files of a freeze are still to be put in place, or to be removed.
pub fn is_pending(store: &Store) -> Result<bool> {
    let phase = store.open_freeze()?.map(|row| row.phase);
    Ok(matches!(phase, Some(Phase::Freezing | Phase::Lifting)))
}

/// Does what is left of a freeze, or of its end. The caller alone writes to `root`.
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

/// Whether a command with this purpose may go on. Every command asks.
pub fn guard(root: &StateRoot, store: &Store, purpose: Purpose) -> Result<()> {
    let Some(standing) = examine(root, store)? else {
        return Ok(());
    };
    if purpose == Purpose::Freeze {
        return Ok(());
    }
    let shown = root.path().display();
    let row = &standing.row;
    if !standing.differences.is_empty() {
        let (named, more) = standing
            .differences
            .split_at(standing.differences.len().min(NAMED_MAX));
        let mut named: Vec<String> = named
            .iter()
            .map(|difference| format!("{} ({})", difference.what, difference.change))
            .collect();
        if !more.is_empty() {
            named.push(format!("{} more", more.len()));
        }
        bail!(
            "state root {shown}: was changed since freeze {}: {}; 'coo freeze status' names all",
            row.number,
            named.join(", ")
        );
    }
    if purpose == Purpose::Change {
        bail!(
            "state root {shown}: is frozen since {} by freeze {}, nothing was changed; 'coo freeze lift' lifts it",
            rfc3339(row.frozen_ms),
            row.number
        );
    }
    Ok(())
}

/// How the freeze in force stands, if there is one. Reads everything that is governed.
pub fn examine(root: &StateRoot, store: &Store) -> Result<Option<Standing>> {
    let row = store
        .open_freeze()?
        .filter(|row| row.phase == Phase::Frozen);
    let Some(row) = row else {
        if root.dir().symlink_metadata(FILE).is_ok() && store.open_freeze()?.is_none() {
            bail!(
                "file {}: says that the state root is frozen, and its log of freezes has none; if nobody tampered with that, remove the file",
                root.path().join(FILE).display()
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
    let found = found(root, store)?;
    differences.extend(row.manifest.differences(&found, &store.journal_digests()?));
    Ok(Some(Standing { row, differences }))
}

/// The state, without what a freeze itself writes.
fn found(root: &StateRoot, store: &Store) -> Result<Vec<Entry>> {
    let mut found = amu0::found_state(root, store, &Progress::new(None))?;
    found.retain(|entry| entry.path.text() != MANIFEST);
    Ok(found)
}

/// Freezes the root of `session`, which alone writes to it and has finished what was promised;
/// `by` is who or what for.
pub fn activate(session: &mut Session, by: &str) -> Result<Result<FreezeRow, Unready>> {
    let Session { root, store, .. } = session;
    if let Some(row) = store.open_freeze()? {
        return Ok(Err(Unready::Frozen(Box::new(row))));
    }
    let drifts = manifests::check(root, &session.config, &session.surroundings)?;
    if !drifts.is_empty() {
        return Ok(Err(Unready::Manifests(drifts)));
    }
    if !store.checkpoint()? {
        return Ok(Err(Unready::Reader(crate::store::FILE)));
    }
    if !dump::checkpoint(root.path())? {
        return Ok(Err(Unready::Reader(world::FILE)));
    }
    let state = baseline::Manifest::new(found(root, store)?)?;
    governed::State::of(&state).context("the present state")?;
    let manifest = Manifest {
        journal: store.journal_digests()?,
        state,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    // What could not be locked is told now, while there is nothing to finish.
    amu0::check_modes(root, manifest.locked())?;
    store.promise_freeze(&manifest, by, machine::now_unix_ms())?;
    store.commit(Durability::Power)?;
    let row = store
        .open_freeze()?
        .context("freeze: gone after it was promised")?;
    put_in_place(root, store, &row).with_context(|| {
        format!(
            "freeze {}: is begun and will be finished by the next coo command",
            row.number
        )
    })?;
    // What was written since; whoever reads now finds it in the log.
    store.checkpoint()?;
    Ok(Ok(row))
}

fn put_in_place(root: &StateRoot, store: &mut Store, row: &FreezeRow) -> Result<()> {
    for (file, text) in [(MANIFEST, row.manifest.to_text().as_str()), (FILE, TEXT)] {
        // Where it is there already, its folder may be locked.
        if root.read_bounded(file, BYTES_MAX).ok().as_deref() != Some(text.as_bytes()) {
            root.write_new(file, text.as_bytes())?;
        }
    }
    // The innermost first: a locked folder does not forbid to change what is in it, only names.
    amu0::set_modes(root, row.manifest.locked().rev(), lock)?;
    amu0::set_modes(root, [own()?].iter(), lock)?;
    store.freeze_holds(row.number)?;
    store.commit(Durability::Power)
}

/// The manifest's own file.
fn own() -> Result<Entry> {
    Ok(Entry {
        path: TreePath::from_text(MANIFEST)?,
        node: Node::File {
            mode: MANIFEST_MODE,
            sha256: NOT_READ,
            size: 0,
        },
    })
}

/// Lifts a freeze that is in force. The caller alone writes to `root`.
pub fn lift(root: &StateRoot, store: &mut Store, row: &FreezeRow) -> Result<()> {
    store.give_freeze_up(row.number, machine::now_unix_ms())?;
    store.commit(Durability::Power)?;
    take_away(root, store, row).with_context(|| {
        format!(
            "freeze {}: is being lifted, which the next coo command will finish",
            row.number
        )
    })
}

fn take_away(root: &StateRoot, store: &mut Store, row: &FreezeRow) -> Result<()> {
    amu0::set_modes(root, row.manifest.locked(), |mode| mode)?;
    // The manifest stays: baselines that were made meanwhile have it.
    amu0::set_modes(root, [own()?].iter(), |mode| mode)?;
    root.remove(FILE)?;
    store.freeze_is_over(row.number)?;
    store.commit(Durability::Power)
}
