//! A run's end state becomes a baseline. Which run that can be is the kernel's to say
//! (`lineage`); this reads what decides it.

use anyhow::{Context as _, Result, bail};
use coo_kernel::digest::Digest;
use coo_kernel::governed;
use coo_kernel::lineage::{self, Ended, Part, Run, WorldFrom};
use coo_kernel::state::State;

use super::capture::Captured;
use super::manifest;
use super::progress::Progress;
use super::state::{self, Reason};
use crate::gateway;
use crate::history;
use crate::state_root::StateRoot;
use crate::store::{MissionRow, Store};
use crate::world::{self, dump};

/// Makes a baseline of the state, if it still is what `mission` left, and calls it `name` or
/// the next number. One that somebody edited since is taken only if `may_be_edited`, and its
/// lineage says so. The caller alone writes to `root`.
pub fn promote(
    root: &StateRoot,
    store: &Store,
    mission: &MissionRow,
    name: Option<&str>,
    may_be_edited: bool,
    progress: &Progress<'_>,
) -> Result<Captured> {
    let id = mission.id;
    let (events, chain) = history::walk(store, id, |_| Ok(()))?;
    let mut committed = store.committed()?;
    let own = committed.iter().position(|other| other.id == id);
    let commit = own.and_then(|own| committed.remove(own).commit);
    let run = Ended {
        id,
        is_complete: events.state() == Some(State::Complete),
        finished_ms: mission.finished_ms.unwrap_or(mission.created_ms),
        commit,
    };
    lineage::is_end_state(&run, &committed, &store.rollbacks()?)?;
    let drifts = gateway::check(root, store)?;
    if let Some(first) = drifts.first()
        && !may_be_edited
    {
        bail!(
            "mission {id}: the state is not what it left, {} differences in artefacts/, the first at '{}'; 'coo artefacts check' names them, --repair takes them back, and --edited promotes it so",
            drifts.len(),
            first.path()
        );
    }
    let mut compared = lineage::compare(
        id,
        &[
            Part {
                name: governed::CONFIG,
                now: Some(Digest::of(root.config()?.to_text())),
                left: mission.facts.config_sha256,
            },
            Part {
                name: world::FILE,
                now: Some(dump::digest_and_size(&root.path().join(world::FILE))?.0),
                left: world_left(root, store)?,
            },
        ],
        may_be_edited,
    )?;
    if !drifts.is_empty() {
        compared.edited.insert(0, gateway::FOLDER.to_owned());
    }
    let run = Run {
        chain_head: chain.head(),
        compared: Some(compared),
        mission: id,
    };
    state::create(root, store, name, Reason::Promoted(run), progress)
        .with_context(|| format!("mission {id}"))
}

/// Digest of the world that the last mission or rollback has left, if it was written down.
fn world_left(root: &StateRoot, store: &Store) -> Result<Option<Digest>> {
    let log = store.rollbacks()?;
    let changed = store.last_world_change()?;
    match lineage::world_from(changed.map(|(commit, _)| commit), &log) {
        WorldFrom::Nothing => dump::digest_of_nothing().map(Some),
        WorldFrom::Mission => Ok(changed.and_then(|(_, digest)| digest)),
        WorldFrom::Rollback(request) => {
            let manifest = manifest(root, &request.to.baseline)?;
            Ok(Some(governed::State::of(&manifest)?.world.0))
        }
    }
}
